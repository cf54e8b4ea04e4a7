"""Answers are cleaned of wrapping and nothing else; what can't be used is refused, never replaced."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.errors import FailureKind, StageError
from reasoner.parse import clean, drift


@pytest.mark.parametrize(
    ("answer", "rewrite"),
    [
        ("A red fox in snow.", "A red fox in snow."),
        ("  A red fox\n\nin   snow. \n", "A red fox in snow."),
        ('"A red fox in snow."', "A red fox in snow."),
        ("“A red fox in snow.”", "A red fox in snow."),
        ("```\nA red fox in snow.\n```", "A red fox in snow."),
        ("```text\nA red fox in snow.\n```", "A red fox in snow."),
        ("**A red fox in snow.**", "A red fox in snow."),
        ("Here is the rewritten prompt: A red fox in snow.", "A red fox in snow."),
        ("Sure! Here's a detailed prompt:\n\nA red fox in snow.", "A red fox in snow."),
        ("Rewritten prompt: A red fox in snow.", "A red fox in snow."),
        ('A sign that says "OPEN"', 'A sign that says "OPEN"'),
        ('"OPEN" stands on a sign beside "CLOSED"', '"OPEN" stands on a sign beside "CLOSED"'),
        ("I'm a little teapot, short and stout, painted in blue.", "I'm a little teapot, short and stout, painted in blue."),
        ("Here, a fox: red, in snow.", "Here, a fox: red, in snow."),
    ],
)
def test_cleans(answer: str, rewrite: str):
    assert clean(answer) == rewrite


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        ("", FailureKind.EMPTY),
        (" \n ", FailureKind.EMPTY),
        ('""', FailureKind.EMPTY),
        ("Here is the prompt:", FailureKind.EMPTY),
        ("I'm sorry, but I can't help with that.", FailureKind.REFUSED),
        ("I cannot create images of this person.", FailureKind.REFUSED),
        ("word " * 601, FailureKind.TOO_LONG),
    ],
)
def test_refuses_what_is_no_rewrite(answer: str, kind: FailureKind):
    with pytest.raises(StageError) as error:
        clean(answer)
    assert error.value.kind is kind


@given(st.text(max_size=300))
def test_never_crashes_and_cleaning_twice_changes_nothing_more(answer: str):
    try:
        once = clean(answer)
    except StageError:
        return
    assert once == " ".join(once.split())
    assert drift(answer, once) is not None


@pytest.mark.parametrize(
    ("user", "rewrite", "lost"),
    [
        ("3 cats", "Three cats sit on a wall.", ()),
        ("three cats", "Exactly 3 cats.", ()),
        ("three cats", "Several cats.", ("the number 3 is gone",)),
        ("one cat", "A cat.", ()),
        ('a sign "OPEN late"', "A neon sign reading “Open Late”.", ()),
        ('a sign "OPEN"', "A neon sign.", ("the quoted text “OPEN” is gone",)),
        ("a birthday with no dogs", "A cake and balloons.", ()),
        ("a birthday with no dogs", "A cake, without any dogs.", ()),
        ("a birthday with no dogs", "A cake and a happy dog.", ("“dog” is named, though the user wants none",)),
        ("「営業中」の看板", "A shop sign that reads 「営業中」.", ()),
    ],
)
def test_says_what_of_the_intent_is_lost(user: str, rewrite: str, lost: tuple[str, ...]):
    assert drift(user, rewrite) == lost
