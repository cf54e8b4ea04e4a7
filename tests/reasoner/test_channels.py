"""Reasoning and answer apart, in all the forms in which servers send them; and what of it is an answer."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.errors import FailureKind, StageError
from data.usage import Usage
from reasoner.channels import Answer, final_answer, split

MARKS = [
    *("<|start|>", "<|channel|>", "<|message|>", "<|constrain|>", "<|end|>", "<|return|>", "<|call|>"),
    *("<think>", "</think>", "<seed:think>", "</seed:think>", "[THINK]", "[/THINK]", "◁think▷", "◁/think▷"),
]
LEFT = re.compile("|".join(map(re.escape, MARKS)))

PROSE = st.text(st.characters(codec="utf-8", exclude_characters="<>[]|◁▷"), min_size=1).map(str.strip).filter(bool)
NOT_HARMONY = PROSE.filter(lambda text: "assistant" not in text and not text.startswith(("analysis", "commentary")))


@given(st.lists(PROSE, min_size=1, max_size=3), PROSE, st.sampled_from(["<|return|>", "<|end|>", ""]), st.booleans())
def test_raw_harmony(thoughts: list[str], final: str, end: str, has_start: bool):
    messages = [f"<|channel|>analysis<|message|>{thought}<|end|>" for thought in thoughts]
    content = "<|start|>assistant".join([*messages, f"<|channel|>final<|message|>{final}{end}"])
    assert split(("<|start|>assistant" if has_start else "") + content) == (final, "\n\n".join(thoughts))


@given(NOT_HARMONY, NOT_HARMONY)
def test_harmony_that_lost_its_special_tokens(thought: str, final: str):
    assert split(f"analysis{thought}assistantfinal{final}") == (final, thought)


@given(
    PROSE,
    NOT_HARMONY,
    st.sampled_from([("<think>", "</think>"), ("<seed:think>", "</seed:think>"), ("[THINK]", "[/THINK]")]),
    st.booleans(),
)
def test_tags(thought: str, final: str, tags: tuple[str, str], is_opened: bool):
    content = f"{tags[0] if is_opened else ''}{thought}{tags[1]}\n\n{final}"
    if is_opened or not thought.startswith(("analysis", "commentary", "assistant")):
        assert split(content) == (final, thought)


@given(st.text().filter(lambda text: not re.search(r"<\|?|\[/?THINK|◁|assistantfinal|^\s*(assistant)?analysis", text)))
def test_text_without_markers_is_unchanged(text: str):
    assert split(text) == (text, "")


@given(
    st.lists(
        st.sampled_from([*MARKS, "analysis", "final", "assistant", "assistantfinal", "commentary", " to=x", "json", "A cat. ", "<", "|>"])
    )
)
def test_no_marker_survives(parts: list[str]):
    assert not LEFT.search(split("".join(parts)).text)


@pytest.mark.parametrize(
    ("content", "text", "reasoning"),
    [
        ("<|channel|>final<|message|>one<|end|><|start|>assistant<|channel|>final<|message|>two<|return|>", "two", ""),
        ("<|channel|>final <|constrain|>json<|message|>{}<|return|>", "{}", ""),
        ("<|channel|>commentary<|message|>First.<|end|><|start|>assistant<|channel|>final<|message|>A cat", "A cat", "First."),
        ("<|channel|>commentary to=functions.draw <|constrain|>json<|message|>{}<|call|>", "", ""),
        ("<|start|>user<|message|>hi<|end|><|start|>assistant<|channel|>final<|message|>A cat", "A cat", ""),
        ("analysis<|message|>Think.<|end|><|start|>assistant<|channel|>final<|message|>A cat", "A cat", "Think."),
        ("Think.<|end|><|start|>assistant<|channel|>final<|message|>A cat<|return|>", "A cat", "Think."),
        ("<|channel|>analysis<|message|>Think about", "", "Think about"),
        ("A cat.<|return|>", "A cat.", ""),
        ("A cat.<|end|><|sta", "A cat.", ""),
        ("Think.<|end|><|start|>assistant", "", "Think."),
        ("Think.<|end|><|start|>assistant<|channel|>analysis<|message|>More.<|end|>", "", "Think.\n\nMore."),
        ("<|channel|>final<|message|>A cat.<|retu", "A cat.", ""),
        ("analysisOne.assistantanalysisTwo.assistantcommentaryThree.assistantfinalA cat.", "A cat.", "One.\n\nTwo.\n\nThree."),
        ("assistantfinalA cat.", "A cat.", ""),
        ("analysisWe need to think about", "", "We need to think about"),
        ("analysis of a cat's portrait", "analysis of a cat's portrait", ""),
        ("Analysis: a cat", "Analysis: a cat", ""),
        ("<think>Hm.</think>A cat.<think>More?", "A cat.", "Hm.\n\nMore?"),
        (
            "<|channel|>analysis<|message|>One.<|end|><|start|>assistant<|channel|>final<|message|><think>Two.</think>A cat.",
            "A cat.",
            "One.\n\nTwo.",
        ),
    ],
)
def test_shapes_seen_in_the_wild(content: str, text: str, reasoning: str):
    assert split(content) == (text, reasoning)


def test_a_usable_answer_has_all_the_reasoning():
    assert final_answer("<think>Two.</think>A cat.", "One.") == Answer("A cat.", "One.\n\nTwo.")
    assert final_answer("A cat.", None, None) == Answer("A cat.", "")


@pytest.mark.parametrize(
    ("content", "options", "kind", "retryable"),
    [
        (None, {}, FailureKind.EMPTY, True),
        (" \n", {}, FailureKind.EMPTY, True),
        ("<think>Hm.</think>", {}, FailureKind.EMPTY, True),
        (None, {"finish": "length"}, FailureKind.UNFINISHED, False),
        (None, {"finish": "length", "reasoning": "Hm"}, FailureKind.UNFINISHED, False),
        ("<|channel|>analysis<|message|>Hm", {"finish": "length"}, FailureKind.UNFINISHED, False),
        ("analysisThe user wants a", {"finish": "length"}, FailureKind.UNFINISHED, False),
        ("A ca", {"finish": "length"}, FailureKind.TOO_LONG, False),
        (None, {"refusal": "I won't."}, FailureKind.REFUSED, False),
        ("A ca", {"finish": "content_filter"}, FailureKind.REFUSED, False),
        (None, {"tool_called": True}, FailureKind.MALFORMED, True),
        ("Let me draw.", {"finish": "tool_calls"}, FailureKind.MALFORMED, True),
    ],
)
def test_what_is_no_answer_says_why_and_what_it_used(content: str | None, options: dict, kind: FailureKind, retryable: bool):
    usage = Usage(3, 4)
    with pytest.raises(StageError) as caught:
        final_answer(content, usage=usage, **options)
    error = caught.value
    assert (error.kind, error.retryable, error.usage) == (kind, retryable, usage)
    assert ("reasoner.max_tokens" in error.hint) == (options.get("finish") == "length")
