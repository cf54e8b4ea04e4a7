"""Records a replay table in the embedded world: breeds a mutation graph, then measures every system prompt of it on every prompt.

``python -m benchmarks.record_replay [--home FOLDER] [--out FILE]``. Proposals come from the embedded proposer, pictures are painted and
measured: nothing in the table is made up. Parents are drawn from the good ones and from the middling ones, so that the graph has dead ends,
as those of real searches have. The same recording gives the same file. Killed, the same command goes on: what was measured is in the ledger
in ``--home``.

How fast anything was is left out of the table: of painted pictures it says nothing.
"""

import argparse
import asyncio
import statistics
import sys
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.search.replay import EMBEDDED, recorded
from data.errors import StageError
from data.formats import load_prompts
from data.identity import content_id, derived_random, derived_seed, short
from data.records import Derivation, Operation, Prompt, Split, SystemPrompt, Trial, TrialRequest
from data.replay import Cell, ReplayTable
from data.replayfiles import write_replay
from data.runs import RunRecord
from data.store import Store, open_store
from generator.engines.embedded import EmbeddedGenerator
from optimizer import moments
from optimizer.ancestry import wording
from optimizer.breeding import Mutation
from optimizer.evaluate import Evaluator, Pipeline
from optimizer.judges.scene import SceneJudge
from optimizer.moments import SOURCES
from optimizer.noise import Component, components_of
from optimizer.pairs import Pairs
from optimizer.plan import Measurement, Planner, Policy
from optimizer.propose import proposal_request, propose
from optimizer.proposers.embedded import EmbeddedProposer
from optimizer.stage import StageLimits
from reasoner.engines.embedded import EmbeddedReasoner
from reasoner.library import shipped
from reasoner.rewrite import Rewriter
from ui.eventlog import SITTING
from ui.exporting import replay_table

HOME = Path(__file__).parent.parent / ".cache" / "replay-recording"
KIND = "recording"
ROOTS = ("plain", "general")
OPERATIONS: Mapping[Operation, float] = {Operation.REFLECT: 0.6, Operation.MERGE: 0.15, Operation.EXPLORE: 0.15, Operation.CONDENSE: 0.1}
"""How often each is asked for: about as often as a search does."""
ASKED = 4
"""So many requests at most for each child that is wanted: most refusals are ideas that somebody had before."""
WRITTEN_AT_ONCE = 256


@dataclass(frozen=True, slots=True)
class Plan:
    """What is recorded. ``generations`` of so many ``children``; ``prompts`` of each of the splits search and test, by ``seeds`` seeds.
    Before a system prompt may have children, it is measured on ``looked_at`` pairs of the search prompts."""

    generations: int = 7
    children: int = 8
    prompts: int = 48
    seeds: int = 4
    looked_at: int = 16
    seed: int = 1


class Recording:
    """A recording under way: its ledger, its engines, and the system prompts that were born so far."""

    def __init__(self, plan: Plan, store: Store) -> None:
        self._plan = plan
        self._store = store
        limits = StageLimits(concurrency=1, batch=8)
        self._pipeline = Pipeline(Rewriter(EmbeddedReasoner()), EmbeddedGenerator(), SceneJudge(), limits, limits, limits)
        self._proposer = EmbeddedProposer()
        self._search = Pairs(_sampled(Split.SEARCH, plan), plan.seed, "search")
        self._test = Pairs(_sampled(Split.TEST, plan), plan.seed, "test")
        self._planner = Planner(self._search, Policy(), plan.seed)
        self._lineage: list[Derivation] = []
        prompts = [prompt.id for pairs in (self._search, self._test) for prompt in pairs.prompts]
        self.id = content_id("run", [KIND, asdict(plan), self._pipeline.identities, self._proposer.identity, prompts])

    async def run(self) -> None:
        """Carries it to its end, from wherever an earlier sitting left it."""
        config = {stage: {"engine": "embedded"} for stage in self._pipeline.identities}
        self._store.add_run(RunRecord(self.id, KIND, config, datetime.now(UTC).isoformat(timespec="seconds")))
        known = {trial.id: trial for trial in self._store.trials(self.id)}
        sittings = sum(event.kind == SITTING for event in self._store.events(self.id))
        started = time.monotonic()
        async with Evaluator(self._pipeline, known) as evaluator:
            await self._breed(evaluator)
            self._store.add_derivations(self.id, list(enumerate(self._lineage)))
            await self._measure(evaluator, list(self._grid()))
            drawn = evaluator.stages.generate.delivered
        payload = {
            "seconds": round(time.monotonic() - started, 3),
            "drawn": drawn,
            "outcome": "finished",
            "pipeline": self._pipeline.identities,
        }
        self._store.add_event(self.id, -1 - sittings, SITTING, payload)

    def _grid(self) -> Iterator[TrialRequest]:
        """Every system prompt on every pair."""
        for derivation in self._lineage:
            for pairs in (self._search, self._test):
                for pair in range(len(pairs.prompts) * self._plan.seeds):
                    yield pairs.request(pair, derivation.child)

    async def _breed(self, evaluator: Evaluator) -> None:
        generation = [Derivation(shipped(name), (), Operation.ROOT) for name in ROOTS]
        await self._bear(evaluator, generation)
        for number in range(1, self._plan.generations + 1):
            generation = await self._children(number, len(generation))
            await self._bear(evaluator, generation)

    async def _bear(self, evaluator: Evaluator, generation: Sequence[Derivation]) -> None:
        """Takes system prompts into the graph, and measures them as far as their own children need it."""
        measurements = [Measurement(node, pair) for node in map(self._planner.add, generation) for pair in range(self._plan.looked_at)]
        self._lineage += generation
        trials = await self._measure(evaluator, [self._planner.request(measurement) for measurement in measurements])
        for measurement, trial in zip(measurements, trials, strict=True):
            self._planner.take(measurement, trial)

    async def _children(self, number: int, latest: int) -> list[Derivation]:
        """A generation of system prompts that were not there before; ``latest``: how many the last one has."""
        born: dict[str, Derivation] = {}
        beliefs = self._planner.beliefs()
        for index in range(ASKED * self._plan.children):
            mutation = self._mutation(number, index, latest)
            seed = derived_seed(self._plan.seed, "recording", "proposal", number, index)
            request = proposal_request(self._planner.candidates, mutation, beliefs, max_words=self._planner.policy.max_words, seed=seed)
            known = frozenset(wording(derivation.child.text) for derivation in (*self._lineage, *born.values()))
            try:
                proposal = await propose(self._proposer, request, self._search.prompts, known)
            except StageError:
                continue
            child = SystemPrompt(proposal.text)
            parents = tuple(self._planner.candidates[node].system_prompt.id for node in mutation.parents)
            born[child.id] = Derivation(child, parents, mutation.operation, proposal.reason)
            if len(born) == self._plan.children:
                break
        return list(born.values())

    def _mutation(self, number: int, index: int, latest: int) -> Mutation:
        """Parents in turn from the best third, from the middle third, and from the last generation, which makes the graph deep. The roots
        have as many children each in the first generation."""
        luck = derived_random(self._plan.seed, "recording", "mutation", number, index)
        candidates = self._planner.candidates
        ranked = sorted(range(len(candidates)), key=lambda node: (-self._mean(node), node))
        third = max(1, len(ranked) // 3)
        pools = (ranked[:third], ranked[third : 2 * third], range(len(candidates) - latest, len(candidates)))
        parent = luck.choice(pools[index % 3]) if number > 1 else index % len(ROOTS)
        operation = luck.choices(list(OPERATIONS), list(OPERATIONS.values()))[0]
        others = [node for node in ranked[: third + 1] if node != parent]
        if operation is Operation.MERGE and others:
            return Mutation(operation, (parent, luck.choice(others)))
        return Mutation(Operation.REFLECT if operation is Operation.MERGE else operation, (parent,))

    def _mean(self, node: int) -> float:
        scores = [trial.score for trial in self._planner.candidates[node].trials.values() if trial.score is not None]
        return statistics.fmean(scores) if scores else 0.0

    async def _measure(self, evaluator: Evaluator, requests: Sequence[TrialRequest]) -> list[Trial]:
        """The trials of ``requests``, in their order; each is in the ledger soon after it is done."""
        done: dict[str, Trial] = {}
        waiting: list[Trial] = []
        started = time.monotonic()
        async for trial in evaluator.stream(requests):
            done[trial.id] = trial
            waiting.append(trial)
            if len(waiting) == WRITTEN_AT_ONCE:
                self._store.add_trials(self.id, waiting)
                waiting.clear()
                rate = len(done) / (time.monotonic() - started)
                _say(f"{len(self._lineage)} system prompts; {len(done):,} of {len(requests):,} trials, {rate:.0f} a second")
        self._store.add_trials(self.id, waiting)
        return [done[request.id(evaluator.stages.pipeline)] for request in requests]


def _sampled(split: Split, plan: Plan) -> list[Prompt]:
    """As many prompts of each category, as far as that goes."""
    categories: dict[str, list[Prompt]] = defaultdict(list)
    for prompt in load_prompts("scenes"):
        if prompt.split is split:
            categories[prompt.category].append(prompt)
    luck = derived_random(plan.seed, "recording", split.value)
    for prompts in categories.values():
        luck.shuffle(prompts)
    deals = [prompt for turn in range(plan.prompts) for prompts in categories.values() for prompt in prompts[turn : turn + 1]]
    return deals[: plan.prompts]


def record(plan: Plan, home: Path) -> ReplayTable:
    """Records ``plan`` with the ledger in ``home``, which keeps what is done."""
    home.mkdir(parents=True, exist_ok=True)
    with open_store(f"sqlite:///{home / 'ledger.db'}") as store:
        recording = Recording(plan, store)
        asyncio.run(recording.run())
        table = replay_table(store, [store.run(recording.id)])
    return replace(table, cells=tuple(map(_untimed, table.cells)))


def _untimed(cell: Cell) -> Cell:
    return replace(
        cell,
        rewrite=replace(cell.rewrite, seconds=None),
        image=replace(cell.image, seconds=None),
        judgment=replace(cell.judgment, seconds=None),
    )


def _say(what: str) -> None:
    print(f"\r{what:<80}", end="", file=sys.stderr, flush=True)


# -- what came of it


def report(table: ReplayTable) -> None:
    """The system prompts by their true means, and where the noise comes from."""
    world = recorded(table)
    depths = _depths(table.lineage)
    print(f"{'system prompt':<15}{'depth':>5}{'children':>10}{'truth':>8}{'search':>8}{'words':>7}   made by")
    for derivation in sorted(table.lineage, key=lambda derivation: -world.qualities[derivation.child.text]):
        child = derivation.child
        children = sum(child.id in other.parents for other in table.lineage)
        print(
            f"{short(child.id):<15}{depths[child.id]:>5}{children:>10}{world.qualities[child.text]:>8.3f}{world.mean(child.text):>8.3f}"
            f"{len(child.text.split()):>7}   {child.name or derivation.operation.value}"
        )
    components = components_of({moments.Place(*cell.place): cell.score for cell in table.cells if cell.score is not None}, resamples=200)
    print()
    for source in SOURCES:
        part: Component | None = getattr(components, source)
        print(f"{source:<13}" + ("not measured" if part is None else f"{part.variance.estimate:.5f}"))
    truths = list(world.qualities.values())
    failed = sum(cell.score is None for cell in table.cells)
    print(
        f"\nreplay table: {len(table.cells):,} cells, {failed} failed, of {len(table.lineage)} system prompts; true means from "
        f"{min(truths):.3f} to {max(truths):.3f}, sd {statistics.stdev(truths):.3f}; the graph is {max(depths.values())} deep"
    )


def _depths(lineage: Sequence[Derivation]) -> dict[str, int]:
    """By id, how many generations lie between a system prompt and the farthest of its roots."""
    depths: dict[str, int] = {}
    for derivation in lineage:
        depths[derivation.child.id] = max((depths[parent] + 1 for parent in derivation.parents), default=0)
    return depths


def main() -> int:
    """The exit status."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.record_replay", description="Record a replay table in the embedded world.")
    parser.add_argument("--home", type=Path, default=HOME, help="where the ledger of the recording is kept")
    parser.add_argument("--out", type=Path, default=EMBEDDED, help="the table")
    options = parser.parse_args()
    started = time.monotonic()
    table = record(Plan(), options.home)
    write_replay(table, options.out)
    print(file=sys.stderr)
    report(table)
    print(f"{options.out}: {options.out.stat().st_size:,} bytes, recorded in {time.monotonic() - started:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
