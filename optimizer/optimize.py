"""A whole run: search on the search prompts, select among the best on the select prompts, confirm the winner on the test prompts.

An asynchronous generator of events, like the search it contains. It knows no store, no clock and no door.
"""

from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace

from data.errors import FatalError, UsageError
from data.identity import derived_seed, short
from data.records import Derivation, Operation, Prompt, Split, SystemPrompt, Trial, TrialRequest
from optimizer.budget import Budget, Limits, Shares, share_out
from optimizer.compare import Arm, Comparison, Exchanged, Transfer, compare, transfer, with_transfers
from optimizer.evaluate import Evaluator
from optimizer.events import Born, Confirmed, Event, Phase, Selected, TrialDone
from optimizer.gains import SearchGain, SearchScores, shrunk_difference
from optimizer.methods import OURS
from optimizer.methods.bridge import Bridge
from optimizer.methods.foreign import search_with
from optimizer.pairs import Pairs, select_pair
from optimizer.plan import Measurement, Planner, Policy
from optimizer.search import History, ProposerStage, Search, TrialSource, measure, raise_if_hopeless, sealed
from optimizer.transfer import Again

NOTHING_EXCHANGED: Mapping[Exchanged, TrialSource] = {}
BEST = "best"
"""The arm's name of the winner."""


@dataclass(frozen=True, slots=True)
class Problem:
    """What is to be optimized, on which prompts, against what.

    ``roots``: where the lineage starts. ``baselines``: arms of the confirmation beside the winner; ``reference`` names the one that the
    differences in the report's table refer to.
    """

    prompts: Sequence[Prompt]
    roots: Sequence[SystemPrompt]
    baselines: Sequence[Arm]
    reference: str
    seed: int
    policy: Policy = Policy()
    method: str = OURS
    """Who searches: one of optimizer.methods.NAMES."""
    exchanged: tuple[Exchanged, ...] = ()
    """Which engines are exchanged after the confirmation, one at a time, to see whether the gain transfers."""

    @property
    def reference_arm(self) -> Arm:
        return next(arm for arm in self.baselines if arm.name == self.reference)

    def split(self, split: Split) -> list[Prompt]:
        """The prompts of one split, in the set's order."""
        return [prompt for prompt in self.prompts if prompt.split is split]

    def shares(self, images: int) -> Shares:
        """How ``images`` are shared out; UsageError where they, or the prompts, are too few to confirm anything."""
        if not self.split(Split.SEARCH):
            raise UsageError("the prompt set has no prompts to search on", hint='give some of its rows "split": "search"')
        # Another generator draws for two arms once more; another judge looks at what is there.
        redrawn = 2 * (Exchanged.GENERATOR in self.exchanged)
        return share_out(
            images,
            arms=len(self.baselines) + 2 + redrawn,
            shortlist=self.policy.shortlist,
            select_prompts=len(self.split(Split.SELECT)),
            test_prompts=len(self.split(Split.TEST)),
        )


async def optimize(
    problem: Problem,
    limits: Limits,
    evaluator: Evaluator,
    proposer: ProposerStage,
    proposer_identity: str,
    history: History,
    budget: Budget,
    others: Mapping[Exchanged, TrialSource] = NOTHING_EXCHANGED,
) -> AsyncGenerator[Event, None]:
    """Runs the three phases; ``history`` is what earlier sittings of the same run already know (then those parts pass at once).

    ``others`` measure with the problem's ``exchanged`` engines.
    """
    shares = problem.shares(limits.images)
    searched = our_search if problem.method == OURS else other_search
    winner: SystemPrompt | None = None
    born: dict[str, SystemPrompt] = {}
    scores = SearchScores()
    async with aclosing(searched(problem, limits, shares, evaluator, proposer, proposer_identity, history, budget)) as events:
        async for event in events:
            if isinstance(event, Born):
                born[event.derivation.child.id] = event.derivation.child
            elif isinstance(event, TrialDone) and event.phase is Phase.SEARCH:
                scores.take(event.trial)
            elif isinstance(event, Selected):
                winner = born[event.winner]
                raw = scores.difference(winner.id, problem.reference_arm.system_prompt.id)
                shrunk = event.gain.shrunk if event.gain is not None else None
                event = replace(event, gain=SearchGain(problem.reference, raw, shrunk))
            yield event
    assert winner is not None, "a search ends with Selected"
    arms = [*problem.baselines, Arm(BEST, winner)]
    tested = Pairs(problem.split(Split.TEST), problem.seed, "choice of test prompts").prompts[: shares.test_prompts]
    async with aclosing(confirm(problem, arms, tested, shares.test_seeds, evaluator, budget, others)) as events:
        async for event in events:
            yield event


async def our_search(
    problem: Problem,
    limits: Limits,
    shares: Shares,
    evaluator: Evaluator,
    proposer: ProposerStage,
    proposer_identity: str,
    history: History,
    budget: Budget,
) -> AsyncGenerator[Event, None]:
    """Search and selection by the posterior; the last event is Selected."""
    search_prompts = problem.split(Split.SEARCH)
    planner = Planner(Pairs(search_prompts, problem.seed, "search"), problem.policy, problem.seed)
    search = Search(
        planner=planner,
        evaluator=evaluator,
        proposer=proposer,
        proposer_identity=proposer_identity,
        prompts=search_prompts,
        budget=budget,
        images=shares.search,
        reserve=limits.images - shares.search,
        seed=problem.seed,
        history=history,
    )
    roots = [Derivation(root, (), Operation.ROOT, f"start: {root.name or short(root.id)}") for root in problem.roots]
    async with aclosing(search.run(roots)) as events:
        async for event in events:
            yield event
    reference = problem.reference_arm.system_prompt
    async with aclosing(select(planner, evaluator, budget, problem.split(Split.SELECT)[: shares.select_prompts], problem.seed)) as events:
        async for event in events:
            if isinstance(event, Selected) and planner.knows(reference):
                shrunk = shrunk_difference(planner.beliefs(), planner.node(event.winner), planner.node(reference.id))
                event = replace(event, gain=SearchGain(problem.reference, None, shrunk))
            yield event


async def other_search(
    problem: Problem,
    limits: Limits,
    shares: Shares,
    evaluator: Evaluator,
    proposer: ProposerStage,
    proposer_identity: str,
    history: History,
    budget: Budget,
) -> AsyncGenerator[Event, None]:
    """Search and selection by another optimizer, on the images of both. It has one root: the reference, where that is a root at all."""
    images = shares.searched(problem.policy.shortlist)
    bridge = Bridge(
        evaluator=evaluator,
        proposer=proposer,
        proposer_identity=proposer_identity,
        search=problem.split(Split.SEARCH),
        select=problem.split(Split.SELECT),
        budget=budget,
        images=images,
        reserve=limits.images - images,
        seed=problem.seed,
        max_words=problem.policy.max_words,
        history=history,
    )
    reference = {arm.system_prompt.id for arm in problem.baselines if arm.name == problem.reference}
    root = next((root for root in problem.roots if root.id in reference), problem.roots[0])
    async with aclosing(search_with(problem.method, bridge, root, problem.policy.shortlist)) as events:
        async for event in events:
            yield event


async def select(
    planner: Planner, evaluator: Evaluator, budget: Budget, prompts: Sequence[Prompt], seed: int
) -> AsyncGenerator[Event, None]:
    """Measures the shortlist on prompts that no proposer has seen, and picks the best by a posterior over both parts together."""
    shortlist = planner.shortlist()
    if prompts and len(shortlist) > 1:
        planner.select_pairs = Pairs(prompts, seed, "select")
        measurements = [Measurement(node, select_pair(place)) for node in shortlist for place in range(len(prompts))]
        measuring = measure(planner, evaluator, measurements)
        try:
            async with aclosing(measuring.trials()) as trials:
                async for trial in trials:
                    budget.charge(trial)
                    yield TrialDone(Phase.SELECT, trial)
        finally:
            await measuring.cancel()
        measuring.take_into(planner)
        yield sealed(planner, budget, -1, Phase.SELECT, measuring)
    best = [node for node in planner.ranking() if node in shortlist]
    ids = tuple(planner.candidates[node].system_prompt.id for node in best)
    yield Selected(ids[0], ids, f"highest posterior mean of {len(planner.candidates)}, after {len(prompts)} select prompts each")


async def confirm(
    problem: Problem,
    arms: Sequence[Arm],
    prompts: Sequence[Prompt],
    seeds: int,
    evaluator: Evaluator,
    budget: Budget,
    others: Mapping[Exchanged, TrialSource],
) -> AsyncGenerator[Event, None]:
    """Measures all arms on the same untouched prompts and seeds, prompt by prompt, and the winner once more with others; compares; and
    looks whether the gain transfers to the ``others``."""
    pairs = Pairs(prompts, problem.seed, "test")
    fresh = Pairs(prompts, problem.seed, "test again")
    winner = arms[-1].system_prompt
    texts = {arm.system_prompt.id: arm.system_prompt for arm in arms}  # The winner may be one of the baselines.

    def requests() -> Iterator[TrialRequest]:
        asked = 0
        for pair in range(len(prompts) * seeds):
            wanted = [*(pairs.request(pair, text) for text in texts.values()), fresh.request(pair, winner)]
            asked += len(wanted)
            if budget.exhausted(asked - len(done)):
                return
            yield from wanted

    def outcomes(source: Pairs, system_prompt: SystemPrompt) -> list[Trial]:
        ids = [source.request(pair, system_prompt).id(evaluator.stages.pipeline) for pair in range(len(prompts) * seeds)]
        return [done[trial_id] for trial_id in ids if trial_id in done]

    done: dict[str, Trial] = {}
    async with aclosing(evaluator.stream(requests())) as trials:
        async for trial in trials:
            done[trial.id] = trial
            budget.charge(trial)
            yield TrialDone(Phase.CONFIRM, trial)
    raise_if_hopeless(list(done.values()))
    confirmed = {arm.name: outcomes(pairs, arm.system_prompt) for arm in arms}
    comparison = _report(arms, confirmed, outcomes(fresh, winner), problem)
    transfers: list[Transfer] = []
    reference, best = problem.reference_arm, arms[-1]
    for exchanged in problem.exchanged if best.system_prompt.id != reference.system_prompt.id else ():
        again = Again(exchanged, others[exchanged])
        both = [trial for pair in zip(confirmed[reference.name], confirmed[best.name], strict=False) for trial in pair]
        async with aclosing(again.run(both, budget)) as events:
            async for event in events:
                yield event
        trials = {arm.name: again.outcomes(confirmed[arm.name]) for arm in (reference, best)}
        transfers.append(transfer(exchanged, best, reference, trials, seed=derived_seed(problem.seed, "statistics")))
    yield Confirmed(with_transfers(comparison, transfers))


def _report(arms: Sequence[Arm], trials: dict[str, list[Trial]], again: list[Trial], problem: Problem) -> Comparison:
    if not trials[BEST]:
        raise FatalError(
            "a limit of the budget was reached before anything could be confirmed",
            hint="optimize again with a higher limit: what is done is not paid for again",
        )
    return compare(arms, trials, best=BEST, reference=problem.reference, again=again, seed=derived_seed(problem.seed, "statistics"))
