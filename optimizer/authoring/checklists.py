"""A prompt → its checklist, by a language model that sees the user's text alone: asked, read, linted, and asked again with what was found.

Criteria are in English whatever the text is in: judges, lint and proposers read them, and what is quoted stays as it is. A criterion that
says in the same words what the embedded world can measure gets its check (data/scenes.py).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

from data.lint import Severity, lint_prompt
from data.records import Criterion, CriterionKind, Need, Prompt
from data.scenes import with_checks
from optimizer.authoring import ATTEMPTS, Author, Listen, Unanswered, gathered
from optimizer.authoring.answers import Unreadable, listed, text_of

PHASE = "checklists"
INSTRUCTIONS = "author-checklist.md"
MOST_WEIGHT = 10.0
_LISTS = ("criteria", "checklist", "items", "rubric")
_TEXTS = ("statement", "text", "criterion", "description")
_CRITERION: Mapping[str, Any] = {
    "type": "object",
    "properties": {
        "id": {"type": "string"},
        "statement": {"type": "string"},
        "kind": {"type": "string", "enum": [kind.value for kind in CriterionKind]},
        "need": {"type": "string", "enum": [need.value for need in Need]},
        "weight": {"type": "number"},
        "parents": {"type": "array", "items": {"type": "string"}},
    },
    "required": ["id", "statement", "kind", "need", "weight", "parents"],
    "additionalProperties": False,
}
SCHEMA: Mapping[str, Any] = {
    "title": "checklist",
    "type": "object",
    "properties": {"criteria": {"type": "array", "items": _CRITERION}},
    "required": ["criteria"],
    "additionalProperties": False,
}
_KINDS = {
    "object": CriterionKind.ENTITY, "subject": CriterionKind.ENTITY, "existence": CriterionKind.ENTITY, "color": CriterionKind.ATTRIBUTE,
    "colour": CriterionKind.ATTRIBUTE, "number": CriterionKind.COUNT, "counting": CriterionKind.COUNT, "position": CriterionKind.RELATION,
    "spatial": CriterionKind.RELATION, "absence": CriterionKind.NEGATION, "ocr": CriterionKind.TEXT, "overall": CriterionKind.GLOBAL,
}  # fmt: skip
"""What models call the kinds when nothing holds them to ours."""


@dataclass(frozen=True, slots=True)
class Written:
    """``prompt`` with its new checklist, or as it was where there is none: then ``reason`` says why. ``remarks``: what lint still says."""

    prompt: Prompt
    reason: str = ""
    remarks: tuple[str, ...] = ()


async def write_checklists(prompts: Sequence[Prompt], author: Author, listen: Listen) -> list[Written]:
    """A checklist for each of ``prompts``, whatever they have; outcomes in their order."""
    done = 0

    async def one(prompt: Prompt) -> Written:
        nonlocal done
        written = await write_checklist(prompt, author)
        done += 1
        listen(PHASE, done, len(prompts))
        return written

    listen(PHASE, 0, len(prompts))
    return await gathered(one(prompt) for prompt in prompts)


async def write_checklist(prompt: Prompt, author: Author) -> Written:
    """Asks until nothing is found wrong, ATTEMPTS times at most. A checklist with errors is none; of those with warnings, the one that has
    the fewest is taken."""
    best: Written | None = None
    asked: dict[str, Any] = {"request": prompt.text}
    reason = ""
    for attempt in range(ATTEMPTS):
        try:
            answer = await author.answer(INSTRUCTIONS, asked, SCHEMA, prompt.text, attempt)
            found = replace(prompt, checklist=read_checklist(answer.text, prompt.text), checklist_from=prompt.text)
        except Unreadable as unreadable:
            reason, asked = str(unreadable), {"request": prompt.text, "problems": [str(unreadable)]}
            continue
        except Unanswered as unanswered:
            reason = str(unanswered)
            if unanswered.is_final:
                break
            continue
        findings = list(lint_prompt(replace(found, scene=None)))
        if not findings:
            return Written(found)
        errors = [finding.message for finding in findings if finding.severity is Severity.ERROR]
        if errors:
            reason = "; ".join(errors)
        elif best is None or len(findings) < len(best.remarks):
            best = Written(found, remarks=tuple(finding.message for finding in findings))
        asked = _with_problems(found, [finding.message for finding in findings])
    return best or Written(prompt, reason)


def _with_problems(found: Prompt, problems: Sequence[str]) -> dict[str, Any]:
    """The question again, with what was wrong with the last answer."""
    earlier = [
        {
            "id": criterion.id,
            "statement": criterion.text,
            "kind": criterion.kind.value,
            "need": criterion.need.value,
            "weight": criterion.weight,
            "parents": list(criterion.parents),
        }
        for criterion in found.checklist
    ]
    return {"request": found.text, "criteria": earlier, "problems": list(problems)}


def read_checklist(answer: str, text: str) -> tuple[Criterion, ...]:
    """The criteria in a model's answer, with checks where ``text`` reads as a scene. Unreadable where there are none, or one is none."""
    criteria = [_criterion(entry, place) for place, entry in enumerate(listed(answer, _LISTS), start=1)]
    return with_checks(text, criteria)


def _criterion(entry: object, place: int) -> Criterion:
    statement = text_of(entry, _TEXTS)
    if not statement:
        raise Unreadable(f"criterion {place} has no statement")
    fields: Mapping[str, Any] = cast(Mapping[str, Any], entry) if isinstance(entry, Mapping) else {}
    identifier = fields.get("id")
    return Criterion(
        str(identifier).strip() if isinstance(identifier, str | int) and str(identifier).strip() else f"c{place}",
        statement.rstrip("."),
        _kind(fields.get("kind"), place),
        _need(fields.get("need"), place),
        _weight(fields.get("weight", 1.0), place),
        parents=_parents(fields.get("parents"), place),
    )


def _kind(value: object, place: int) -> CriterionKind:
    word = _word(value) or CriterionKind.ENTITY.value
    if word in _KINDS:
        return _KINDS[word]
    try:
        return CriterionKind(word)
    except ValueError:
        kinds = ", ".join(kind.value for kind in CriterionKind)
        raise Unreadable(f"criterion {place}: there is no kind {word!r}; there are: {kinds}") from None


def _need(value: object, place: int) -> Need:
    word = _word(value) or Need.MUST.value
    try:
        return Need(word)
    except ValueError:
        raise Unreadable(f"criterion {place}: there is no need {word!r}; there are: must, should, must_not") from None


def _word(value: object) -> str:
    return "_".join(str(value or "").lower().replace("-", " ").split())


def _weight(value: object, place: int) -> float:
    try:
        weight = float(cast(Any, value))
    except (TypeError, ValueError):
        weight = 0.0
    if isinstance(value, bool) or not 0 < weight <= MOST_WEIGHT:
        raise Unreadable(f"criterion {place}: a weight is a number above 0, at most {MOST_WEIGHT:g}, not {value!r}")
    return weight


def _parents(value: object, place: int) -> tuple[str, ...]:
    entries = [value] if isinstance(value, str) else value or []
    if not isinstance(entries, list):
        raise Unreadable(f"criterion {place}: parents are a list of ids")
    ids = [str(entry).strip() for entry in cast(list[object], entries)]
    return tuple(dict.fromkeys(name for name in ids if name and name.lower() not in ("none", "null")))
