"""What a vision model answered: yes, no or unclear to each statement, with its evidence, in whatever form it came. All functions are pure.

Good servers hold a model to a schema. The others' answers are read here: JSON in a fence or amid chatter, broken off or ill-formed, under
other names, by id or in order; lines; a bare word. An answer that is not there is never made up.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple, TypeAlias

from data.errors import FailureKind, StageError
from data.remote.errors import hidden
from data.usage import NOTHING, Usage
from optimizer.judges.answer_words import WORD, Said, beside, first_word, from_match, last_word, tidied
from optimizer.judges.loose_json import Fields, Items, Value, Word, documents

_IDS = ("id", "criterionid", "statementid", "criterion", "statement", "number", "index", "item", "key", "name")
_ANSWERS = (
    "answer", "finalanswer", "verdict", "result", "decision", "judgment", "judgement", "response", "label", "value", "score", "holds",
    "satisfied", "met", "fulfilled", "passed", "pass", "true", "present",
)  # fmt: skip
_EVIDENCE = (
    "evidence", "reason", "reasoning", "explanation", "rationale", "justification", "observation", "comment", "why", "seen", "note",
)  # fmt: skip
_LINE = re.compile(
    r"[\W_]{0,12}(?:(?:criterion|statement|item)\s?)?[\W_]{0,4}(c\d{1,3}(?!\w)|\d{1,3}(?=\s?[.):|]))[\s.:)|*_=]{0,8}", re.IGNORECASE
)
_LABEL = re.compile(
    r"[\W_]{0,12}(?:(?P<answer>(?:final )?(?:answer|verdict|result|decision|judge?ment))|(?P<evidence>evidence|reason|reasoning|"
    r"explanation|observation))[\s*_`]{0,4}[:=]",
    re.IGNORECASE,
)
_INLINE = re.compile(rf"(?<!\w)(c\d{{1,3}})[\s*_`\"')]{{0,4}}[:=–—-]\s{{0,3}}[*_`\"'“]{{0,3}}{WORD}", re.IGNORECASE)
_REFUSAL = re.compile(
    r"\b(?:i|we)(?:['’]m| am| are)? (?:(?:really |very |so )?sorry\b[^\n]{0,80}?\b(?:i|we)(?:['’]m| am| are)? )?"
    r"(?:can(?:no|['’]?)t|can not|won['’]?t|will not|unable to|not able to|must decline to|do not|don['’]t)\b[^\n.]{0,30}?"
    r"\b(?:assist|help|comply|process|provide|judge|answer|view|see|analy[sz]e|evaluate|assess|describe|identify|discuss)\b|"
    r"\bas an ai\b|(?:无法|不能)(?:协助|帮助|回答|提供|处理|满足)|抱歉",
    re.IGNORECASE,
)
_MOST_REFUSAL = 1500
"""Characters. A refusal is short; a longer answer is something else."""


class Answer(NamedTuple):
    """How far a statement holds (1 yes, 0 no, between where the model gives a number, None where it can't tell), and what was seen.

    ``place``: where in the text the word yes or no begins; None where the answer is another word, or a number between.
    """

    score: float | None
    evidence: str = ""
    place: int | None = None


Pairs: TypeAlias = list[tuple[str, Answer]]
"""Ids and answers as they come: perhaps several to one."""


def read_answers(text: str, ids: Sequence[str], usage: Usage = NOTHING) -> dict[str, Answer]:
    """What ``text`` answers to the statements ``ids`` ("c1", "c2" …). What it answers twice, and not alike, is left out, and so are ids
    that were not asked for.

    StageError where it answers none of them: REFUSED where the model declined, else MALFORMED, with ``usage`` on it.
    """
    known = {name: id for id in ids for name in (id, id.removeprefix("c"))}
    answers = _settled(_fullest([_inline(text, known), _by_line(text, ids, known), *_in_documents(text, ids, known)]))
    if not answers and len(ids) == 1 and (only := _only(text)):
        answers = {ids[0]: only}
    if not answers:
        raise no_answer(text, usage)
    return answers


def no_answer(text: str, usage: Usage) -> StageError:
    """The error for a ``text`` without an answer: REFUSED where the model declined, else MALFORMED."""
    seen = hidden(text[:_MOST_REFUSAL], None, 80)
    if len(text) < _MOST_REFUSAL and _REFUSAL.search(text):
        hint = "use another model as the judge, one that sees images"
        return StageError(FailureKind.REFUSED, f"the judge's model declined: {seen}", hint=hint, usage=usage)
    hint = "use another model as the judge, or a server that takes a JSON schema"
    message = f"the judge's model gave no answer that can be read: {seen!r}"
    return StageError(FailureKind.MALFORMED, message, retryable=True, hint=hint, usage=usage)


def _fullest(readings: Iterable[Pairs]) -> Pairs:
    """The reading that answers most statements; of equal ones the last, since models draft before they answer."""
    best: Pairs = []
    for reading in readings:
        if len({id for id, _ in reading}) >= len({id for id, _ in best}):
            best = reading
    return best


def _settled(pairs: Pairs) -> dict[str, Answer]:
    """One answer per statement; none where there are several that contradict each other."""
    by_id: dict[str, list[Answer]] = {}
    for id, answer in pairs:
        by_id.setdefault(id, []).append(answer)
    return {id: answers[-1] for id, answers in by_id.items() if len({answer.score for answer in answers}) == 1}


def _answer(said: Said, at: int, evidence: str) -> Answer:
    """``said`` in a text that begins ``at`` there."""
    return Answer(said.score, tidied(evidence), at + said.start if said.is_yes_or_no else None)


# -- JSON


def _in_documents(text: str, ids: Sequence[str], known: Mapping[str, str]) -> list[Pairs]:
    """The readings of the objects and lists in a text; the first takes together those that hold one answer each."""
    readings = [_pairs(document, ids, known) for document in documents(text)]
    single = [pair for reading in readings if len({id for id, _ in reading}) == 1 for pair in reading]
    return [single, *readings]


def _pairs(value: Value, ids: Sequence[str], known: Mapping[str, str]) -> Pairs:
    match value:
        case Word():
            return []
        case Items(entries):
            inner = [_pairs(entry, ids, known) for entry in entries]
            here = [pair for entry in entries if isinstance(entry, Fields) for pair in _named(entry, ids, known)]
            return _fullest([*inner, _in_order(entries, ids, known) if _counts_from_zero(entries) or not here else here])
        case Fields(entries):
            return _fullest([*(_pairs(entry, ids, known) for _, entry in entries), _named(value, ids, known)])


def _named(fields: Fields, ids: Sequence[str], known: Mapping[str, str]) -> Pairs:
    """What an object says of statements that it names: of several, each under its id, or of one, by an id beside the answer."""
    pairs = [(id, said) for name, value in fields.entries if (id := _id(name, known)) and (said := _entry(value)) is not None]
    if pairs:
        return [] if any(name == "0" for name, _ in fields.entries) else pairs
    answer, name = _entry(fields), _name(fields)
    id = ids[0] if name is None and len(ids) == 1 else _id(name or "", known)
    return [(id, answer)] if answer is not None and id is not None else []


def _in_order(entries: Sequence[Value], ids: Sequence[str], known: Mapping[str, str]) -> Pairs:
    """Answers without an id of ours are answers in order, where there are as many as statements."""
    answers = [answer for entry in entries if (answer := _entry(entry)) is not None]
    return list(zip(ids, answers, strict=True)) if len(answers) == len(entries) == len(ids) else []


def _counts_from_zero(entries: Sequence[Value]) -> bool:
    return any(isinstance(entry, Fields) and _name(entry) == "0" for entry in entries)


def _entry(value: Value) -> Answer | None:
    """The answer in a word, or in an object under one of the names for it."""
    match value:
        case Word():
            return _in_word(value, "")
        case Items():
            return None
        case Fields():
            inner, evidence = _field(value, _ANSWERS), _field(value, _EVIDENCE)
            if isinstance(inner, Word):
                return _in_word(inner, evidence.text if isinstance(evidence, Word) else "")
            return _entry(inner) if isinstance(inner, Fields) else None


def _in_word(word: Word, evidence: str) -> Answer | None:
    said = first_word(word.text)
    return said and _answer(said, word.start, evidence or beside(word.text[said.end :]))


def _name(fields: Fields) -> str | None:
    name = _field(fields, _IDS)
    return name.text if isinstance(name, Word) else None


def _id(name: str, known: Mapping[str, str]) -> str | None:
    return known.get(re.sub(r"[\W_]|criterion|statement|item", "", name.lower()))


def _field(fields: Fields, names: Sequence[str]) -> Value | None:
    """The value under the first of ``names`` that is there. Where it is there twice, two entries may have run into each other: None."""
    named: dict[str, list[Value]] = {}
    for name, value in fields.entries:
        named.setdefault(re.sub(r"[\W_]", "", name.lower()), []).append(value)
    found = next((named[name] for name in names if name in named), list[Value]())
    return found[0] if len(found) == 1 else None


# -- lines


def _by_line(text: str, ids: Sequence[str], known: Mapping[str, str]) -> Pairs:
    """``c1: yes - because``, ``1. … Yes``, or a line with the id and others below it with evidence and answer. For a single statement, a
    line with nothing but the answer will do."""
    pairs: Pairs = []
    current = ids[0] if len(ids) == 1 else None
    evidence = ""
    for line in re.finditer(r"[^\n]+", text):
        begin = line.start()
        numbered = _LINE.match(line.group()) if len(ids) > 1 else None
        if numbered:
            current, evidence = _id(numbered[1], known), ""
            begin += numbered.end()
        label = _LABEL.match(text, begin, line.end())
        rest = text[label.end() if label else begin : line.end()]
        if label and label["evidence"]:
            evidence = beside(rest)
        elif current is not None and (said := first_word(rest) or last_word(rest)):
            around = beside(rest[said.end :]) or beside(rest[: said.start])
            if numbered or label or (len(ids) == 1 and not around):
                pairs.append((current, _answer(said, line.end() - len(rest), evidence or around)))
    return pairs


def _inline(text: str, known: Mapping[str, str]) -> Pairs:
    """``c1: yes, c2: no``."""
    found = ((_id(match[1], known), from_match(match)) for match in _INLINE.finditer(text))
    return [(id, _answer(said, 0, "")) for id, said in found if id is not None and said is not None]


def _only(text: str) -> Answer | None:
    """The answer that a text without any form begins or ends with; None where it ends otherwise than it began, or has another form."""
    first, last = first_word(text), last_word(text)
    said = first or last
    if said is None or "{" in text or (last is not None and last.score != said.score):
        return None
    return _answer(said, 0, beside(text[said.end :]) or beside(text[: said.start]))
