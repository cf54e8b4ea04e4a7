"""Instructions of several predictors are one text, and come back as they were."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optimizer.dspy_optimizer.texts import joined, parted

names = st.text(st.characters(exclude_characters="\n", codec="utf-8"), min_size=1, max_size=12)
lines = st.one_of(st.text(max_size=20), st.sampled_from(["[[a]]", "\\[[a]]", "\\\\[[", "[[", "", " ", "[[a]] x", "\r"]))
texts = st.lists(lines, max_size=6).map("\n".join)


@given(st.dictionaries(names, texts, min_size=1, max_size=4))
def test_all_instructions_come_back(instructions: dict[str, str]):
    assert parted(joined(instructions), list(instructions)) == instructions


@given(st.lists(st.tuples(texts, texts), min_size=2, max_size=2, unique=True))
def test_different_instructions_are_different_texts(pairs: list[tuple[str, str]]):
    first, second = (joined({"draft": draft, "answer": answer}) for draft, answer in pairs)
    assert first != second


def test_it_reads_well():
    text = joined({"draft": "Write three facts.", "answer.predict": "One sentence.\nNo more."})
    assert text == "[[draft]]\nWrite three facts.\n\n[[answer.predict]]\nOne sentence.\nNo more."


@pytest.mark.parametrize("text", ["", "no heads", "[[a]]\nonly one", "[[b]]\n1\n\n[[a]]\n2", "[[a]]\n1\n\n[[b]]\n2\n\n[[c]]\n3"])
def test_a_text_for_another_program_is_refused(text: str):
    with pytest.raises(ValueError, match="the program has a, b"):
        parted(text, ["a", "b"])
