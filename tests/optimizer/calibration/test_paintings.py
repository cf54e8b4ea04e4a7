"""The painted sets: always the same, balanced, true to what they say, and of every kind of error."""

import asyncio
from collections import Counter

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.identity import derived_random
from data.quotes import quoted
from data.records import GeneratedImage, Judgment, Need
from data.scene import Scene
from data.scenes import scene_of
from optimizer.calibration.canaries import LEAST_PAIRS
from optimizer.calibration.engines import AsTyped, Painted
from optimizer.calibration.exposures import CANARY_PAIRS, LEAST_IMAGES, RETESTED, exposures
from optimizer.calibration.paintings import BLOCK, EVERYWHERE, FIRST_PAIR, Copy, calibration_prompts, example_at, paintings, png_of, seed_of
from optimizer.calibration.plants import misspelt
from optimizer.calibration.report import Canary
from optimizer.calibration.skills import TRIES, Plant, Skill, skill_of
from optimizer.judges import JudgeRequest
from optimizer.judges.scene import SceneJudge
from tests.optimizer.calibration.answering import shown

COUNT = 500
PAINTINGS = list(paintings(COUNT, 1))


def test_a_set_is_always_the_same_and_longer_ones_begin_with_it() -> None:
    assert list(paintings(70, 1)) == PAINTINGS[:70]
    assert [painting.prompt.id for painting in paintings(30, 2)] != [painting.prompt.id for painting in PAINTINGS[:30]]


def test_pictures_are_always_the_same() -> None:
    for copy in Copy:
        if copy is not Copy.FLATTERED:
            assert png_of(1, seed_of(5, copy)) == png_of(1, seed_of(5, copy))
    assert png_of(1, seed_of(5, Copy.PLAIN)) != png_of(2, seed_of(5, Copy.PLAIN))


def test_every_skill_is_asked_about_as_much_truth_as_falsehood() -> None:
    sides: Counter[tuple[Skill, bool]] = Counter()
    for painting in PAINTINGS:
        criteria = {criterion.id: criterion for criterion in (*painting.prompt.checklist, *EVERYWHERE)}
        sides.update((skill_of(criteria[name]), truth) for name, truth in painting.truth.items())
    for skill in Skill:
        assert sides[skill, True] == sides[skill, False] >= 15


def test_every_error_is_planted_alone_and_among_others() -> None:
    alone = Counter(painting.plants[0] for painting in PAINTINGS if len(painting.plants) == 1)
    assert set(alone) == set(Plant)
    assert min(alone.values()) >= 8
    among = {plant for painting in PAINTINGS if len(painting.plants) > 1 for plant in painting.plants}
    assert among == set(Plant) - {Plant.COLLAGE, Plant.BROKEN}
    assert sum(not painting.plants for painting in PAINTINGS) == 167


def test_checklists_can_be_judged() -> None:
    for painting in PAINTINGS:
        assert sum(criterion.need is not Need.MUST_NOT for criterion in painting.prompt.checklist) >= 2
    assert len({painting.prompt.id for painting in PAINTINGS}) == COUNT


def test_what_is_planted_is_seen_by_its_skill_and_nothing_else_is() -> None:
    for painting in PAINTINGS:
        criteria = {criterion.id: criterion for criterion in (*painting.prompt.checklist, *EVERYWHERE)}
        bad = {skill_of(criteria[name]) for name, truth in painting.truth.items() if truth is (criteria[name].need is Need.MUST_NOT)} - {
            Skill.WHOLE
        }
        assert bad <= {TRIES[plant] for plant in painting.plants} | ({Skill.OTHERS} if Plant.PRESENT in painting.plants else set())


def test_pixels_agree_with_what_is_said_to_be_painted() -> None:
    """The judge that measures pixels knows nothing of how these pictures came about."""
    some = PAINTINGS[:BLOCK]
    requests = [JudgeRequest(painting.prompt, GeneratedImage("", 512, 512, content=png_of(1, painting.seed))) for painting in some]
    checked = 0
    for painting, outcome in zip(some, asyncio.run(_judged(requests)), strict=True):
        assert isinstance(outcome, Judgment)
        for score in outcome.scores:
            if score.id in painting.truth:
                assert score.score == painting.truth[score.id], (painting.number, score)
                checked += 1
    assert checked > 150


async def _judged(requests: list[JudgeRequest]) -> list[Judgment | Exception]:
    return list(await SceneJudge()(requests))


def test_prompts_read_as_they_are_meant() -> None:
    for painting in PAINTINGS:
        wish = example_at(1, painting.number).wish
        read = scene_of(painting.prompt.text)
        assert read is not None
        assert _essence(read) == _essence(wish.scene), painting.prompt.text


def _essence(scene: Scene) -> tuple[object, ...]:
    """A scene without the order of its things. Whether "a cat" may be two is the reader's business."""
    things = {
        (
            thing.kinds,
            thing.least,
            thing.color,
            thing.size,
            (thing.relation.direction, scene.things[thing.relation.of].kinds) if thing.relation else None,
        )
        for thing in scene.things
    }
    return things, set(scene.absent), scene.text, scene.background


@given(st.text("ABCDEFGHIJKLMNOPQRSTUVWXYZ ", min_size=1).filter(str.strip), st.integers())
def test_a_misspelt_word_is_another(text: str, seed: int) -> None:
    assert misspelt(text, derived_random(seed)) != text


def test_copies_are_what_their_names_say() -> None:
    def pixels(number: int, copy: Copy) -> np.ndarray:
        image = cv2.imdecode(np.frombuffer(png_of(1, seed_of(number, copy)), np.uint8), cv2.IMREAD_COLOR)
        assert image is not None
        return image

    def saturation(image: np.ndarray) -> float:
        return float(cv2.cvtColor(image, cv2.COLOR_BGR2HSV)[..., 1].mean())

    flattered = next(exposure for exposure in shown() if exposure.canary is Canary.FLATTERED).painting.number
    plain = pixels(flattered, Copy.PLAIN)
    assert plain.shape == (512, 512, 3)
    assert np.ptp(pixels(flattered, Copy.GREY)) == 0
    assert saturation(pixels(flattered, Copy.VIVID)) > 1.5 * saturation(plain)
    changed = (pixels(flattered, Copy.FLATTERED) != plain).any(axis=2).mean()
    assert 0.05 < changed < 0.15
    collage = next(painting.number for painting in PAINTINGS if Plant.COLLAGE in painting.plants)
    four = pixels(collage, Copy.PLAIN)
    assert (four[:256, :256] == four[256:, 256:]).all()
    broken = next(painting.number for painting in PAINTINGS if Plant.BROKEN in painting.plants)
    assert (pixels(broken, Copy.PLAIN) != pixels(broken, Copy.TWIN)).any()


@pytest.mark.parametrize("images", [LEAST_IMAGES, 500])
def test_there_is_enough_of_everything_that_is_shown(images: int) -> None:
    counts = Counter(exposure.canary for exposure in exposures(images, 1))
    assert counts[None] == images
    assert counts.pop(Canary.IDENTICAL) == RETESTED
    least = CANARY_PAIRS if images == 500 else LEAST_PAIRS
    assert all(least <= counts[canary] <= CANARY_PAIRS for canary in Canary if canary is not Canary.IDENTICAL)
    requests = {exposure.request for exposure in exposures(images, 1)}
    assert len(requests) == len(exposures(images, 1))


def test_prompts_of_a_calibration_are_known_beforehand() -> None:
    prompts = calibration_prompts(150, 1)
    asked = {exposure.painting.prompt for exposure in exposures(150, 1)}
    assert asked <= set(prompts)
    assert len(prompts) == 225
    assert all(len(example_at(1, FIRST_PAIR + number).plants) == 1 for number in range(75))


def test_the_engines_around_a_judge_have_identities_of_their_own() -> None:
    assert AsTyped.identity == "as-typed:1"
    assert Painted(1).identity != Painted(2).identity


def test_judges_that_only_read_meet_the_canaries_too() -> None:
    reading = Counter(exposure.canary for exposure in exposures(500, 1) if quoted(exposure.painting.prompt.text))
    assert all(reading[canary] >= LEAST_PAIRS for canary in Canary)
