"""Which prompts tell nothing, found in simulated scores."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from optimizer.silence import SHARE, Silence


def simulated(silent: int, telling: int, scores: int, levels: int | None = None, seed: int = 0) -> Silence:
    """Prompts 0 to ``silent`` at their ceiling, and so many others after them, each with ``scores``."""
    luck = np.random.default_rng(seed)
    silence = Silence()
    for _ in range(scores):
        for prompt in range(silent + telling):
            value = 1.0 if prompt < silent else min(1.0, max(0.0, float(luck.normal(0.6, 0.2))))
            silence.meet(prompt, round(value * levels) / levels if levels else value)
    return silence


def test_three_equal_scores_tell_where_scores_are_fine():
    found = simulated(48, 32, 3).probabilities()
    assert min(found[prompt] for prompt in range(48)) > 0.9
    assert max(found[prompt] for prompt in range(48, 80)) == 0.0


def test_two_equal_scores_tell_little_on_a_coarse_scale():
    twice = simulated(0, 60, 2, levels=4).probabilities()
    assert 0.0 < max(twice.values()) < 0.6
    often = simulated(30, 30, 12, levels=4).probabilities()
    assert min(often[prompt] for prompt in range(30)) > 0.95


def test_one_score_tells_what_the_others_make_likely():
    many, few = simulated(48, 32, 4), simulated(4, 76, 4)
    for silence in (many, few):
        silence.meet("new", 0.5)
    assert many.probabilities()["new"] > 0.45 > 0.15 > few.probabilities()["new"]


def test_a_score_that_differs_ends_the_silence():
    silence = Silence()
    for score in (1.0, 1.0, 1.0, 0.9, 1.0):
        silence.meet("prompt", score)
    assert silence.probabilities() == {"prompt": 0.0}


def test_knows_nothing_before_any_score():
    assert Silence().probabilities() == {}
    silence = Silence()
    silence.meet("prompt", 0.5)
    assert silence.probabilities()["prompt"] == pytest.approx(SHARE, abs=0.01)


@given(st.lists(st.tuples(st.integers(0, 5), st.sampled_from([0.0, 0.25, 0.5, 1.0])), max_size=60))
def test_is_a_probability_and_0_where_scores_differ(scores: list[tuple[int, float]]):
    silence = Silence()
    for prompt, score in scores:
        silence.meet(prompt, score)
    found = silence.probabilities()
    assert found.keys() == {prompt for prompt, _ in scores}
    for prompt, chance in found.items():
        differs = len({score for other, score in scores if other == prompt}) > 1
        assert chance == 0.0 if differs else 0.0 < chance < 1.0
