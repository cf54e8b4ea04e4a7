"""Which instructions the embedded reasoner recognises, what it writes under each, and that it always writes something."""

import math
import re
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.chat import Chat, Completion
from data.errors import UsageError
from data.mentions import Reading
from data.reading import read
from reasoner.embedded.rules import USEFUL, Rule, recognise
from reasoner.engines.embedded import COMPLIANCE, EmbeddedReasoner, answer, compliance
from reasoner.library import shipped, shipped_names

SEEDS = range(60)


def names(text: str) -> set[str]:
    return {rule.name for rule in recognise(text).rules}


# -- recognising

PHRASINGS: dict[str, list[str]] = {
    "BIND": [
        "Put each colour right before the noun it describes.",
        "Always write the color directly before its object.",
        "Keep attributes next to their nouns.",
        "Tie every colour to its own object: adjective directly before the noun.",
    ],
    "SEPARATE": [
        "Give each object a sentence of its own.",
        "Describe every object in a separate sentence.",
        "Do not merge objects into one clause.",
        "Never combine two things in the same sentence.",
        "Use one sentence per object.",
    ],
    "COUNTS": [
        "State exact counts.",
        "Write numbers as words and keep every number exact.",
        "Replace vague plurals by a definite number.",
        "Never round numbers.",
        "Choose a specific number where the user is vague about quantity.",
    ],
    "PLACES": [
        "Give every object its own position in the frame.",
        "Say where each object is in the picture.",
        "Specify the place of every element: top, bottom, left or right.",
    ],
    "ENUMERATE": [
        "List repeated objects one by one with a place for each.",
        "Give each copy its own place.",
        "If there are several, say where each one of them is.",
    ],
    "RELATIONS": [
        "Repeat spatial relations as absolute positions in the frame.",
        "State relations both relative to the other object and as places in the picture.",
    ],
    "QUOTE": [
        "Put text in quotation marks, exactly as given.",
        "Words to be written in the image stand in double quotes.",
        "Quote all lettering verbatim.",
    ],
    "AFFIRM": [
        "Do not mention what the user does not want.",
        "Avoid negations.",
        "Never name things that should not appear.",
        "Leave out anything unwanted without naming it.",
        "Use only positive statements.",
        "Don't write \"no X\" or \"without X\".",
        "What the user does not want is left unmentioned.",
    ],
    "CONCISE": ["Be concise: keep the prompt short.", "At most 60 words.", "Stay under forty words.", "Limit yourself to 30-50 words."],
    "CONCRETE": ["Turn abstract themes into visible objects.", "If the idea is abstract, name concrete things that show it."],
    "SENSE": ["Disambiguate words with two meanings.", "If a noun is ambiguous, say which meaning is intended."],
    "SETTING": ["State one setting.", "Choose a background if the user gave none.", "Always name the environment of the scene."],
    "ONLY": [
        "Do not add objects.",
        "Don't invent anything: no extra people, no extra objects.",
        "State that nothing else is in the picture.",
        "Show only the requested things.",
    ],
    "FAITHFUL": ["Keep everything the user asked for.", "Put the main subject first.", "Preserve the user's wording and all relations."],
    "STYLE": ["Describe the light and the art style.", "End with a sentence on lighting and mood."],
    "POETIC": ["Write poetically.", "Use rich, atmospheric language.", "Write at least 100 words of vivid prose."],
    "EMBELLISH": ["Add extra details and objects.", "Fill the scene with little things.", "Enrich the scene with decorative elements."],
    "UNWANTED": ["List what to avoid.", "State explicitly what must not appear.", "Add a negative prompt."],
    "ONE_SENTENCE": ["Write one flowing sentence.", "Merge all objects into one sentence.", "Use a single long sentence."],
    "TAGS": ["Write a comma-separated list of keywords.", "Use tags only."],
    "VARY": ["Vary the colours.", "Be creative with colors."],
    "BOOSTERS": ["Add 8k, masterpiece, best quality.", "Finish with quality boosters."],
    "CAMERA": ["Make it photorealistic with a 50mm lens.", "Mention the camera and the aperture."],
}  # fmt: skip


@pytest.mark.parametrize(("rule", "sentence"), [(rule, sentence) for rule, given in PHRASINGS.items() for sentence in given])
def test_a_rule_is_recognised(rule: str, sentence: str) -> None:
    assert rule in names(sentence)


@pytest.mark.parametrize(("rule", "sentence"), [(rule, sentence) for rule, given in PHRASINGS.items() for sentence in given])
def test_a_useful_sentence_means_no_harmful_rule_and_the_reverse(rule: str, sentence: str) -> None:
    useful = {useful.name for useful in USEFUL}
    found = names(sentence)
    assert found <= useful if rule in useful else not found & useful


@pytest.mark.parametrize(
    ("rule", "sentence"),
    [
        ("POETIC", "Avoid poetic, flowery language."),
        ("POETIC", "Write plainly, never lyrically or richly."),
        ("EMBELLISH", "Do not add extra objects."),
        ("EMBELLISH", "Add no objects of your own."),
        ("VARY", "Do not vary the colours."),
        ("BOOSTERS", "Do not use words like 8k or masterpiece."),
        ("CAMERA", "No camera jargon."),
        ("TAGS", "Write sentences rather than a list of keywords."),
        ("ONE_SENTENCE", "Do not merge everything into one sentence."),
        ("UNWANTED", "Never list what must not appear."),
        ("SETTING", "You are an expert."),
        ("CONCISE", "Rewrite the short prompt from the user."),
    ],
)
def test_a_rule_is_not_recognised_where_it_is_forbidden_or_not_meant(rule: str, sentence: str) -> None:
    assert rule not in names(sentence)


def test_what_one_sentence_forbids_another_does_not_ask_for() -> None:
    assert "POETIC" not in names("Write rich, vivid prose. Avoid flowery or poetic language.")


@pytest.mark.parametrize(
    ("text", "limit"),
    [
        ("Use at most 60 words.", 60),
        ("Write 40 to 80 words.", 80),
        ("Stay under fifty words.", 50),
        ("Keep it short.", 60),
        ("Use at least 80 words.", None),
        ("Give exact numbers in words.", None),
        ("One paragraph, at most 120 words. Keep it under 70 words.", 70),
    ],
)
def test_the_length_limit_is_parsed(text: str, limit: int | None) -> None:
    assert recognise(text).limit == limit


def test_compliance_falls_with_rules_and_words() -> None:
    few = recognise("State exact counts.")
    many = recognise(" ".join(sentence for given in PHRASINGS.values() for sentence in given[:1]))
    long = recognise("State exact counts. " + "This is a sentence that says nothing at all. " * 60)
    assert compliance(few) == COMPLIANCE > compliance(many)
    assert COMPLIANCE > compliance(long) >= 0.5


def test_rules_are_followed_as_often_as_compliance_says() -> None:
    followed = sum('"OPEN"' in text for text in texts("Quote text exactly in double quotes.", "a sign that says OPEN", range(400)))
    assert followed / 400 == pytest.approx(COMPLIANCE, abs=0.04)


# -- writing


def texts(system: str, user: str, seeds: range = SEEDS) -> list[str]:
    return [answer(Chat(system, user, seed)).text for seed in seeds]


def share(system: str, user: str, holds: Callable[[str], bool], seeds: range = SEEDS) -> float:
    written = texts(system, user, seeds)
    return sum(holds(text) for text in written) / len(written)


def reads(holds: Callable[[Reading], bool]) -> Callable[[str], bool]:
    return lambda text: holds(read(text))


def apart(reading: Reading) -> bool:
    sentences = [mention.sentence for mention in reading.wanted]
    return len(set(sentences)) == len(sentences) > 1


def bound(reading: Reading) -> bool:
    colored = [mention for mention in reading.wanted if mention.kinds != ("bird",)]
    return not reading.loose and all(mention.colors and mention.bound for mention in colored[:2])


def placed(reading: Reading) -> bool:
    return all(mention.places for mention in reading.wanted)


def unchanged(reading: Reading) -> bool:
    return reading.wanted[0].exact == 5 and bool(reading.relations)


EFFECTS: dict[str, tuple[str, str, Callable[[str], bool], float]] = {
    "BIND": ("Put each colour directly before its noun.", "a red kite and a blue cup", reads(bound), 0.3),
    "SEPARATE": ("Give each object a sentence of its own.", "a red kite and a blue cup", reads(apart), 0.7),
    "COUNTS": ("State exact counts.", "five kites", reads(lambda reading: reading.wanted[0].exact == 5), 0.15),
    "PLACES": ("Give every object its own place in the picture.", "a kite and a cup", reads(placed), 0.8),
    "ENUMERATE": ("Place each copy on its own, one by one.", "five kites", reads(lambda reading: len(reading.wanted[0].places) == 5), 0.4),
    "RELATIONS": (
        "State relations also as places in the picture.",
        "a kite above a cup",
        reads(lambda reading: all(mention.places for mention in reading.wanted[:2])),
        0.8,
    ),
    "QUOTE": ("Quote text in double quotes.", "a sign that says OPEN", lambda text: '"OPEN"' in text, 0.8),
    "AFFIRM": ("Never mention what is unwanted.", "a cup without birds", lambda text: "bird" not in text, 0.8),
    "CONCISE": ("Write poetically. At most 40 words.", "a kite above a cup", lambda text: len(text.split()) <= 40, 0.8),
    "CONCRETE": (
        "Turn abstract themes into visible things.",
        "a birthday",
        reads(lambda reading: all(len(mention.kinds) == 1 for mention in reading.wanted)),
        0.8,
    ),
    "SENSE": ("Settle ambiguous words.", "a bat on a field", lambda text: "flying bat" in text or "baseball bat" in text, 0.8),
    "SETTING": ("State one setting.", "a cup", reads(lambda reading: reading.background is not None), 0.8),
    "ONLY": ("Do not add objects: say that there is nothing else.", "a cup", reads(lambda r: r.exclusive and len(r.wanted) == 1), 0.8),
    "FAITHFUL": ("Keep everything the user asked for.", "five kites above a cup", reads(unchanged), 0.3),
    "STYLE": ("Describe the light and the style.", "a cup", lambda text: "light" in text, 0.8),
    "POETIC": ("Write poetically.", "a cup", lambda text: len(text.split()) > 50, 0.8),
    "EMBELLISH": ("Add extra objects and details.", "a cup", reads(lambda reading: len(reading.wanted) >= 3), 0.8),
    "UNWANTED": ("List what to avoid.", "a cup", reads(lambda reading: len(reading.unwanted) >= 2), 0.8),
    "ONE_SENTENCE": (
        "Give each object its own sentence. Write one flowing sentence.",
        "a red kite and a blue cup",
        reads(lambda reading: len({mention.sentence for mention in reading.wanted}) == 1),
        0.8,
    ),
    "TAGS": ("Write a list of comma-separated keywords.", "a red kite and a blue cup", lambda text: not text.endswith("."), 0.8),
    "VARY": ("Vary the colours creatively.", "two red kites", reads(lambda reading: reading.wanted[0].colors != ["red"]), 0.5),
    "BOOSTERS": ("Add quality boosters.", "a cup", lambda text: "masterpiece" in text, 0.8),
    "CAMERA": ("Mention camera and lens.", "a cup", lambda text: "50mm" in text, 0.8),
}  # fmt: skip


def test_every_rule_has_its_effect_tested() -> None:
    assert set(EFFECTS) == set(PHRASINGS) == {rule.name for rule in Rule}


@pytest.mark.parametrize("rule", EFFECTS)
def test_a_rule_changes_what_it_claims_to(rule: str) -> None:
    system, user, holds, margin = EFFECTS[rule]
    assert rule in names(system)
    without = {"CONCISE": "Write poetically.", "ONE_SENTENCE": "Give each object its own sentence."}.get(rule, "You write prompts.")
    assert share(system, user, holds) - share(without, user, holds) >= margin


def test_without_an_instruction_it_is_lazy() -> None:
    written = texts("You write prompts.", "five red kites above a blue cup, no birds", range(200))
    assert all(len({mention.sentence for mention in read(text).wanted}) == 1 for text in written)
    assert any(read(text).loose for text in written)
    assert any(mention.exact is None for text in written for mention in read(text).wanted if mention.kinds == ("kite",))
    assert all("no birds" in text for text in written)
    assert all(read(text).background is None for text in written)


def test_all_good_rules_together_read_well() -> None:
    system = (
        "Give each object a sentence of its own, with its colour directly before the noun. State exact counts. Place each copy on its own. "
        "State relations also as places in the picture. Choose one setting. Add no objects, and state that nothing else is in the picture."
    )
    written = texts(system, "three red balloons above a blue house", range(200))
    best = (
        "Three red balloons float: one at the upper left, one at the top centre and one at the upper right. A blue house stands at the "
        "bottom centre, below the balloons. The setting is "
    )
    assert sum(text.startswith(best) and text.endswith("Nothing else is in the picture.") for text in written) > 100


def test_unwanted_things_are_no_part_of_a_theme() -> None:
    assert (
        share(
            "Turn abstract themes into visible things. Never mention what is unwanted.",
            "a birthday without cake",
            lambda text: "cake" in text,
        )
        < 0.25
    )


@pytest.mark.parametrize(
    "user", ["", "   ", "ein roter Drache auf einem Turm", "龙在天空", "grandma knitting by the window", "!!!", "no", "and"]
)
@pytest.mark.parametrize("system", ["", "Describe it.", *(given[0] for given in PHRASINGS.values())])
def test_it_always_writes_something(system: str, user: str) -> None:
    text = answer(Chat(system, user, 1)).text
    assert re.search(r"\w", text)
    assert all(word in text.lower() for word in user.split() if word.isalpha() and word.islower() and len(word) > 6)


@given(st.text(max_size=200), st.text(max_size=200), st.integers(0, 2**31))
def test_any_words_get_an_answer(system: str, user: str, seed: int) -> None:
    first = answer(Chat(system, user, seed))
    assert first.text
    assert replace_latency(first) == replace_latency(answer(Chat(system, user, seed)))


@given(
    st.sets(st.sampled_from(sorted(PHRASINGS)), max_size=12),
    st.sampled_from(
        ["six red cats above a birthday and two bats, no keys", "fish: 3 blue, 1 orange", "a cup to the left of a key on a sign"]
    ),
    st.integers(0, 1000),
)
@settings(max_examples=150)
def test_any_instructions_get_an_answer(chosen: set[str], user: str, seed: int) -> None:
    text = answer(Chat("\n".join(PHRASINGS[rule][0] for rule in sorted(chosen)), user, seed)).text
    assert text
    assert "  " not in text
    assert not re.search(r" [.,;]|\(\)|,,", text)


def replace_latency(completion: Completion) -> tuple[str, str, int]:
    return completion.text, completion.reasoning, completion.usage.output_tokens


# -- the engine and the shipped prompts


async def test_the_engine_answers_in_order_and_tells_what_it_followed() -> None:
    engine = EmbeddedReasoner()
    first, second = await engine([Chat("State exact counts.", "five kites", 1), Chat("", "a cup", 1)])
    assert isinstance(first, Completion)
    assert isinstance(second, Completion)
    assert "kites" in first.text
    assert "cup" in second.text
    assert "exact counts" in first.reasoning
    assert "No instruction" in second.reasoning
    assert first.usage.cost == 0.0
    assert first.usage.input_tokens == math.ceil(1.3 * 5)
    assert engine.identity == "embedded:1"


def test_shipped_prompts() -> None:
    assert shipped_names()[0] == "none"
    assert set(shipped_names()) >= {"none", "plain", "general"}
    assert shipped("none").text == ""
    assert [shipped(name).name for name in shipped_names()] == list(shipped_names())
    assert 120 <= len(shipped("general").text.split()) <= 200
    with pytest.raises(UsageError, match="no shipped"):
        shipped("nonsense")


def test_the_shipped_prompts_mean_what_they_say() -> None:
    assert recognise(shipped("plain").text).rules == ()
    general = recognise(shipped("general").text)
    assert {rule.name for rule in general.rules} >= {
        "BIND",
        "COUNTS",
        "QUOTE",
        "AFFIRM",
        "CONCRETE",
        "SENSE",
        "SETTING",
        "ONLY",
        "FAITHFUL",
    }
    assert not {rule.name for rule in general.rules} & {
        "POETIC",
        "EMBELLISH",
        "UNWANTED",
        "TAGS",
        "VARY",
        "BOOSTERS",
        "CAMERA",
        "ONE_SENTENCE",
    }
    assert general.limit == 120
