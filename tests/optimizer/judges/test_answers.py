"""Reading what vision models answer: every form that is supported, and nothing made up from any other."""

import json
import math
import random
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.chat import Token
from data.errors import FailureKind, StageError
from data.usage import Usage
from optimizer.judges.answer_words import MOST_EVIDENCE, first_word
from optimizer.judges.answers import Answer, read_answers
from optimizer.judges.certainty import Certainty
from optimizer.judges.loose_json import Fields, Items, Value, Word, documents

IDS = ("c1", "c2", "c3")
WORDS: Mapping[float | None, Sequence[str]] = {
    1.0: ("yes", "Yes", "YES", "true", "y", "1", "correct"),
    0.0: ("no", "No.", "NO", "false", "n", "0", "incorrect"),
    None: ("unclear", "N/A", "n/a", "cannot tell", "can't tell", "Not sure", "null"),
}


def scores(text: str, ids: Sequence[str] = IDS) -> dict[str, float | None]:
    return {id: answer.score for id, answer in read_answers(text, ids).items()}


def failure(text: str, ids: Sequence[str] = IDS) -> StageError:
    with pytest.raises(StageError) as caught:
        read_answers(text, ids, Usage(7, 3))
    return caught.value


# -- forms


@pytest.mark.parametrize(
    "text",
    [
        '{"verdicts": [{"id": "c1", "answer": "yes"}, {"id": "c2", "answer": "no"}, {"id": "c3", "answer": "unclear"}]}',
        '```json\n{"verdicts": [{"id": "c1", "answer": "yes"}, {"id": "c2", "answer": "no"}, {"id": "c3", "answer": null}]}\n```',
        'Let me see.\n[{"id": "c1", "verdict": true}, {"id": "c2", "verdict": false}, {"id": "c3", "verdict": "N/A"}]\nHope this helps!',
        '{"results": [{"criterion": 1, "result": "Yes."}, {"criterion": 2, "result": "NO"}, {"criterion": 3, "result": "cannot tell"}]}',
        '{"results": [{"index": 0, "answer": "yes"}, {"index": 1, "answer": "no"}, {"index": 2, "answer": "unclear"}]}',
        '{"c1": "yes", "c2": "no", "c3": "unclear"}',
        '{"1": 1, "2": 0, "3": "n/a"}',
        '{"c1": {"evidence": "seen", "answer": "yes"}, "c2": {"evidence": "", "answer": "no"}, "c3": {"answer": "unclear"}}',
        '[{"c1": "yes"}, {"c2": "no"}, {"c3": "unclear"}]',
        '["yes", "no", "unclear"]',
        '[{"answer": "yes"}, {"answer": "no"}, {"answer": "unclear"}]',
        '{"id": "c1", "answer": "yes"}\n{"id": "c2", "answer": "no"}\n{"id": "c3", "answer": "unclear"}',
        "{'verdicts': [{'id': 'c1', 'answer': 'yes'}, {'id': 'c2', 'answer': 'no'}, {'id': 'c3', 'answer': None},]}",
        "{c1: yes, c2: no, c3: unclear}",
        '{"verdicts": [{"id": "c1", "answer": "yes"}, {"id": "c2", "answer": "no"}, {"id": "c3", "answer": "unclear"}',
        "c1: yes - because\nc2: no, none is there\nc3: unclear",
        "1. Yes\n2. No\n3. Unclear",
        "- **C1**: Yes, three.\n- **C2**: No.\n- **C3**: Not sure.",
        "c1 There are three balloons: yes\nc2 The balloons are red: no\nc3 It is cosy: unclear",
        "**c1**\nEvidence: three\nAnswer: yes\n\n**c2**\nEvidence: blue\nAnswer: no\n\n**c3**\nAnswer: cannot tell",
        "| id | answer |\n|---|---|\n| c1 | yes |\n| c2 | no |\n| c3 | n/a |",
        "So c1: yes, c2: no, and c3: unclear.",
        '<|channel|>analysis<|message|>c1: no?<|end|><|channel|>final<|message|>{"c1": "yes", "c2": "no", "c3": "unclear"}<|return|>',
        '{"c1": "no"} No, wait. {"c1": "yes", "c2": "no", "c3": "unclear"}',
        '{"c1": "no", "c2": "no", "c3": "no"} No, wait. {"c1": "yes", "c2": "no", "c3": "unclear"}',
        'I see {curly things: {"c1": "yes", "c2": "no", "c3": "unclear"}',
    ],
)
def test_answers_are_read_in_every_form(text: str) -> None:
    assert scores(text) == {"c1": 1.0, "c2": 0.0, "c3": None}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"c1": 0.8, "c2": "0.25", "c3": "70%"}', {"c1": 0.8, "c2": 0.25, "c3": 0.7}),
        ('{"c1": 7, "c2": -1, "c3": "yes"}', {"c3": 1.0}),
        ('{"c1": NaN, "c2": Infinity, "c3": "no"}', {"c3": 0.0}),
        ('{"verdicts": [{"id": "c2", "answer": "yes"}, {"id": "c9", "answer": "no"}]}', {"c2": 1.0}),
        ('{"verdicts": [{"id": "c1", "answer": "yes"}, {"id": "c1", "answer": "no"}, {"id": "c2", "answer": "no"}]}', {"c2": 0.0}),
        ('{"verdicts": [{"id": "c1", "answer": "yes"}, {"id": "c1", "answer": "Yes"}]}', {"c1": 1.0}),
        ('{"verdicts": [{"id": "c1", "answer": "yes"}, {"id": "c2", "answer": "no', {"c1": 1.0}),
        ('["yes", "no"]', None),
        ('{"c1": "yes or no", "c2": "yes|no|unclear", "c3": "yes"}', {"c3": 1.0}),
        ('{"c1": "maybe", "c2": "", "c3": "no"}', {"c3": 0.0}),
        ('{"criteria": [{"id": "c1", "statement": "No cars are visible"}]}', None),
        ("c1: No cars are visible\nc2: yes", {"c2": 1.0}),
        ("yes", None),
        ("It is a lovely picture of three balloons.", None),
        ("", None),
    ],
)
def test_what_is_no_answer_is_left_out(text: str, expected: dict[str, float | None] | None) -> None:
    if expected is None:
        assert failure(text).kind is FailureKind.MALFORMED
    else:
        assert scores(text) == expected


@pytest.mark.parametrize(
    ("text", "score"),
    [
        ("Yes", 1.0),
        ("**No**", 0.0),
        ("yes, all of it is there", 1.0),
        ("No. One balloon is missing.", 0.0),
        ('{"evidence": "three balloons", "answer": "yes"}', 1.0),
        ("Three balloons are there.\n\nFinal answer: **yes**", 1.0),
        ("1. A house is there.\n2. It is blue.\nAnswer: no", 0.0),
        ("The picture shows a cat. No.", 0.0),
        ("I can't tell", None),
        ("Here is what I see:\n\n```json\nYes\n```\nLet me know.", 1.0),
        ("A house, and it is red.\n\nNo", 0.0),
        ('{"answer": "no"}\nWait, there it is.\n{"answer": "yes"}', 1.0),
    ],
)
def test_a_single_answer_may_be_a_word(text: str, score: float | None) -> None:
    assert scores(text, ("c1",)) == {"c1": score}


@pytest.mark.parametrize("text", ["Yes\nNo", "No\nYes", "Yes, all of it is there. Or rather: no.", '{"answer": "yes", "answer": "no"}'])
def test_a_single_answer_that_contradicts_itself_is_none(text: str) -> None:
    assert failure(text, ("c1",)).kind is FailureKind.MALFORMED


@pytest.mark.parametrize("text", ["I see no", "A yes-man", "yes/no", "Nothing", "Yesterday", "None of the above is visible to Noah"])
def test_a_word_within_others_is_none(text: str) -> None:
    found = first_word(text)
    assert found is None or found.score is None


def test_evidence_is_one_short_line() -> None:
    answers = read_answers(
        json.dumps({"verdicts": [{"id": "c1", "evidence": "the sign reads\n'OPEN'\0 \ud83d", "answer": "yes"}]}), IDS
    ) | read_answers(json.dumps({"c2": {"reason": "x " * 400, "answer": "no"}}), IDS)
    assert answers["c1"].evidence == "the sign reads 'OPEN' \ufffd"
    assert len(answers["c2"].evidence) <= MOST_EVIDENCE
    assert answers["c2"].evidence.endswith("…")


def test_bare_quotes_within_evidence_do_not_end_it() -> None:
    text = '{"verdicts": [{"id": "c1", "evidence": "the sign reads "OPEN", in red", "answer": "yes"}]}'
    assert read_answers(text, IDS)["c1"][:2] == (1.0, 'the sign reads "OPEN", in red')


@pytest.mark.parametrize(
    "text",
    [
        "I'm sorry, but I can't help with that.",
        "I cannot assist with this request.",
        "We are unable to evaluate this image.",
        '{"error": "I can’t analyze pictures of people"}',
        "As an AI, I have no eyes.",
        "抱歉，我无法回答。",
    ],
)
def test_a_refusal_is_told_from_chatter(text: str) -> None:
    error = failure(text)
    assert (error.kind, error.retryable, error.usage) == (FailureKind.REFUSED, False, Usage(7, 3))


def test_chatter_is_malformed_and_shown_without_secrets() -> None:
    error = failure("A picture that I like. sk-abcdefgh12345678 " + "It is nice. " * 50)
    assert (error.kind, error.retryable, error.usage) == (FailureKind.MALFORMED, True, Usage(7, 3))
    assert "A picture that I like" in str(error)
    assert "sk-abc" not in str(error)
    assert len(str(error)) < 200


# -- for any text

PIECES = ('{"', '"}', "c1", "c2", ":", ",", "yes", "no", "[", "]", "{", "}", "\n", "Answer", "null", "0.5", "\\u", "–", "**", "“")
VALUES = st.recursive(
    st.none() | st.booleans() | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=20,
)
Verdicts: TypeAlias = Sequence[tuple[str, str, str, float | None]]
"""Id, word, evidence, and what the word means."""


@settings(max_examples=400, deadline=None)
@given(
    st.text()
    | st.text('{}[]",:\n\'c1 2yesno\\"“”|-*`')
    | st.lists(
        st.sampled_from(['{"', '"}', "c1", "c2", ":", ",", "yes", "no", "[", "]", "{", "}", "\n", "Answer", "null", "0.5", "\\u"])
    ).map("".join)
)
def test_no_text_raises_anything_but_a_stage_error(text: str) -> None:
    for ids in (IDS, ("c1",)):
        try:
            answers = read_answers(text, ids)
        except StageError:
            continue
        assert answers
        assert answers.keys() <= set(ids)
        for answer in answers.values():
            assert answer.score is None or 0 <= answer.score <= 1
            assert answer.place is None or 0 <= answer.place < len(text)


FLOODS = ("{", "[", '{"a":', "[[1,", "c1: ", "- ", "((((((\n", "\\", '"', "no ", "a", "a ", '"a" ', "'", " ", "\n", ": ", "a:", "c1", "“")


@pytest.mark.parametrize("flood", FLOODS)
def test_a_flood_of_anything_is_read_before_the_test_times_out(flood: str) -> None:
    for before in ("", "{", "[", '{"', '{"id":"'):
        assert failure(before + flood * (20_000 // len(flood))).kind is FailureKind.MALFORMED


# -- for any verdicts, in any form


def as_json(**dumps: Any) -> Callable[[Sequence[tuple[str, str, str]]], str]:
    def rendered(verdicts: Sequence[tuple[str, str, str]]) -> str:
        return json.dumps({"verdicts": [{"id": id, "evidence": seen, "answer": word} for id, word, seen in verdicts]}, **dumps)

    return rendered


FORMS: Mapping[str, Callable[[Sequence[tuple[str, str, str]]], str]] = {
    "json": as_json(),
    "letters as they are": as_json(ensure_ascii=False),
    "indented": as_json(indent=2),
    "fenced": lambda verdicts: f"Here it is:\n```json\n{as_json(indent=1)(verdicts)}\n```\nAll done.",
    "by id": lambda verdicts: json.dumps({id: word for id, word, _ in verdicts}),
    "by id, with evidence": lambda verdicts: json.dumps({id: {"reason": seen, "verdict": word} for id, word, seen in verdicts}),
    "in order": lambda verdicts: json.dumps([word for _, word, _ in verdicts]),
    "objects in order": lambda verdicts: json.dumps([{"evidence": seen, "answer": word} for _, word, seen in verdicts]),
    "a line each": lambda verdicts: "\n".join(json.dumps({"id": id, "answer": word}) for id, word, _ in verdicts),
    "lines": lambda verdicts: "\n".join(f"{id}: {word}{'' if word.isdigit() else ' - as shown'}" for id, word, _ in verdicts),
    "bold lines": lambda verdicts: "\n".join(f"- **{id}**: **{word}**" for id, word, _ in verdicts),
    "numbered lines": lambda verdicts: "\n".join(f"{id[1:]}. {word}" for id, word, _ in verdicts),
    "a table": lambda verdicts: "\n".join(f"| {id} | {word} |" for id, word, _ in verdicts),
    "paragraphs": lambda verdicts: "\n\n".join(f"## {id}\nEvidence: seen\nAnswer: {word}" for id, word, _ in verdicts),
    "single quotes": lambda verdicts: str([{"id": id, "answer": word} for id, word, _ in verdicts]),
}


@st.composite
def verdict_lists(draw: st.DrawFn) -> Verdicts:
    count = draw(st.integers(2, 20))
    found = draw(st.lists(st.sampled_from([1.0, 0.0, None]), min_size=count, max_size=count))
    seen = draw(st.lists(st.text(max_size=40), min_size=count, max_size=count))
    words = [draw(st.sampled_from(WORDS[score])) for score in found]
    return [(f"c{number}", word, text, score) for number, (word, text, score) in enumerate(zip(words, seen, found, strict=True), 1)]


@pytest.mark.parametrize("form", FORMS)
@settings(max_examples=60, deadline=None)
@given(verdicts=verdict_lists())
def test_any_verdicts_are_read_back_from_any_form(form: str, verdicts: Verdicts) -> None:
    text = FORMS[form]([(id, word, seen) for id, word, seen, _ in verdicts])
    assert scores(text, [id for id, *_ in verdicts]) == {id: score for id, *_, score in verdicts}


@settings(max_examples=100, deadline=None)
@given(verdicts=verdict_lists(), data=st.data())
def test_of_an_answer_that_breaks_off_what_is_there_is_read(verdicts: Verdicts, data: st.DataObject) -> None:
    text = as_json()([(id, word, seen) for id, word, seen, _ in verdicts])
    cut = text[: data.draw(st.integers(0, len(text)))]
    truth = {id: score for id, *_, score in verdicts}
    try:
        found = scores(cut, list(truth))
    except StageError:
        found = {}
    assert found.items() <= truth.items()
    assert len(found) >= cut.count("}") - 1 or any("}" in seen for _, _, seen, _ in verdicts)


@settings(max_examples=200, deadline=None)
@given(VALUES)
def test_what_a_strict_parser_reads_is_read_alike(value: Any) -> None:
    wrapped = {"value": value}
    (document,) = documents(json.dumps(wrapped))
    assert plain(document) == expected(wrapped)
    (document,) = documents(json.dumps(wrapped, ensure_ascii=False, indent=1))
    assert plain(document) == expected(wrapped)


def plain(value: Value) -> Any:
    match value:
        case Word():
            return value.text.encode("utf-16", "surrogatepass").decode("utf-16")
        case Items():
            return [plain(entry) for entry in value.entries]
        case Fields():
            return {name.encode("utf-16", "surrogatepass").decode("utf-16"): plain(entry) for name, entry in value.entries}


def expected(value: Any) -> Any:
    match value:
        case None | True | False:
            return json.dumps(value)
        case str():
            return value
        case list():
            return [expected(entry) for entry in value]
        case _:
            return {name: expected(entry) for name, entry in value.items()}


# -- how sure


def tokens_of(text: str, cuts: Sequence[int], certain: Mapping[int, float], luck: random.Random) -> list[Token]:
    """``text`` in tokens that end at ``cuts``; those in which an answer begins have the other answer beside it, by P(yes)."""
    tokens: list[Token] = []
    ends = sorted({*cuts, len(text)} - {0})
    for start, end in zip([0, *ends], ends, strict=False):
        piece = text[start:end]
        places = [place for place in certain if start <= place < end]
        alternatives = {piece: -0.1, "seven": -5.0}
        if places:
            before = text[start : places[0]]
            yes = certain[places[0]]
            # The likeliest way to write each answer, and another one that shares its side.
            alternatives = {
                before + luck.choice(("yes", "Yes", "y")): math.log(yes * 0.75),
                before + "YES": math.log(yes * 0.25),
                before + luck.choice(("no", "No", "n")): math.log((1 - yes) * 0.9),
                before + "NO": math.log((1 - yes) * 0.1),
                before + "un": -3.0,
                "nothing": -2.0,
            }
        tokens.append(Token(piece, alternatives))
    return tokens


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.floats(0.01, 0.99), min_size=1, max_size=8),
    st.lists(st.integers(0, 10_000)),
    st.text(max_size=20),
    st.sampled_from(["", "thinking about it: yes or no? ", '{"verdicts": [{"id": "c1", "evidence": "", "answer": "no"}]} ']),
    st.integers(0, 1000),
)
def test_certainty_is_found_for_any_tokens(sure: list[float], cuts: list[int], seen: str, reasoning: str, seed: int) -> None:
    ids = [f"c{number}" for number in range(1, len(sure) + 1)]
    words = ["yes" if share >= 0.5 else "no" for share in sure]
    text = as_json(ensure_ascii=False)([(id, word, seen) for id, word in zip(ids, words, strict=True)])
    answers = read_answers(text, ids)
    places = {answers[id].place: share for id, share in zip(ids, sure, strict=True)}
    assert None not in places
    shifted = {len(reasoning) + (place or 0): share for place, share in places.items()}
    whole = reasoning + text
    # No token spans two answers: none is that long.
    cuts = [cut % len(whole) for cut in cuts] + [place - 1 for place in shifted] + [len(reasoning)]
    certainty = Certainty(tokens_of(whole, cuts, shifted, random.Random(seed)), text)
    for id, share in zip(ids, sure, strict=True):
        assert certainty.scored(answers[id]).score == pytest.approx(share)


def sure_of(*tokens: Token, text: str = "Yes") -> float | None:
    return Certainty(tokens, text).scored(read_answers(text, ("c1",))["c1"]).score


def test_odd_tokens_leave_the_answer_as_it_stands() -> None:
    nan, inf = math.nan, math.inf
    assert sure_of() == 1.0
    assert sure_of(Token("something", {"Yes": -0.1, "No": -2.0})) == 1.0
    assert sure_of(Token("Yes", {})) == 1.0
    assert sure_of(Token("Yes", {"No": -0.1})) == 1.0
    assert sure_of(Token("Yes", {"Yes": nan, "No": -0.1})) == 1.0
    assert sure_of(Token("Yes", {"Yes": -inf, "No": -inf})) == 1.0
    assert sure_of(Token("Yes", {"Yes": inf, "No": -inf})) == 1.0
    assert sure_of(Token("Yes", {"Yes": 5.0, "No": 0.0})) == 0.5
    assert sure_of(Token("Yes", {"Yes": -9999.0, "No": -0.1})) == 1.0
    assert sure_of(Token("token_id:9642", {"token_id:9642": -0.1})) == 1.0


def test_blanks_quotes_and_letters_in_pieces_do_not_matter() -> None:
    text = '{"evidence": "café – 3", "answer": "yes"}'
    pieces = [
        '{"',
        "evidence",
        '":',
        ' "',
        "caf",
        "bytes:\\xc3",
        "bytes:\\xa9",
        "Ġ",
        "\ufffd",
        "\ufffd",
        " 3",
        '",',
        ' "answer',
        '": "',
        "ye",
        "s",
        '"}',
    ]
    tokens = [Token(piece, {"ye": math.log(0.6), "no": math.log(0.3), "y": math.log(0.1)} if piece == "ye" else {}) for piece in pieces]
    assert sure_of(*tokens, text=text) == pytest.approx(0.7)


def test_words_that_only_begin_alike_are_no_answer() -> None:
    token = Token("Yes", {"Yes": math.log(0.4), "No": math.log(0.1), "Nothing": math.log(0.3), "Not": -1.0, "Yesterday": -1.0})
    assert sure_of(token) == pytest.approx(0.8)


def test_an_abstention_and_a_number_stay_what_they_are() -> None:
    certainty = Certainty([Token("unclear", {"unclear": -0.1, "yes": -1.0})], "unclear")
    assert certainty.scored(Answer(None)).score is None
    assert certainty.scored(Answer(0.8)).score == 0.8
