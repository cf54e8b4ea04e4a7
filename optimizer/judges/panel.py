"""Several judges as one: their values' weighted mean, and what each of them said beside it.

What the others delivered when one of them fails is kept in this process, so that the next try pays for the missing one alone. Which judges
make a panel, and whether their families suffice (families.py), is not decided here.
"""

import asyncio
import math
from collections import OrderedDict
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from data.checklists import GLOBAL_CRITERIA, WHOLE
from data.errors import FailureKind, FatalError, StageError, UsageError
from data.identity import canonical_json
from data.records import Criterion, CriterionScore, Judgment, Opinion
from data.usage import NOTHING, Usage
from optimizer.judges import Judge, JudgeRequest
from optimizer.judges.aggregate import goodness

VERSION = 1
"""Part of a panel's identity: raised whenever its members' judgments could be put together differently than before."""
MONITOR_WEIGHT = 0.2
"""The most that monitors may make up of a value, all together: what a preference model likes is easily reached without what was asked."""
DISAGREE = 0.5
"""Scores for one criterion that lie this far apart contradict each other: one judge's yes is the other's doubt at best."""
KEPT = 4096
"""Judgments kept at hand for a further try, the latest."""


@dataclass(frozen=True, slots=True)
class Member:
    """A judge in a panel. ``name``: what people know it by. ``weight`` > 0; None is 1, and 0 for a monitor.

    ``family``: who made its model, or "". A ``monitor`` is shown, and counts only where a weight is given, and never much.
    """

    judge: Judge
    name: str
    weight: float | None = None
    family: str = ""
    monitor: bool = False

    @property
    def counts(self) -> float:
        """Its weight as a number; 0 where it is only shown."""
        # One weight has one identity, however it was written: 1 or 1.0.
        return float(self.weight) if self.weight is not None else 0.0 if self.monitor else 1.0


Outcome: TypeAlias = Judgment | Exception


class Panel:
    """A Judge made of ``members``, all of which look at every image.

    A member that has nothing to say of an image (StageError UNSUPPORTED) abstains: the others' weights make up for it. One that fails
    otherwise fails the panel's judgment, since a panel without one of its members is another instrument; only a monitor that counts
    nothing may fail. UsageError where ``members`` make no panel.
    """

    def __init__(self, members: Sequence[Member]) -> None:
        self._members = tuple(members)
        _check(self._members)
        self._kept: OrderedDict[str, Outcome] = OrderedDict()

    @property
    def identity(self) -> str:
        # Names and families are labels: the same judges under others give the same values.
        parts = [[one.counts, one.monitor, one.judge.identity] for one in self._members]
        return f"panel:{VERSION}?{canonical_json(parts)}"

    @property
    def times_itself(self) -> bool:
        """Whether a member bounds the time of its calls: then calls wait their turn in it, and nobody else may cut that short."""
        return any(getattr(one.judge, "times_itself", False) for one in self._members)

    async def __call__(self, requests: Sequence[JudgeRequest]) -> Sequence[Outcome]:
        """One Judgment per request, in order, with the ``opinions`` of all members; a StageError, with what all members used, where one
        failed or all abstained. FatalError, from any, ends them all."""
        asked = await asyncio.gather(*(self._ask(member, requests) for member in self._members))
        for outcome in (outcome for outcomes in asked for outcome in outcomes):
            if isinstance(outcome, FatalError):
                raise outcome
        return [self._settle(request, outcomes) for request, outcomes in zip(requests, zip(*asked, strict=True), strict=True)]

    async def aclose(self) -> None:
        """Closes those members that can be closed, the others too where one can't be."""
        async with AsyncExitStack() as closing:
            for member in self._members:
                judge: Any = member.judge
                if hasattr(judge, "aclose"):
                    closing.push_async_callback(judge.aclose)

    async def _ask(self, member: Member, requests: Sequence[JudgeRequest]) -> Sequence[Outcome]:
        """The member's outcomes: those kept from an earlier try, and its own for the rest."""
        keys = [request.key(member.judge.identity) for request in requests]
        kept = [self._kept.get(key) for key in keys]
        missing = [request for request, outcome in zip(requests, kept, strict=True) if outcome is None]
        told = iter(await _asked(member, missing) if missing else ())
        outcomes = [next(told) if outcome is None else outcome for outcome in kept]
        for key, outcome in zip(keys, outcomes, strict=True):
            # At once: the call may be cut short while others are still looking.
            self._keep(key, outcome)
        return outcomes

    def _keep(self, key: str, outcome: Outcome) -> None:
        if isinstance(outcome, Judgment) or _abstains(outcome):
            self._kept[key] = outcome
            self._kept.move_to_end(key)
            while len(self._kept) > KEPT:
                self._kept.popitem(last=False)

    def _settle(self, request: JudgeRequest, outcomes: Sequence[Outcome]) -> Outcome:
        """What the members said of one image, as the panel's outcome."""
        failed = [
            (member, outcome)
            for member, outcome in zip(self._members, outcomes, strict=True)
            if isinstance(outcome, Exception) and not _abstains(outcome) and member.counts > 0
        ]
        for _, error in failed:
            if not isinstance(error, StageError):
                return error
        used = sum((_usage(outcome) for outcome in outcomes), NOTHING)
        keys = [request.key(member.judge.identity) for member in self._members]
        if failed:
            for key in self._kept.keys() & keys:
                self._kept[key] = _charged(self._kept[key])
            return _failure([(member.name, error) for member, error in failed if isinstance(error, StageError)], used)
        for key in keys:
            self._kept.pop(key, None)
        return self._judgment(request, outcomes, used)

    def _judgment(self, request: JudgeRequest, outcomes: Sequence[Outcome], used: Usage) -> Outcome:
        parts = _parts(self._members, outcomes)
        opinions = tuple(map(_opinion, self._members, outcomes, parts))
        if not any(parts):
            said = "; ".join(f"{opinion.judge}: {opinion.note or 'only watches'}" for opinion in opinions)
            hint = "add a judge that can score this prompt to the panel"
            return StageError(FailureKind.UNSUPPORTED, f"no judge of the panel scores this image: {said}", hint=hint, usage=used)
        value = math.fsum(opinion.weight * opinion.value for opinion in opinions if opinion.value is not None)
        latency = max(outcome.latency for outcome in outcomes if isinstance(outcome, Judgment))
        return Judgment(min(1.0, value), _scores(request.prompt.checklist, opinions), used, latency, opinions)


def disagreement(judgment: Judgment) -> float | None:
    """The largest distance between two values of the judges that count in a panel, in [0, 1]; None where fewer than two gave one."""
    values = [opinion.value for opinion in judgment.opinions if opinion.value is not None and opinion.weight > 0]
    return max(values) - min(values) if len(values) > 1 else None


def _check(members: Sequence[Member]) -> None:
    """UsageError where ``members`` make no panel."""
    if all(member.monitor for member in members):
        what = "monitors alone" if members else "nobody"
        raise UsageError(f"a panel of {what} scores nothing", hint="add a judge, such as checklist:openai:gpt-4.1-mini")
    names = [member.name for member in members]
    for member in members:
        if names.count(member.name) > 1:
            raise UsageError(f"{member.name} is in the panel twice", hint="add another judge: a second look adds little")
        if not 0 < member.counts < math.inf and not (member.monitor and member.counts == 0):
            raise UsageError(f"{member.name} has the weight {member.counts:g}", hint="give it one above 0, or leave it out for 1")


async def _asked(member: Member, requests: Sequence[JudgeRequest]) -> Sequence[Outcome]:
    """One outcome per request; an exception of the whole call is every request's outcome."""
    try:
        outcomes = await member.judge(requests)
    except Exception as error:
        return [error] * len(requests)
    if len(outcomes) != len(requests):
        wrong = f"{len(outcomes)} results for {len(requests)} requests"
        return [StageError(FailureKind.MALFORMED, wrong)] * len(requests)
    return [_sound(outcome) for outcome in outcomes]


def _sound(outcome: Outcome) -> Outcome:
    """``outcome``, or an error in place of a value that is none: it would spoil the others' mean unseen."""
    if isinstance(outcome, Judgment) and not 0 <= outcome.value <= 1:
        return StageError(FailureKind.MALFORMED, f"the value {outcome.value:g} is not in [0, 1]", usage=outcome.usage)
    return outcome


def _abstains(outcome: Outcome) -> bool:
    return isinstance(outcome, StageError) and outcome.kind is FailureKind.UNSUPPORTED


def _usage(outcome: Outcome) -> Usage:
    return outcome.usage if isinstance(outcome, Judgment | StageError) else NOTHING


def _charged(outcome: Outcome) -> Outcome:
    """``outcome`` without its usage, which a failure has carried away."""
    if isinstance(outcome, StageError):
        return StageError(outcome.kind, str(outcome), hint=outcome.hint)
    return replace(outcome, usage=NOTHING) if isinstance(outcome, Judgment) else outcome


def _failure(failed: Sequence[tuple[str, StageError]], used: Usage) -> StageError:
    """The panel's error: one that no further try heals goes before the others, and the longest wait counts."""
    name, worst = next(((name, error) for name, error in failed if not error.retryable), failed[0])
    waits = [error.retry_after for _, error in failed if error.retry_after is not None]
    return StageError(
        worst.kind, f"{name}: {worst}", retryable=worst.retryable, hint=worst.hint, retry_after=max(waits, default=None), usage=used
    )


def _parts(members: Sequence[Member], outcomes: Sequence[Outcome]) -> list[float]:
    """Each member's part of the value: they sum to 1, or are all 0 where none that judges had something to say."""
    spoke = [member.counts if isinstance(outcome, Judgment) else 0.0 for member, outcome in zip(members, outcomes, strict=True)]
    judges = math.fsum(weight for member, weight in zip(members, spoke, strict=True) if not member.monitor)
    monitors = math.fsum(weight for member, weight in zip(members, spoke, strict=True) if member.monitor)
    if judges == 0:
        return [0.0] * len(spoke)
    most = judges * MONITOR_WEIGHT / (1 - MONITOR_WEIGHT)
    scale = min(1.0, most / monitors) if monitors else 1.0
    total = judges + scale * monitors
    return [weight * (scale if member.monitor else 1.0) / total for member, weight in zip(members, spoke, strict=True)]


def _opinion(member: Member, outcome: Outcome, part: float) -> Opinion:
    if isinstance(outcome, Judgment):
        return Opinion(member.name, outcome.value, part, member.family, scores=outcome.scores)
    return Opinion(member.name, None, part, member.family, str(outcome) if _abstains(outcome) else f"failed: {outcome}")


def _scores(checklist: Sequence[Criterion], opinions: Sequence[Opinion]) -> tuple[CriterionScore, ...]:
    """Each criterion that a judge which counts speaks of, the checklist's first."""
    criteria = {criterion.id: criterion for criterion in (*checklist, *GLOBAL_CRITERIA, WHOLE)}
    said: dict[str, list[tuple[Opinion, CriterionScore]]] = {criterion.id: [] for criterion in checklist}
    for opinion in opinions:
        if opinion.weight > 0:
            for score in opinion.scores:
                said.setdefault(score.id, []).append((opinion, score))
    return tuple(_together(id, criteria.get(id), entries) for id, entries in said.items() if entries)


def _together(id: str, criterion: Criterion | None, said: Sequence[tuple[Opinion, CriterionScore]]) -> CriterionScore:
    """The weighted mean of those who scored a criterion, with the evidence of the one who finds most fault; of both ends where they
    contradict each other."""
    scored = [(opinion, entry.score, entry.evidence) for opinion, entry in said if entry.score is not None]
    if not scored:
        return CriterionScore(id, None, said[0][1].evidence)

    def good(score: float) -> float:
        return score if criterion is None else goodness(criterion, score)

    scored.sort(key=lambda entry: good(entry[1]))
    weight = math.fsum(opinion.weight for opinion, _, _ in scored)
    mean = min(1.0, math.fsum(opinion.weight * score for opinion, score, _ in scored) / weight)
    ends = (scored[0], scored[-1])
    if abs(ends[0][1] - ends[1][1]) < DISAGREE:
        return CriterionScore(id, mean, scored[0][2])
    told = "; ".join(f"{opinion.judge} {score:.2f}{f' ({evidence})' if evidence else ''}" for opinion, score, evidence in ends)
    return CriterionScore(id, mean, f"disagree: {told}")
