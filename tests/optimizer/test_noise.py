"""Variance components: right by hand, blind to what does not matter, right on average whatever is missing, honest about what is unknown."""

import math
from collections.abc import Mapping

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.errors import FailureKind, Stage
from data.records import Failure, Judgment, Prompt, SystemPrompt, Trial, TrialRequest
from optimizer.moments import SOURCES, Place
from optimizer.noise import Component, Components, components_of, components_to_json, variance_components
from optimizer.power import Costs, Design, best_purchase, difference_variance, interaction, power_of, prompts_needed
from optimizer.stats import Interval

SOME = 200


def trial(score: float | None, prompt: int, sample: int = 0, seed: int = 0, look: int = 0, system_prompt: str = "a") -> Trial:
    request = TrialRequest(SystemPrompt(system_prompt), Prompt(f"prompt {prompt}"), sample, seed, look)
    if score is None:
        return Trial(request.id("test"), request, failure=Failure(Stage.JUDGE, FailureKind.TIMEOUT, "too slow"))
    return Trial(request.id("test"), request, judgment=Judgment(score))


def measured(
    generator: np.random.Generator, prompts: int, arms: int = 1, repeats: tuple[int, int, int] = (2, 2, 2), lost: float = 0.0
) -> dict[Place, float]:
    """Scores with variances .04 between prompts, .01 of it (with two arms or more) the system prompt's, .0064 of samples, .01 of seeds,
    .0036 of looks."""
    scores = np.zeros((prompts, arms, *repeats)) + np.arange(arms)[None, :, None, None, None]
    for depth, spread in enumerate((math.sqrt(0.03), 0.1, 0.08, 0.1, 0.06), start=1):
        shape = scores.shape[:depth]
        scores += generator.normal(0, spread, shape).reshape(*shape, *(1,) * (5 - depth))
    kept = np.argwhere(generator.random(scores.shape) >= lost).tolist()
    return {Place(f"arm {arm}", f"{prompt}", *rest): float(scores[prompt, arm, *rest]) for prompt, arm, *rest in kept}


def as_trials(scores: Mapping[Place, float]) -> list[Trial]:
    return [trial(score, int(place.prompt), place.sample, place.seed, place.look, place.system_prompt) for place, score in scores.items()]


def variances(components: Components) -> dict[str, float | None]:
    return {source: None if (part := getattr(components, source)) is None else part.variance.estimate for source in SOURCES}


def test_by_hand():
    # Two prompts, two rewrites each, two images of each, one look. Within rewrites: 4 · .1² / 2 = .02 on 4 degrees.
    scores = {0: [[0.2, 0.4], [0.4, 0.6]], 1: [[0.5, 0.7], [0.7, 0.9]]}
    trials = [
        trial(score, prompt, sample, seed)
        for prompt, rewrites in scores.items()
        for sample, images in enumerate(rewrites)
        for seed, score in enumerate(images)
    ]
    found = variance_components(trials)
    assert found.look is None
    assert found.interaction is None
    assert found.seed is not None
    assert found.seed.variance.estimate == pytest.approx(0.08 / 4)
    assert found.seed.degrees == 4
    assert found.sample is not None
    # Means of rewrites .3 .5 | .6 .8: 2 · (4 · .1²) = .08 on 2 degrees: mean square .04 = seed + 2 sample.
    assert found.sample.variance.estimate == pytest.approx((0.04 - 0.02) / 2)
    # Means of prompts .4 .7: variance .045 = prompt + sample / 2 + seed / 4.
    assert found.prompt is not None
    assert found.prompt.variance.estimate == pytest.approx(0.045 - 0.01 / 2 - 0.02 / 4)
    assert found.prompt.variance.low is None, "two prompts are too few for an interval"
    assert (found.prompts, found.system_prompts, found.trials, found.unscored) == (2, 1, 8, 0)


def test_an_interaction_by_hand():
    # Differences -.1, .1, .3: variance .04, which is twice the interaction, as nothing else varies.
    trials = [
        trial(score, prompt, system_prompt=arm)
        for arm, row in {"a": [0.2, 0.5, 0.8], "b": [0.3, 0.4, 0.5]}.items()
        for prompt, score in enumerate(row)
    ]
    found = variance_components(trials)
    assert found.interaction is not None
    assert found.interaction.variance.estimate == pytest.approx(0.02)
    assert found.interaction.degrees == 2


def test_what_is_not_repeated_is_not_measured_and_lies_further_out():
    generator = np.random.default_rng(1)
    once = components_of(measured(generator, SOME, repeats=(1, 1, 1)))
    assert [name for name, value in variances(once).items() if value is not None] == ["prompt"]
    assert once.prompt is not None
    assert once.prompt.variance.estimate == pytest.approx(0.04 + 0.0064 + 0.01 + 0.0036, rel=0.25)
    seeds = components_of(measured(generator, SOME, repeats=(1, 4, 1)))
    assert seeds.sample is None
    assert seeds.look is None
    assert seeds.seed is not None
    assert seeds.seed.variance.estimate == pytest.approx(0.01 + 0.0036, rel=0.2)


@pytest.mark.parametrize(("arms", "lost"), [(1, 0.0), (1, 0.4), (3, 0.3)])
def test_right_on_average_whatever_is_missing(arms: int, lost: float):
    generator = np.random.default_rng(2)
    found = [components_of(measured(generator, 30, arms, lost=lost), resamples=2) for _ in range(50)]
    truth = {"look": 0.0036, "seed": 0.01, "sample": 0.0064, "prompt": 0.04, "interaction": 0.01 if arms > 1 else None}
    for source, expected in truth.items():
        values = [variances(components)[source] for components in found]
        if expected is None:
            assert set(values) == {None}
        else:
            assert np.mean([value for value in values if value is not None]) == pytest.approx(expected, rel=0.15)


def test_intervals_hold_the_truth_nearly_always():
    generator = np.random.default_rng(3)
    truth = {"look": 0.0036, "seed": 0.01, "sample": 0.0064, "prompt": 0.04, "interaction": 0.01}
    held: dict[str, int] = dict.fromkeys(SOURCES, 0)
    for number in range(40):
        found = components_of(measured(generator, 40, 2, lost=0.2), seed=number, resamples=400)
        for source, expected in truth.items():
            interval = getattr(found, source).variance
            assert 0.0 <= interval.low <= interval.high
            held[source] += interval.low <= expected <= interval.high
    assert min(held.values()) >= 33
    assert sum(held.values()) >= 183


def test_the_same_trials_give_the_same_figures_in_any_order():
    trials = as_trials(measured(np.random.default_rng(4), 12, 2, lost=0.2))
    assert variance_components(trials) == variance_components([*reversed(trials), *trials[:5]])
    assert variance_components(trials, seed=1) != variance_components(trials, seed=2)


@given(st.floats(-1, 1), st.floats(0.1, 3), st.integers(0, 100))
def test_shifts_change_nothing_and_scales_change_squares(shift: float, scale: float, seed: int):
    scores = measured(np.random.default_rng(seed), 6, 2, lost=0.3)
    moved = {place: score * scale + shift * (place.system_prompt == "arm 1") for place, score in scores.items()}
    before, after = (variances(components_of(each, resamples=2)) for each in (scores, moved))
    assert after == pytest.approx({name: value and value * scale**2 for name, value in before.items()}, abs=1e-9)


def test_failures_are_no_scores():
    trials = as_trials(measured(np.random.default_rng(5), 20))
    found = variance_components([*trials, trial(None, 0, 7), trial(None, 99)])
    assert found.unscored == 2
    assert variances(found) == variances(variance_components(trials))
    with pytest.raises(ValueError, match="no trial is scored"):
        variance_components([trial(None, 0)])


def test_a_judge_that_never_wavers_has_no_noise_and_no_doubt_about_it():
    trials = [trial(0.1 * (prompt % 5), prompt, look=look) for prompt in range(20) for look in range(2)]
    look = variance_components(trials).look
    assert look is not None
    assert (look.variance, look.floored) == (Interval(0.0, 0.0, 0.0), False)


def test_a_source_that_adds_nothing_is_floored_and_says_so():
    # Rewrites have the same mean, images differ: less between rewrites than images alone would give.
    trials = [trial(0.4 + 0.2 * seed, prompt, sample, seed) for prompt in range(10) for sample in range(2) for seed in range(2)]
    found = variance_components(trials)
    assert found.sample is not None
    assert found.sample.floored
    assert found.sample.variance.estimate == 0.0
    assert components_to_json(found)["sample"]["floored"] is True
    assert components_to_json(found)["look"] is None


# -- what it costs


def components(
    *,
    look: float | None = None,
    seed: float | None = None,
    sample: float | None = None,
    prompt: float | None = 0.04,
    own: float | None = None,
):
    def part(value: float | None) -> Component | None:
        return None if value is None else Component(Interval(value, None, None), 10, False)

    return Components(part(look), part(seed), part(sample), part(prompt), part(own), 10, 2, 100, 0)


def test_a_differences_variance_by_hand():
    noise = components(look=0.01, seed=0.04, sample=0.02, own=0.03)
    assert difference_variance(noise) == pytest.approx(2 * (0.03 + 0.02 + 0.04 + 0.01))
    assert difference_variance(noise, Design(2, 4, 5)) == pytest.approx(2 * (0.03 + 0.02 / 2 + 0.04 / 8 + 0.01 / 40))


def test_an_interaction_that_was_not_measured_is_assumed():
    assert interaction(components(seed=0.01, prompt=0.04)) == pytest.approx(0.02)
    assert interaction(components(prompt=0.04)) == pytest.approx(0.04), "most of it is noise, which does not cancel"
    with pytest.raises(ValueError, match="single prompt"):
        difference_variance(components(prompt=None))


@pytest.mark.parametrize("effect", [0.03, 0.1])
def test_so_many_prompts_have_the_power_that_was_asked_for(effect: float):
    noise = components(seed=0.03, own=0.02)
    needed = prompts_needed(noise, effect)
    spread = math.sqrt(difference_variance(noise))
    generator = np.random.default_rng(6)
    differences = generator.normal(effect, spread, (4000, needed))
    t = differences.mean(axis=1) / (differences.std(axis=1, ddof=1) / math.sqrt(needed))
    from scipy.special import stdtrit

    assert np.mean(np.abs(t) > stdtrit(needed - 1, 0.975)) == pytest.approx(0.8, abs=0.025)


@given(st.floats(0.001, 0.2), st.floats(0.01, 0.5), st.floats(0.1, 0.95))
def test_one_prompt_less_is_too_few(variance: float, effect: float, power: float):
    noise = components(own=variance / 2)
    needed = prompts_needed(noise, effect, power=power)
    assert power_of(variance, effect, needed) >= power
    assert needed == 2 or power_of(variance, effect, needed - 1) < power


def test_prompts_that_can_not_be_needed():
    noise = components(seed=0.03, own=0.02)
    for effect in (0.0, -0.1, math.nan, 2.0):
        with pytest.raises(ValueError, match="effect"):
            prompts_needed(noise, effect)
    with pytest.raises(ValueError, match="power"):
        prompts_needed(noise, 0.1, power=1.0)
    with pytest.raises(OverflowError, match="million"):
        prompts_needed(noise, 0.0001)
    assert prompts_needed(components(own=0.0), 0.01) == 2


def test_more_prompts_while_there_are_any_then_more_of_each():
    noise = components(look=0.001, seed=0.04, sample=0.005, own=0.02)
    costs = Costs(rewrite=0.1, image=1.0, look=0.2)
    many = best_purchase(noise, 200, costs)
    assert many is not None
    assert (many.prompts, many.design) == (200, Design())
    few = best_purchase(noise, 200, costs, prompts=40)
    assert few is not None
    assert few.prompts == 40
    assert few.design.images >= 4
    assert few.cost <= 200 * 1.3 + 1e-9
    assert best_purchase(noise, 1, costs) is None


def test_looks_are_bought_where_images_are_dear_and_judges_noisy():
    noise = components(look=0.2, seed=0.01, sample=0.0, own=0.01)
    cheap = best_purchase(noise, 100, Costs(0.0, 1.0, 0.01))
    dear = best_purchase(noise, 100, Costs(0.0, 0.01, 1.0))
    assert cheap is not None
    assert dear is not None
    assert cheap.design.looks > 3
    assert dear.design.looks == 1
