"""The opponents: each runs its real library before the meter, spends no more than its images, and is shown what its own reflection sees."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec

import pytest

from benchmarks.search.contest import Game, play
from benchmarks.search.meter import Meter
from benchmarks.search.opponents import Searcher
from benchmarks.search.opponents.capo import Capo
from benchmarks.search.opponents.dspy_gepa import DspyGepa
from benchmarks.search.opponents.gepa import Gepa
from benchmarks.search.opponents.mipro import Mipro
from benchmarks.search.opponents.names import Names
from benchmarks.search.opponents.simba import Simba
from benchmarks.search.opponents.simple import Halving, RandomSearch
from benchmarks.search.worlds import Evidence, SyntheticWorld, synthetic
from data.records import Operation

SEARCHERS: Sequence[Searcher] = [
    Gepa(val=8),
    Gepa(val=8, selector="current_best", accept="improvement_or_equal", minibatch=8),
    Gepa(val=8, selector="top_k_pareto", parents=2, mutations=2, fixed_seeds=True),
    DspyGepa(val=8),
    Simba(batch=4, candidates=4, train=16),
    Mipro(candidates=6, minibatch=10, val=20),
    Mipro(candidates=6, minibatch=0, val=20),
    Capo(population=4, crossovers=2, block=10),
    RandomSearch(prompts=10),
    RandomSearch(prompts=10, parent="best"),
    Halving(width=3, first=4),
    Halving(width=3, first=4, fresh=True),
]


@dataclass(slots=True)
class Watched:
    """A world that writes down what it is asked for."""

    world: SyntheticWorld
    scores: dict[tuple[str, int], list[float]] = field(default_factory=dict)
    shown: list[tuple[Operation, Sequence[str], Evidence]] = field(default_factory=list)
    proposed: set[str] = field(default_factory=set)
    name: str = "watched"
    closed: bool = False

    @property
    def root(self) -> str:
        return self.world.root

    @property
    def categories(self) -> Sequence[int]:
        return self.world.categories

    def score(self, text: str, prompt: int, seed: int, look: int = 0) -> float:
        score = self.world.score(text, prompt, seed, look)
        self.scores.setdefault((text, prompt), []).append(score)
        return score

    def propose(self, operation: Operation, parents: Sequence[str], evidence: Evidence, seed: int) -> str:
        self.shown.append((operation, list(parents), list(evidence)))
        child = self.world.propose(operation, parents, evidence, seed)
        self.proposed.add(child)
        return child

    def quality(self, text: str) -> float:
        return self.world.quality(text)


def need(searcher: Searcher) -> None:
    for library in searcher.libraries:
        if find_spec(library) is None:
            pytest.skip(f"{library} is not installed")


@pytest.fixture(params=SEARCHERS, ids=repr)
def watched(request: pytest.FixtureRequest) -> tuple[Searcher, Watched, Meter]:
    """A searcher after its search, its world, and its meter."""
    searcher: Searcher = request.param
    need(searcher)
    world = Watched(synthetic("middle")(1))
    # CAPO has an answer after its first race, in which all take part in most blocks.
    meter = Meter(world, 520 if isinstance(searcher, Capo) else 260)
    searcher(meter, 5)
    return searcher, world, meter


def test_an_opponent_spends_what_it_may_and_hands_over_what_it_measured(watched: tuple[Searcher, Watched, Meter]) -> None:
    searcher, world, meter = watched
    assert meter.spent == sum(map(len, world.scores.values())) <= meter.images
    assert meter.spent > meter.images / 2, "it made use of what it had"
    assert meter.trace, "it handed something over"
    measured = {text for text, _ in world.scores}
    assert {text for _, text in meter.trace} <= measured <= world.proposed | {world.root}
    assert [spent for spent, _ in meter.trace] == sorted(spent for spent, _ in meter.trace)
    if not searcher.anytime:
        assert len(meter.trace) == 1


def test_a_proposer_is_shown_scores_that_were_measured_of_the_parent(watched: tuple[Searcher, Watched, Meter]) -> None:
    searcher, world, _ = watched
    assert world.shown
    for operation, parents, evidence in world.shown:
        assert set(parents) <= world.proposed | {world.root}
        if isinstance(searcher, Capo):
            assert not evidence, "CAPO's language model sees no scores"
            continue
        assert operation is Operation.REFLECT
        assert evidence
        for prompt, score in evidence:
            if isinstance(searcher, Mipro) and score == 0.5:
                continue  # A prompt of its data set, without a score.
            seen = [score for text in ({text for text, _ in world.scores}) for score in world.scores.get((text, prompt), [])]
            mine = world.scores.get((parents[0], prompt), [])
            # SIMBA contrasts passes of whatever programs it drew; all others show the parent's own.
            assert score in (seen if isinstance(searcher, Simba) else mine)


def test_gepa_shows_its_minibatch() -> None:
    world = Watched(synthetic("middle")(2))
    Gepa(val=8, minibatch=3)(Meter(world, 100), 1)
    assert {len(evidence) for _, _, evidence in world.shown} == {3}


def test_capo_merges_and_varies() -> None:
    need(Capo())
    world = Watched(synthetic("middle")(2))
    Capo(population=4, crossovers=2, block=10)(Meter(world, 300), 1)
    merges = [parents for operation, parents, _ in world.shown if operation is Operation.MERGE]
    assert merges
    assert all(len(parents) == 2 for parents in merges)


@pytest.mark.parametrize("searcher", SEARCHERS, ids=repr)
def test_equal_seeds_play_equal_games(searcher: Searcher) -> None:
    need(searcher)
    game = Game(searcher, "loud", 3, 150)
    assert play(game) == play(game)


@pytest.mark.parametrize("batch", [8, 32])
@pytest.mark.parametrize("images", [100, 600, 2400])
def test_simba_plans_no_more_than_it_has(batch: int, images: int) -> None:
    simba = Simba(batch=batch)
    steps = simba.steps(images, 80)
    if steps:
        assert steps * batch * 13 + min(steps + 1, 7) * 80 <= images


def test_simba_without_enough_images_hands_nothing_over() -> None:
    meter = Meter(synthetic("middle")(1), 60)
    Simba()(meter, 1)
    assert meter.trace == []
    assert meter.gains([60]) == [0.0]


def test_random_search_ends_where_nothing_new_is_proposed() -> None:
    class Stuck(SyntheticWorld):
        def propose(self, operation: Operation, parents: Sequence[str], evidence: Evidence, seed: int) -> str:
            return self.root

    for searcher in (RandomSearch(prompts=4), Halving(width=3, first=4), Gepa(val=4, fixed_seeds=True)):
        meter = Meter(Stuck(synthetic("middle")(1).regime, 1), 200)
        searcher(meter, 1)
        assert meter.proposals <= 203


def test_names_survive_what_libraries_make_of_them() -> None:
    names = Names()
    first, second = names.name("one"), names.name("two")
    assert names.name("one") == first != second
    assert names.texts(f"merge {first} and {second}, please") == ["one", "two"]
    assert names.text(f"{first}\n\n{second}") == "two"
