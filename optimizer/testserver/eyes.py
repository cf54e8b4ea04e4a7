"""The vision models of the test server, by name: each sees well, and has one trait. Numbers in names are per cent, and may be others.

A model is a fault (what it makes of what it sees), a manner (how it says so), and what its server refuses before it looks.
"""

import hashlib
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from data.identity import derived_random
from optimizer.calibration.skills import Skill
from optimizer.testserver import faults, manners, refusals
from optimizer.testserver.asking import Asked, Form, asked, images
from optimizer.testserver.faults import Fault, Glance
from optimizer.testserver.findings import Finding, found
from optimizer.testserver.known import Known
from optimizer.testserver.manners import Manner, Said, Verdict
from optimizer.testserver.refusals import Refusal
from optimizer.testserver.sight import look
from reasoner.testserver.behaviors import BEHAVIORS, Behavior, Error, Models, Reply
from reasoner.testserver.shapes import Answer, Question, error_body


@dataclass(frozen=True, slots=True)
class Trait:
    """What is special about a model. ``sure``: how probable the truth is to it, in [0.5, 1]. ``first``: how often it says first of a pair
    whatever it sees, in [0, 1]."""

    description: str
    fault: Fault = faults.truthful
    manner: Manner = manners.good
    refuses: Refusal = refusals.nothing
    sure: float = 1.0
    first: float = 0.0


_RATED: Mapping[str, Callable[[float], Trait]] = {
    "eyes-bias": lambda rate: Trait(f"says yes to {rate:.0%} of what is false", faults.yes_bias(rate)),
    "eyes-no-bias": lambda rate: Trait(f"says no to {rate:.0%} of what is true", faults.no_bias(rate)),
    "eyes-wrong": lambda rate: Trait(f"errs about {rate:.0%} of all statements, the same each time", faults.wrong(rate)),
    "eyes-noise": lambda rate: Trait(f"errs about {rate:.0%} of all statements, others at each request", faults.noisy(rate)),
    "eyes-probable": lambda rate: Trait(
        f"hands out log-probabilities, and is sure of its answers by {rate:.0%}", manner=manners.probable, sure=rate
    ),
    "eyes-left": lambda rate: Trait(f"says that the first of two is better in {rate:.0%} of the cases, whatever is shown", first=rate),
}
"""Models with a number in their name."""
_RATES = {"eyes-bias": 20, "eyes-no-bias": 20, "eyes-wrong": 10, "eyes-noise": 10, "eyes-probable": 90, "eyes-left": 30}
"""The numbers that are listed."""
_LEAST = {"eyes-probable": 50}
"""Smaller numbers mean nothing: a model says what is likelier to it."""

TRAITS: Mapping[str, Trait] = {
    "eyes": Trait("sees painted pictures, and answers what is true"),
    **{f"{name}-{rate}": _RATED[name](rate / 100) for name, rate in _RATES.items()},
    **{
        f"eyes-blind-{skill.name.lower()}": Trait(f'tosses a coin where the skill "{skill.value}" is tried', faults.blind(skill))
        for skill in Skill
        if skill is not Skill.WHOLE
    },
    "eyes-flattered": Trait("finds everything well done where a sign in the picture says so", faults.flattered),
    "eyes-vivid": Trait("finds everything well done in a picture with garish colors", faults.dazzled),
    "eyes-ignores": Trait("takes images, does not look at them, and says yes to all", faults.yes_to_all),
    "eyes-half": Trait("answers half of the statements", manner=manners.half),
    "eyes-extra": Trait("answers statements that nobody made, too", manner=manners.extra),
    "eyes-twice": Trait("answers every statement twice, and contradicts itself", manner=manners.twice),
    "eyes-na": Trait('answers "N/A" to all', manner=manners.not_applicable),
    "eyes-prose": Trait("talks about the picture, and answers nothing", manner=manners.prose),
    "eyes-fenced": Trait("puts its answer into a code fence, with talk around it", manner=manners.fenced),
    "eyes-lines": Trait("writes lines (`c1: yes - because`) in place of JSON", manner=manners.lines),
    "eyes-bare": Trait("answers with a list of words in order", manner=manners.bare),
    "eyes-drafts": Trait("thinks aloud in `<think>` tags, and answers otherwise", manner=manners.drafting),
    "eyes-empty-evidence": Trait("gives no evidence", manner=manners.silent),
    "eyes-refuses": Trait("declines, in an ordinary answer", manner=manners.refusing),
    "eyes-cut": Trait("hits the token limit in the middle of its answer", manner=manners.cut),
    "eyes-none": Trait("takes no images (HTTP 400), as vLLM says it", refuses=refusals.images),
    "eyes-small": Trait(f"takes no image with more than {refusals.LARGEST} pixels a side (HTTP 400)", refuses=refusals.large_images),
    "eyes-no-logprobs": Trait("takes no wish for log-probabilities (HTTP 400)", refuses=refusals.log_probabilities),
    "eyes-no-schema": Trait("takes no JSON schema (HTTP 400)", refuses=refusals.schema),
    "eyes-cold": Trait("takes no temperature but its own (HTTP 400)", refuses=refusals.temperature),
}
"""The models that are listed, in the order in which people want to read them."""


def trait_of(name: str) -> Trait | None:
    """The trait of the model ``name``, with any number up to 100 in it; None where there is no such model."""
    stem, _, number = name.rpartition("-")
    if stem in _RATED and re.fullmatch(r"\d\d?|100", number) and int(number) >= _LEAST.get(stem, 0):
        return _RATED[stem](int(number) / 100)
    return TRAITS.get(name)


class Eyes:
    """What all vision models of one server have in common: what is ``known`` of the statements they are asked about."""

    def __init__(self, known: Known) -> None:
        self._known = known

    @property
    def models(self) -> Models:
        """As a server takes them."""
        return Models(tuple(TRAITS), self._behavior)

    def _behavior(self, name: str) -> Behavior | None:
        trait = trait_of(name)
        return trait and Behavior(trait.description, lambda question: self._reply(trait, question))

    def _reply(self, trait: Trait, question: Question) -> Reply:
        if refused := trait.refuses(question):
            return refused
        posed = asked(question)
        if posed is None:
            return BEHAVIORS["good"].reply(question)
        glances: list[Glance] = []
        for content in images(question):
            sight = look(content)
            if sight is None:
                return Error(400, error_body("cannot identify image file", kind="BadRequestError"))
            glances.append(Glance(hashlib.sha256(content).hexdigest(), sight, _moment(question)))
        if len(glances) < 1 + (posed.form is Form.PAIR):
            return Answer("There is no picture in your message. Please attach one.")
        return trait.manner(self._compared(trait, posed, glances) if posed.form is Form.PAIR else self._judged(trait, posed, glances[0]))

    def _judged(self, trait: Trait, posed: Asked, glance: Glance) -> Said:
        if posed.form is Form.WHOLE:
            return Said(posed.form, (self._whole(trait, posed, glance),))
        findings = self._findings(trait, posed, glance, posed.statements.values())
        return Said(posed.form, tuple(_verdict(id, finding, trait.sure) for id, finding in zip(posed.statements, findings, strict=True)))

    def _whole(self, trait: Trait, posed: Asked, glance: Glance) -> Verdict:
        """Yes where all is as it should be. How probable a yes is goes by the share of what is."""
        share = _share(self._findings(trait, posed, glance, self._asked_for(posed)))
        if share is None:
            return Verdict("", "unclear", "")
        yes = trait.sure if share == 1 else (1 - trait.sure) + (trait.sure - 0.5) * share
        return Verdict("", "yes" if share == 1 else "no", "", yes)

    def _compared(self, trait: Trait, posed: Asked, glances: Sequence[Glance]) -> Said:
        statements = tuple(posed.statements.values()) or self._asked_for(posed)
        first, second = (self._findings(trait, posed, glance, statements) for glance in glances[:2])
        better = (_share(first) or 0.0) - (_share(second) or 0.0)
        answer = "tie" if better == 0 else "first" if better > 0 else "second"
        if derived_random("first", *(glance.picture for glance in glances), posed.request).random() < trait.first:
            answer = "first"
        return Said(posed.form, (Verdict("", answer, _told(first)),), _told(second))

    def _asked_for(self, posed: Asked) -> Sequence[str]:
        return [criterion.text for criterion in self._known.checklist(posed.request)]

    def _findings(self, trait: Trait, posed: Asked, glance: Glance, statements: Iterable[str]) -> list[Finding]:
        """What the model makes of each statement."""
        words = self._known.asks_for_words(posed.request)
        truths = [
            found(statement, self._known.criterion(posed.request, statement), glance.sight, asks_for_words=words)
            for statement in statements
        ]
        if trait.fault is faults.yes_to_all:
            return [truth._replace(holds=True, evidence="it looks right") for truth in truths]
        return [truth if truth.holds is None else truth._replace(holds=trait.fault(truth, glance)) for truth in truths]


def _moment(question: Question) -> str:
    """What tells requests apart: the seed, and where there is none, how many came before."""
    return f"{question.body.get('seed', f'number {question.count}')}/{question.index}"


def _verdict(id: str, finding: Finding, sure: float) -> Verdict:
    if finding.holds is None:
        return Verdict(id, "unclear", finding.evidence)
    return Verdict(id, "yes" if finding.holds else "no", finding.evidence, sure if finding.holds else 1 - sure)


def _share(findings: Sequence[Finding]) -> float | None:
    """How many of the statements that can be told are as they should be, in [0, 1]; None where none can."""
    told = [finding.good for finding in findings if finding.good is not None]
    return sum(told) / len(told) if told else None


def _told(findings: Sequence[Finding]) -> str:
    """Evidence about one picture of a pair."""
    missed = [finding.evidence for finding in findings if finding.good is False]
    return f"{len(findings) - len(missed)} of {len(findings)} satisfied" + (f"; {'; '.join(missed)}" if missed else "")
