"""From the trials of a system prompt to a better one: what the proposer is told, and what is refused of its answers.

It knows no proposer: engines lie under optimizer/proposers/. A refused proposal is asked for again with another seed; after
``ATTEMPTS`` refusals the request has failed, which costs the run nothing but the request.
"""

import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace

from data.checklists import judged_criteria
from data.errors import FailureKind, StageError
from data.identity import derived_random, derived_seed
from data.records import Prompt, SystemPrompt, Usage
from optimizer.judges.aggregate import passed
from optimizer.plan import Candidate, Mutation
from optimizer.posterior import Beliefs
from optimizer.proposers import Attempt, FailedCriterion, ParentHistory, Proposal, ProposalRequest

ATTEMPTS = 3
FAILURES_SHOWN = 12
"""How many failed criteria a proposer reads per parent: enough to see a pattern, few enough to read."""
LEAK_WORDS = 5
"""This many words in a row from a search prompt are a leak: advice for one picture instead of for all."""

FORBIDDEN = re.compile(
    r"\b(judges?|judged|judging|scor(?:e|es|ed|ing)|graded?|grading|rubrics?|checklists?|benchmarks?|evaluat(?:e|es|ed|ion|or|ors)|"
    r"geneval|partiprompts|test set)\b",
    re.IGNORECASE,
)
"""A system prompt that talks about how it is measured optimizes the measurement."""


def parent_history(candidates: Sequence[Candidate], node: int, beliefs: Beliefs, seed: int) -> ParentHistory:
    """What is known of a candidate: its standing, a seeded sample of its failed criteria, and the children tried so far with their
    gains."""
    candidate = candidates[node]
    failures = [failure for pair in sorted(candidate.trials) for failure in _failed(candidate, pair)]
    shown = derived_random("failures", seed, node, len(failures)).sample(failures, min(FAILURES_SHOWN, len(failures)))
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
    return ParentHistory(candidate.system_prompt, float(beliefs.mean[node]), candidate.scored, tuple(shown), attempts)


def _failed(candidate: Candidate, pair: int) -> list[FailedCriterion]:
    trial = candidate.trials[pair]
    if trial.judgment is None or trial.rewrite is None:
        return []
    scores = {score.id: score for score in trial.judgment.scores}
    return [
        FailedCriterion(trial.request.prompt.text, criterion.text, criterion.kind, scores[criterion.id].evidence, trial.rewrite.text)
        for criterion in judged_criteria(trial.request.prompt, trial.judgment)
        if criterion.id in scores and (score := scores[criterion.id].score) is not None and not passed(criterion, score)
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
    ask: Callable[[ProposalRequest], Awaitable[Proposal]], request: ProposalRequest, prompts: Sequence[Prompt], known: frozenset[str]
) -> Proposal:
    """A proposal that passes :func:`lint` and is not among the ``known`` system prompt ids; StageError(REJECTED) after ``ATTEMPTS``
    refusals. Its usage is that of all attempts.

    ``known`` is what was known when the request was decided, not when it is answered: the answer may not depend on timing.
    """
    problem = ""
    spent = Usage()
    for attempt in range(ATTEMPTS):
        again = replace(request, seed=derived_seed(request.seed, "attempt", attempt)) if attempt else request
        proposal = await ask(again)
        spent += proposal.usage
        text = printable(proposal.text).strip()
        problem = lint(text, prompts, request.max_words)
        if not problem and SystemPrompt(text).id in known:
            problem = "it has been tried already"
        if not problem:
            return replace(proposal, text=text, reason=printable(proposal.reason), usage=spent)
    raise StageError(FailureKind.REJECTED, f"proposal refused {ATTEMPTS} times; the last because {problem}", usage=spent)
