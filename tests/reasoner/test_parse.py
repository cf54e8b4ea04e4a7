"""Answers in the shapes of many models are cleaned of what is around the prompt, and of nothing else; what is no prompt is refused."""

import json
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from data.chat import Chat
from data.errors import FailureKind, StageError
from data.quotes import quoted, without_outer_quotes
from reasoner.engines.embedded import answer
from reasoner.library import shipped
from reasoner.parse import LAYERS, Cleaned, clean
from reasoner.unusable import refuse_echo

GOLDEN = Path(__file__).with_name("golden")
CASES = [(path.stem, case) for path in sorted(GOLDEN.glob("*.json")) for case in json.loads(path.read_text(encoding="utf-8"))]
ANSWERS = [case["answer"] for _, case in CASES]


@pytest.mark.parametrize("case", [pytest.param(case, id=f"{family}-{case['name']}") for family, case in CASES])
def test_golden(case: dict[str, Any]):
    if "fails" in case:
        with pytest.raises(StageError) as error:
            clean(case["answer"])
        assert error.value.kind is FailureKind(case["fails"])
        return
    cleaned = clean(case["answer"])
    assert cleaned.text == case["text"]
    assert cleaned.aspect_ratio == case.get("aspect_ratio", "")
    assert bool(cleaned.removed) is (" ".join(case["answer"].split()) != case["text"]), "what was cut is on record, and nothing else"


@pytest.mark.parametrize(
    ("answer", "removed"),
    [
        ("A red fox.", ()),
        ("Sure! A red fox.", ("an introduction: “Sure!”",)),
        ('```json\n{"prompt": "A red fox."}\n```\nEnjoy!', ("code fence; text after “Enjoy!”", "JSON around it")),
        ("A red fox.\n\nNote: it is red.", ("text after: “Note: it is red.”",)),
        ("Option 1: A red fox.\nOption 2: A fox.\nOption 3: A hare.", ("2 further alternatives",)),
        ("A red fox --ar 3:2", ("parameters “--ar 3:2”",)),
        ("# A Winter Morning\n\nA red fox.", ("the title “A Winter Morning”",)),
        ("A red fox. " + "I hope this helps! " * 9, (f"text after: “{('I hope this helps! ' * 9)[:59].rstrip()}…”",)),
    ],
)
def test_says_what_it_removed(answer: str, removed: tuple[str, ...]):
    assert clean(answer).removed == removed


@pytest.mark.parametrize(
    ("kind", "retryable"),
    [("empty", True), ("refused", False), ("malformed", True), ("too_long", False)],
)
def test_what_may_go_better_is_tried_again(kind: str, retryable: bool):
    seen: set[bool] = set()
    for _, case in CASES:
        if case.get("fails") == kind:
            with pytest.raises(StageError) as error:
                clean(case["answer"])
            seen.add(error.value.retryable)
    assert seen == {retryable}


def test_what_the_embedded_reasoner_writes_is_left_alone():
    prompts = [json.loads(line)["text"] for line in files("data").joinpath("promptsets", "vague.jsonl").read_text().splitlines()[::7]]
    systems = [shipped("general").text, "Give each copy its own place. Use comma separated tags.", "Write poetically. List what to avoid."]
    for system in systems:
        for prompt in prompts:
            written = answer(Chat(system, prompt, 0)).text
            assert clean(written).text == without_outer_quotes(written)


# -- properties

PIECES = st.sampled_from(
    ["**", "*", "_", "`", "```", "\n", "\n\n", '"', "'", "“", "”", "{", "}", '{"prompt": ', "<prompt>", "</think>", "<b>", "&amp;", "&lt;",
     "# ", "- ", "1. ", "2) ", "Prompt:", "Sure!", "Here is", "Note:", "--ar 16:9", "Option 1:", "Option 2:", "a fox", "A hare.", " ",
     "\\", "\u200b"]
)  # fmt: skip


def cleaned_or_refused(answer: str) -> Cleaned | None:
    try:
        return clean(answer)
    except StageError:
        return None


@given(st.one_of(st.text(max_size=300), st.lists(PIECES, max_size=25).map("".join), st.sampled_from(ANSWERS)))
@example('"' * 500)
@example("&amp;" * 30 + "lt;b&gt;x")
def test_cleaning_twice_changes_nothing_more_and_nothing_else_is_raised(answer: str):
    once = cleaned_or_refused(answer)
    if once is not None:
        assert clean(once.text) == Cleaned(once.text)
        assert once.text == " ".join(once.text.split())


WORDS = st.lists(st.from_regex(r"[a-z]{3,9}", fullmatch=True), min_size=3, max_size=30)
SCENES = WORDS.map(lambda words: f"The old {' '.join(words)} stands there.")
QUOTES = st.text(
    st.characters(codec="utf-8", categories=("L", "N", "P", "S", "Zs"), exclude_characters="\"“”„«»「」『』《》&<>'‘’"), min_size=1
)


@given(SCENES)
def test_a_plain_sentence_comes_back_unchanged(sentence: str):
    assert clean(sentence) == Cleaned(sentence)


@given(SCENES, QUOTES.map(lambda text: " ".join(text.split())).filter(bool), st.sampled_from(['"{}"', "“{}”", "«{}»", "「{}」"]))
def test_quoted_text_survives(sentence: str, text: str, marks: str):
    answer = f"Here is the prompt:\n\n**{sentence[:-1]} beside a sign {marks.format(text)} in red.**\n\nI hope this helps!"
    assert marks.format(text) in clean(answer).text


@given(
    SCENES,
    st.sampled_from(["Sure! {}", "**Prompt:** {}", "“{}”", "```\n{}\n```", "<prompt>{}</prompt>", "{}\n\nLet me know what you think!"]),
)
def test_wrapping_comes_off(sentence: str, wrapping: str):
    assert clean(wrapping.format(sentence)).text == sentence


@given(SCENES, st.sampled_from(["prompt", "rewritten_prompt", "Prompt", "final prompt"]), st.booleans())
def test_json_comes_off(sentence: str, key: str, fenced: bool):
    answer = json.dumps({key: f'{sentence} "Ü\t狐"'}, indent=2)
    assert clean(f"```json\n{answer}\n```" if fenced else answer).text == f'{sentence} "Ü 狐"'


# -- hostile answers


@pytest.mark.parametrize(
    "piece",
    ["a", " ", "\n", '"', "'", " '", "*", " *a", "_", "`", "```\n", "{", '{"a":', "[", '["', "<prompt>", "</prompt>", "<b>", "&amp;",
     "&#38;",
     "<think>", "</think>", "- a\n", "- ", "1. a ", "# a\n", "Prompt: ", "Prompt: a\n", "new ", "new\n", "Option 1: ", "Option 1: a\n",
     "--ar 1:1 ", "1:1 ", "1 ", "Note: ", ". Let me know", '" . Let me know ', "Sure! ", "here is a prompt ", "I'm sorry ", "no ",
     "assistantfinal", "<|channel|>final<|message|>", "\\", '\\"', '"prompt": "', "(", "。", "狐", "\u200b", "\r", "🎨", "Subject: a\n",
     "A. ", "three prompts: "],
)  # fmt: skip
@pytest.mark.parametrize("start", ["", '{"prompt": "', "A fox. ", '"'])
def test_no_answer_is_too_much(piece: str, start: str):
    """Anything worse than linear would run into the suite's time limit."""
    answer = start + piece * (200_000 // len(piece))
    cleaned = cleaned_or_refused(answer)
    assert cleaned is None or len(cleaned.text) < 6001


def test_layers_have_an_end():
    with pytest.raises(StageError, match="more layers than") as error:
        clean("Sure! " * (LAYERS + 1) + "A red fox in deep snow.")
    assert error.value.retryable
    assert clean("Sure! " * (LAYERS - 1) + "A red fox in deep snow.").text == "A red fox in deep snow."


# -- quotation marks


@pytest.mark.parametrize(
    ("text", "inside"),
    [
        ('"a fox"', "a fox"),
        ("'a fox's den'", "a fox's den"),
        ("‘a fox’s den’", "a fox’s den"),
        ("„ein Fuchs“", "ein Fuchs"),
        ('"a sign "OPEN" in red"', 'a sign "OPEN" in red'),
        ('"OPEN" and "CLOSED"', '"OPEN" and "CLOSED"'),
        ("“OPEN” and “CLOSED”", "“OPEN” and “CLOSED”"),
        ("“a sign “OPEN” in red”", "a sign “OPEN” in red"),
        ("'OPEN' and 'CLOSED'", "'OPEN' and 'CLOSED'"),
        ('"a fox', "a fox"),
        ('a fox"', "a fox"),
        ('a board of 6"', 'a board of 6"'),
        ('a sign "OPEN"', 'a sign "OPEN"'),
        ('"', ""),
    ],
)
def test_outer_quotes(text: str, inside: str):
    assert without_outer_quotes(text) == inside


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("a sign \"OPEN\" and 'SHUT'", ["OPEN", "SHUT"]),
        ("“eins” „zwei“ « trois » 「四」『五』", ["eins", "zwei", "trois", "四", "五"]),
        ("the dogs' bowls and the cats' toys", []),
        ("rock 'n' roll", []),
        ('a 6" board and a 12" ruler', []),
        ("a shirt with 'Don't stop' on it", ["Don't stop"]),
    ],
)
def test_quoted(text: str, found: list[str]):
    assert quoted(text) == found


# -- the instructions, repeated

SYSTEM = (
    "You rewrite a user's request into one prompt for an image model. Begin with the main subject and keep everything the user asked for. "
    "Write colors directly before the noun they describe. Copy text that should appear in the picture letter for letter, in double quotes."
)


@pytest.mark.parametrize(
    "answer",
    [SYSTEM, "I will follow these rules: " + SYSTEM, SYSTEM.replace(". ", ".\n- "), SYSTEM.upper(), SYSTEM + " User: a cat on a wall"],
)
def test_repeated_instructions_are_no_rewrite(answer: str):
    with pytest.raises(StageError, match="repeated its instructions") as error:
        refuse_echo(answer, SYSTEM, "a cat")
    assert error.value.kind is FailureKind.OFF_TASK
    assert error.value.retryable


@pytest.mark.parametrize(
    ("answer", "user"),
    [
        ("A cat on a wall in the evening sun, drawn with soft lines and warm colors.", "a cat"),
        (
            "A poster. Copy text that should appear in the picture letter for letter stands on it, above a red cat on a wall.",
            "a cat",
        ),
        (SYSTEM, SYSTEM),
        ("", "a cat"),
    ],
)
def test_a_few_words_of_the_instructions_are_fine(answer: str, user: str):
    refuse_echo(answer, SYSTEM, user)
