"""A whole run: search on the search prompts, select among the best on the select prompts, confirm the winner on the test prompts.

An asynchronous generator of events, like the search it contains. It knows no store, no clock and no door.
"""

from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass

from data.errors import FatalError, UsageError
from data.identity import derived_seed, short
from data.records import Derivation, Operation, Prompt, Split, SystemPrompt, Trial, TrialRequest
from optimizer.budget import Budget, Limits, Shares, share_out
from optimizer.compare import Arm, Comparison, compare
from optimizer.evaluate import Evaluator
from optimizer.events import Confirmed, Event, Phase, Selected, TrialDone
from optimizer.plan import Measurement, Pairs, Planner, Policy, select_pair
from optimizer.search import History, ProposerStage, Search, measure, raise_if_hopeless, sealed

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

    def split(self, split: Split) -> list[Prompt]:
        """The prompts of one split, in the set's order."""
        return [prompt for prompt in self.prompts if prompt.split is split]

    def shares(self, images: int) -> Shares:
        """How ``images`` are shared out; UsageError where they, or the prompts, are too few to confirm anything."""
        if not self.split(Split.SEARCH):
            raise UsageError("the prompt set has no prompts to search on", hint='give some of its rows "split": "search"')
        return share_out(
            images,
            arms=len(self.baselines) + 2,
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
) -> AsyncGenerator[Event, None]:
    """Runs the three phases; ``history`` is what earlier sittings of the same run already know (then those parts pass at once)."""
    shares = problem.shares(limits.images)
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
    winner = 0
    async with aclosing(select(planner, evaluator, budget, problem.split(Split.SELECT)[: shares.select_prompts], problem.seed)) as events:
        async for event in events:
            if isinstance(event, Selected):
                winner = planner.node(event.winner)
            yield event
    arms = [*problem.baselines, Arm(BEST, planner.candidates[winner].system_prompt)]
    tested = Pairs(problem.split(Split.TEST), problem.seed, "choice of test prompts").prompts[: shares.test_prompts]
    async with aclosing(confirm(problem, arms, tested, shares.test_seeds, evaluator, budget)) as events:
        async for event in events:
            yield event


async def select(
    planner: Planner, evaluator: Evaluator, budget: Budget, prompts: Sequence[Prompt], seed: int
) -> AsyncGenerator[Event, None]:
    """Measures the shortlist on prompts that no proposer has seen, and picks the best by a posterior over both parts together."""
    shortlist = planner.ranking()[: planner.policy.shortlist]
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
    problem: Problem, arms: Sequence[Arm], prompts: Sequence[Prompt], seeds: int, evaluator: Evaluator, budget: Budget
) -> AsyncGenerator[Event, None]:
    """Measures all arms on the same untouched prompts and seeds, prompt by prompt, and the winner once more with others; then compares."""
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
    yield Confirmed(_report(arms, {arm.name: outcomes(pairs, arm.system_prompt) for arm in arms}, outcomes(fresh, winner), problem))


def _report(arms: Sequence[Arm], trials: dict[str, list[Trial]], again: list[Trial], problem: Problem) -> Comparison:
    if not trials[BEST]:
        raise FatalError(
            "a limit of the budget was reached before anything could be confirmed",
            hint="optimize again with a higher limit: what is done is not paid for again",
        )
    return compare(arms, trials, best=BEST, reference=problem.reference, again=again, seed=derived_seed(problem.seed, "statistics"))
