"""The scene judge over a detector: GenEval's thresholds and rules, its prompts, and painted scenes on which both scene judges agree."""

import asyncio
import io
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmarks.scene_judge import random_picture
from data.checklists import NamedThing, scene_checklist, things_checklist
from data.errors import FailureKind, StageError
from data.formats import load_prompts
from data.records import Criterion, CriterionKind, CriterionScore, GeneratedImage, Judgment, Need, Prompt
from data.scene import COLORS, Check, Direction, Relation, Scene, Thing
from data.scene import Test as Trait
from generator.embedded.layout import arrange
from generator.embedded.painter import paint, to_png
from generator.embedded.picture import Picture
from optimizer.judges import Judge, JudgeRequest
from optimizer.judges.detection import MOST_PER_KIND, Detection, DetectionJudge, Detector
from optimizer.judges.geneval import geneval_score
from optimizer.judges.scene import SceneJudge
from tests.optimizer.judges.painted_detector import PaintedDetector

ROOT = Path(__file__).resolve().parents[3]
GENEVAL = ROOT.parent / "shared" / "promptsets" / "geneval" / "evaluation_metadata.jsonl"


class Finding:
    """A Detector that finds the same in every picture."""

    identity = "finding"

    def __init__(self, *found: Detection, labels: frozenset[str] | None = None) -> None:
        self._found = found
        self.seen: list[bytes] = []
        if labels is not None:
            self.labels = labels

    def __call__(self, pngs: Sequence[bytes]) -> list[Sequence[Detection]]:
        self.seen += pngs
        return [self._found for _ in pngs]


def png(**colors: tuple[int, int, int, int]) -> bytes:
    """A grey picture of 200 x 100 pixels with rectangles (left, top, width, height) by colour."""
    pixels = np.full((100, 200, 3), 128, np.uint8)
    for color, (left, top, width, height) in colors.items():
        pixels[top : top + height, left : left + width] = COLORS[color]
    encoded = io.BytesIO()
    Image.fromarray(pixels).save(encoded, "PNG")
    return encoded.getvalue()


GREY = png()


def dog(confidence: float = 0.95, left: float = 10, top: float = 10, label: str = "dog", color: str | None = "brown") -> Detection:
    return Detection(label, confidence, (left, top, 20, 20), None, color)


def criterion(check: Check | None, id: str = "c", need: Need = Need.MUST) -> Criterion:
    return Criterion(id, "…", CriterionKind.ENTITY, need, check=check)


def outcomes(judge: Judge, *requests: JudgeRequest) -> list[Judgment | Exception]:
    async def ask() -> Sequence[Judgment | Exception]:
        return await judge(requests)

    return list(asyncio.run(ask()))


def judged(detector: Detector, *checklist: Criterion, content: bytes | None = GREY) -> Judgment | Exception:
    request = JudgeRequest(Prompt("a prompt", checklist), GeneratedImage("0" * 64, 200, 100, content=content))
    return outcomes(DetectionJudge(detector), request)[0]


def scores(detector: Detector, *checklist: Criterion, content: bytes = GREY) -> tuple[CriterionScore, ...]:
    outcome = judged(detector, *checklist, content=content)
    assert isinstance(outcome, Judgment), outcome
    return outcome.scores


def answered(check: Check, *found: Detection, content: bytes = GREY) -> tuple[float | None, str]:
    (score,) = scores(Finding(*found), criterion(check), content=content)
    return score.score, score.evidence


# -- GenEval's thresholds


@pytest.mark.parametrize(
    ("check", "confidences", "score"),
    [
        (Check(Trait.COUNT, ("dog",)), (0.3,), 0.0),
        (Check(Trait.COUNT, ("dog",)), (0.31,), 1.0),
        (Check(Trait.COUNT, ("dog",), least=2, most=2), (0.95, 0.91), 1.0),
        (Check(Trait.COUNT, ("dog",), least=2, most=2), (0.95, 0.9), 0.0),
        (Check(Trait.COUNT, ("dog",), least=2, most=2), (0.95, 0.91, 0.6), 1.0),
        (Check(Trait.COUNT, ("dog",), least=2, most=2), (0.95, 0.93, 0.91), 0.0),
        (Check(Trait.COUNT, ("dog",), least=30), (0.95,) * 40, 0.0),
        (Check(Trait.COUNT, ("dog",), least=MOST_PER_KIND, most=MOST_PER_KIND), (0.95,) * 40, 1.0),
    ],
)
def test_how_sure_a_detection_has_to_be(check: Check, confidences: tuple[float, ...], score: float) -> None:
    assert answered(check, *map(dog, confidences))[0] == score


def test_the_colours_of_the_surest_things_count_as_many_as_are_wanted() -> None:
    found = (dog(0.5, color="red"), dog(0.9, color="brown"), dog(0.8, color="brown"))
    assert answered(Check(Trait.COLOR, ("dog",), "brown", least=2), *found) == (1.0, "both dogs are brown")
    assert answered(Check(Trait.COLOR, ("dog",), "brown", least=3), *found) == (0.0, "1 of 3 dogs is red, not brown")
    assert answered(Check(Trait.COLOR, ("dog",), "red"), *found) == (0.0, "the dog is brown, not red")


def test_the_places_of_the_surest_things_count_as_many_as_are_wanted() -> None:
    above = Check(Trait.RELATION, ("dog",), value="above", other_kinds=("cup",))
    found = (dog(0.9, top=5), dog(0.5, top=70), dog(0.9, top=50, label="cup"))
    assert answered(above, *found) == (1.0, "the dog is above the cup")
    checklist = things_checklist(
        [NamedThing(("dog",), 2, 2, relation=Relation(Direction.ABOVE, 1)), NamedThing(("cup",))],
    )
    sure = (dog(0.95, top=5), dog(0.94, top=70), dog(0.93, top=40, label="cup"))
    assert [score.score for score in scores(Finding(*sure), *checklist)] == [1.0, 1.0, 0.0]


@pytest.mark.parametrize(
    ("left", "top", "score"),
    [
        (60, 40, 0.0),  # Right of it.
        (0, 40, 1.0),
        (22, 42, 0.0),  # Nearer than a tenth of both sizes.
        (0, 20, 1.0),  # A diagonal is both.
        (20, 0, 0.0),
    ],
)
def test_the_position_rule(left: float, top: float, score: float) -> None:
    check = Check(Trait.RELATION, ("dog",), value="left of", other_kinds=("cup",))
    assert answered(check, dog(left=left, top=top), dog(left=23, top=43, label="cup"))[0] == score


# -- colours


def test_a_colour_is_told_from_the_pixels_of_the_mask() -> None:
    content = png(red=(10, 10, 60, 60), blue=(25, 25, 30, 30))
    mask = np.zeros((100, 200), bool)
    mask[10:70, 10:70] = True
    mask[25:55, 25:55] = False
    box = (10, 10, 60, 60)
    check = Check(Trait.COLOR, ("dog",), "red")
    assert answered(check, Detection("dog", 0.9, box, mask), content=content) == (1.0, "the dog is red")
    assert answered(check, Detection("dog", 0.9, box), content=content) == (0.0, "the dog is blue, not red")
    assert answered(check, Detection("dog", 0.9, box, mask, "pink"), content=content) == (0.0, "the dog is pink, not red")


@pytest.mark.parametrize("color", COLORS)
def test_every_colour_is_told(color: str) -> None:
    content = png(**{color: (10, 10, 60, 60)})
    assert answered(Check(Trait.COLOR, ("dog",), color), Detection("dog", 0.9, (-5.5, 10, 80.2, 60)), content=content)[0] == 1.0


# -- what a detector can't answer


def test_words_backgrounds_and_sizes_are_abstained_from() -> None:
    checks = [
        None,
        Check(Trait.TEXT, value="OPEN"),
        Check(Trait.NO_TEXT),
        Check(Trait.BACKGROUND, value="sea"),
        Check(Trait.SIZE, ("dog",), value="small"),
    ]
    criteria = [criterion(check, f"c{number}") for number, check in enumerate([Check(Trait.COUNT, ("dog",)), *checks])]
    found = scores(Finding(dog()), *criteria)
    assert [score.score for score in found] == [1.0] + [None] * 5
    assert found[1].evidence == "not for a detector"
    outcome = judged(Finding(dog()), *criteria[1:])
    assert isinstance(outcome, StageError)
    assert outcome.kind is FailureKind.UNSUPPORTED


def test_what_the_detector_has_no_name_for_is_not_held_to_be_absent() -> None:
    checks = (Check(Trait.COUNT, ("dog",)), Check(Trait.COUNT, ("wombat",)), Check(Trait.COUNT, ("dog", "wombat")))
    criteria = [criterion(check, f"c{number}") for number, check in enumerate(checks)]
    found = scores(Finding(dog(), labels=frozenset(["dog"])), *criteria)
    assert [score.score for score in found] == [1.0, None, None]
    assert found[1].evidence == "the detector does not know 'wombat'"
    assert [score.score for score in scores(Finding(dog()), *criteria)] == [1.0, 0.0, 1.0]


def test_things_that_nobody_asked_for_are_seen() -> None:
    wanted, others = criterion(Check(Trait.COUNT, ("dog",))), criterion(Check(Trait.OTHERS, ("dog",)), "others", Need.MUST_NOT)
    found = scores(Finding(dog(), dog(0.6, label="bus", color="red"), dog(0.2, label="cup")), wanted, others)
    assert (found[1].score, found[1].evidence) == (1.0, "also seen: 1 red bus")
    assert scores(Finding(dog(), dog(0.2, label="cup")), wanted, others)[1].score == 0.0


def test_evidence_counts_in_english() -> None:
    glasses = (dog(label="wine glass"), dog(label="wine glass"))
    assert answered(Check(Trait.COUNT, ("wine glass",), least=3, most=3), *glasses)[1] == "2 wine glasses seen, exactly 3 wanted"
    assert answered(Check(Trait.COUNT, ("skis",)))[1] == "no pairs of skis seen"


# -- detectors


def test_a_detector_sees_pixels_and_nothing_that_a_file_says_of_itself() -> None:
    from PIL.PngImagePlugin import PngInfo

    told = PngInfo()
    told.add_text("prompt", "a dog in the style of the rewrite")
    encoded = io.BytesIO()
    Image.open(io.BytesIO(GREY)).save(encoded, "PNG", pnginfo=told)
    detector = Finding(dog())
    assert isinstance(judged(detector, criterion(Check(Trait.COUNT, ("dog",))), content=encoded.getvalue()), Judgment)
    assert b"rewrite" in encoded.getvalue()
    assert b"rewrite" not in detector.seen[0]
    assert Image.open(io.BytesIO(detector.seen[0])).size == (200, 100)


def test_an_asynchronous_detector() -> None:
    class Slow:
        identity = "slow"

        async def __call__(self, pngs: Sequence[bytes]) -> list[list[Detection]]:
            await asyncio.sleep(0)
            return [[dog()] for _ in pngs]

    assert scores(Slow(), criterion(Check(Trait.COUNT, ("dog",))))[0].score == 1.0


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (RuntimeError("no such layer"), FailureKind.CRASHED),
        (StageError(FailureKind.OUT_OF_MEMORY, "no room"), FailureKind.OUT_OF_MEMORY),
    ],
)
def test_a_detector_that_fails_scores_nothing(error: Exception, kind: FailureKind) -> None:
    class Broken:
        identity = "broken"

        def __call__(self, pngs: Sequence[bytes]) -> Sequence[Sequence[Detection]]:
            raise error

    outcome = judged(Broken(), criterion(Check(Trait.COUNT, ("dog",))))
    assert isinstance(outcome, StageError)
    assert outcome.kind is kind


@pytest.mark.parametrize(
    "found",
    [
        dog(1.5),
        dog(float("nan")),
        dog(left=200),
        dog(left=float("nan")),
        Detection("dog", 0.9, (0, 0, 0, 5)),
        Detection("dog", 0.9, (0, 0, 5, 5), np.zeros((5, 5), bool)),
        Detection("dog", 0.9, (0, 0, 5, 5), np.zeros((100, 200), bool)),
        dog(color="turquoise"),
    ],
)
def test_what_can_not_have_been_found_is_a_failure(found: Detection) -> None:
    outcome = judged(Finding(found), criterion(Check(Trait.COUNT, ("dog",))))
    assert isinstance(outcome, StageError)
    assert outcome.kind is FailureKind.MALFORMED


def test_outcomes_keep_the_order_of_the_requests() -> None:
    prompt = Prompt("a dog", (criterion(Check(Trait.COUNT, ("dog",))),))
    requests = [JudgeRequest(prompt, GeneratedImage("0", 200, 100, content=content)) for content in (GREY, None, b"?", GREY)]
    detector = Finding(dog())
    first, second, third, fourth = outcomes(DetectionJudge(detector), *requests)
    assert isinstance(first, Judgment)
    assert isinstance(second, StageError)
    assert second.kind is FailureKind.UNSUPPORTED
    assert isinstance(third, StageError)
    assert third.kind is FailureKind.MALFORMED
    assert isinstance(fourth, Judgment)
    assert len(detector.seen) == 2


# -- painted scenes


def scene_of(picture: Picture, wrong: int) -> Scene:
    """What is in a picture, as something that is asked for; ``wrong`` 1, 2: with another number, another colour."""
    colors = list(COLORS)
    relations = {subject: Relation(direction, other) for subject, direction, other in picture.relations}
    things = [
        Thing(
            (group.kind,),
            group.count % 6 + 1 if wrong == 1 and number == 0 else group.count,
            group.count % 6 + 1 if wrong == 1 and number == 0 else group.count,
            colors[(colors.index(group.color) + 3) % 10] if wrong == 2 and number == 0 else group.color,
            relation=relations.get(number),
        )
        for number, group in enumerate(picture.groups)
    ]
    return Scene(tuple(things))


@pytest.fixture(scope="module")
def painted() -> list[tuple[JudgeRequest, Judgment | Exception]]:
    """Scenes, two of three of them asked for otherwise than they are painted, and what the pixel judge says."""
    requests: list[JudgeRequest] = []
    for number in range(90):
        picture = random_picture(number)
        if arrange(picture).faithful:
            prompt = Prompt(f"scene {number}", scene_checklist(scene_of(picture, number % 3)))
            requests.append(JudgeRequest(prompt, GeneratedImage("0", 512, 512, content=to_png(paint(picture)))))
    return list(zip(requests, outcomes(SceneJudge(), *requests), strict=True))


@pytest.mark.parametrize("says_colors", [False, True])
def test_both_scene_judges_agree_on_painted_scenes(painted: list[tuple[JudgeRequest, Judgment | Exception]], says_colors: bool) -> None:
    found = outcomes(DetectionJudge(PaintedDetector(says_colors)), *(request for request, _ in painted))
    same: Counter[tuple[bool, float | None]] = Counter()
    for (request, one), other in zip(painted, found, strict=True):
        assert isinstance(one, Judgment)
        assert isinstance(other, Judgment)
        assert len(one.scores) == len(request.prompt.checklist)
        for left, right in zip(one.scores, other.scores, strict=True):
            same[left.score == right.score, left.score] += 1
    agreed = sum(number for (agree, _), number in same.items() if agree)
    assert same.total() > 300
    assert same[True, 0.0] > 30, "there is something to find fault with"
    assert agreed / same.total() >= 0.98, same


# -- GenEval


@pytest.fixture(scope="module")
def geneval() -> list[Prompt]:
    if not GENEVAL.exists():
        pytest.skip(f"{GENEVAL} is not here")
    return load_prompts(GENEVAL)


def test_every_geneval_prompt_can_be_judged(geneval: list[Prompt]) -> None:
    assert len(geneval) == 553
    assert all(one.check for prompt in geneval for one in prompt.checklist)
    detector = Finding()
    image = GeneratedImage("0", 200, 100, content=GREY)
    judgments = outcomes(DetectionJudge(detector), *(JudgeRequest(prompt, image) for prompt in geneval))
    pairs = [(prompt, judgment) for prompt, judgment in zip(geneval, judgments, strict=True) if isinstance(judgment, Judgment)]
    assert len(pairs) == 553
    score = geneval_score(pairs)
    assert (score.overall, score.undecided) == (0.0, 0)
    assert len(score.tasks) == 6


def test_a_geneval_prompt_is_right_where_all_is_right(geneval: list[Prompt]) -> None:
    prompt = next(prompt for prompt in geneval if prompt.text == "a photo of a green skis and a brown airplane")
    for color, right in (("green", 1.0), ("red", 0.0)):
        found = Finding(dog(label="skis", color=color), dog(label="airplane", color="brown"))
        judgment = judged(found, *prompt.checklist)
        assert isinstance(judgment, Judgment)
        assert geneval_score([(prompt, judgment)]).overall == right


def test_geneval_tasks_count_alike() -> None:
    def pair(tag: str, *values: float | None) -> tuple[Prompt, Judgment]:
        checklist = tuple(criterion(None, f"c{number}") for number in range(len(values)))
        return Prompt("…", checklist, category=tag), Judgment(
            0.5, tuple(CriterionScore(f"c{number}", value) for number, value in enumerate(values))
        )

    judged = [
        pair("one", 1, 1),
        pair("one", 1, 0),
        pair("one", 1, 1),
        pair("one", 1, 1),
        pair("two", 0),
        pair("two", None),
        pair("two", 0, None),
    ]
    score = geneval_score(judged)
    assert score.tasks == {"one": 0.75, "two": 0.0}
    assert score.overall == 0.375
    assert score.undecided == 1
    with pytest.raises(ValueError, match="no image"):
        geneval_score([pair("two", None)])


def test_the_pixel_judge_abstains_from_kinds_that_it_does_not_know() -> None:
    checklist = things_checklist([NamedThing(("cat",)), NamedThing(("toaster",))])
    content = to_png(paint(Picture((), "snow", seed=1)))
    (outcome,) = outcomes(SceneJudge(), JudgeRequest(Prompt("…", checklist), GeneratedImage("0", 512, 512, content=content)))
    assert isinstance(outcome, Judgment)
    assert [score.score for score in outcome.scores] == [0.0, None]
    assert outcome.scores[1].evidence == "not one of the kinds that pixels tell"
