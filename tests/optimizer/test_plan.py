"""What the search decides: composites once, the same for the same trials, nothing too late, nothing on what only fails."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import pytest

from benchmarks.search.worlds import REGIMES, Regime, SyntheticWorld, rules_of, text_of
from data.errors import FailureKind
from data.errors import Stage as StageName
from data.records import Derivation, Failure, Judgment, Operation, Prompt, Rewrite, SystemPrompt, Trial
from optimizer.pairs import Pairs
from optimizer.plan import (
    BARREN_TRIALS,
    IMAGES_PER_START,
    LARGEST_ROUND,
    LEAST_IMAGES,
    SUSPECT_TRIALS,
    TOO_LATE,
    Measurement,
    Planner,
    Policy,
    Round,
)

MIDDLE = REGIMES["middle"]


@dataclass
class Searched:
    """A search in a synthetic world, one round after the other. ``fails``: texts whose trials fail; ``refused``: no proposal is taken."""

    regime: Regime = MIDDLE
    seed: int = 1
    policy: Policy = Policy()
    images: int = 200
    fails: Callable[[str], bool] = lambda text: False
    refused: bool = False
    roots: Sequence[str] = (text_of([]),)
    rounds: list[Round] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.world = SyntheticWorld(self.regime, self.seed)
        prompts = [Prompt(str(number)) for number in range(len(self.world.categories))]
        self.planner = Planner(Pairs(prompts, self.seed, "search"), self.policy, self.seed)
        for root in self.roots:
            self.planner.add(Derivation(SystemPrompt(root), (), Operation.ROOT))

    def run(self) -> "Searched":
        spent = 0
        while spent < self.images and self.planner.worthwhile():
            decided = self.planner.next_round(len(self.rounds), self.images - spent)
            self.rounds.append(decided)
            spent += len(decided.measurements)
            for measurement in decided.measurements:
                self.planner.take(measurement, self.trial(measurement))
            for mutation in decided.mutations:
                self.propose(mutation.operation, mutation.parents)
        return self

    def trial(self, measurement: Measurement) -> Trial:
        request = self.planner.request(measurement)
        text = request.system_prompt.text
        if self.fails(text):
            return Trial("t", request, failure=Failure(StageName.REWRITE, FailureKind.REFUSED, "no"))
        score = self.world.score(text, int(request.prompt.text), request.seed)
        return Trial("t", request, rewrite=Rewrite(text), judgment=Judgment(score))

    def propose(self, operation: Operation, parents: Sequence[int]) -> None:
        if self.refused:
            self.planner.refused()
            return
        above = [self.planner.candidates[node] for node in parents]
        evidence = [
            (self.planner.request(Measurement(parents[0], pair)).prompt.text, trial.score or 0.0) for pair, trial in above[0].trials.items()
        ]
        seen = [(int(prompt), score) for prompt, score in evidence]
        child = SystemPrompt(self.world.propose(operation, [each.system_prompt.text for each in above], seen, len(self.planner.candidates)))
        if not self.planner.knows(child):
            self.planner.add(Derivation(child, tuple(each.system_prompt.id for each in above), operation))

    def measured(self) -> list[Measurement]:
        return [measurement for decided in self.rounds for measurement in decided.measurements]

    def asked(self) -> int:
        return sum(len(decided.mutations) for decided in self.rounds)

    def composites(self) -> list[int]:
        return [node for decided in self.rounds for node, _ in decided.composites]


@pytest.fixture(scope="module")
def usual() -> Searched:
    return Searched().run()


def test_spends_every_image_once(usual: Searched):
    measured = usual.measured()
    assert len(measured) == len(set(measured)) == usual.images
    assert {len(decided.measurements) for decided in usual.rounds} == {usual.policy.round_size}


def test_a_composite_is_entered_once_with_the_changes_of_several(usual: Searched):
    nodes = usual.composites()
    assert len(nodes) > 5
    assert len(set(nodes)) == len(nodes)
    candidates = usual.planner.candidates
    assert len({candidate.system_prompt.id for candidate in candidates}) == len(candidates)
    proposed = {rule for node, candidate in enumerate(candidates) if node not in nodes for rule in rules_of(candidate.system_prompt.text)}
    for decided in usual.rounds:
        for node, derivation in decided.composites:
            assert derivation.operation is Operation.MERGE
            assert candidates[node].system_prompt == derivation.child
            assert set(rules_of(derivation.child.text)) <= proposed
            assert all(usual.planner.node(parent) < node for parent in derivation.parents)
    counts = Counter(measurement.node for measurement in usual.measured())
    assert any(counts[node] > usual.policy.block for node in nodes), "the same changes again are the same text again"


def test_the_best_is_better_than_the_root(usual: Searched):
    best = usual.planner.candidates[usual.planner.ranking()[0]].system_prompt.text
    assert usual.world.quality(best) > usual.world.quality(usual.world.root) + 0.1


def decisions(search: Searched) -> list[object]:
    return [(decided.measurements, decided.mutations, decided.composites) for decided in search.rounds]


def test_the_same_trials_make_the_same_rounds(usual: Searched):
    assert decisions(Searched().run()) == decisions(usual)
    assert decisions(Searched(seed=2).run()) != decisions(usual)


def test_roots_begin_on_the_same_pairs():
    search = Searched(roots=(text_of([]), text_of([3])), images=16).run()
    first, second = ([each.pair for each in search.measured() if each.node == node] for node in (0, 1))
    assert sorted(first[:8]) == sorted(second[:8])


def test_nothing_is_asked_for_before_there_is_something_to_show_nor_too_late():
    assert Searched(images=8).run().asked() == 0
    planner = Searched(images=60).run().planner
    assert planner.next_round(99, TOO_LATE + 1).mutations
    again = Searched(images=60).run().planner
    assert not again.next_round(99, TOO_LATE).mutations


def test_a_refused_proposal_comes_back_but_not_for_ever():
    taken, refused = Searched().run(), Searched(refused=True).run()
    assert taken.asked() == pytest.approx(taken.images / IMAGES_PER_START + taken.images / taken.policy.images_per_child, abs=2)
    assert 2.5 * taken.asked() < refused.asked() < 3.5 * taken.asked()
    assert len(refused.planner.candidates) == 1


def test_no_composite_takes_a_change_that_has_only_failed():
    search = Searched(images=200, fails=lambda text: rules_of(text) == [7])
    child = search.planner.add(Derivation(SystemPrompt(text_of([7])), (SystemPrompt(text_of([])).id,), Operation.REFLECT))
    search.run()
    assert SUSPECT_TRIALS <= len(search.planner.candidates[child].trials) <= BARREN_TRIALS + search.policy.round_size
    born = [each.system_prompt.text for each in search.planner.candidates if each.operation is Operation.MERGE]
    # The first few may have been put together before it was tried.
    assert len(born) > 20
    assert not any(7 in rules_of(text) for text in born[10:])


def test_a_child_that_only_fails_is_left_alone():
    search = Searched(images=300, fails=lambda text: 7 in rules_of(text))
    search.planner.add(Derivation(SystemPrompt(text_of([7])), (SystemPrompt(text_of([])).id,), Operation.REFLECT))
    search.run()
    failed = Counter(each.node for each in search.measured() if search.fails(search.planner.candidates[each.node].system_prompt.text))
    assert failed
    assert max(failed.values()) <= BARREN_TRIALS + search.policy.round_size


def test_a_composite_that_only_fails_is_left_alone():
    """Changes that are good one by one, and make the reasoner refuse together."""
    search = Searched(images=300, fails=lambda text: len(rules_of(text)) > 1)
    search.run()
    failed = Counter(each.node for each in search.measured() if search.fails(search.planner.candidates[each.node].system_prompt.text))
    assert failed
    assert max(failed.values()) <= BARREN_TRIALS + search.policy.round_size


def test_without_composites_the_proposer_is_asked_to_merge():
    search = Searched(images=400, policy=Policy(compose=0.0)).run()
    assert not search.composites()
    merges = [frozenset(each.parents) for decided in search.rounds for each in decided.mutations if each.operation is Operation.MERGE]
    assert merges
    assert len(set(merges)) == len(merges)


def test_composites_keep_to_the_most_words():
    search = Searched(policy=Policy(max_words=12)).run()
    texts = [search.planner.candidates[node].system_prompt.text for node in search.composites()]
    assert texts
    assert max(len(text.split()) for text in texts) == 12, "with as many of the best changes as there is room for"


def test_what_is_handed_over_is_all_that_is_good_on_average():
    crowned = 0
    for seed in range(4):
        planner = Searched(seed=seed, images=100).run().planner
        leading, measured = planner.leading(), planner.ranking()
        crown = planner.crown()
        if crown is None:
            assert leading == planner.candidates[measured[0]].system_prompt
            continue
        crowned += 1
        node, derivation = crown
        assert derivation.child == leading
        assert planner.ranking() == [node, *measured], "it is in the ranking, though nobody has measured it"
        assert planner.crown() is None, "it is in the lineage now"
    assert crowned


def test_rounds_grow_with_what_is_known():
    search = Searched(images=1500).run()
    sizes = [len(decided.measurements) for decided in search.rounds]
    assert set(sizes[:100]) == {Policy().round_size}
    assert Policy().round_size < sizes[-2] <= search.planner.round_size <= LARGEST_ROUND


def test_a_price_ends_a_search_in_which_nothing_makes_a_difference():
    alike = Searched(Regime(effects=0.0), images=1500, policy=Policy(price=1e-4)).run()
    assert LEAST_IMAGES <= len(alike.measured()) < 1000
    assert len(Searched(images=600).run().measured()) == 600
    assert len(Searched(Regime(effects=0.0), images=300, policy=Policy(price=0.0)).run().measured()) == 300, (
        "without a price nothing ends it"
    )


def test_prompts_that_tell_nothing_are_met_less():
    late: list[bool] = []
    for seed in (1, 2, 3):
        search = Searched(REGIMES["easy prompts"], seed=seed, images=400).run()
        late += [int(search.planner.request(each).prompt.text) < 48 for each in search.measured()[300:]]
    assert np.mean(late) < 0.45, "60% of the prompts are easy"


def test_what_is_believed_is_said_of_every_candidate(usual: Searched):
    beliefs = usual.planner.beliefs()
    standings = usual.planner.standings(beliefs, 3)
    assert [each.system_prompt_id for each in standings] == [each.system_prompt.id for each in usual.planner.candidates]
    assert sum(each.p_best for each in standings) == pytest.approx(1.0)
    assert sum(each.trials for each in standings) == usual.images
    ranking = usual.planner.ranking()
    assert [beliefs.mean[node] for node in ranking] == sorted((beliefs.mean[node] for node in ranking), reverse=True)
    assert set(ranking) == {node for node, each in enumerate(usual.planner.candidates) if each.scored}


@pytest.mark.parametrize("batch", [1, 4, 8, 32, 64])
def test_enough_is_under_way_to_fill_the_generators_batch(batch: int):
    policy = Policy.filling(batch, 100_000)
    assert policy.round_size * (policy.ahead + 1) > batch
    assert (policy == Policy()) == (batch <= Policy().round_size)
