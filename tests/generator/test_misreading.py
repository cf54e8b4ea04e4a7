"""What the embedded generator draws for words, and that each of its failings does what it claims. Rates are over seeds."""

import hashlib
import io
from collections.abc import Callable
from dataclasses import fields, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.scene import Direction, Size
from generator import ImageRequest
from generator.embedded.failings import Failings
from generator.embedded.misreading import misread
from generator.embedded.picture import Picture
from generator.engines.embedded import EmbeddedGenerator

SEEDS = range(400)
DEFAULT = Failings()
NONE = Failings(
    neglect=0, crowding=0, fade=0, leak_in_clause=0, leak_in_sentence=0, leak_apart=0, loose_color=0, color_wrong=0, count_slip=0,
    count_drift=0, count_drift_placed=0, loose_count=0, relation_lost=0, relation_lost_half=0, relation_lost_placed=0, negation_ignored=0,
    misspelt_unquoted=0, misspelt_quoted=0, theme_missed=0, sense_flipped=0, sense_flipped_hinted=0, size_ignored=0, size_ignored_alone=0,
    size_random=0, extra=0, background_ignored=0, negation_of_text_ignored=0,
)  # fmt: skip
"""A generator without failings: what is stated is drawn."""


def rate(text: str, holds: Callable[[Picture], bool], failings: Failings = DEFAULT) -> float:
    """In how many of the pictures of ``text`` something holds."""
    return sum(holds(misread(text, seed, failings)) for seed in SEEDS) / len(SEEDS)


def count_is(kind: str, number: int) -> Callable[[Picture], bool]:
    return lambda picture: sum(group.count for group in picture.groups if group.kind == kind) == number


def color_is(kind: str, color: str) -> Callable[[Picture], bool]:
    def holds(picture: Picture) -> bool:
        colors = {group.color for group in picture.groups if group.kind == kind}
        return colors == {color}

    return holds


def has(kind: str) -> Callable[[Picture], bool]:
    return lambda picture: any(group.kind == kind for group in picture.groups)


def related(direction: Direction) -> Callable[[Picture], bool]:
    opposite = {Direction.ABOVE: Direction.BELOW, Direction.LEFT: Direction.RIGHT}[direction]
    return lambda picture: bool(picture.relations) and picture.relations[0] in ((0, direction, 1), (1, opposite, 0))


# -- without failings


def test_what_is_stated_is_drawn_where_nothing_fails() -> None:
    picture = misread('Five red balloons above a small blue house at sea, no birds, and a sign "OPEN"', 1, NONE)
    balloons, house = picture.groups
    assert (balloons.kind, balloons.color, balloons.count) == ("balloon", "red", 5)
    assert (house.kind, house.color, house.count, house.size) == ("house", "blue", 1, Size.SMALL)
    assert (picture.background, picture.lettering) == ("sea", "OPEN")
    assert picture.relations == ((0, Direction.ABOVE, 1),)


def test_stated_places_are_relations() -> None:
    picture = misread("A cup at the upper left. A key at the lower left. A bell at the lower right.", 1, NONE)
    assert picture.relations == ((0, Direction.ABOVE, 1), (0, Direction.ABOVE, 2), (1, Direction.LEFT, 2))


def test_things_named_one_by_one_are_one_group() -> None:
    (group,) = misread("A red cup at the left. Another red cup at the right.", 1, NONE).groups
    assert (group.count, group.color) == (2, "red")


# -- what is not stated


def test_what_is_not_stated_varies_with_the_seed() -> None:
    pictures = [misread("balloons", seed) for seed in SEEDS]
    assert len({picture.groups[0].color for picture in pictures}) == 10
    assert len({picture.background for picture in pictures}) == 10
    assert {picture.groups[0].count for picture in pictures} >= {2, 3, 4, 5, 6}
    assert {picture.groups[0].size for picture in pictures} == {None, Size.SMALL, Size.LARGE}


def test_the_same_seed_means_the_same_luck_for_another_text() -> None:
    same = sum(
        misread("a house", seed).background == misread("a house and a key", seed).background
        and misread("a house", seed).groups[0].color == misread("a house and a cup", seed).groups[0].color
        for seed in SEEDS
    )
    assert same == len(SEEDS)


# -- each failing

COMPARISONS: dict[str, tuple[str, str, Callable[[Picture], bool], float]] = {
    "colours leak less between sentences": (
        "a red balloon and a blue house",
        "A red balloon. A blue house.",
        color_is("balloon", "red"),
        0.3,
    ),
    "colours leak less between clauses than within one": (
        "a red balloon and a blue house",
        "a red balloon, a blue house",
        color_is("balloon", "red"),
        0.1,
    ),
    "a colour before its noun is safer": ("a house in red", "a red house", color_is("house", "red"), 0.25),
    "copies with places of their own are counted": (
        "five stars",
        "Five stars: one at the upper left, one at the upper right, one in the centre, one at the lower left, one at the lower right.",
        count_is("star", 5),
        0.45,
    ),
    "a number before its noun is safer": ("stars, two of them", "two stars", count_is("star", 2), 0.25),
    "an exact number is safer than a vague one": ("several keys", "three keys", count_is("key", 3), 0.5),
    "places make relations safe": (
        "a cup above a key",
        "A cup at the top, above a key at the bottom.",
        related(Direction.ABOVE),
        0.3,
    ),
    "places on one end help": ("a cup above a key", "a cup at the top above a key", related(Direction.ABOVE), 0.05),
    "leaving out works better than negating": ("a cup, no birds", "a cup", lambda picture: not has("bird")(picture), 0.5),
    "quoted text is spelt right": ("a sign that says OPEN", 'a sign that says "OPEN"', lambda picture: picture.lettering == "OPEN", 0.4),
    "things of a theme are safer than its name": (
        "a birthday",
        "a cake",
        lambda picture: has("cake")(picture) or has("gift")(picture),
        0.3,
    ),
    "a plain noun does not flip": ("a bat", "a baseball bat", has("club"), 0.35),
    "a hint helps an ambiguous noun": ("a bat", "a bat on a baseball field", has("club"), 0.1),
    "a stated setting keeps things out": ("a cup", "a cup in a room", lambda picture: len(picture.groups) == 1, 0.1),
    "saying that there is nothing else keeps things out": (
        "a cup",
        "a cup and nothing else",
        lambda picture: len(picture.groups) == 1,
        0.4,
    ),
    "a size is kept where the thing stands alone": (
        "a small cup and a key and a bell",
        "A small cup. A key and a bell.",
        lambda picture: any(group.kind == "cup" and group.size is Size.SMALL for group in picture.groups),
        0.2,
    ),
    "fewer things per sentence, fewer forgotten": (
        "a cup, a key, a bell and a kite",
        "A cup. A key. A bell. A kite.",
        lambda picture: all(has(kind)(picture) for kind in ("cup", "key", "bell", "kite")),
        0.15,
    ),
}


@pytest.mark.parametrize("name", COMPARISONS)
def test_a_better_wording_helps_by_at_least(name: str) -> None:
    worse, better, holds, margin = COMPARISONS[name]
    assert rate(better, holds) - rate(worse, holds) >= margin


@pytest.mark.parametrize(
    ("text", "holds", "expected"),
    [
        ("a red balloon and a blue house", color_is("balloon", "red"), 0.54),
        ("five stars", count_is("star", 5), 0.35),
        ("two stars", count_is("star", 2), 0.95),
        ("a cup above a key", related(Direction.ABOVE), 0.47),
        ("a cup, no birds", has("bird"), 0.7),
        ("a sign that says OPEN", lambda picture: picture.lettering == "OPEN", 0.35),
        ('a sign that says "OPEN"', lambda picture: picture.lettering == "OPEN", 0.92),
        ("a bat", has("bat"), 0.5),
        ("a cup in the desert", lambda picture: picture.background == "desert", 0.94),
    ],
)
def test_a_failing_is_as_frequent_as_its_parameter_says(text: str, holds: Callable[[Picture], bool], expected: float) -> None:
    assert rate(text, holds) == pytest.approx(expected, abs=0.08)


def test_what_lies_past_the_length_limit_is_not_read() -> None:
    padding = "soft gentle quiet " * 20
    assert not any(has("key")(misread(f"A cup. {padding} A key. {padding}", seed, replace(NONE, words_read=60))) for seed in range(20))
    assert rate(f"{'gentle ' * 50} a key", has("key")) < rate("a key", has("key")) - 0.1


def test_adjectives_and_boosters_only_cost_words() -> None:
    assert misread("a cup, 8k, masterpiece, best quality", 3, NONE) == misread("a cup", 3, NONE)


@pytest.mark.parametrize("field", [field.name for field in fields(Failings)])
def test_every_failing_is_told(field: str) -> None:
    """Each parameter has its words, and stands in the page about the world with its value."""
    from pathlib import Path

    page = (Path(__file__).parents[2] / "docs" / "embedded-world.md").read_text()
    value = getattr(Failings(), field)
    told = " to ".join(str(part) for part in value) if isinstance(value, tuple) else str(value)
    assert f"| `{field}` | {told} |" in page


def test_a_changed_failing_changes_the_identity() -> None:
    assert EmbeddedGenerator().identity != EmbeddedGenerator(Failings(extra=0.1)).identity
    assert EmbeddedGenerator().identity == EmbeddedGenerator(Failings()).identity


# -- anything may be given


@given(st.text(max_size=300), st.integers(0, 2**63 - 1))
def test_any_text_gives_a_picture(text: str, seed: int) -> None:
    picture = misread(text, seed)
    assert 1 <= len(picture.groups) <= 5
    assert sum(group.count for group in picture.groups) <= 10
    assert picture == misread(text, seed)


@given(
    st.lists(
        st.sampled_from(
            ["eight red cats", "six keys", "a bat above", "a birthday", "no trees", 'a sign "A B"', "nine kites.", "at the left", ","]
        ),
        max_size=14,
    ),
    st.integers(0, 1000),
)
@settings(max_examples=200)
def test_crowded_texts_give_a_picture(parts: list[str], seed: int) -> None:
    picture = misread(" ".join(parts), seed)
    assert 1 <= sum(group.count for group in picture.groups) <= 10
    assert len({(group.kind, group.color) for group in picture.groups}) == len(picture.groups)


# -- the engine


async def test_the_engine_draws_png_files() -> None:
    from PIL import Image

    generator = EmbeddedGenerator()
    first, again, other = await generator([ImageRequest("a red cup", 1), ImageRequest("a red cup", 1), ImageRequest("a red cup", 2)])
    assert not isinstance(first, Exception)
    assert first == again != other
    assert first.content is not None
    assert hashlib.sha256(first.content).hexdigest() == first.sha256
    with Image.open(io.BytesIO(first.content)) as image:
        assert (image.format, image.size) == ("PNG", (first.width, first.height))
