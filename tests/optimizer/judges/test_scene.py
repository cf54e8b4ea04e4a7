"""The scene judge: what it sees in painted pictures, what it answers, and in which words."""

import asyncio
from collections import Counter

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.errors import FailureKind, StageError
from data.records import Criterion, CriterionKind, GeneratedImage, Judgment, Need, Prompt
from data.scene import BACKGROUNDS, COLORS, KINDS, Check, Direction, Size
from data.scene import Test as Trait
from generator.embedded.layout import arrange
from generator.embedded.painter import paint, to_png
from generator.embedded.picture import Group, Picture
from optimizer.judges import JudgeRequest
from optimizer.judges.pixels import Box, Figure, Measurement, measure
from optimizer.judges.scene import SceneJudge, answer, directions


def seen_in(*groups: Group, background: str = "meadow", text: str | None = None, seed: int = 1) -> Measurement:
    return measure(to_png(paint(Picture(groups, background, text=text, seed=seed))))


def figure(kind: str | None, color: str = "red", x: int = 100, y: int = 100, size: Size | None = None) -> Figure:
    return Figure(kind, color, Box(x - 30, y - 30, 60, 60), size, 60.0, 0.95)


def measured(*figures: Figure, text: str | None = None, background: str | None = "meadow") -> Measurement:
    return Measurement(figures, text, background)


# -- what is seen


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_read_back_in_every_colour(kind: str) -> None:
    for index, color in enumerate(COLORS):
        seen = seen_in(Group(kind, color, 2), background=BACKGROUNDS[index], seed=index)
        assert [(one.kind, one.color, one.size) for one in seen.figures] == [(kind, color, None)] * 2
        assert seen.background == BACKGROUNDS[index]
        assert seen.text is None


@pytest.mark.parametrize("kind", KINDS)
def test_small_ordinary_and_large_are_told_apart(kind: str) -> None:
    for count in (1, 2):
        for size in (None, Size.SMALL, Size.LARGE):
            picture = Picture((Group(kind, "blue", count, size),), "room", seed=count)
            assert arrange(picture).faithful
            assert [one.size for one in measure(to_png(paint(picture))).figures] == [size] * count


@settings(max_examples=60, deadline=None)
@given(st.text("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 ", min_size=1, max_size=16), st.sampled_from(BACKGROUNDS), st.integers(0, 10**6))
def test_signs_are_read_back(text: str, background: str, seed: int) -> None:
    picture = Picture((Group("cat", "white"),), background, text=text, seed=seed)
    seen = measure(to_png(paint(picture)))
    assert seen.text == (picture.lettering or None)
    assert [one.kind for one in seen.figures] == ["cat"]


def test_an_empty_picture_shows_nothing() -> None:
    assert seen_in(background="snow") == Measurement((), None, "snow")


def test_a_crowd_is_counted() -> None:
    seen = seen_in(Group("fish", "orange", 6), Group("boat", "white", 4), background="sea")
    assert Counter(one.kind for one in seen.figures) == {"fish": 6, "boat": 4}


def test_something_that_is_no_known_kind_has_no_name() -> None:
    image = paint(Picture((), "meadow", seed=1))
    cv2.rectangle(image, (100, 100), (400, 118), (220, 30, 40), cv2.FILLED)
    (one,) = measure(to_png(image)).figures
    assert one.kind is None
    assert answer(Check(Trait.OTHERS, ("cat",)), measured(one)).evidence == "also seen: 1 red unknown thing"


def test_a_strange_background_has_no_name() -> None:
    magenta = np.full((512, 512, 3), (120, 130, 200), np.uint8)
    assert measure(to_png(magenta)).background is None


# -- what is answered


@pytest.mark.parametrize(
    ("check", "seen", "score", "evidence"),
    [
        (Check(Trait.COUNT, ("balloon",), least=3, most=3), measured(*[figure("balloon")] * 5), 0, "5 balloons seen, exactly 3 wanted"),
        (Check(Trait.COUNT, ("balloon",), least=3, most=3), measured(*[figure("balloon")] * 3), 1, "3 balloons seen"),
        (Check(Trait.COUNT, ("fish",), least=1), measured(), 0, "no fish seen"),
        (Check(Trait.COUNT, ("cake", "gift"), least=2, most=4), measured(figure("cake")), 0, "1 cake or gift seen, 2 to 4 wanted"),
        (Check(Trait.COUNT, ("cake", "gift"), least=2), measured(figure("cake"), figure("gift")), 1, "2 cakes or gifts seen"),
        (
            Check(Trait.COUNT, ("club",), "red", least=2, most=2),
            measured(figure("club"), figure("club", "blue"), figure("club", "blue")),
            0,
            "1 red baseball bat seen (and 2 blue), exactly 2 wanted",
        ),
        (
            Check(Trait.COLOR, ("balloon",), "red"),
            measured(figure("balloon"), figure("balloon", "blue"), figure("balloon", "blue")),
            0,
            "2 of 3 balloons are blue, not red",
        ),
        (Check(Trait.COLOR, ("cat",), "red"), measured(figure("cat", "pink")), 0, "the cat is pink, not red"),
        (Check(Trait.COLOR, ("cat",), "red", least=2), measured(figure("cat")), 0, "1 cat seen, at least 2 wanted"),
        (Check(Trait.COLOR, ("butterfly",), "red"), measured(*[figure("butterfly")] * 3), 1, "all 3 butterflies are red"),
        (Check(Trait.SIZE, ("cat",), value="small"), measured(figure("cat")), 0, "the cat is of ordinary size, not small"),
        (Check(Trait.SIZE, ("cat",), value="small"), measured(*[figure("cat", size=Size.SMALL)] * 2), 1, "both cats are small"),
        (
            Check(Trait.SIZE, ("cat",), value="large"),
            measured(figure("cat", size=Size.SMALL), figure("cat", size=Size.LARGE)),
            0,
            "1 of 2 cats is small, not large",
        ),
        (Check(Trait.SIZE, ("cat",), "red", value="large"), measured(figure("cat", "blue")), 0, "no red cat seen"),
        (
            Check(Trait.RELATION, ("cat",), value="left of", other_kinds=("house",)),
            measured(figure("cat", x=80), figure("house", x=300)),
            1,
            "the cat is left of the house",
        ),
        (
            Check(Trait.RELATION, ("cat",), value="left of", other_kinds=("house",)),
            measured(figure("cat", x=300), figure("house", x=80)),
            0,
            "the cat is right of the house, not left of",
        ),
        (
            Check(Trait.RELATION, ("cat",), value="left of", other_kinds=("house",)),
            measured(figure("cat", x=80), figure("house", x=85)),
            0,
            "the cat is too near, or askew, not left of the house",
        ),
        (
            Check(Trait.RELATION, ("cat",), value="above", other_kinds=("house",)),
            measured(figure("cat", y=80), figure("cat", y=400), figure("house", y=200)),
            0,
            "the cats are not all above the house: 1 of 2 pairs are otherwise (below)",
        ),
        (
            Check(Trait.RELATION, ("cat",), "red", value="left of", other_kinds=("cat",), other_color="blue"),
            measured(figure("cat", x=80)),
            0,
            "no blue cat seen",
        ),
        (Check(Trait.TEXT, value="OPEN"), measured(text="OPNE"), 0, "the sign reads 'OPNE', not 'OPEN'"),
        (Check(Trait.TEXT, value="Open  now"), measured(text="OPEN NOW"), 1, "the sign reads 'OPEN NOW'"),
        (Check(Trait.TEXT, value="OPEN"), measured(), 0, "no sign seen, 'OPEN' wanted"),
        (Check(Trait.NO_TEXT), measured(text="SALE"), 1, "a sign reads 'SALE'"),
        (Check(Trait.NO_TEXT), measured(), 0, "no words seen"),
        (Check(Trait.BACKGROUND, value="snow"), measured(background="beach"), 0, "the background is beach, not snow"),
        (Check(Trait.BACKGROUND, value="snow"), measured(background="snow"), 1, "the background is snow"),
        (Check(Trait.BACKGROUND, value="snow"), measured(background=None), 0, "the background is unknown, not snow"),
        (Check(Trait.OTHERS, ("cat",)), measured(figure("cat")), 0, "nothing else seen"),
        (
            Check(Trait.OTHERS, ("cat",)),
            measured(figure("cat"), figure("car", "blue"), figure("car", "blue"), figure("key", "black")),
            1,
            "also seen: 2 blue cars and 1 black key",
        ),
    ],
)
def test_answers_and_their_evidence(check: Check, seen: Measurement, score: float, evidence: str) -> None:
    assert answer(check, seen) == (score, evidence)


def test_every_test_has_an_answer() -> None:
    for test in Trait:
        assert answer(Check(test, ("cat",), value="left of", other_kinds=("car",)), measured(figure("cat"), figure("car", x=300))).evidence


def test_a_diagonal_may_be_two_directions() -> None:
    assert directions(Box(0, 0, 20, 20), Box(200, 200, 20, 20)) == (Direction.LEFT, Direction.ABOVE)
    assert directions(Box(0, 0, 60, 60), Box(40, 5, 60, 60)) == (Direction.LEFT,)
    assert directions(Box(0, 0, 60, 60), Box(5, 5, 60, 60)) == ()
    assert directions(Box(0, 0, 60, 60), Box(0, 0, 60, 60)) == ()


# -- the judge


CHECKLIST = (
    Criterion("c1", "There are exactly two cats", CriterionKind.COUNT, check=Check(Trait.COUNT, ("cat",), least=2, most=2)),
    Criterion("c2", "The cats are red", CriterionKind.ATTRIBUTE, check=Check(Trait.COLOR, ("cat",), "red", least=2)),
    Criterion("c3", "It is cosy", CriterionKind.STYLE),
    Criterion("c4", "There is a car", CriterionKind.NEGATION, Need.MUST_NOT, check=Check(Trait.COUNT, ("car",))),
)


def judged(content: bytes | None, checklist: tuple[Criterion, ...] = CHECKLIST) -> Judgment | Exception:
    request = JudgeRequest(Prompt("two red cats", checklist), GeneratedImage("0" * 64, 512, 512, content=content))
    (outcome,) = asyncio.run(_ask([request]))
    return outcome


async def _ask(requests: list[JudgeRequest]) -> list[Judgment | Exception]:
    return list(await SceneJudge()(requests))


def png(*groups: Group) -> bytes:
    return to_png(paint(Picture(groups, "room", seed=2)))


def test_a_judgment_scores_checks_and_abstains_from_the_rest() -> None:
    judgment = judged(png(Group("cat", "red", 2)))
    assert isinstance(judgment, Judgment)
    assert judgment.value == 1.0
    assert [score.score for score in judgment.scores] == [1.0, 1.0, None, 0.0]
    assert judgment.scores[2].evidence == "needs eyes: no pixel check"
    assert judgment.latency > 0


def test_what_is_wrong_costs() -> None:
    judgment = judged(png(Group("cat", "blue", 2), Group("car", "green")))
    assert isinstance(judgment, Judgment)
    assert [score.score for score in judgment.scores] == [1.0, 0.0, None, 1.0]
    assert judgment.value == 0.0


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (None, FailureKind.UNSUPPORTED),
        (b"", FailureKind.MALFORMED),
        (b"not a picture", FailureKind.MALFORMED),
        (png(Group("cat", "red"))[:2000], FailureKind.MALFORMED),
        (to_png(np.zeros((256, 256, 3), np.uint8)), FailureKind.UNSUPPORTED),
    ],
)
def test_what_can_not_be_measured_is_a_failure(content: bytes | None, kind: FailureKind) -> None:
    outcome = judged(content)
    assert isinstance(outcome, StageError)
    assert outcome.kind is kind
    assert not outcome.retryable


def test_a_checklist_without_checks_is_unsupported() -> None:
    outcome = judged(png(Group("cat", "red")), CHECKLIST[2:3])
    assert isinstance(outcome, StageError)
    assert outcome.kind is FailureKind.UNSUPPORTED


def test_outcomes_keep_the_order_of_the_requests() -> None:
    contents = [png(Group("cat", "red", 2)), b"", png(Group("cat", "red", 1))]
    requests = [
        JudgeRequest(Prompt("two red cats", CHECKLIST[:1]), GeneratedImage("0" * 64, 512, 512, content=content)) for content in contents
    ]
    first, second, third = asyncio.run(_ask(requests))
    assert isinstance(first, Judgment)
    assert isinstance(second, StageError)
    assert isinstance(third, Judgment)
    assert (first.value, third.value) == (1.0, 0.0)


def test_the_identity_names_the_version() -> None:
    assert SceneJudge().identity.startswith("scene:")
