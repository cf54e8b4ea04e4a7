"""What the next image is expected to gain: little where all is known, more where something may be better."""

import numpy as np
import pytest

from optimizer.beliefs import Prior
from optimizer.posterior import LineagePosterior
from optimizer.scores import Scale
from optimizer.worth import images_worth

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
