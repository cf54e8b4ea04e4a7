"""The incremental posterior equals the textbook one, and behaves as a lineage should."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from optimizer.posterior import LineagePosterior, Prior


def textbook(
    parents: list[tuple[int, ...]], scores: list[tuple[int, int, float]], prior: Prior, noise: float
) -> tuple[np.ndarray, np.ndarray]:
    """Mean and covariance by plain Gaussian conditioning on the full covariance of nodes, pairs and scores."""
    nodes = len(parents)
    mean, cov = np.zeros(nodes), np.zeros((nodes, nodes))
    for node, above in enumerate(parents):
        if not above:
            mean[node] = prior.root_mean
            cov[node, node] = prior.root_sd**2
            continue
        weights = np.zeros(nodes)
        weights[list(above)] = 1 / len(above)
        mean[node] = weights @ mean
        cov[node, :node] = cov[:node, node] = (cov @ weights)[:node]
        cov[node, node] = weights @ cov @ weights + prior.tau**2
    if not scores:
        return mean, cov
    picks = np.zeros((len(scores), nodes))
    picks[np.arange(len(scores)), [node for node, _, _ in scores]] = 1
    pairs = np.array([pair for _, pair, _ in scores])
    spread = picks @ cov @ picks.T + noise * np.eye(len(scores)) + (noise / prior.ratio) * (pairs[:, None] == pairs[None, :])
    gain = cov @ picks.T @ np.linalg.inv(spread)
    values = np.array([value for _, _, value in scores])
    return mean + gain @ (values - picks @ mean), cov - gain @ picks @ cov


@st.composite
def histories(draw: st.DrawFn) -> tuple[list[tuple[int, ...]], list[tuple[int, int, float]]]:
    size = draw(st.integers(1, 7))
    parents: list[tuple[int, ...]] = [()]
    for node in range(1, size):
        parents.append(tuple(draw(st.sets(st.integers(0, node - 1), max_size=2))))
    cells = draw(st.sets(st.tuples(st.integers(0, size - 1), st.integers(0, 5)), max_size=20))
    return parents, [(node, pair, draw(st.floats(0, 1))) for node, pair in sorted(cells)]


@given(histories())
@settings(max_examples=60)
def test_equals_the_textbook(history: tuple[list[tuple[int, ...]], list[tuple[int, int, float]]]):
    parents, scores = history
    posterior = LineagePosterior()
    for above in parents:
        posterior.add(above)
    for node, pair, score in scores:
        posterior.observe(node, pair, score)
    beliefs = posterior.beliefs()
    mean, cov = textbook(parents, scores, posterior.prior, beliefs.noise_sd**2)
    assert beliefs.mean == pytest.approx(mean, abs=1e-8)
    assert beliefs.root @ beliefs.root.T == pytest.approx(cov, abs=1e-8)
    assert beliefs.sd == pytest.approx(np.sqrt(np.diag(cov)), abs=1e-8)


def test_a_child_inherits_until_its_own_scores_speak():
    posterior = LineagePosterior()
    root = posterior.add()
    for pair in range(30):
        posterior.observe(root, pair, 0.8)
    child = posterior.add([root])
    fresh = posterior.beliefs()
    assert fresh.mean[child] == pytest.approx(fresh.mean[root])
    assert fresh.sd[child] > fresh.sd[root]
    for pair in range(30):
        posterior.observe(child, pair, 0.6)
    assert posterior.beliefs().mean[child] < fresh.mean[child] - 0.1


def test_a_hard_pair_does_not_count_against_who_met_it():
    posterior = LineagePosterior()
    root = posterior.add()
    lucky, unlucky = posterior.add([root]), posterior.add([root])
    for pair in range(20):
        hard = pair >= 10
        posterior.observe(root, pair, 0.2 if hard else 0.8)
        posterior.observe(unlucky if hard else lucky, pair, 0.2 if hard else 0.8)
    mean = posterior.beliefs().mean
    assert abs(mean[lucky] - mean[unlucky]) < 0.6 / 3  # 0.6 is what their plain averages differ by


def test_draws_have_the_stated_spread():
    posterior = LineagePosterior()
    root = posterior.add()
    posterior.add([root])
    posterior.observe(root, 0, 0.7)
    beliefs = posterior.beliefs()
    draws = beliefs.draw(np.random.default_rng(0), 20_000)
    assert draws.mean(axis=0) == pytest.approx(beliefs.mean, abs=0.01)
    assert draws.std(axis=0) == pytest.approx(beliefs.sd, rel=0.03)
    assert beliefs.p_best(np.random.default_rng(0)).sum() == pytest.approx(1.0)


@pytest.mark.parametrize("score", [float("nan"), float("inf")])
def test_refuses_what_is_no_score(score: float):
    posterior = LineagePosterior()
    posterior.add()
    with pytest.raises(ValueError, match="finite"):
        posterior.observe(0, 0, score)


def test_refuses_a_score_twice_and_parents_that_are_not_there():
    posterior = LineagePosterior()
    with pytest.raises(ValueError, match="no node"):
        posterior.beliefs()
    posterior.add()
    posterior.observe(0, 0, 0.5)
    with pytest.raises(ValueError, match="already"):
        posterior.observe(0, 0, 0.5)
    with pytest.raises(ValueError, match="can't descend"):
        posterior.add([3])
