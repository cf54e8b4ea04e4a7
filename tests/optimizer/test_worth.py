"""What the next image is expected to gain: little where all is known, more where something may be better."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.records import Operation
from optimizer.beliefs import Prior
from optimizer.posterior import LineagePosterior
from optimizer.scores import Scale
from optimizer.worth import composites_worth, images_worth

QUIET = Prior(scale=Scale(0.05, 0.02, 0.02))


def measured(looks: int, scores: tuple[float, ...] = (0.5, 0.5), prior: Prior = QUIET) -> LineagePosterior:
    posterior = LineagePosterior(prior)
    for node, score in enumerate(scores):
        posterior.add([0] if node else ())
        for pair in range(looks):
            posterior.observe(node, pair, score + 0.02 * (-1) ** pair, pair)
    return posterior


def test_is_never_negative_and_falls_with_what_is_known():
    worth = [images_worth(measured(looks).beliefs()) for looks in (0, 2, 8, 20)]
    assert all(value >= 0.0 for value in worth)
    assert worth[0] >= worth[1] >= worth[2] >= worth[3]
    assert worth[0] > worth[3]


def test_a_change_that_does_nothing_is_worth_less_than_one_that_may():
    still, moving = (measured(20, prior=Prior(change=change, scale=Scale(0.05, 0.02, 0.02))) for change in (0.001, 0.1))
    assert images_worth(still.beliefs()) < images_worth(moving.beliefs()) / 10


def test_bounds_what_a_child_can_bring():
    """With everything known, only a child promises anything: at most its expected rise, were it measured for ever."""
    beliefs = measured(200).beliefs()
    promise = beliefs.spread / np.sqrt(2 * np.pi) + max(0.0, beliefs.typical)
    assert 0.0 < images_worth(beliefs) * 4 <= promise * 1.01


def test_noise_makes_images_worth_less():
    quiet, loud = (measured(6, prior=Prior(scale=Scale(noise, 0.02, 0.02), trust=1e6)) for noise in (0.05, 0.5))
    assert images_worth(quiet.beliefs()) > 2 * images_worth(loud.beliefs())


def test_one_root_alone_has_a_worth():
    assert images_worth(measured(3, (0.5,)).beliefs()) == pytest.approx(images_worth(measured(3, (0.8,)).beliefs()), rel=0.2)


def composed(scores: int, gain: float, noise: float = 0.1, changes: int = 6, seed: int = 0) -> float:
    """The worth after so many scores of composites of random halves of the changes, each of which gains ``gain``."""
    luck = np.random.default_rng(seed)
    posterior = LineagePosterior(Prior(scale=Scale(noise, 0.01, 0.01), trust=1e6))
    posterior.add()
    edits = [posterior.add([0]) for _ in range(changes)]
    counts = np.zeros(1 + changes + scores)
    for number in range(scores):
        has = [edit for edit in edits if luck.random() < 0.5]
        node = posterior.add([0], Operation.MERGE, [0, *has], new=False)
        posterior.observe(node, number, 0.5 + gain * len(has) + noise * luck.standard_normal())
        counts[node] = 1
    return composites_worth(posterior.beliefs(), edits, counts)


def test_composites_are_worth_less_the_more_is_known():
    worth = [composed(scores, 0.0) for scores in (10, 100, 400)]
    assert worth[0] > worth[1] > worth[2] > 0.0


def test_composites_are_worth_little_where_all_changes_are_good_for_sure():
    assert composed(200, 0.05) < composed(200, 0.0) / 10


def test_composites_are_worth_what_they_come_to():
    """Before any score, of ten changes as likely to harm as to help: what a hundred scores tell about each, of which half are gained."""
    worth = composed(0, 0.0, noise=0.1, changes=10)
    spread = Prior().change
    told = spread**2 / np.sqrt(spread**2 + 4 * 0.1**2 / 100)
    assert worth * 100 == pytest.approx(10 * told / np.sqrt(2 * np.pi), rel=0.05)


@given(st.integers(0, 30), st.floats(-0.1, 0.1), st.floats(0.01, 0.5), st.integers(2, 8), st.integers(0, 1000))
@settings(max_examples=40, deadline=None)
def test_composites_are_never_worth_less_than_nothing(scores: int, gain: float, noise: float, changes: int, seed: int):
    assert 0.0 <= composed(scores, gain, noise, changes, seed) < 1.0
