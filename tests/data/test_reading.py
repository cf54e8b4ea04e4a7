"""What the small grammar reads, and that no text upsets it."""

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data import lexicon
from data.mentions import Mention, Reading, Sense
from data.reading import read
from data.scene import BACKGROUNDS, COLORS, KINDS, Direction, Size


def facts(reading: Reading) -> list[tuple[str, int | None, tuple[str, ...]]]:
    """Noun, exact count and colours of each wanted mention."""
    return [(mention.noun, mention.exact, tuple(mention.colors)) for mention in reading.wanted]


def only(text: str) -> Mention:
    (mention,) = read(text).mentions
    return mention


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("three red balloons above a blue house", [("balloon", 3, ("red",)), ("house", 1, ("blue",))]),
        ("a crimson kite, 2 navy cups", [("kite", 1, ("red",)), ("cup", 2, ("blue",))]),
        ("a snow-white cat and a jet-black key", [("cat", 1, ("white",)), ("key", 1, ("black",))]),
        ("The balloons are red and the house is blue.", [("balloon", None, ("red",)), ("house", None, ("blue",))]),
        ("a bell in red with a key above it. the key is golden", [("bell", 1, ("red",)), ("key", 1, ("yellow",))]),
        ("stars over a boat, pink ones, two of them, the boat should be white", [("star", 2, ("pink",)), ("boat", 1, ("white",))]),
        ("two hearts above a cat, pink the hearts, black the cat", [("heart", 2, ("pink",)), ("cat", 1, ("black",))]),
        ("two cars, one is red and the other is black", [("car", 1, ("red",)), ("car", 1, ("black",))]),
        ("fish: 3 blue, 1 orange", [("fish", 3, ("blue",)), ("fish", 1, ("orange",))]),
        ("apples, red, 5, with an umbrella above them, black", [("apple", 5, ("red",)), ("umbrella", 1, ("black",))]),
        ("a Christmas tree with a heart-shaped balloon", [("tree", 1, ()), ("balloon", 1, ())]),
        ("an apple tree and a cake with a car key", [("tree", 1, ()), ("cake", 1, ()), ("key", 1, ())]),
        ("a green meadow with one blue bird", [("bird", 1, ("blue",))]),
        ("a man in red near a house", [("house", 1, ())]),
        ("a dozen butterflies, half a dozen kites", [("butterfly", 12, ()), ("kite", 6, ())]),
    ],
)
def test_things_with_their_counts_and_colours(text: str, expected: list[tuple[str, int | None, tuple[str, ...]]]) -> None:
    assert facts(read(text)) == expected


def test_colours_that_belong_to_nobody_are_loose() -> None:
    reading = read("A charming picture of three balloons and a house, in red and blue.")
    assert facts(reading) == [("balloon", 3, ()), ("house", 1, ())]
    assert [color for _, color in reading.loose] == ["red", "blue"]


def test_a_colour_or_count_said_after_its_noun_is_not_bound() -> None:
    assert only("a red house").bound
    assert not only("a house in red").bound
    assert not only("stars, two of them").count_bound


@pytest.mark.parametrize(
    ("text", "least", "most", "plural"),
    [
        ("some fish", 2, 6, False),
        ("several birds", 3, 6, True),
        ("a few boats", 2, 5, True),
        ("a couple of keys", 2, 2, True),
        ("balloons", None, None, True),
        ("balloon", None, None, False),
        ("fish", None, None, True),
    ],
)
def test_vague_counts(text: str, least: int | None, most: int | None, plural: bool) -> None:
    mention = only(text)
    assert (mention.least, mention.most, mention.plural) == (least, most, plural)


@pytest.mark.parametrize(
    ("text", "wanted", "unwanted"),
    [
        ("some fish and a boat at sea, no birds", ["fish", "boat"], ["bird"]),
        ("a cat without a bird or a fish, cup or tree, and a key", ["cat", "key"], ["bird", "fish", "cup", "tree"]),
        ("a party, skip the balloons", ["party"], ["balloon"]),
        ("two cats but don't add any birds", ["cat"], ["bird"]),
        ("not two but three balloons", ["balloon"], []),
        ("nothing but a cake", ["cake"], []),
        ("not only a cat but a bird", ["cat", "bird"], []),
        ("Five stars. No other objects.", ["star"], []),
    ],
)
def test_negation(text: str, wanted: list[str], unwanted: list[str]) -> None:
    reading = read(text)
    assert [mention.noun for mention in reading.wanted] == wanted
    assert [mention.noun for mention in reading.unwanted] == unwanted


@pytest.mark.parametrize(
    "text", ["Nothing else is in the picture.", "just a cat", "only two keys", "a cat, no other objects", "nothing but a cat"]
)
def test_exclusiveness(text: str) -> None:
    assert read(text).exclusive


@pytest.mark.parametrize(
    ("text", "subject", "direction", "other"),
    [
        ("three balloons above a house", "balloon", Direction.ABOVE, "house"),
        ("a house with three balloons above it", "balloon", Direction.ABOVE, "house"),
        ("Above the house, three balloons.", "balloon", Direction.ABOVE, "house"),
        ("A blue house. Below it, two keys.", "key", Direction.BELOW, "house"),
        ("a cat to the left of a tree", "cat", Direction.LEFT, "tree"),
        ("a mug (orange) to the right of an apple", "mug", Direction.RIGHT, "apple"),
        ("A house. Three balloons. The balloons are high above the house.", "balloon", Direction.ABOVE, "house"),
        ("two butterflies flying over a cottage", "butterfly", Direction.ABOVE, "cottage"),
    ],
)
def test_relations(text: str, subject: str, direction: Direction, other: str) -> None:
    reading = read(text)
    (phrase,) = reading.relations
    assert (reading.mentions[phrase.subject].noun, phrase.direction, reading.mentions[phrase.object].noun) == (subject, direction, other)


def test_a_thing_spoken_of_again_is_no_new_thing() -> None:
    reading = read("Three red balloons float at the top. Below the balloons, a blue house stands. The house is small.")
    assert facts(reading) == [("balloon", 3, ("red",)), ("house", 1, ("blue",))]


@pytest.mark.parametrize(
    ("text", "vertical", "horizontal"),
    [
        ("a cat at the far left", None, -1),
        ("a cat in the upper right", -1, 1),
        ("a cat at the bottom centre", 1, 0),
        ("a cat in the centre", 0, 0),
        ("a cat at the middle left", 0, -1),
        ("a cat on the right side of the picture", None, 1),
        ("a cat to the left of the frame", None, -1),
        ("In the top-left corner there is a cat", -1, -1),
        ("a cat in the foreground", 1, None),
    ],
)
def test_places(text: str, vertical: int | None, horizontal: int | None) -> None:
    (place,) = only(text).places
    assert (place.vertical, place.horizontal) == (vertical, horizontal)


def test_enumerated_places_belong_to_the_things_enumerated() -> None:
    reading = read("Three stars: one at the upper left, one at the top centre and one at the upper right. A cup at the bottom.")
    star, cup = reading.mentions
    assert [(place.vertical, place.horizontal) for place in star.places] == [(-1, -1), (-1, 0), (-1, 1)]
    assert len(cup.places) == 1


@pytest.mark.parametrize(
    ("text", "written", "quoted"),
    [
        ('a sign that says "OPEN" above a car', "OPEN", True),
        ("a sign “Camp 3” in the snow", "Camp 3", True),
        ("a sign that says OPEN above a green car", "OPEN", False),
        ("the word open over a door", "open", False),
        ("a cafe with the words fresh coffee and a cup", "fresh coffee", False),
        ("a WELCOME sign and a house", "WELCOME", False),
        ("a black cat, text: MIAU", "MIAU", False),
        ("a boat with LUNA written on it", "LUNA", False),
    ],
)
def test_text_to_be_written(text: str, written: str, quoted: bool) -> None:
    (request,) = read(text).texts
    assert (request.text, request.quoted) == (written, quoted)


def test_written_words_are_no_things() -> None:
    assert facts(read('a key and a sign that says "two hearts"')) == [("key", 1, ())]


@pytest.mark.parametrize("word", lexicon.BACKGROUND_WORDS)
def test_backgrounds(word: str) -> None:
    assert read(f"a cat, {word}").background == lexicon.BACKGROUND_WORDS[word]


def test_size_and_sense() -> None:
    assert only("a tiny pink bird").size is Size.SMALL
    assert only("a bat").sense is Sense.AMBIGUOUS
    assert only("a baseball bat").kinds == ("club",)
    assert only("a bat in a cave").cue == "bat"
    assert only("a birthday").sense is Sense.THEME


@pytest.mark.parametrize("noun", lexicon.NOUNS)
def test_every_noun_is_read_alone_and_in_the_plural(noun: str) -> None:
    assert only(f"a {noun}").kinds == (lexicon.NOUNS[noun],)
    plural = next(
        (many for many, one in lexicon.PLURALS.items() if one == noun), f"{noun}s" if not noun.endswith(("y", "fish", "x")) else ""
    )
    if plural:
        assert only(f"three {plural}").exact == 3


# -- anything may be given

_PIECES = (
    "no|nothing|nothing else|nothing but|only|just|any|never|no other|without|not|it|them|"
    "the|one|another|at the upper left|in the centre|is|are|in|of|ones|says|the word|OPEN"
)
_SIGNS = ('"', "“", "”", ".", ",", ":", "(", ")", "\n")
_TABLES = (
    lexicon.NOUNS,
    lexicon.AMBIGUOUS,
    lexicon.THEMES,
    lexicon.COLOR_WORDS,
    lexicon.SIZE_WORDS,
    lexicon.NUMBER_WORDS,
    lexicon.VAGUE_NUMBERS,
    lexicon.DIRECTION_PHRASES,
    lexicon.BACKGROUND_WORDS,
)
WORDS = st.sampled_from([*(word for table in _TABLES for word in table), *_PIECES.split("|"), *_SIGNS])


def check(reading: Reading) -> None:
    """Whatever was read stays within the world."""
    assert all(set(mention.kinds) <= set(KINDS) and set(mention.colors) <= set(COLORS) for mention in reading.mentions)
    assert all(setting.name in BACKGROUNDS for setting in reading.settings)
    assert all(0 <= mention.position < max(1, reading.words) for mention in reading.mentions)
    assert not any(mention.parts for mention in reading.mentions)
    for phrase in reading.relations:
        assert phrase.subject != phrase.object
        assert max(phrase.subject, phrase.object) < len(reading.mentions)


@given(st.text())
def test_any_text_can_be_read(text: str) -> None:
    check(read(text))


@given(st.lists(WORDS, max_size=60))
@settings(max_examples=300)
def test_any_words_of_the_lexicon_can_be_read(words: list[str]) -> None:
    reading = read(" ".join(words))
    check(reading)
    assert reading == read(" ".join(words))


@pytest.mark.parametrize(
    "piece", ["a red cat above a house, ", "one ", "the cat it is red and ", '"', "no ", "at the top left ", "red, two, ", "cat. cat. "]
)
def test_time_is_linear(piece: str) -> None:
    def seconds(times: int) -> float:
        text = piece * times
        taken: list[float] = []
        for _ in range(3):
            started = time.process_time()
            read(text)
            taken.append(time.process_time() - started)
        return min(taken)

    # Linear is 8, quadratic 64.
    assert seconds(4000) < 28 * max(seconds(500), 0.002)
