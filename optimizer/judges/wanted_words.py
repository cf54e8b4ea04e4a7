"""Which words a prompt wants to be written in the picture: those that the user's text has in quotation marks, and those that its checklist
names. How well they are written is another question (text.py)."""

from collections.abc import Sequence
from typing import NamedTuple

from data.checklists import quote_criteria
from data.errors import FailureKind, StageError
from data.quotes import quoted
from data.records import Criterion, CriterionKind, Need, Prompt
from data.scene import Test
from optimizer.judges.lettering import words


class Question(NamedTuple):
    """A criterion about words: ``texts`` are those that it names; none, where it is about any words at all."""

    criterion: Criterion
    texts: tuple[str, ...]


class WantedWords(NamedTuple):
    """What a prompt says of words. ``asked``: by id, the questions of its checklist. ``quotes``: what its text quotes beyond them.

    ``mentioned``: all words of its text and its questions, as they are compared; none of them is writing that nobody asked for.
    """

    asked: dict[str, Question]
    quotes: tuple[Question, ...]
    mentioned: frozenset[str]


def wanted_words(prompt: Prompt) -> WantedWords:
    """StageError(UNSUPPORTED) where ``prompt`` wants no words written, or does not say which."""
    asked = {criterion.id: Question(criterion, texts) for criterion in prompt.checklist if (texts := _named(criterion, prompt)) is not None}
    said = [words(text) for question in asked.values() for text in question.texts]
    quotes: list[Question] = []
    for criterion, quote in zip(quote_criteria(prompt.text), quoted(prompt.text), strict=True):
        read = words(quote)
        # What the checklist takes apart, or forbids, is not wanted once more.
        if read and not any(_within(some, read) or _within(read, some) for some in said):
            quotes.append(Question(criterion, (quote,)))
            said.append(read)
    if not quotes and not any(texts and criterion.need is not Need.MUST_NOT for criterion, texts in asked.values()):
        hint = "put words that are to be written in quotation marks, or add another judge: a panel of both"
        raise StageError(FailureKind.UNSUPPORTED, "the prompt asks for no words that could be read", hint=hint)
    return WantedWords(asked, tuple(quotes), frozenset(word for text in (words(prompt.text), *said) for word in text))


def _named(criterion: Criterion, prompt: Prompt) -> tuple[str, ...] | None:
    """The words that a criterion names; () where it is about any words at all, None where it is not about words, or does not name them."""
    check = criterion.check
    if check is not None:
        value = check.value or ""
        return () if check.test is Test.NO_TEXT else (value,) if check.test is Test.TEXT and words(value) else None
    if criterion.kind is not CriterionKind.TEXT:
        return None
    # Criteria quote other things as well, such as a whole question. What is to be written stands in the user's text.
    text = words(prompt.text)
    return tuple(quote for quote in quoted(criterion.text) if words(quote) and _within(words(quote), text)) or None


def _within(part: Sequence[str], whole: Sequence[str]) -> bool:
    """Whether ``part`` stands in ``whole``, in a row."""
    return any(list(whole[start : start + len(part)]) == list(part) for start in range(len(whole) - len(part) + 1))
