"""Intent by entailment, both ways: a language model reads the user's text and a rewrite, and says what was dropped, contradicted or added.

Beside the hard checks of reasoner/intent.py, which see words, this sees meaning; it errs as models do. It looks at no picture, and like
those checks it is a report, never a score. A rewrite that could not be read is a failure: its prompt drops out of both sides.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from data.errors import FailureKind, StageError
from data.identity import derived_seed
from data.remote.errors import hidden
from data.usage import NOTHING, Usage
from optimizer.authoring import Author, Unanswered
from optimizer.judges.loose_json import Fields, Items, Value, Word, documents
from optimizer.stats import Interval, bootstrap_mean

INSTRUCTIONS = "intent-entailment.md"
ATTEMPTS = 2
"""Times that a rewrite is asked about, at most, where the answer can't be read."""
MOST_READ = 60_000
"""Characters of an answer, its last ones, that are looked at."""
LONGEST = 200
"""Characters of a finding that are kept."""


class Loss(StrEnum):
    """What is wrong between a user's text and its rewrite."""

    DROPPED = "dropped"
    """The rewrite says nothing of something that the user asked for."""
    CONTRADICTED = "contradicted"
    """It asks for something that can't be true together with what the user asked for."""
    ADDED = "added"
    """It adds something important that the user did not leave open."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What a rewrite did to the user's intent: by kind, what it is about, in words. Faithful where there is nothing."""

    losses: Mapping[Loss, tuple[str, ...]]

    @property
    def faithful(self) -> bool:
        return not any(self.losses.values())


FAITHFUL = Finding(dict.fromkeys(Loss, ()))


def _object(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}


_TEXT: dict[str, Any] = {"type": "string"}
# What was found stands before the verdict: a model that has quoted the words judges them better.
SCHEMA: Mapping[str, Any] = {
    "title": "intent",
    **_object(
        asked={
            "type": "array",
            "items": _object(what=_TEXT, where=_TEXT, verdict={"type": "string", "enum": ["kept", "dropped", "contradicted"]}),
        },
        added={"type": "array", "items": _object(what=_TEXT, why=_TEXT, verdict={"type": "string", "enum": ["open", "unasked"]})},
    ),
}


async def finding(author: Author, text: str, rewrite: str) -> Finding | StageError:
    """What ``rewrite`` did to the intent of the user's ``text``, or why that can't be told. What was passed on as it is, is faithful."""
    if text.split() == rewrite.split():
        return FAITHFUL
    error = StageError(FailureKind.MALFORMED, "not asked")
    for attempt in range(ATTEMPTS):
        try:
            answer = await author.answer(INSTRUCTIONS, {"request": text, "rewrite": rewrite}, SCHEMA, attempt, text, rewrite)
            return read_finding(answer.text, answer.usage)
        except StageError as unreadable:
            error = unreadable
        except Unanswered as unanswered:
            error = unanswered.error
            if unanswered.is_final:
                break
    return error


# -- an answer


_ASKED = ("asked", "wishes", "requested", "wanted", "items")
_ADDED = ("added", "additions", "additional")
_WHAT = ("what", "wish", "item", "element", "thing", "text", "description")
_VERDICT = ("verdict", "answer", "status", "result", "judgment", "judgement", "decision")
_WORD = re.compile(r"[a-z]+")
_OF_ASKED: Mapping[str, Loss | None] = {
    **dict.fromkeys(("kept", "keep", "preserved", "present", "included", "retained", "satisfied", "yes", "ok"), None),
    **dict.fromkeys(("dropped", "drop", "missing", "lost", "omitted", "absent", "gone", "no"), Loss.DROPPED),
    **dict.fromkeys(
        ("contradicted", "contradicts", "contradictory", "contradiction", "changed", "altered", "conflicts", "conflicting", "wrong"),
        Loss.CONTRADICTED,
    ),
}
_OF_ADDED: Mapping[str, Loss | None] = {
    **dict.fromkeys(("open", "free", "fine", "ok", "allowed", "acceptable", "minor"), None),
    **dict.fromkeys(("unasked", "unrequested", "important", "significant", "major", "closed"), Loss.ADDED),
}


def read_finding(text: str, usage: Usage = NOTHING) -> Finding:
    """The finding in a model's answer, amid talk or in a fence, also as plain lists of what was dropped, contradicted and added.

    StageError where there is none: an answer without both of its parts, or whose verdicts are none that we know, says nothing.
    """
    for document in reversed(list(documents(text[-MOST_READ:]))):
        if isinstance(document, Fields) and (found := _verdicts(document) or _lists(document)) is not None:
            return found
    raise StageError(
        FailureKind.MALFORMED,
        f"the model gave no answer that can be read: {hidden(text[:400], None, 80)!r}",
        retryable=True,
        hint="use another --model, or a server that takes a JSON schema",
        usage=usage,
    )


def _verdicts(fields: Fields) -> Finding | None:
    asked, added = _list(fields, _ASKED), _list(fields, _ADDED)
    if asked is None or added is None:
        return None
    wishes = [_verdict(entry, _OF_ASKED) for entry in asked.entries]
    additions = [_verdict(entry, _OF_ADDED) for entry in added.entries]
    if not wishes or None in wishes or None in additions:
        # With a verdict missing, what is left could look faithful.
        return None
    return _finding(entry for entry in (*wishes, *additions) if entry is not None)


def _lists(fields: Fields) -> Finding | None:
    lists = {loss: _list(fields, (loss.value,)) for loss in Loss}
    if any(found is None for found in lists.values()):
        return None
    return _finding((_what(entry), loss) for loss, found in lists.items() if found is not None for entry in found.entries)


def _finding(entries: Iterable[tuple[str, Loss | None]]) -> Finding:
    found: dict[Loss, list[str]] = {loss: [] for loss in Loss}
    for what, loss in entries:
        if loss is not None:
            found[loss].append(what)
    return Finding({loss: tuple(dict.fromkeys(whats)) for loss, whats in found.items()})


def _verdict(entry: Value, known: Mapping[str, Loss | None]) -> tuple[str, Loss | None] | None:
    """What an entry is about, and its verdict; None where it has none that is known."""
    said = _field(entry, _VERDICT) if isinstance(entry, Fields) else None
    words = _WORD.findall(said.text.lower()) if isinstance(said, Word) else []
    return (_what(entry), known[words[0]]) if words and words[0] in known else None


def _what(entry: Value) -> str:
    said = _field(entry, _WHAT) if isinstance(entry, Fields) else entry
    text = " ".join(said.text.split()) if isinstance(said, Word) else ""
    return text[:LONGEST] or "something it does not name"


def _list(fields: Fields, names: Sequence[str]) -> Items | None:
    found = _field(fields, names)
    return found if isinstance(found, Items) else None


def _field(fields: Fields, names: Sequence[str]) -> Value | None:
    named = {name.strip().lower(): value for name, value in fields.entries}
    return next((named[name] for name in names if name in named), None)


# -- arms


@dataclass(frozen=True, slots=True)
class IntentArm:
    """One arm: the share of rewrites with a loss of each kind, and of those without any. ``failed`` rewrites could not be read.

    ``changes``: each share minus the reference's, in pairs over ``common`` prompts; empty for the reference itself.
    """

    name: str
    rewrites: int
    failed: int
    rates: Mapping[str, Interval]
    changes: Mapping[str, Interval]
    common: int


UNFAITHFUL = "unfaithful"
"""A rewrite with a loss of any kind, among the kinds of rates."""
RATES = (*(loss.value for loss in Loss), UNFAITHFUL)

Outcome = tuple[str, Finding | StageError]
"""A prompt's id, and what became of one of its rewrites."""


def intent_arms(outcomes: Mapping[str, Sequence[Outcome]], reference: str, *, seed: int) -> list[IntentArm]:
    """Each arm's shares, and in pairs with the ``reference``, which need not be among the arms."""
    shares = {arm: _shares(found) for arm, found in outcomes.items()}
    return [_arm(arm, found, shares[arm], shares.get(reference, {}) if arm != reference else {}, seed) for arm, found in outcomes.items()]


Shares = Mapping[str, Mapping[str, float]]
"""By prompt id, each of RATES over its rewrites."""


def _shares(outcomes: Sequence[Outcome]) -> Shares:
    by_prompt: dict[str, list[Finding | StageError]] = defaultdict(list)
    for prompt, outcome in outcomes:
        by_prompt[prompt].append(outcome)
    shares: dict[str, Mapping[str, float]] = {}
    for prompt, found in sorted(by_prompt.items()):
        read = [entry for entry in found if isinstance(entry, Finding)]
        if len(read) == len(found):
            shares[prompt] = {name: sum(_has(entry, name) for entry in read) / len(read) for name in RATES}
    return shares


def _has(found: Finding, name: str) -> bool:
    return not found.faithful if name == UNFAITHFUL else bool(found.losses[Loss(name)])


def _arm(name: str, outcomes: Sequence[Outcome], ours: Shares, theirs: Shares, seed: int) -> IntentArm:
    common = [prompt for prompt in ours if prompt in theirs]

    def interval(rate: str, values: list[float]) -> Interval:
        return bootstrap_mean(values, seed=derived_seed(seed, name, rate))

    return IntentArm(
        name,
        len(outcomes),
        sum(isinstance(outcome, StageError) for _, outcome in outcomes),
        {rate: interval(rate, [ours[prompt][rate] for prompt in ours]) for rate in RATES} if ours else {},
        {rate: interval(rate, [ours[prompt][rate] - theirs[prompt][rate] for prompt in common]) for rate in RATES} if common else {},
        len(common),
    )
