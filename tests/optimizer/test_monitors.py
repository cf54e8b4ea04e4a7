"""Monitors alarm at what is planted, each at its own, and stay quiet where only chance differs."""

import io
import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageEnhance, ImageFilter

from data.errors import FailureKind, Stage
from data.identity import derived_seed
from data.records import CriterionScore, Failure, GeneratedImage, Judgment, Prompt, SystemPrompt, Trial, TrialRequest
from optimizer.looks import Look, distance, look
from optimizer.monitors import Measure, Monitors, Watched, monitors, monitors_to_json

PROMPTS = 30
TEXTS = {name: SystemPrompt(name) for name in ("none", "general", "best")}


def painted(*names: object, size: tuple[int, int] = (96, 96)) -> Image.Image:
    """Soft fields of muted color with some grain: another picture for other names."""
    random = np.random.default_rng(derived_seed("painted", *names))
    fields = Image.fromarray(random.integers(70, 180, (4, 4, 3), dtype=np.uint8)).resize(size, Image.Resampling.BICUBIC)
    grain = random.normal(0, 4, (size[1], size[0], 1))
    return Image.fromarray(np.clip(np.asarray(fields) + grain, 0, 255).astype(np.uint8))


def png(picture: Image.Image) -> bytes:
    file = io.BytesIO()
    picture.save(file, "PNG")
    return file.getvalue()


Change = Callable[[Image.Image], Image.Image]


class Gallery:
    """Trials with pictures: ``change`` is done to the winner's."""

    def __init__(self, change: Change = lambda picture: picture, *, seeds: int = 1, alike: bool = False) -> None:
        self.looks: dict[str, Look] = {}
        self.trials = {
            name: [self._trial(name, number, seed, change, alike) for number in range(PROMPTS) for seed in range(seeds)] for name in TEXTS
        }
        self.asked: set[str] = set()

    def _trial(self, arm: str, number: int, seed: int, change: Change, alike: bool) -> Trial:
        best = arm == "best"
        picture = painted(number, seed if not (best and alike) else 0, arm)
        sha256 = f"{arm} {number} {seed}"
        self.looks[sha256] = look(png(change(picture) if best else picture))
        request = TrialRequest(TEXTS[arm], Prompt(f"prompt {number}"), 0, seed)
        return Trial(sha256, request, image=GeneratedImage(sha256, 96, 96), judgment=Judgment(0.5))

    def look_at(self, shown: Collection[str]) -> Mapping[str, Look]:
        self.asked.update(shown)
        return {sha256: self.looks[sha256] for sha256 in shown if sha256 in self.looks}

    def monitors(self, **others: Sequence[Trial]) -> Monitors:
        trials = {**self.trials, **others}
        return monitors(Watched("best", ("none", "general"), trials, trials), self.look_at, seed=1)


def measure(found: Monitors, name: str) -> Measure:
    return next(entry for entry in found.measures if entry.name == name)


def alarmed(found: Monitors) -> set[str]:
    return {entry.name for entry in found.measures if entry.alarm}


def test_other_pictures_alone_are_no_alarm():
    found = Gallery(seeds=2).monitors()
    assert found.alarms == ()
    assert [entry.name for entry in found.measures] == ["saturation", "contrast", "sharpness", "diversity", "refusals", "other failures"]
    assert (found.pictures, found.missing) == (4 * PROMPTS, 0)


@pytest.mark.parametrize(
    ("change", "name", "said"),
    [
        (lambda picture: ImageEnhance.Color(picture).enhance(1.5), "saturation", "more saturated than the raw prompt's"),
        (lambda picture: ImageEnhance.Color(picture).enhance(0.3), "saturation", "less saturated"),
        (lambda picture: picture.filter(ImageFilter.GaussianBlur(1.5)), "sharpness", "less sharp"),
        (lambda picture: picture.filter(ImageFilter.UnsharpMask(1, 120, 0)), "sharpness", "sharper"),
    ],
)
def test_an_alarm_is_about_what_was_changed(change: Change, name: str, said: str):
    found = Gallery(change).monitors()
    assert alarmed(found) == {name}
    assert said in found.alarms[0]


def test_contrast_alarms():
    found = Gallery(lambda picture: ImageEnhance.Contrast(picture).enhance(1.6)).monitors()
    assert "contrast" in alarmed(found)
    change = measure(found, "contrast").change
    assert change is not None
    assert change.low is not None
    assert 0.15 < change.low < change.estimate < 0.8


def test_a_change_that_one_can_hardly_see_is_shown_without_alarm():
    found = Gallery(lambda picture: ImageEnhance.Color(picture).enhance(1.05)).monitors()
    assert found.alarms == ()


def test_the_same_picture_for_every_seed_alarms():
    gallery = Gallery(seeds=3, alike=True)
    found = gallery.monitors()
    assert "diversity" in alarmed(found)
    assert measure(found, "diversity").against == "none"
    assert "less from seed to seed than the raw prompt's" in measure(found, "diversity").alarm


def test_diversity_without_anything_to_compare_with_is_told_alone():
    gallery, several = Gallery(), Gallery(seeds=2)
    gallery.looks.update(several.looks)
    trials = gallery.trials
    found = monitors(Watched("best", ("none", "general"), trials, {**trials, "best": several.trials["best"]}), gallery.look_at, seed=1)
    alone = measure(found, "diversity")
    assert (alone.against, alone.change, alone.alarm, alone.prompts) == ("", None, "", PROMPTS)
    assert alone.means["best"] > 0.05


def test_only_the_pictures_that_are_compared_are_read():
    gallery = Gallery()
    gallery.monitors()
    assert {sha256.split()[0] for sha256 in gallery.asked} == {"best", "none"}


def test_what_can_not_be_read_drops_its_pair_and_is_counted():
    gallery = Gallery()
    for number in range(10):
        del gallery.looks[f"best {number} 0"]
    found = gallery.monitors()
    assert found.missing == 10
    assert measure(found, "saturation").prompts == PROMPTS - 10


def failed(trial: Trial, kind: FailureKind, stage: Stage = Stage.REWRITE) -> Trial:
    return replace(trial, image=None, judgment=None, failure=Failure(stage, kind, "no"))


@pytest.mark.parametrize(
    ("kind", "stage", "name"),
    [
        (FailureKind.REFUSED, Stage.REWRITE, "refusals"),
        (FailureKind.BLOCKED, Stage.GENERATE, "refusals"),
        (FailureKind.TIMEOUT, Stage.GENERATE, "other failures"),
        (FailureKind.REFUSED, Stage.JUDGE, "other failures"),
    ],
)
def test_what_only_the_winner_loses_alarms(kind: FailureKind, stage: Stage, name: str):
    gallery = Gallery()
    best = gallery.trials["best"]
    found = gallery.monitors(best=[*(failed(trial, kind, stage) for trial in best[:6]), *best[6:]])
    assert alarmed(found) == {name}
    assert found.alarms[0].startswith("20.0% of the winner's trials are ")
    assert measure(found, name).means == {"none": 0.0, "general": 0.0, "best": 0.2}
    everywhere = {arm: [*(failed(trial, kind, stage) for trial in trials[:6]), *trials[6:]] for arm, trials in gallery.trials.items()}
    assert gallery.monitors(**everywhere).alarms == ()


@pytest.mark.parametrize(
    ("criterion", "bad", "name"),
    [("global-text", 1.0, "unrequested text"), ("global-collage", 1.0, "collage"), ("global-structure", 0.0, "broken structure")],
)
def test_criteria_asked_of_every_image_are_watched_where_they_were_judged(criterion: str, bad: float, name: str):
    def judged(trial: Trial, score: float | None) -> Trial:
        return replace(trial, judgment=Judgment(0.5, (CriterionScore(criterion, score),)))

    gallery = Gallery()
    none, best = gallery.trials["none"], gallery.trials["best"]
    clean = [judged(trial, 1.0 - bad) for trial in none]
    spoilt = [judged(trial, bad if number < 9 else 1.0 - bad) for number, trial in enumerate(best)]
    found = gallery.monitors(none=clean, best=spoilt)
    assert alarmed(found) == {name}
    assert measure(found, name).means == {"none": 0.0, "best": 0.3}
    unsure = gallery.monitors(none=clean, best=[judged(trial, None) for trial in best])
    assert name not in [entry.name for entry in unsure.measures], "an abstention is no flaw"


def test_as_json_it_is_plain_and_complete():
    record = monitors_to_json(Gallery(seeds=2).monitors())
    assert json.loads(json.dumps(record, allow_nan=False)) == record
    assert list(record) == ["alarms", "measures", "pictures", "missing"]


# -- one picture


@given(st.integers(1, 90), st.integers(1, 90), st.tuples(*[st.integers(0, 255)] * 3))
def test_a_blank_picture_of_any_size_has_a_color_and_nothing_else(width: int, height: int, color: tuple[int, int, int]):
    seen = look(png(Image.new("RGB", (width, height), color)))
    assert seen.saturation == pytest.approx((max(color) - min(color)) / 255)
    assert seen.contrast == pytest.approx(0, abs=1e-5)
    assert seen.sharpness == pytest.approx(0, abs=1e-9)
    assert distance(seen, seen) == 0


def test_measures_lie_in_their_ranges_and_hardly_depend_on_size():
    large = painted("one", size=(768, 512))
    seen, small = look(png(large)), look(png(large.resize((384, 256), Image.Resampling.BOX)))
    assert 0 < seen.saturation < 1
    assert 0 < seen.contrast < 0.5
    assert seen.saturation == pytest.approx(small.saturation, rel=0.1)
    assert seen.contrast == pytest.approx(small.contrast, rel=0.05)
    assert distance(look(png(Image.new("RGB", (9, 9), "white"))), look(png(Image.new("L", (50, 9))))) == pytest.approx(1)


def test_what_is_no_picture_is_an_error():
    with pytest.raises(OSError, match="cannot identify"):
        look(b"no picture")
