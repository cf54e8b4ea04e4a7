"""The text judge: which words are wanted, what is made of those that were read, and the engines that read them."""

import asyncio
import shutil
from collections.abc import Sequence
from importlib.util import find_spec

import numpy as np
import pytest

from data.checklists import judged_criteria
from data.errors import FailureKind, StageError, UsageError
from data.records import Criterion, CriterionKind, GeneratedImage, Judgment, Need, Prompt
from data.scene import Check
from data.scene import Test as Trait
from generator.embedded.painter import paint, to_png
from generator.embedded.picture import Group, Picture
from optimizer.judges import JudgeRequest
from optimizer.judges.aggregate import MUST_NOT_PENALTY
from optimizer.judges.ocr import Line, Pixels, Reader
from optimizer.judges.ocr.tesseract import Tesseract
from optimizer.judges.text import EXTRA, TextJudge, readers

needs_rapidocr = pytest.mark.skipif(not (find_spec("rapidocr") and find_spec("onnxruntime")), reason="pip install 'phoropter[ocr]'")
needs_tesseract = pytest.mark.skipif(not shutil.which("tesseract"), reason="apt-get install tesseract-ocr")


class Reading:
    """A Reader that finds the given lines below each other, and reads ``again`` in each of them."""

    def __init__(self, *lines: str, again: str = "", confidence: float = 0.95, name: str = "first") -> None:
        self.identity = f"{name}:1"
        self._lines = [Line(text, 10, 10 + 30 * number, 100, 20, confidence) for number, text in enumerate(lines)]
        self._again = again
        self.asked: list[tuple[int, ...]] = []

    def knows(self, text: str) -> bool:
        return text.isascii()

    def lines(self, image: Pixels) -> Sequence[Line]:
        return self._lines

    def line(self, image: Pixels) -> str:
        self.asked.append(image.shape)
        return self._again


def png(text: str | None = None, seed: int = 1) -> bytes:
    return to_png(paint(Picture((Group("cat", "white"),), "meadow", text=text, seed=seed)))


BLANK = png()


def judged(prompt: Prompt, *reading: Reader, content: bytes | None = BLANK) -> Judgment | Exception:
    async def ask() -> Sequence[Judgment | Exception]:
        return await TextJudge(reading)([JudgeRequest(prompt, GeneratedImage("0" * 64, 512, 512, content=content))])

    (outcome,) = asyncio.run(ask())
    return outcome


def scored(prompt: Prompt, *reading: Reader) -> dict[str, tuple[float | None, str]]:
    """The scores by id, with their evidence."""
    outcome = judged(prompt, *reading)
    assert isinstance(outcome, Judgment), outcome
    return {score.id: (score.score, score.evidence) for score in outcome.scores}


def value(prompt: Prompt, *reading: Reader) -> float:
    outcome = judged(prompt, *reading)
    assert isinstance(outcome, Judgment), outcome
    return outcome.value


OPEN = Prompt('a shop with the sign "OPEN"')
NOTHING_ELSE = (0.0, "no other words read")

# -- what is made of the words read


@pytest.mark.parametrize(
    ("lines", "score", "evidence"),
    [
        (("OPEN",), 1.0, "reads 'OPEN'"),
        (("Open!",), 1.0, "reads 'Open!', with other spaces or signs than 'OPEN'"),
        (("open",), 1.0, "reads 'open', in other capitals than 'OPEN'"),
        (("OPNE",), 0.5, "reads 'OPNE', 'OPEN' wanted (50% of letters wrong)"),
        (("OPE",), 0.75, "reads 'OPE', 'OPEN' wanted (25% of letters wrong)"),
        ((), 0.0, "no words read, 'OPEN' wanted"),
        (("CLOSED",), 0.0, "reads 'CLOSED', 'OPEN' wanted"),
        (("THE SHOP IS OPEN",), 1.0, "reads 'OPEN'"),
        (("REOPENED",), 0.0, "reads 'REOPENED', 'OPEN' wanted"),
    ],
)
def test_a_quotation_is_scored_by_its_letters(lines: tuple[str, ...], score: float, evidence: str) -> None:
    assert scored(OPEN, Reading(*lines))["quote-1"] == (score, evidence)


def test_a_sign_of_several_lines_is_one_target() -> None:
    prompt = Prompt("a cake that says “Happy Birthday, Tom”")
    assert scored(prompt, Reading("HAPPY", "BIRTHDAY", "TOM"))["quote-1"][0] == 1.0
    found = scored(prompt, Reading("HAPPY", "BRTHDAY", "TOM"))["quote-1"]
    assert found[0] == pytest.approx(1 - 1 / 16)
    assert found[1] == "reads 'HAPPY BRTHDAY TOM', 'Happy Birthday, Tom' wanted (6% of letters wrong, 2 of 3 words right)"


def test_the_value_is_the_mean_over_the_targets() -> None:
    prompt = Prompt('a street with "OPEN" on one sign and "SALE" on another')
    assert value(prompt, Reading("OPEN", "SALE")) == 1.0
    assert value(prompt, Reading("OPEN")) == 0.5
    assert value(prompt, Reading()) == 0.0


def test_other_words_cost() -> None:
    found = scored(OPEN, Reading("OPEN", "DISCOUNT"))
    assert found["quote-1"][0] == 1.0
    assert found[EXTRA.id] == (1.0, "also reads 'DISCOUNT'")
    assert value(OPEN, Reading("OPEN", "DISCOUNT")) == 1 - MUST_NOT_PENALTY * EXTRA.weight
    assert scored(OPEN, Reading("OPEN DISCOUNT"))[EXTRA.id][0] == 1.0


@pytest.mark.parametrize(
    "reader",
    [
        Reading("OPEN", "OPEN"),  # Wanted once, there twice: nobody said only once.
        Reading("OPEN", "shop"),  # The user speaks of it.
        Reading("OPEN", "OIT", "II"),  # Too short to be sure that it is writing at all.
        Reading("OPEN", confidence=0.6),
        Reading("OPNE"),  # Wrong, but what was wanted.
        Reading(),
    ],
)
def test_what_is_no_other_writing(reader: Reading) -> None:
    assert scored(OPEN, reader)[EXTRA.id] == NOTHING_ELSE


def test_a_few_words_too_many_are_an_engines_slip_in_a_long_text() -> None:
    text = "the quick brown fox jumps over the lazy dog and then sleeps"
    assert scored(Prompt(f'a page with the text "{text}"'), Reading(text, "quickly"))[EXTRA.id][0] == 0.0


# -- which words are wanted


CHECKLIST = (
    Criterion("c1", "There is a shop", CriterionKind.ENTITY),
    Criterion("c2", "The sign reads 'OPEN'", CriterionKind.TEXT, weight=3.0),
    Criterion("c3", "Every letter is legible", CriterionKind.TEXT),
    Criterion("c4", "The word 'SALE' is visible", CriterionKind.TEXT, Need.MUST_NOT),
)


def test_criteria_about_words_are_scored_and_the_others_abstained_from() -> None:
    prompt = Prompt('a shop with the sign "OPEN", and no "SALE"', CHECKLIST)
    found = scored(prompt, Reading("OPEN"))
    assert found == {
        "c1": (None, "names no words to look for"),
        "c2": (1.0, "reads 'OPEN'"),
        "c3": (None, "names no words to look for"),
        "c4": (0.0, "'SALE' not read"),
        EXTRA.id: NOTHING_ELSE,
    }
    assert value(prompt, Reading("OPEN")) == 1.0


def test_what_may_not_be_written_costs_where_it_is_written_letter_for_letter() -> None:
    prompt = Prompt('a shop with the sign "OPEN", and no "SALE"', CHECKLIST)
    assert scored(prompt, Reading("OPEN", "SALE"))["c4"] == (1.0, "'SALE' read")
    assert value(prompt, Reading("OPEN", "SALE")) == 1 - MUST_NOT_PENALTY
    assert scored(prompt, Reading("OPEN", "SALES"))["c4"][0] == 0.0


def test_a_quotation_beyond_the_checklist_is_wanted_as_well() -> None:
    prompt = Prompt('a shop with "OPEN" on the door and "CAFE" above it', CHECKLIST[:2])
    found = scored(prompt, Reading("OPEN"))
    assert found["quote-2"] == (0.0, "reads 'OPEN', 'CAFE' wanted")
    assert "quote-1" not in found, "the checklist asks for it"
    assert value(prompt, Reading("OPEN")) == 3 / 4


def test_what_is_scored_beyond_the_checklist_can_be_shown() -> None:
    outcome = judged(OPEN, Reading("OPEN"))
    assert isinstance(outcome, Judgment)
    assert [criterion.text for criterion in judged_criteria(OPEN, outcome)] == ["'OPEN' can be read", EXTRA.text]


def test_a_quotation_that_the_checklist_takes_apart_is_not_wanted_twice() -> None:
    parts = tuple(Criterion(word, f"The word '{word}' can be read", CriterionKind.TEXT) for word in ("HAPPY", "BIRTHDAY"))
    assert set(scored(Prompt('a card "HAPPY BIRTHDAY"', parts), Reading("HAPPY"))) == {"HAPPY", "BIRTHDAY", EXTRA.id}


def test_words_that_only_a_check_names_are_wanted() -> None:
    criterion = Criterion("text", "The word OPEN can be read", CriterionKind.TEXT, check=Check(Trait.TEXT, value="OPEN"))
    assert scored(Prompt("a sign saying open", (criterion,)), Reading("OPEN"))["text"][0] == 1.0


def test_a_quoted_question_is_no_lettering() -> None:
    criterion = Criterion("q1", 'The answer to "Is the sign red?" is yes', CriterionKind.TEXT)
    assert scored(Prompt('a red sign "OPEN"', (criterion,)), Reading("OPEN"))["q1"][0] is None


def test_no_words_at_all_can_be_asked_for_beside_some() -> None:
    criterion = Criterion("none", "Words are visible", CriterionKind.TEXT, Need.MUST_NOT, check=Check(Trait.NO_TEXT))
    assert scored(Prompt('"OPEN"', (criterion,)), Reading("OPEN"))["none"] == (1.0, "reads 'OPEN'")
    assert scored(Prompt('"OPEN"', (criterion,)), Reading())["none"] == (0.0, "no words read")


@pytest.mark.parametrize(
    "prompt",
    [
        Prompt("a cat on a mat"),
        Prompt("a cat", CHECKLIST[:1]),
        Prompt('a wall without "SALE"', CHECKLIST[3:]),
        Prompt('a sign "ОТКРЫТО"'),
    ],
)
def test_a_prompt_that_wants_no_words_that_could_be_read_is_unsupported(prompt: Prompt) -> None:
    outcome = judged(prompt, Reading("OPEN"))
    assert isinstance(outcome, StageError)
    assert outcome.kind is FailureKind.UNSUPPORTED
    assert outcome.hint


def test_letters_that_no_reader_knows_are_abstained_from() -> None:
    found = scored(Prompt('a shop with "OPEN" and "ОТКРЫТО" on it'), Reading("OPEN"))
    assert found["quote-1"][0] == 1.0
    assert found["quote-2"] == (None, "the reader has not learnt the letters of 'ОТКРЫТО'")


@pytest.mark.parametrize(("content", "kind"), [(None, FailureKind.UNSUPPORTED), (b"not a picture", FailureKind.MALFORMED)])
def test_what_is_no_image_is_a_failure(content: bytes | None, kind: FailureKind) -> None:
    outcome = judged(OPEN, Reading("OPEN"), content=content)
    assert isinstance(outcome, StageError)
    assert outcome.kind is kind


# -- several readers


def test_the_worst_reading_counts() -> None:
    first, second = Reading("OPEN"), Reading(again="OPFN", name="second")
    assert scored(OPEN, first, second)["quote-1"] == (0.75, "second reads 'OPFN', 'OPEN' wanted (25% of letters wrong)")
    assert second.asked == [(20, 100, 3)], "it reads the place that the first one found, once"
    assert scored(OPEN, Reading("OPNE"), Reading(again="OPEN", name="second"))["quote-1"][0] == 0.5
    assert scored(OPEN, first, Reading(again="", name="second"))["quote-1"] == (
        0.0,
        "second can't read the letters that first takes for 'OPEN'",
    )


def test_other_writing_is_what_all_readers_take_for_writing() -> None:
    assert scored(OPEN, Reading("TTOITI"), Reading(again="|=", name="second"))[EXTRA.id] == NOTHING_ELSE
    assert scored(OPEN, Reading("DISCOUNT"), Reading(again="D1SCOUNT", name="second"))[EXTRA.id][0] == 1.0


def test_readers_are_named() -> None:
    assert TextJudge([Reading(), Reading(name="second")]).identity.endswith(" first:1 + second:1")
    with pytest.raises(UsageError, match="there is no engine 'easyocr'"):
        readers("rapidocr+easyocr")


# -- the engines


@needs_rapidocr
def test_rapidocr_reads_painted_signs() -> None:
    (reader,) = readers("")
    for text in ("OPEN", "JAZZ NIGHT"):
        outcome = judged(Prompt(f'a cat and a sign "{text}"'), reader, content=png(text))
        assert isinstance(outcome, Judgment)
        assert outcome.value == 1.0
    outcome = judged(Prompt('a cat and a sign "TAXI"'), reader, content=png("OPEN"))
    assert isinstance(outcome, Judgment)
    assert outcome.value == 0.0
    assert [score.score for score in outcome.scores] == [0.0, 1.0]


@needs_rapidocr
def test_rapidocr_finds_nothing_where_nothing_is_written() -> None:
    (reader,) = readers("rapidocr")
    assert reader.lines(np.full((300, 400, 3), 200, np.uint8)) == []
    assert reader.line(np.full((30, 100, 3), 200, np.uint8)) == ""
    assert [reader.knows(text) for text in ("Open 24", "生日快乐", "ОТКРЫТО")] == [True, True, False]


@needs_rapidocr
@needs_tesseract
def test_tesseract_reads_again_what_rapidocr_found() -> None:
    both = readers("rapidocr+tesseract")
    outcome = judged(Prompt('a cat and a sign "WELCOME HOME"'), *both, content=png("WELCOME HOME"))
    assert isinstance(outcome, Judgment)
    assert outcome.value == 1.0


@needs_tesseract
def test_tesseract_reads_a_page() -> None:
    import cv2

    page = np.full((120, 400, 3), 255, np.uint8)
    cv2.putText(page, "Grand opening", (20, 70), cv2.FONT_HERSHEY_SIMPLEX, 1.2, (0, 0, 0), 2, cv2.LINE_AA)
    (reader,) = readers("tesseract")
    (line,) = reader.lines(page)
    assert line.text == "Grand opening"
    assert 0 <= line.left < 40
    assert 30 < line.top < 60
    assert 200 < line.width < 400
    assert 0.6 <= line.confidence <= 1
    assert reader.identity.startswith("tesseract:")
    assert not reader.knows("café")


def test_a_missing_tesseract_is_said_before_anything_is_spent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(UsageError, match="tesseract is not installed") as caught:
        Tesseract()
    assert "apt-get install" in caught.value.hint
