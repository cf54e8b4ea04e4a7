"""From the trials of a system prompt to a better one: what the proposer is told, and what is refused of its answers.

It knows no proposer: engines lie under optimizer/proposers/. A refused proposal costs the run nothing but the request; the planner makes
another in a later round, so that no round waits for a second answer.
"""

import math
import random
import re
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import NamedTuple, TypeAlias

from data.checklists import judged_criteria
from data.errors import FailureKind, StageError
from data.identity import derived_random
from data.records import CriterionKind, Prompt, Trial
from optimizer.ancestry import sentences
from optimizer.beliefs import Beliefs
from optimizer.breeding import Mutation
from optimizer.judges.aggregate import goodness, passed
from optimizer.plan import Candidate
from optimizer.proposers import Attempt, FailedCriterion, ParentHistory, Proposal, ProposalRequest

FAILURES_SHOWN = 12
"""How many failed criteria a proposer reads per parent: enough to see a pattern, few enough to read."""
WEAK_POOL = 3
"""The weakest criteria are picked from so many times as many, so that they are not all of one kind."""
LEAK_WORDS = 5
"""This many words in a row from a search prompt are a leak: advice for one picture instead of for all."""

Refusal: TypeAlias = Callable[[str, Sequence[Prompt], int], str]
"""Why a proposed text may not be used, from it, the search prompts and the most words; "" when it may. See :func:`lint`."""

FORBIDDEN = re.compile(
    r"\b(judges?|judged|judging|scor(?:e|es|ed|ing)|graded?|grading|rubrics?|checklists?|benchmarks?|evaluat(?:e|es|ed|ion|or|ors)|"
    r"geneval|partiprompts|test set)\b",
    re.IGNORECASE,
)
"""A system prompt that talks about how it is measured optimizes the measurement."""


def parent_history(candidates: Sequence[Candidate], node: int, beliefs: Beliefs, seed: int) -> ParentHistory:
    """What is known of a candidate: its standing, a seeded and varied sample of its failed criteria, filled up with the weakest that
    passed, and the children tried so far with their gains."""
    candidate = candidates[node]
    verdicts = [verdict for pair in sorted(candidate.trials) for verdict in _verdicts(candidate.trials[pair])]
    luck = derived_random("failures", seed, node, len(verdicts))
    shown = varied([verdict.criterion for verdict in verdicts if not verdict.passed], FAILURES_SHOWN, luck)
    room = FAILURES_SHOWN - len(shown)
    weak = sorted((verdict for verdict in verdicts if verdict.passed and verdict.goodness < 1.0), key=lambda verdict: verdict.goodness)
    weakest = varied([verdict.criterion for verdict in weak[: WEAK_POOL * room]], room, luck)
    attempts = tuple(
        Attempt(
            operation=other.operation,
            text=other.system_prompt.text,
            gain=float(beliefs.mean[index] - beliefs.mean[node]) if index < beliefs.mean.size and other.scored else None,
            trials=other.scored,
        )
        for index, other in enumerate(candidates)
        if node in other.parents
    )
    return ParentHistory(candidate.system_prompt, float(beliefs.mean[node]), candidate.scored, tuple(shown), attempts, tuple(weakest))


def varied(criteria: Sequence[FailedCriterion], count: int, luck: random.Random) -> list[FailedCriterion]:
    """At most ``count`` of ``criteria``: of as many prompts as there are, and of each kind as the square root of how often it is there, so
    that the frequent kinds show as such and the rare ones show at all. The first few are as varied as the whole."""
    rest = luck.sample(criteria, len(criteria))
    often = Counter(one.kind for one in criteria)
    prompts, kinds = Counter[str](), Counter[CriterionKind]()
    chosen: list[FailedCriterion] = []
    while rest and len(chosen) < count:
        rest.sort(key=lambda one: (prompts[one.prompt_text], (kinds[one.kind] + 1) / math.sqrt(often[one.kind])))
        chosen.append(rest.pop(0))
        prompts[chosen[-1].prompt_text] += 1
        kinds[chosen[-1].kind] += 1
    return chosen


class _Verdict(NamedTuple):
    """What a judge said of one criterion: whether it ``passed``, and how good that is, in [0, 1]."""

    criterion: FailedCriterion
    passed: bool
    goodness: float


def failed_criteria(trial: Trial) -> list[FailedCriterion]:
    """What a trial's judgment says did not hold; nothing for a trial that failed."""
    return [verdict.criterion for verdict in _verdicts(trial) if not verdict.passed]


def _verdicts(trial: Trial) -> list[_Verdict]:
    """What a trial's judgment says of each criterion that it scores; nothing for a trial that failed."""
    if trial.judgment is None or trial.rewrite is None:
        return []
    text, rewrite, image = trial.request.prompt.text, trial.rewrite.text, "" if trial.image is None else trial.image.sha256
    scores = {score.id: score for score in trial.judgment.scores}
    return [
        _Verdict(
            FailedCriterion(text, criterion.text, criterion.kind, scores[criterion.id].evidence, rewrite, criterion.need, image),
            passed(criterion, score),
            goodness(criterion, score),
        )
        for criterion in judged_criteria(trial.request.prompt, trial.judgment)
        if criterion.id in scores and (score := scores[criterion.id].score) is not None
    ]


def proposal_request(
    candidates: Sequence[Candidate], mutation: Mutation, beliefs: Beliefs, *, max_words: int, seed: int
) -> ProposalRequest:
    """The question to the proposer for one mutation."""
    parents = tuple(parent_history(candidates, node, beliefs, seed) for node in mutation.parents)
    return ProposalRequest(mutation.operation, parents, max_words, seed)


def lint(text: str, prompts: Sequence[Prompt], max_words: int) -> str:
    """Why a proposed system prompt may not be used; "" when it may."""
    words = _words(text)
    if not words:
        return "it is empty"
    if len(words) > max_words:
        return f"it has {len(words)} words; at most {max_words} are allowed"
    if found := FORBIDDEN.search(text):
        return f"it speaks of how it is measured: {found.group()!r}"
    runs = {tuple(words[start : start + LEAK_WORDS]) for start in range(len(words) - LEAK_WORDS + 1)}
    for prompt in prompts:
        theirs = _words(prompt.text)
        if any(tuple(theirs[start : start + LEAK_WORDS]) in runs for start in range(len(theirs) - LEAK_WORDS + 1)):
            return f"it repeats a search prompt: {prompt.text!r}"
    return ""


def printable(text: str) -> str:
    """``text`` without NUL and lone surrogates: models do send them, and no ledger can keep them."""
    return text.replace("\0", "").encode("utf-8", "replace").decode("utf-8")


def _words(text: str) -> list[str]:
    return re.findall(r"[\w'-]+", text.lower())


async def propose(
    ask: Callable[[ProposalRequest], Awaitable[Proposal]],
    request: ProposalRequest,
    prompts: Sequence[Prompt],
    known: frozenset[str],
    refusal: Refusal = lint,
) -> Proposal:
    """A proposal that passes ``refusal`` and does not say what one of the ``known`` texts says (:func:`wording` of each) in the same
    sentences, in whatever order; StageError(REJECTED) for another.

    ``known`` is what was known when the request was decided, not when it is answered: the answer may not depend on timing.
    """
    proposal = await ask(request)
    text = printable(proposal.text).strip()
    problem = refusal(text, prompts, request.max_words)
    if not problem and _said(text, known):
        problem = "it has been tried already, in the same sentences"
    if problem:
        raise StageError(FailureKind.REJECTED, f"a proposal was refused: {problem}", usage=proposal.usage)
    return replace(proposal, text=text, reason=printable(proposal.reason))


def _said(text: str, known: frozenset[str]) -> bool:
    """Whether one of the ``known`` wordings is made up of the sentences of ``text``."""
    own = sentences(text)
    words = sorted(" ".join(own).split())
    return any(sorted(other.split()) == words and all(f" {sentence} " in f" {other} " for sentence in own) for other in known)
