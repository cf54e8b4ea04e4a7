# dspy leaves most of its types open.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
"""Our search as a dspy optimizer: a program in, a copy with better instructions out, and what may be said of the difference.

It searches the instructions of all predictors; examples (demos) and everything else stay as they are. Nothing is kept beyond the program
that it returns: dspy's own cache makes a search that is played again cheap.
"""

import logging
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import dspy
from dspy.teleprompt import Teleprompter

from data.errors import FailureKind, PhoropterError, UsageError
from data.errors import Stage as StageName
from data.records import Derivation, Failure, Operation, Prompt, Split, SystemPrompt, Trial
from optimizer.budget import CONFIRM_SHARE, MIN_SEARCH_IMAGES, MIN_TEST_PROMPTS, Budget, Limits
from optimizer.dspy_optimizer.proposing import LMEngine, ProgramLint, ProgramProposer, calls_of
from optimizer.dspy_optimizer.results import SearchResults, Tried, hold_out
from optimizer.dspy_optimizer.texts import parted
from optimizer.dspy_optimizer.threads import run_apart
from optimizer.dspy_optimizer.trials import Metric, ProgramTrials, as_prompt
from optimizer.events import Born, Event, ProposalDone, RoundSealed
from optimizer.pairs import Pairs
from optimizer.plan import Planner, Policy
from optimizer.proposers import Proposal, ProposalRequest
from optimizer.search import History, Search
from optimizer.stage import Stage, StageLimits

log = logging.getLogger("dspy.teleprompt.phoropter")
"""Below dspy's own logger, so that it is shown, and switched off, with dspy's."""

SAID_EVERY = 40
"""Evaluations between two lines of the log."""
PROPOSER_THREADS = 8


@dataclass(frozen=True, slots=True)
class _Examples:
    """The examples and the prompts that stand for them; ``train`` for the search, ``val`` for as many as the budget lets be held out."""

    by_prompt: dict[str, dspy.Example]
    train: list[Prompt]
    val: list[Prompt]
    held_out: int


class _Searched(NamedTuple):
    """A search that is over: what it knows, and why each candidate was made."""

    planner: Planner
    reasons: list[str]


class PhoropterSearch(Teleprompter):
    """Searches better instructions for a program, and measures the best again on examples that the search never saw.

    ``metric``: called as ``metric(example, prediction)``, or with dspy's three or GEPA's five arguments where it has to be; returns a score
    from 0 to 1, or ``dspy.Prediction(score=, feedback=)``. Feedback is what proposals are made from. ``budget``: evaluations (one run of
    the program, one call of the metric), those of the held-out examples included; never more. ``reflection_lm`` writes the proposals;
    None: the LM of ``dspy.configure``. ``num_threads``: programs that run at once; None: dspy's setting. ``seed``: the same seed with the
    same answers gives the same program.
    """

    def __init__(self, metric: Metric, *, budget: int, reflection_lm: Any = None, num_threads: int | None = None, seed: int = 0) -> None:
        super().__init__()
        self.metric = metric
        self.budget = budget
        self.reflection_lm = reflection_lm
        self.num_threads = num_threads
        self.seed = seed

    def compile(  # pyright: ignore[reportIncompatibleMethodOverride] - theirs takes any further options, of which there are none here
        self,
        student: dspy.Module,
        *,
        trainset: Sequence[dspy.Example],
        teacher: dspy.Module | None = None,
        valset: Sequence[dspy.Example] | None = None,
    ) -> Any:
        """A copy of ``student`` with the best instructions, and with the SearchResults as ``detailed_results``.

        The best is the one that the posterior believes in, whether or not its gain may be claimed: ``detailed_results.claimed`` says that,
        from ``valset``, which is used for nothing else. At most half of the budget goes there; without a valset nothing can be claimed.
        UsageError before anything is spent where something is missing; FatalError where going on makes no sense.
        """
        try:
            lm = self._checked(student, teacher)
            examples = self._shared_out(trainset, valset or ())
            return run_apart(self._compiled(student, examples, lm))
        except PhoropterError as error:
            if error.hint:
                error.add_note(f"Next: {error.hint}")
            raise

    def _checked(self, student: dspy.Module, teacher: dspy.Module | None) -> Any:
        """The LM that writes proposals; UsageError where the program can't be optimized."""
        if teacher is not None:
            raise UsageError("the search takes no teacher", hint="leave teacher out")
        predictors = student.predictors()
        if not predictors:
            raise UsageError("the program has no predictor, so no instructions to search", hint="a compiled part of it is left alone")
        if dspy.settings.lm is None and not all(predictor.lm for predictor in predictors):
            raise UsageError("the program has no language model", hint="dspy.configure(lm=…)")
        lm = self.reflection_lm or dspy.settings.lm
        if lm is None:
            raise UsageError("there is no language model to write proposals", hint="PhoropterSearch(…, reflection_lm=…)")
        return lm

    def _shared_out(self, trainset: Sequence[dspy.Example], valset: Sequence[dspy.Example]) -> _Examples:
        """Which examples the budget reaches for; UsageError where it reaches for nothing."""
        if not trainset:
            raise UsageError("there are no examples to search on", hint="compile(program, trainset=…)")
        held_out = min(len(valset), int(self.budget * CONFIRM_SHARE) // 2)
        if self.budget - 2 * held_out < MIN_SEARCH_IMAGES:
            least = min(2 * MIN_SEARCH_IMAGES, MIN_SEARCH_IMAGES + 2 * len(valset))
            raise UsageError(
                f"a budget of {self.budget} evaluations is too small: the search needs {MIN_SEARCH_IMAGES}, beside those held out",
                hint=f"PhoropterSearch(…, budget={least})",
            )
        if not valset:
            log.warning("There is no valset: no gain can be claimed. Keep some examples apart, and pass them as valset.")
        elif held_out < MIN_TEST_PROMPTS:
            log.warning("%d held-out examples are few: only a large gain can be claimed on fewer than %d.", held_out, MIN_TEST_PROMPTS)
        train = [as_prompt(example, Split.SEARCH, number) for number, example in enumerate(trainset)]
        val = [as_prompt(example, Split.TEST, number) for number, example in enumerate(valset)]
        by_prompt = {prompt.id: example for prompt, example in zip((*train, *val), (*trainset, *valset), strict=True)}
        return _Examples(by_prompt, train, val, held_out)

    async def _compiled(self, student: dspy.Module, examples: _Examples, lm: Any) -> Any:
        trials = ProgramTrials(student, self.metric, examples.by_prompt, self.num_threads or dspy.settings.num_threads)
        engine = LMEngine(lm, PROPOSER_THREADS)
        try:
            searched = await self._searched(trials, ProgramProposer(engine, calls_of(student)), examples)
            planner = searched.planner
            best = planner.ranking()[0]
            chosen = planner.candidates[best].system_prompt
            ours, theirs = await self._held_out(trials, chosen, examples) if best else ([], [])
        finally:
            trials.close()
            engine.close()
        made = [candidate.trials[pair] for candidate in planner.candidates for pair in sorted(candidate.trials)]
        made += [*ours, *theirs]
        results = SearchResults(_tried(searched, trials.names), best, hold_out(ours, theirs, self.seed), len(made), tuple(made))
        for line in str(results).splitlines():
            log.info("%s", line)
        better: Any = trials.under(chosen)
        better.detailed_results = results
        return better

    async def _searched(self, trials: ProgramTrials, proposer: ProgramProposer, examples: _Examples) -> _Searched:
        async def ask(requests: Sequence[ProposalRequest]) -> Sequence[Proposal | Exception]:
            return [await proposer(request) for request in requests]

        # The texts of several predictors lie in one: its lines can't be put together anew.
        composed = Policy().compose if len(trials.names) == 1 else 0.0
        policy = replace(Policy(), max_words=_most_words(trials.root.text, len(trials.names)), compose=composed)
        planner = Planner(Pairs(examples.train, self.seed, "search"), policy, self.seed)
        limits = StageLimits(concurrency=PROPOSER_THREADS, batch=1, timeout=None, attempts=1)  # dspy bounds and repeats calls itself.
        async with Stage(StageName.PROPOSE, ask, limits) as stage:
            search = Search(
                planner=planner,
                evaluator=trials,
                proposer=stage,
                proposer_identity=proposer.identity,
                prompts=examples.train,
                budget=Budget(Limits(self.budget)),
                images=self.budget - 2 * examples.held_out,
                reserve=2 * examples.held_out,
                seed=self.seed,
                history=History(),
                refusal=ProgramLint(examples.train, trials.root.text),
            )
            said, reasons = 0, list[str]()
            root = Derivation(trials.root, (), Operation.ROOT, "the program as it was")
            async with aclosing(search.run([root])) as events:
                async for event in events:
                    said = self._say(event, said)
                    if isinstance(event, Born):
                        reasons.append(event.derivation.reason)
        return _Searched(planner, reasons)

    async def _held_out(self, trials: ProgramTrials, best: SystemPrompt, examples: _Examples) -> tuple[list[Trial], list[Trial]]:
        """The best's and the original's trials on the same held-out examples and samples."""
        if not examples.held_out:
            return [], []
        pairs = Pairs(examples.val, self.seed, "held out")
        sides = [[pairs.request(pair, text) for pair in range(examples.held_out)] for text in (best, trials.root)]
        async with aclosing(trials.stream([request for side in sides for request in side])) as done:
            by_id = {trial.id: trial async for trial in done}
        ours, theirs = ([by_id[request.id(trials.pipeline)] for request in side] for side in sides)
        return ours, theirs

    def _say(self, event: Event, said: int) -> int:
        """Logs what is worth it; ``said`` and what is returned are the evaluations of the last line."""
        match event:
            case Born(ordinal, derivation) if ordinal:
                log.info("Candidate %d (%s): %s", ordinal, derivation.operation, derivation.reason)
            case ProposalDone(_, Failure() as failure):
                # An idea that was had before is no news; a proposer that is away is.
                log.log(logging.DEBUG if failure.kind is FailureKind.REJECTED else logging.INFO, "No candidate: %s", failure.message)
            case RoundSealed(images=images, standings=standings) if images - said >= SAID_EVERY:
                best = max(standings, key=lambda standing: standing.mean)
                log.info(
                    "%d of %d evaluations, %d candidates, best %.3f ± %.3f, original %.3f",
                    *(images, self.budget, len(standings), best.mean, best.sd, standings[0].mean),
                )
                return images
            case _:
                pass
        return said


def _most_words(original: str, predictors: int) -> int:
    """As much as a system prompt may have for each predictor, and room to grow for instructions that are longer from the start."""
    return max(Policy().max_words * predictors, 2 * len(original.split()))


def _tried(searched: _Searched, names: Sequence[str]) -> tuple[Tried, ...]:
    planner = searched.planner
    standings = planner.standings(planner.beliefs(), -1)
    return tuple(
        Tried(
            instructions=parted(candidate.system_prompt.text, names),
            parents=candidate.parents,
            operation=candidate.operation,
            reason=reason,
            mean=standing.mean,
            sd=standing.sd,
            p_best=standing.p_best,
            evaluations=standing.trials,
        )
        for candidate, reason, standing in zip(planner.candidates, searched.reasons, standings, strict=True)
    )
