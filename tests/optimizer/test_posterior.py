"""The posterior equals the textbook one, finds out what is passed on, and behaves as a lineage should."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.records import Operation
from optimizer.beliefs import Beliefs, Prior, missed
from optimizer.posterior import LineagePosterior
from optimizer.scores import Floats, Scale
from tests.optimizer.lineages import History, Simulated, histories


def a_priori(history: History, prior: Prior, beliefs: Beliefs) -> tuple[Floats, Floats]:
    """The changes' means and standard deviations, with the heredity that the posterior holds."""
    expected, spreads = [], []
    for node in history.nodes:
        kind = node.operation if node.new else Operation.MERGE
        if not node.parents:
            expected.append(prior.root_mean)
            spreads.append(prior.root_sd)
            continue
        expected.append(beliefs.heredity.typical.get(kind, 0.0))
        spreads.append(beliefs.heredity.stretch * (prior.merge if kind is Operation.MERGE else prior.change))
    return np.array(expected), np.array(spreads)


def textbook(history: History, prior: Prior, beliefs: Beliefs) -> tuple[Floats, Floats]:
    """Mean and covariance of the nodes' means and, after them, of their changes: plain conditioning on the full covariance of scores."""
    expected, spreads = a_priori(history, prior, beliefs)
    size = expected.size
    inherits = history.inherits()
    both = np.vstack([inherits, np.eye(size)])
    mean, cov = both @ expected, (both * spreads**2) @ both.T
    children = [number for number, node in enumerate(history.nodes) if node.parents]
    # Of its own, for every change that it has; its root is none.
    cov[children, children] += beliefs.heredity.own**2 * np.maximum(1.0, inherits[children].sum(axis=1) - 1.0)
    if not history.scores:
        return mean, cov
    picks = np.zeros((len(history.scores), 2 * size))
    picks[np.arange(len(history.scores)), [node for node, *_ in history.scores]] = 1.0
    pairs, prompts = (np.array([row[column] for row in history.scores]) for column in (1, 2))
    scale = beliefs.scale
    spread = picks @ cov @ picks.T + scale.noise**2 * np.eye(len(pairs))
    spread += scale.pair**2 * (pairs[:, None] == pairs) + scale.prompt**2 * (prompts[:, None] == prompts)
    gain = cov @ picks.T @ np.linalg.inv(spread)
    return mean + gain @ (np.array([row[3] for row in history.scores]) - picks @ mean), cov - gain @ picks @ cov


@given(histories(), st.booleans())
@settings(max_examples=120, deadline=None)
def test_equals_the_textbook(history: History, step_by_step: bool):
    posterior = history.told(LineagePosterior(), ask=step_by_step)
    beliefs = posterior.beliefs()
    mean, cov = textbook(history, posterior.prior, beliefs)
    size = len(history.nodes)
    assert beliefs.inherits.tolist() == history.inherits().tolist()
    assert beliefs.mean == pytest.approx(mean[:size], abs=1e-8)
    assert beliefs.root @ beliefs.root.T == pytest.approx(cov[:size, :size], abs=1e-8)
    assert beliefs.sd == pytest.approx(np.sqrt(np.diag(cov)[:size]), abs=1e-8)
    assert beliefs.changes(beliefs.mean) == pytest.approx(mean[size:], abs=1e-7)
    for node in range(size):
        between = cov[node, node] + cov[0, 0] - 2.0 * cov[node, 0]
        difference, sd = beliefs.difference(node, 0)
        assert difference == pytest.approx(mean[node] - mean[0], abs=1e-8)
        assert sd**2 == pytest.approx(between, abs=1e-8)


@given(histories())
@settings(max_examples=25, deadline=None)
def test_beliefs_do_not_depend_on_when_they_were_asked_for(history: History):
    """Scores taken in one at a time leave the same as all at once, once the guesses are the same."""
    few = History(history.nodes, history.scores[:20])
    asked, plain = few.told(LineagePosterior()), LineagePosterior()
    for node in few.nodes:
        plain.add(node.parents, node.operation, node.has, new=node.new)
        plain.beliefs()
    for node, pair, prompt, score in few.scores:
        plain.observe(node, pair, score, prompt)
        plain.beliefs()
    assert plain.beliefs().mean == pytest.approx(asked.beliefs().mean, abs=1e-9)
    assert plain.beliefs().sd == pytest.approx(asked.beliefs().sd, abs=1e-9)


def test_sampled_changes_have_the_textbooks_spread():
    history = Simulated(3, size=5, looks=3)
    posterior, _ = history.posterior()
    beliefs = posterior.beliefs()
    luck = np.random.default_rng(0)
    drawn = np.array([beliefs.draw_changes(luck, means) for means in beliefs.draw(luck, 6000)])
    spreads = np.diag(beliefs.spreads**2)
    inherits, own = beliefs.inherits, (beliefs.heredity.own * missed(beliefs.inherits, beliefs.roots)) ** 2
    prior = inherits @ spreads @ inherits.T + np.diag(own)
    blame = spreads @ inherits.T @ np.linalg.inv(prior)
    held = blame @ (beliefs.root @ beliefs.root.T) @ blame.T
    cov = spreads - spreads @ inherits.T @ np.linalg.solve(prior, inherits @ spreads) + held
    assert drawn.mean(axis=0) == pytest.approx(beliefs.changes(beliefs.mean), abs=0.006)
    assert np.cov(drawn.T) == pytest.approx(cov, abs=0.06 * float(cov.max()))


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


def test_scores_of_one_branch_tell_about_a_change_in_another():
    posterior = LineagePosterior()
    root = posterior.add()
    first = posterior.add([root])
    second = posterior.add([root])
    both = posterior.add([first, second], Operation.MERGE)
    before = posterior.beliefs().mean[both]
    for pair in range(20):
        posterior.observe(root, pair, 0.5)
        posterior.observe(first, pair, 0.7)
        posterior.observe(second, pair, 0.6)
    beliefs = posterior.beliefs()
    assert beliefs.mean[both] > beliefs.mean[first] + 0.03 > before
    assert beliefs.mean[both] - beliefs.mean[root] == pytest.approx(
        beliefs.mean[first] + beliefs.mean[second] - 2 * beliefs.mean[root], abs=0.05
    )


def test_a_hard_prompt_does_not_count_against_who_met_it():
    posterior = LineagePosterior()
    root = posterior.add()
    lucky, unlucky = posterior.add([root]), posterior.add([root])
    for pair in range(20):
        hard = pair % 2
        posterior.observe(root, pair, 0.2 if hard else 0.8, hard)
        posterior.observe(unlucky if hard else lucky, pair, 0.2 if hard else 0.8, hard)
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


@pytest.mark.parametrize("spread", [0.03, 0.1, 0.2])
def test_finds_how_much_changes_do(spread: float):
    found = [Simulated(seed, spread=spread).posterior()[0].beliefs().spread for seed in range(4)]
    assert np.mean(found) == pytest.approx(spread, rel=0.3)


def test_finds_whether_anything_is_passed_on():
    inherited = [Simulated(seed, spread=0.1).posterior()[0].beliefs().heredity for seed in range(3)]
    own = [Simulated(seed, spread=0.0, own=0.1).posterior()[0].beliefs().heredity for seed in range(3)]
    assert max(each.own for each in inherited) < 0.03
    assert min(each.own for each in own) > 0.04
    assert max(each.stretch for each in own) <= min(each.stretch for each in inherited)


@pytest.mark.parametrize("typical", [-0.05, 0.05])
def test_finds_what_a_reflection_typically_does(typical: float):
    found = [Simulated(seed, size=60, spread=0.03, typical=typical).posterior()[0].beliefs().typical for seed in range(3)]
    assert 0.4 * abs(typical) < abs(np.mean(found)) < 1.2 * abs(typical)
    assert np.sign(np.mean(found)) == np.sign(typical)


def test_intervals_hold_the_truth_as_often_as_they_say():
    away = []
    for seed in range(8):
        posterior, means = Simulated(seed, looks=8).posterior()
        beliefs = posterior.beliefs()
        away += [(means[node] - means[0] - beliefs.difference(node, 0)[0]) / beliefs.difference(node, 0)[1] for node in range(1, 40)]
    assert 0.8 < np.std(away) < 1.25


def test_a_change_that_helps_on_few_prompts_is_worth_its_mean():
    """Scores far out are no outliers: a change that lifts one prompt in ten by .5 is worth .05, as one that lifts all by that."""

    def worth(lift: float, every: int) -> float:
        luck = np.random.default_rng(3)
        posterior = LineagePosterior()
        nodes = [posterior.add(), posterior.add([0])]
        for pair in range(200):
            for node in nodes:
                score = 0.4 + 0.02 * luck.standard_normal() + (lift if node and pair % every == 0 else 0.0)
                posterior.observe(node, pair, score, pair)
        beliefs = posterior.beliefs()
        return beliefs.difference(1, 0)[0]

    assert worth(0.5, 10) == pytest.approx(0.05, abs=0.015)
    assert worth(0.05, 1) == pytest.approx(0.05, abs=0.015)


def test_a_prompt_at_its_ceiling_tells_little():
    luck = np.random.default_rng(0)
    posterior = LineagePosterior()
    assert posterior.spread_by_prompt == {}
    for node in range(12):
        posterior.add([0] if node else ())
        for pair in range(20):
            posterior.observe(node, pair, 1.0 if pair < 10 else float(luck.normal(0.5, 0.2)), pair)
    posterior.beliefs()
    spread = posterior.spread_by_prompt
    assert max(spread[prompt] for prompt in range(10)) < 0.01 < 0.7 < min(spread[prompt] for prompt in range(10, 20))


def test_children_of_other_roots_stand_on_their_own():
    posterior = LineagePosterior(Prior(scale=Scale(0.05, 0.05, 0.05)))
    low, high = posterior.add(), posterior.add()
    for pair in range(10):
        posterior.observe(low, pair, 0.2)
        posterior.observe(high, pair, 0.8)
    child = posterior.add([low, high], Operation.MERGE)
    beliefs = posterior.beliefs()
    assert beliefs.inherits[child].tolist() == [1.0, 0.0, 1.0]
    assert beliefs.mean[child] == pytest.approx(beliefs.mean[low])


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
    with pytest.raises(ValueError, match="can't descend"):
        posterior.add([0], has=[2])
