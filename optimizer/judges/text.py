"""The text judge: reads the words in an image and compares them, letter by letter, with those that the user wants written there.

One engine finds and reads the lines; further ones read the same lines again, and the worst reading of a target counts: engines repair
malformed letters, and not all of them the same ones. The judge answers nothing but what is about words (wanted_words.py), and a prompt that
wants none is not for it.
"""

import asyncio
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from threading import Lock

import numpy as np

from data.checklists import GLOBAL_CRITERIA, OTHERS_WEIGHT
from data.errors import FailureKind, StageError, UsageError
from data.records import Criterion, CriterionScore, Judgment, Need
from optimizer.judges import JudgeRequest
from optimizer.judges.aggregate import aggregate
from optimizer.judges.lettering import right_words, words
from optimizer.judges.ocr import Reader
from optimizer.judges.ocr.page import Page, Reading
from optimizer.judges.showing import decoded
from optimizer.judges.wanted_words import Question, WantedWords, wanted_words

VERSION = 1
"""Part of the judge's identity: raised whenever an image could be judged differently than before."""

EXTRA_ALLOWED = 0.1
"""The share of the written words that may be others than wanted: of a long text, an engine splits and joins a few."""
EXTRA = replace(next(criterion for criterion in GLOBAL_CRITERIA if criterion.id == "global-text"), weight=OTHERS_WEIGHT)
"""Writing that nobody asked for weighs as much as any other thing that nobody asked for."""


def readers(names: str) -> list[Reader]:
    """The engines that ``names`` lists: "rapidocr", "tesseract", "rapidocr+tesseract"; "" is the first. UsageError where one is unknown or
    not installed."""
    wanted = [name.strip() for name in (names or "rapidocr").split("+")]
    for name in wanted:
        if name not in _READERS:
            raise UsageError(f"there is no engine {name!r} that reads words in pictures", hint=f"there are: {', '.join(_READERS)}")
    return [_READERS[name]() for name in dict.fromkeys(wanted)]


def _rapidocr() -> Reader:
    from optimizer.judges.ocr.rapidocr import RapidOcr

    return RapidOcr()


def _tesseract() -> Reader:
    from optimizer.judges.ocr.tesseract import Tesseract

    return Tesseract()


_READERS: Mapping[str, Callable[[], Reader]] = {"rapidocr": _rapidocr, "tesseract": _tesseract}


class TextJudge:
    """A Judge over one or more Readers, the first of which finds the lines. Several calls may run at once; they take turns."""

    def __init__(self, readers: Sequence[Reader]) -> None:
        if not readers:
            raise ValueError("a text judge needs a reader")
        self._readers = tuple(readers)
        self._turn = Lock()

    @property
    def identity(self) -> str:
        return f"text:{VERSION} {' + '.join(reader.identity for reader in self._readers)}"

    async def __call__(self, requests: Sequence[JudgeRequest]) -> Sequence[Judgment | Exception]:
        """One Judgment per request, in order, or its StageError: UNSUPPORTED (no words are wanted, or in letters that no reader knows; no
        file), MALFORMED (no image), CRASHED or TIMEOUT (an engine failed). FatalError where an engine can't be loaded."""
        return await asyncio.to_thread(lambda: [self._judged(request) for request in requests])

    def _judged(self, request: JudgeRequest) -> Judgment | StageError:
        checklist = request.prompt.checklist
        try:
            wanted = wanted_words(request.prompt)
            image = np.asarray(decoded(request.image))
            with self._turn:
                start = time.perf_counter()
                scores = tuple(_scores(checklist, wanted, Page(image, self._readers)))
                latency = time.perf_counter() - start
            asked = (criterion for criterion in checklist if criterion.id in wanted.asked)
            value = aggregate([*asked, *(question.criterion for question in wanted.quotes), EXTRA], scores)
        except StageError as error:
            return error
        return Judgment(value, scores, latency=latency)


def _scores(checklist: Sequence[Criterion], wanted: WantedWords, page: Page) -> Iterator[CriterionScore]:
    """A score for every criterion of the checklist, for the quotes beyond it, and for writing that nobody asked for.

    StageError(UNSUPPORTED) where the reader knows the letters of nothing that is wanted.
    """
    answers = {id: _answered(question, page) for id, question in wanted.asked.items()}
    quotes = [_answered(question, page) for question in wanted.quotes]
    if all(answer.score is None for answer in (*answers.values(), *quotes)):
        hint = "add a judge with eyes: a panel of both"
        raise StageError(FailureKind.UNSUPPORTED, (*answers.values(), *quotes)[0].evidence, hint=hint)
    for criterion in checklist:
        yield answers.get(criterion.id) or CriterionScore(criterion.id, None, "names no words to look for")
    yield from quotes
    share, lines = page.extra(wanted.mentioned)
    yield CriterionScore(EXTRA.id, float(share > EXTRA_ALLOWED), f"also reads {_listed(lines)}" if lines else "no other words read")


def _answered(question: Question, page: Page) -> CriterionScore:
    """How well the words of a criterion can be read: the share of right letters, the mean where it names several texts. For what may not
    be there, and for any words at all, whether they are there."""
    criterion, texts = question
    if not texts:
        lines = [line.text for line in page.writing()]
        return CriterionScore(criterion.id, float(bool(lines)), f"reads {_listed(lines)}" if lines else "no words read")
    readings = [(text, page.worst(text)) for text in texts]
    told = [(text, reading) for text, reading in readings if reading is not None]
    if len(told) < len(texts):
        unknown = next(text for text, reading in readings if reading is None)
        return CriterionScore(criterion.id, None, f"the reader has not learnt the letters of {unknown!r}")
    if criterion.need is Need.MUST_NOT:
        missing = [text for text, reading in told if reading.errors > 0]
        return CriterionScore(criterion.id, float(not missing), f"{_listed(missing or texts)} {'not ' if missing else ''}read")
    evidence = "; ".join(_evidence(text, reading, page) for text, reading in told)
    return CriterionScore(criterion.id, sum(1 - reading.errors for _, reading in told) / len(told), evidence)


def _evidence(wanted: str, reading: Reading, page: Page) -> str:
    if not reading.text and reading.reader != page.finder:
        return f"{reading.reader} can't read the letters that {page.finder} takes for {wanted!r}"
    if not reading.text:
        seen = [line.text for line in page.writing()]
        return f"reads {_listed(seen)}, {wanted!r} wanted" if seen else f"no words read, {wanted!r} wanted"
    reads = f"{reading.reader} reads" if len(page.readers) > 1 else "reads"
    if reading.errors == 0:
        return f"{reads} {reading.text!r}{_but(reading.text, wanted)}"
    count = len(words(wanted))
    right = f", {right_words(reading.text, wanted)} of {count} words right" if count > 1 else ""
    return f"{reads} {reading.text!r}, {wanted!r} wanted ({reading.errors:.0%} of letters wrong{right})"


def _but(read: str, wanted: str) -> str:
    """In what a text that is letter for letter as wanted is written otherwise."""
    if read.split() == wanted.split():
        return ""
    how = "in other capitals" if read.casefold().split() == wanted.casefold().split() else "with other spaces or signs"
    return f", {how} than {wanted!r}"


def _listed(lines: Sequence[str]) -> str:
    return ", ".join(map(repr, lines[:4])) + (" and more" if len(lines) > 4 else "")
