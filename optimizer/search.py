"""The search: an asynchronous generator of events that measures, proposes, and keeps what the posterior believes in.

Decisions come from the planner, round by round. While one round is being measured, later ones are already decided and under way, and
proposals are written meanwhile, so that the generator never waits for a decision. A decision rests only on rounds that were sealed before
it,
never on which trial finished first: the same seed and the same outcomes give the same search, also after a kill.

The search holds no store, logger or progress bar. It is told what is already known, and yields what happens.
"""

import asyncio
from collections import Counter, deque
from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Protocol

from data.errors import FailureKind, FatalError
from data.errors import Stage as StageName
from data.identity import derived_seed
from data.records import Derivation, Failure, Prompt, SystemPrompt, Trial, TrialRequest
from optimizer.breeding import Mutation
from optimizer.budget import Budget
from optimizer.events import Born, Event, Phase, ProposalDone, RoundSealed, TrialDone
from optimizer.plan import Measurement, Planner, Round
from optimizer.propose import Refusal, lint, proposal_request, propose
from optimizer.proposers import Proposal, ProposalRequest
from optimizer.stage import Stage
from optimizer.trial import failure_of

HOPELESS_PROPOSALS = 8
"""So many requests without an answer, none between, end the run: more images would only measure the roots again."""

HOPELESS_TRIALS = 24
"""So many failed trials in a row end the run, of whatever kind the failures are."""

ProposerStage = Stage[ProposalRequest, Proposal]


class TrialSource(Protocol):
    """What runs the trials: an Evaluator, or whatever else turns requests into trials. ``pipeline`` is part of every trial's id."""

    @property
    def pipeline(self) -> str: ...

    def stream(self, requests: Iterable[TrialRequest]) -> AsyncGenerator[Trial, None]: ...


@dataclass(frozen=True, slots=True)
class History:
    """What an earlier sitting of the same run left in the ledger: trials by id, and the proposer's answers by request key."""

    trials: Mapping[str, Trial] = field(default_factory=dict[str, Trial])
    proposals: Mapping[str, Proposal | Failure] = field(default_factory=dict[str, "Proposal | Failure"])


@dataclass(slots=True)
class Search:
    """One search over system prompts; ``run`` may be used once. ``reserve`` images are kept for what comes after it."""

    planner: Planner
    evaluator: TrialSource
    proposer: ProposerStage
    proposer_identity: str
    prompts: Sequence[Prompt]
    budget: Budget
    images: int
    reserve: int
    seed: int
    history: History
    refusal: Refusal = lint
    barren: int = 0
    lost: int = 0
    sealed: int = 0
    asked: "deque[_Asked]" = field(default_factory=deque["_Asked"])

    async def run(self, roots: Sequence[Derivation]) -> AsyncGenerator[Event, None]:
        """Searches until its images are spent or a limit of the budget is near."""
        for root in roots:
            yield Born(self.planner.add(root), root)
        under_way: deque[_Running] = deque()
        number, planned = 0, 0
        try:
            while True:
                while len(under_way) <= self.planner.policy.ahead and planned < self.images and self._goes_on(under_way):
                    # In a thread: what is under way goes on meanwhile.
                    decided = await asyncio.to_thread(self.planner.next_round, number, self.images - planned)
                    for node, derivation in decided.composites:
                        yield Born(node, derivation)
                    under_way.append(self._start(decided))
                    number, planned = number + 1, planned + len(decided.measurements)
                if not under_way:
                    if (crown := await asyncio.to_thread(self.planner.crown)) is not None:
                        yield Born(*crown)
                    return
                async with aclosing(self._finish(under_way[0])) as events:
                    async for event in events:
                        yield event
                under_way.popleft()
        finally:
            for running in under_way:
                await running.measuring.cancel()
            await self._stop_asking()

    def _goes_on(self, under_way: "Iterable[_Running]") -> bool:
        return self.planner.worthwhile() and self._affordable(under_way)

    def _affordable(self, under_way: "Iterable[_Running]") -> bool:
        """Whether another round leaves enough of every limit for the rounds under way and for what comes after the search."""
        committed = sum(len(running.round.measurements) for running in under_way) + self.planner.round_size
        return not self.budget.exhausted(self.reserve + committed)

    def _start(self, decided: Round) -> "_Running":
        """Sets a round's measurements and proposals going."""
        if decided.mutations:
            self.asked.append(_Asked(self.sealed + self.planner.policy.thinking, self._ask(decided)))
        return _Running(decided, measure(self.planner, self.evaluator, decided.measurements))

    def _ask(self, decided: Round) -> "list[asyncio.Task[_Proposed]]":
        known = self.planner.wordings
        return [
            asyncio.create_task(
                self._propose(
                    mutation,
                    proposal_request(
                        self.planner.candidates,
                        mutation,
                        decided.beliefs,
                        max_words=self.planner.policy.max_words,
                        seed=derived_seed(self.seed, "proposal", decided.number, index),
                    ),
                    known,
                )
            )
            for index, mutation in enumerate(decided.mutations)
        ]

    async def _stop_asking(self) -> None:
        tasks = [task for asked in self.asked for task in asked.proposals]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _propose(self, mutation: Mutation, request: ProposalRequest, known: frozenset[str]) -> "_Proposed":
        key = request.key(self.proposer_identity)
        outcome = self.history.proposals.get(key)
        if outcome is None:
            outcome = await answer_to(request, self.proposer, self.proposer_identity, self.prompts, known, self.refusal)
        return _Proposed(mutation, key, outcome)

    async def _finish(self, running: "_Running") -> AsyncGenerator[Event, None]:
        """Waits for a round, yielding its trials as they end; then seals it: in the order in which it was decided."""
        async with aclosing(running.measuring.trials()) as trials:
            async for trial in trials:
                self.budget.charge(trial)
                yield TrialDone(Phase.SEARCH, trial)
        running.measuring.take_into(self.planner)
        self._count_lost(running.measuring.outcomes())
        self.sealed += 1
        while self.asked and self.asked[0].due <= self.sealed:
            for proposed in await asyncio.gather(*self.asked[0].proposals):
                for event in self._take(proposed):
                    yield event
            self.asked.popleft()
        yield await asyncio.to_thread(sealed, self.planner, self.budget, running.round.number, Phase.SEARCH, running.measuring)

    def _count_lost(self, trials: Sequence[Trial]) -> None:
        """Ends a run that has had nothing but failures for a while, of whatever kind."""
        for trial in trials:
            self.lost = self.lost + 1 if trial.score is None else 0
        if self.lost >= HOPELESS_TRIALS:
            raise hopeless(f"the last {self.lost} trials all failed", trials)

    def _take(self, proposed: "_Proposed") -> list[Event]:
        events: list[Event] = [ProposalDone(proposed.key, proposed.outcome)]
        self.budget.charge_usage(proposed.outcome.usage)
        if isinstance(proposed.outcome, Failure):
            if proposed.outcome.kind is FailureKind.REJECTED:
                # A refused idea is no outage: the proposer works, and is asked again.
                self.planner.refused()
                return events
            self.barren += 1
            if self.barren >= HOPELESS_PROPOSALS:
                raise FatalError(
                    f"{self.barren} requests in a row brought no usable system prompt; the last: {proposed.outcome.message}",
                    hint=proposed.outcome.hint or "look at the proposer's endpoint and model",
                )
            return events
        self.barren = 0
        parents = tuple(self.planner.candidates[node].system_prompt.id for node in proposed.mutation.parents)
        child = SystemPrompt(proposed.outcome.text)
        if not self.planner.knows(child):  # Two requests of one round may have had the same idea.
            derivation = Derivation(child, parents, proposed.mutation.operation, proposed.outcome.reason)
            events.append(Born(self.planner.add(derivation), derivation))
        return events


async def answer_to(
    request: ProposalRequest,
    proposer: ProposerStage,
    identity: str,
    prompts: Sequence[Prompt],
    known: frozenset[str],
    refusal: Refusal = lint,
) -> Proposal | Failure:
    """A proposal that may be used, or the Failure that is to stand on record in its place."""
    try:
        return await propose(lambda again: proposer(again.key(identity), again), request, prompts, known, refusal)
    except FatalError:
        raise
    except Exception as error:
        return failure_of(StageName.PROPOSE, error)


@dataclass(frozen=True, slots=True)
class _Proposed:
    mutation: Mutation
    key: str
    outcome: Proposal | Failure


@dataclass(frozen=True, slots=True)
class _Asked:
    """Proposals that are being written; they enter the lineage when ``due`` rounds are sealed."""

    due: int
    proposals: "list[asyncio.Task[_Proposed]]"


@dataclass(frozen=True, slots=True)
class _Running:
    round: Round
    measuring: "Measuring"


class Measuring:
    """Measurements under way in the background: they advance whether or not anybody looks."""

    def __init__(self, requests: "Mapping[str, Measurement]", stream: AsyncGenerator[Trial, None]) -> None:
        self._wanted = requests
        self._stream = stream
        self._done: asyncio.Queue[Trial | None] = asyncio.Queue()
        self._results: dict[str, Trial] = {}
        self._task = asyncio.create_task(self._advance())

    async def _advance(self) -> None:
        try:
            async for trial in self._stream:
                self._results[trial.id] = trial
                self._done.put_nowait(trial)
        finally:
            self._done.put_nowait(None)

    async def trials(self) -> AsyncGenerator[Trial, None]:
        """Each trial as it ends; raises what ended the measuring, FatalError where every single trial failed."""
        while (trial := await self._done.get()) is not None:
            yield trial
        await self._task
        raise_if_hopeless(list(self._results.values()))

    def take_into(self, planner: Planner) -> None:
        """Hands the outcomes to the planner in the order in which they were decided."""
        for trial_id, measurement in self._wanted.items():
            planner.take(measurement, self._results[trial_id])

    def outcomes(self) -> list[Trial]:
        """The trials in the order in which they were decided."""
        return [self._results[trial_id] for trial_id in self._wanted]

    def failed(self) -> tuple[str, ...]:
        """The ids of the trials without a score, in that order."""
        return tuple(trial.id for trial in self.outcomes() if trial.score is None)

    async def cancel(self) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        await self._stream.aclose()


def measure(planner: Planner, evaluator: TrialSource, measurements: Sequence[Measurement]) -> Measuring:
    """Starts ``measurements``."""
    requests = [planner.request(measurement) for measurement in measurements]
    wanted = {request.id(evaluator.pipeline): measurement for request, measurement in zip(requests, measurements, strict=True)}
    return Measuring(wanted, evaluator.stream(requests))


OUTAGE = frozenset(
    {
        FailureKind.UNREACHABLE,
        FailureKind.TIMEOUT,
        FailureKind.RATE_LIMITED,
        FailureKind.SERVER_ERROR,
        FailureKind.UNAUTHORIZED,
        FailureKind.UNKNOWN_MODEL,
        FailureKind.OUT_OF_CREDIT,
        FailureKind.MALFORMED,
        FailureKind.CRASHED,
    }
)
"""Failures that say something about the machinery, and nothing about the prompts."""


def raise_if_hopeless(trials: Sequence[Trial], least: int = 4) -> None:
    """Ends a run in which every trial of a round was lost to an outage: going on would only spend the budget on more of the same."""
    failures = [trial.failure for trial in trials if trial.failure is not None and trial.failure.kind in OUTAGE]
    if len(failures) >= max(least, len(trials)):
        raise hopeless(f"all {len(failures)} trials of a round failed", trials)


def hopeless(what: str, trials: Sequence[Trial]) -> FatalError:
    """The end of a run, with the most frequent of its last failures as the reason."""
    failures = [trial.failure for trial in trials if trial.failure is not None]
    (stage, message), count = Counter((failure.stage, failure.message) for failure in failures).most_common(1)[0]
    hint = next(failure.hint for failure in failures if failure.message == message)
    return FatalError(f"{what}, {count} of the last at {stage}: {message}", hint=hint)


def sealed(planner: Planner, budget: Budget, number: int, phase: Phase, measuring: Measuring) -> RoundSealed:
    """The event that closes a round, with what is believed after it."""
    beliefs = planner.beliefs()
    return RoundSealed(number, phase, budget.images, beliefs.noise_sd, planner.standings(beliefs, number), measuring.failed())
