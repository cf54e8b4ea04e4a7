"""The embedded proposer: a mock of reflection that needs no model. It draws instructions from a bank, and finds the fitting one now and
then.

It knows no reasoner: the bank (optimizer/prompts/embedded_instructions.md) says which kinds of failures an instruction *claims* to help
with, harmful ones included. How often it reflects well is :data:`INSIGHT`, about as often as published reflective optimizers do.
"""

import random
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from data.errors import FailureKind, StageError
from data.identity import derived_random
from data.records import CriterionKind, Operation
from optimizer.proposers import ParentHistory, Proposal, ProposalRequest

INSIGHT = 0.45
"""Chance that a reflection picks an instruction that claims to help with what failed; otherwise any instruction of the bank."""
REPLACES = 0.25
"""Chance that a reflection replaces one of the parent's sentences instead of adding to them."""
REORDERS = 0.25
"""Chance that an exploration only changes the order of the sentences."""
SEES_HARM = 0.5
"""Chance that a condensation notices a sentence that serves no purpose it knows, and drops that one first."""
OPENING = "Rewrite the user's request as one prompt for an image generator."


@dataclass(frozen=True, slots=True)
class Instruction:
    """Something that a system prompt may ask for, in several phrasings; ``helps`` are the kinds of failures it claims to help with."""

    name: str
    helps: tuple[CriterionKind, ...]
    phrasings: tuple[str, ...]


@cache
def bank() -> tuple[Instruction, ...]:
    """All instructions that the proposer knows."""
    text = files("optimizer").joinpath("prompts", "embedded_instructions.md").read_text(encoding="utf-8")
    found: list[Instruction] = []
    for section in re.split(r"^## ", text, flags=re.MULTILINE)[1:]:
        head, *lines = section.splitlines()
        name, _, kinds = head.partition(":")
        helps = tuple(CriterionKind(kind.strip()) for kind in kinds.split(",") if kind.strip())
        found.append(Instruction(name.strip(), helps, tuple(line[2:].strip() for line in lines if line.startswith("- "))))
    return tuple(found)


class EmbeddedProposer:
    """A Proposer. Equal requests get equal answers."""

    @property
    def identity(self) -> str:
        return "embedded:1"

    async def __call__(self, request: ProposalRequest) -> Proposal:
        luck = derived_random(
            "embedded proposer", request.seed, request.operation.value, *(parent.system_prompt.id for parent in request.parents)
        )
        if not request.parents:
            raise StageError(FailureKind.UNSUPPORTED, "the embedded proposer needs a parent to start from")
        match request.operation:
            case Operation.MERGE if len(request.parents) > 1:
                return _merge(request, luck)
            case Operation.CONDENSE:
                return _condense(request, luck)
            case Operation.EXPLORE:
                return _explore(request, luck)
            case Operation.REFLECT | Operation.MERGE:
                return _reflect(request, luck)
            case Operation.ROOT | Operation.EDIT:
                raise StageError(FailureKind.UNSUPPORTED, f"a proposer doesn't make a {request.operation.value}; a person does")


# -- operations


def _reflect(request: ProposalRequest, luck: random.Random) -> Proposal:
    parent = request.parents[0]
    sentences = _sentences(parent.system_prompt.text)
    failed = Counter(failure.kind for failure in parent.failures)
    fresh = _fresh(parent, luck)
    helpful = [instruction for instruction in fresh if any(failed[kind] for kind in instruction.helps)]
    if helpful and luck.random() < INSIGHT:
        weights = [max(failed[kind] for kind in instruction.helps) for instruction in helpful]
        chosen = luck.choices(helpful, weights)[0]
        kind = max(chosen.helps, key=lambda kind: failed[kind])
        reason = f"{failed[kind]} of {len(parent.failures)} failures shown are about {kind.value}"
    else:
        chosen = luck.choice(fresh)
        reason = "a hunch from the failures shown" if parent.failures else "nothing has failed yet: a guess"
    phrase = luck.choice(chosen.phrasings)
    if len(sentences) > 1 and luck.random() < REPLACES:
        place = luck.randrange(1, len(sentences))
        reason += f"; it replaces “{sentences[place]}”"
        sentences[place] = phrase
    else:
        sentences.append(phrase)
    return _proposal(sentences, phrase, request.max_words, luck, f"{reason}: “{phrase}”")


def _merge(request: ProposalRequest, luck: random.Random) -> Proposal:
    first, second = (_sentences(parent.system_prompt.text) for parent in request.parents[:2])
    known = {_name_of(sentence) for sentence in first}
    added = [sentence for sentence in second[1:] if _name_of(sentence) not in known]
    return _proposal(
        [*first, *added], "", request.max_words, luck, f"the union of both parents: {len(added)} sentences of the second added"
    )


def _condense(request: ProposalRequest, luck: random.Random) -> Proposal:
    sentences = _sentences(request.parents[0].system_prompt.text)
    names = [_name_of(sentence) for sentence in sentences]
    removable = range(1, len(sentences)) if len(sentences) > 1 else range(0)
    twice = [place for place in removable if names[place] in names[:place]]
    aimless = [place for place in removable if names[place] in _aimless()]
    if not removable:
        return _proposal(sentences, "", request.max_words, luck, "there is nothing to leave out")
    if twice:
        place, why = luck.choice(twice), "it is said twice"
    elif aimless and luck.random() < SEES_HARM:
        place, why = luck.choice(aimless), "it serves no failed criterion"
    else:
        place, why = luck.choice(removable), "shorter may be followed better"
    dropped = sentences.pop(place)
    return _proposal(sentences, "", request.max_words, luck, f"left out “{dropped}”: {why}")


def _explore(request: ProposalRequest, luck: random.Random) -> Proposal:
    parent = request.parents[0]
    sentences = _sentences(parent.system_prompt.text)
    if len(sentences) > 2 and luck.random() < REORDERS:
        rest = luck.sample(sentences[1:], len(sentences) - 1)
        return _proposal([sentences[0], *rest], "", request.max_words, luck, "the same sentences in another order")
    phrase = luck.choice(luck.choice(_fresh(parent, luck)).phrasings)
    place = luck.randint(1, max(1, len(sentences)))
    sentences.insert(place, phrase)
    return _proposal(sentences, phrase, request.max_words, luck, f"trying something else: “{phrase}”")


# -- parts


def _fresh(parent: ParentHistory, luck: random.Random) -> list[Instruction]:
    """The instructions that the parent doesn't have and that were not tried on it yet; all that it doesn't have, once all were tried."""
    present = {_name_of(sentence) for sentence in _sentences(parent.system_prompt.text)}
    tried = {_name_of(sentence) for attempt in parent.attempts for sentence in _sentences(attempt.text)}
    absent = [instruction for instruction in bank() if instruction.name not in present]
    return [instruction for instruction in absent if instruction.name not in tried] or absent or list(bank())


@cache
def _phrasings() -> dict[str, str]:
    return {_plain(phrasing): instruction.name for instruction in bank() for phrasing in instruction.phrasings}


@cache
def _aimless() -> frozenset[str]:
    return frozenset(instruction.name for instruction in bank() if not instruction.helps)


def _name_of(sentence: str) -> str:
    """The instruction that a sentence is a phrasing of; the sentence itself where the bank doesn't have it."""
    plain = _plain(sentence)
    return _phrasings().get(plain, plain)


def _plain(sentence: str) -> str:
    return " ".join(re.findall(r"[\w'-]+", sentence.lower()))


def _sentences(text: str) -> list[str]:
    """The sentences of a system prompt, bullets' marks removed; a bare opening for an empty one."""
    parts = re.split(r"(?<=[.!?])\s+(?=[A-Z\"“-])|\n+", text.strip())
    cleaned = [re.sub(r"^(?:[-*•]|\d+[.)])\s+", "", part.strip()) for part in parts]
    return [part for part in cleaned if part] or [OPENING]


def _proposal(sentences: Sequence[str], kept: str, max_words: int, luck: random.Random, reason: str) -> Proposal:
    """The sentences as a system prompt, one a line, without as many of them as it takes to keep to ``max_words``."""
    sentences = list(sentences)
    while len(sentences) > 1 and _words(sentences) > max_words:
        droppable = [place for place, sentence in enumerate(sentences) if sentence != kept and place] or [0]
        sentences.pop(luck.choice(droppable))
    text = "\n".join(sentences)
    if _words(sentences) > max_words:
        text = " ".join(re.findall(r"[\w'-]+", text)[:max_words])
    return Proposal(text, reason)


def _words(sentences: Sequence[str]) -> int:
    # As the lint of optimizer/propose.py counts them: "f/1.8" is three.
    return sum(len(re.findall(r"[\w'-]+", sentence)) for sentence in sentences)
