"""A prompt set from nothing: categories → things that pictures are about → what people type → checklists.

Works in rounds: what a round's answers lack, or have twice, is asked for in the next. A round's questions depend on the answers of those
before it and on the seed, never on which answer came first, so that a set is written alike however often the writing was interrupted.
"""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, cast

from data.errors import FatalError
from data.facts import counts_something
from data.quotes import quoted, without_outer_quotes
from data.records import Prompt
from data.splits import assign_splits, near_duplicates
from optimizer.authoring import ATTEMPTS, Author, Listen, Unanswered, gathered
from optimizer.authoring.answers import Unreadable, listed, text_of
from optimizer.authoring.checklists import Written, write_checklists
from optimizer.authoring.taxonomy import CATEGORIES, LENGTHS, Category, Plan, Skill, Slot, moved_on, slots_of

ITEMS, PROMPTS = "items", "prompts"
ROUNDS = 5
"""Times that prompts are asked for. What is lacking then stays lacking."""
BATCH = 8
"""Prompts per question: a model that writes more at once repeats itself."""
MOST_ITEMS = 24
"""Items per question."""
SHOWN = 12
"""Texts that are shown to the writer as being there already."""
LONGEST = 800
"""Characters of a text."""
_LIST_OF_TEXTS: Mapping[str, Any] = {"type": "array", "items": {"type": "string"}}
ITEMS_SCHEMA: Mapping[str, Any] = {
    "title": "items",
    "type": "object",
    "properties": {"items": _LIST_OF_TEXTS},
    "required": ["items"],
    "additionalProperties": False,
}
_PROMPT: Mapping[str, Any] = {
    "type": "object",
    "properties": {"id": {"type": "string"}, "text": {"type": "string"}},
    "required": ["id", "text"],
    "additionalProperties": False,
}
PROMPTS_SCHEMA: Mapping[str, Any] = {
    "title": "prompts",
    "type": "object",
    "properties": {"prompts": {"type": "array", "items": _PROMPT}},
    "required": ["prompts"],
    "additionalProperties": False,
}
_SAYING = re.compile(r"\b(say(s|ing)?|reads?|reading|words?|titled?|letters|written|text|called|named?)\b", re.IGNORECASE)
_DENYING = re.compile(r"\b(no|not|without|never|nothing|nobody|none|except|minus)\b|n['’]?t\b", re.IGNORECASE)
_SPACELESS = ("zh", "ja", "th", "km", "lo", "my")
"""Languages that put no spaces between words."""


@dataclass(frozen=True, slots=True)
class Made:
    """A finished set, and what of the plan is not in it: a line each, with the reason."""

    prompts: tuple[Prompt, ...]
    lacking: tuple[str, ...]
    remarks: Mapping[str, tuple[str, ...]]
    """By text, what lint still says of a checklist."""


async def make_set(plan: Plan, author: Author, known: Sequence[str], listen: Listen) -> Made:
    """Writes a set. ``known`` are texts that its prompts may not be like. FatalError where the writer writes nothing that can be used."""
    items = await write_items(plan, author, listen)
    prompts, lacking = await write_prompts(plan, items, author, known, listen)
    written = await write_checklists(prompts, author, listen)
    bare = [f"{outcome.prompt.text}: no checklist: {outcome.reason}" for outcome in written if outcome.reason]
    finished = assign_splits([outcome.prompt for outcome in written if not outcome.reason], plan.seed)
    return Made(tuple(finished), (*lacking, *bare), _remarks(written))


def _remarks(written: Sequence[Written]) -> dict[str, tuple[str, ...]]:
    return {outcome.prompt.text: outcome.remarks for outcome in written if outcome.remarks}


# -- items


class _Items(NamedTuple):
    names: list[str]
    problem: str = ""
    hint: str = ""


async def write_items(plan: Plan, author: Author, listen: Listen) -> dict[str, list[str]]:
    """For each category the things that its prompts will be about; none where it has nothing to do with what the plan is about."""
    per_category = -(-plan.count // len(CATEGORIES))
    questions = [
        (category, part, wanted)
        for category in CATEGORIES
        for part, wanted in _parts(category, per_category)
    ]  # fmt: skip
    done = 0

    async def one(category: Category, part: Sequence[str], wanted: int) -> _Items:
        nonlocal done
        found = await _items(plan, category, part, wanted, author)
        done += 1
        listen(ITEMS, done, len(questions))
        return found

    listen(ITEMS, 0, len(questions))
    answers = await gathered(one(*question) for question in questions)
    names: dict[str, list[str]] = {}
    for (category, _, _), answer in zip(questions, answers, strict=True):
        names[category.name] = _distinct([*names.get(category.name, ()), *answer.names])
    if not any(names.values()):
        problem = next((answer for answer in answers if answer.problem), _Items([], "there is nothing in any category"))
        subject = f" about {plan.about!r}" if plan.about else ""
        raise FatalError(f"the writer names nothing for prompts{subject}: {problem.problem}", hint=problem.hint or "use another --writer")
    return names


def _parts(category: Category, wanted: int) -> list[tuple[tuple[str, ...], int]]:
    """The category's subcategories in as many questions as it takes to name ``wanted`` things; each part with how many it is to name."""
    number = min(len(category.subcategories), -(-wanted // MOST_ITEMS))
    return [(category.subcategories[start::number], -(-wanted // number)) for start in range(number)]


async def _items(plan: Plan, category: Category, part: Sequence[str], wanted: int, author: Author) -> _Items:
    asked: dict[str, Any] = {
        "category": category.name,
        "description": category.description,
        "subcategories": list(part),
        "count": wanted,
        **({"about": plan.about} if plan.about else {}),
    }
    problem = hint = ""
    for attempt in range(ATTEMPTS):
        try:
            answer = await author.answer("author-items.md", asked, ITEMS_SCHEMA, plan.seed, category.name, *part, attempt)
            names = [text_of(entry, ("item", "name", "subject", "text")) for entry in listed(answer.text, ("items", "subjects"))]
            return _Items([name for name in _distinct(names) if name][:wanted])
        except Unreadable as unreadable:
            problem = str(unreadable)
        except Unanswered as unanswered:
            problem, hint = str(unanswered), unanswered.error.hint
            if unanswered.is_final:
                break
    return _Items([], problem, hint)


def _distinct(names: Sequence[str]) -> list[str]:
    return list({name.casefold(): name for name in reversed(names)}.values())[::-1]


# -- prompts


@dataclass(slots=True)
class _Pending:
    """A slot without a text yet: how often one was refused, and why the last time."""

    slot: Slot
    refusals: int = 0
    problem: str = ""


@dataclass(slots=True)
class _Texts:
    """The texts of a set so far, and those that they may not be like."""

    known: Sequence[str]
    prompts: list[Prompt] = field(default_factory=list[Prompt])

    def take_in(self, answers: Sequence[tuple[_Pending, str]]) -> list[_Pending]:
        """Adds what can be used; those that still lack a text, with the problem."""
        offered = [(pending, text) for pending, text in answers if not pending.problem]
        there = [*self.known, *(prompt.text for prompt in self.prompts)]
        like = dict[int, int]()
        refused: set[int] = set()
        for one, other in near_duplicates([*there, *(text for _, text in offered)]):
            # A text that is like one that is refused itself stands in nobody's way.
            if other >= len(there) and one not in refused:
                like.setdefault(other, one)
                refused.add(other)
        every = [*there, *(text for _, text in offered)]
        for place, (pending, text) in enumerate(offered, start=len(there)):
            if place in like:
                pending.problem = f"too much like {every[like[place]][:120]!r}"
            else:
                self.prompts.append(_prompt(pending.slot, text))
        return [pending for pending, _ in answers if pending.problem]


def _prompt(slot: Slot, text: str) -> Prompt:
    tags = (f"level:{slot.level.value}", *(f"skill:{skill.value}" for skill in slot.skills))
    return Prompt(text, category=slot.category, language=slot.language, tags=tags)


async def write_prompts(
    plan: Plan, items: Mapping[str, Sequence[str]], author: Author, known: Sequence[str], listen: Listen
) -> tuple[list[Prompt], list[str]]:
    """The texts, without checklists, category by category; and a line for each that is lacking in the end."""
    slots = slots_of(plan, items)
    order = {slot.id: place for place, slot in enumerate(slots)}
    given = Counter(slot.category for slot in slots)
    pending = [_Pending(slot) for slot in slots]
    texts = _Texts(known)
    places: dict[str, int] = {}
    listen(PROMPTS, 0, len(slots))
    for number in range(ROUNDS):
        batches = [pending[start : start + BATCH] for start in range(0, len(pending), BATCH)]
        answers = [
            answer for batch in await gathered(_ask(plan, batch, texts.prompts, number, author) for batch in batches) for answer in batch
        ]
        before = len(texts.prompts)
        lacking = texts.take_in(answers)
        lacked = {entry.slot.id for entry in lacking}
        fresh = [entry.slot.id for entry, _ in answers if entry.slot.id not in lacked]
        places.update({prompt.text: order[name] for name, prompt in zip(fresh, texts.prompts[before:], strict=True)})
        listen(PROMPTS, len(texts.prompts), len(slots))
        pending = lacking
        if not pending:
            break
        if number + 1 < ROUNDS:
            pending = [_again(entry, items, given) for entry in pending]
    if slots and not texts.prompts:
        raise FatalError(f"the writer writes no prompt that can be used: {pending[0].problem}", hint="use another --writer")
    texts.prompts.sort(key=lambda prompt: places[prompt.text])
    return texts.prompts, [f"a {entry.slot.level} about {entry.slot.item!r}: {entry.problem}" for entry in pending]


def _again(pending: _Pending, items: Mapping[str, Sequence[str]], given: Counter[str]) -> _Pending:
    category = pending.slot.category
    slot = moved_on(pending.slot, pending.refusals + 1, items[category], given[category])
    given[category] += 1
    return _Pending(slot, pending.refusals + 1, pending.problem)


async def _ask(plan: Plan, batch: Sequence[_Pending], there: Sequence[Prompt], number: int, author: Author) -> list[tuple[_Pending, str]]:
    """A text for each slot of the batch, or "" with its problem set."""
    categories = {entry.slot.category for entry in batch}
    known = [prompt.text for prompt in there if prompt.category in categories][-SHOWN:]
    asked: dict[str, Any] = {"requests": [_request(entry) for entry in batch], **({"known": known} if known else {})}
    names = [entry.slot.id for entry in batch]
    try:
        answer = await author.answer("author-prompts.md", asked, PROMPTS_SCHEMA, plan.seed, number, *names)
        found = _by_id(listed(answer.text, ("prompts", "texts")), names)
        problem = ""
    except (Unreadable, Unanswered) as error:
        found, problem = dict[str, str](), str(error)
    answers: list[tuple[_Pending, str]] = []
    for entry in batch:
        text = found.get(entry.slot.id, "")
        entry.problem = problem or problem_of(text, entry.slot)
        answers.append((entry, text))
    return answers


def _request(pending: _Pending) -> dict[str, Any]:
    slot = pending.slot
    record: dict[str, Any] = {
        "id": slot.id,
        "category": slot.category,
        "item": slot.item,
        "level": slot.level.value,
        "skills": [skill.value for skill in slot.skills],
        "language": slot.language,
    }
    return {**record, "problem": pending.problem} if pending.problem else record


def _by_id(entries: Sequence[object], names: Sequence[str]) -> dict[str, str]:
    """The texts by their ids; in order, where an answer has as many as were asked for and none of the ids."""
    texts = [without_outer_quotes(text_of(entry, ("text", "prompt", "request"))) for entry in entries]
    ids = [str(cast(dict[str, Any], entry).get("id", "")).strip() if isinstance(entry, dict) else "" for entry in entries]
    if len(texts) == len(names) and not set(ids) & set(names):
        return dict(zip(names, texts, strict=True))
    return dict(zip(ids, texts, strict=True))


def problem_of(text: str, slot: Slot) -> str:
    """Why a text can't be the slot's prompt; "" where it can. Words are only looked at in English."""
    if not text:
        return "no text came"
    if len(text) > LONGEST:
        return f"{len(text)} characters; at most {LONGEST}"
    least, most = LENGTHS[slot.level]
    count = len(text.split())
    if slot.language not in _SPACELESS and not least <= count <= most:
        return f"{count} words; a {slot.level.value} has {least} to {most}"
    if slot.language != "en":
        return ""
    if Skill.TEXT in slot.skills and not (quoted(text) or _SAYING.search(text)):
        return "it asks for no words in the picture"
    if Skill.COUNTING in slot.skills and not counts_something(text):
        return "it asks for no number of things"
    if Skill.NEGATION in slot.skills and not _DENYING.search(text):
        return "it says of nothing that it may not be there"
    return ""
