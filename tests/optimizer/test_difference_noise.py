"""What differs between system prompts: shared luck cancels, halves read like variances of scores, and nothing shared is nothing known."""

import numpy as np
import pytest

from data.records import Judgment, Prompt, SystemPrompt, Trial, TrialRequest
from optimizer.difference_noise import difference_components
from optimizer.noise import variance_components
from optimizer.power import Design, difference_variance

SOME = 200
INTERACTION, SHARED, OWN = 0.01, 0.03, 0.02


def trial(score: float, arm: int, prompt: int, sample: int = 0) -> Trial:
    request = TrialRequest(SystemPrompt(f"arm {arm}"), Prompt(f"prompt {prompt}"), sample, seed=1000 + sample)
    return Trial(request.id("test"), request, judgment=Judgment(score))


def measured(prompts: int, arms: int, samples: int, seed: int = 1) -> list[Trial]:
    """Scores whose variance is known: luck of a place is SHARED by all arms, what an arm does to a prompt and to a place is its own."""
    luck = np.random.default_rng(seed)
    found: list[Trial] = []
    for prompt in range(prompts):
        usual = luck.normal(0.5, 0.2)
        by_arm = luck.normal(0.0, INTERACTION**0.5, arms)
        for sample in range(samples):
            shared = luck.normal(0.0, SHARED**0.5)
            own = luck.normal(0.0, OWN**0.5, arms)
            found += [trial(usual + by_arm[arm] + shared + own[arm], arm, prompt, sample) for arm in range(arms)]
    return found


def test_luck_that_is_shared_cancels() -> None:
    trials = measured(prompts=600, arms=3, samples=3)
    found = difference_components(trials, resamples=SOME)
    assert found is not None
    assert found.prompt is None
    assert found.sample is not None
    assert found.interaction is not None
    assert found.sample.variance.estimate == pytest.approx(OWN, rel=0.15)
    assert found.interaction.variance.estimate == pytest.approx(INTERACTION, rel=0.2)
    assert difference_variance(found) == pytest.approx(2 * (INTERACTION + OWN), rel=0.1)
    assert difference_variance(found, Design(samples=2)) == pytest.approx(2 * (INTERACTION + OWN / 2), rel=0.15)
    scores = variance_components(trials, resamples=SOME)
    assert scores.sample is not None
    assert scores.sample.variance.estimate == pytest.approx(SHARED + OWN, rel=0.15)
    assert (found.prompts, found.system_prompts) == (600, 3)


def test_what_was_not_repeated_is_all_interaction() -> None:
    found = difference_components(measured(prompts=600, arms=2, samples=1), resamples=SOME)
    assert found is not None
    assert found.sample is None
    assert found.interaction is not None
    assert found.interaction.variance.estimate == pytest.approx(INTERACTION + OWN, rel=0.15)


def test_without_a_common_place_nothing_is_known() -> None:
    assert difference_components([]) is None
    assert difference_components(measured(prompts=9, arms=1, samples=2)) is None
    apart = [trial(0.5, arm, prompt, sample=arm) for arm in (0, 1) for prompt in range(9)]
    assert difference_components(apart) is None
    assert difference_components([trial(0.5, arm, 0) for arm in (0, 1)]) is None


def test_who_is_taken_for_the_hub_does_not_depend_on_the_order() -> None:
    trials = measured(prompts=12, arms=3, samples=2)
    assert difference_components(trials, resamples=SOME) == difference_components(trials[::-1], resamples=SOME)
