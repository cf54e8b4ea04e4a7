"""How a vision model puts its verdicts: as it should, or in one of the ways that models have. What it thinks is settled before."""

import json
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple, TypeAlias

from data.chat import Token
from optimizer.testserver.asking import Form
from reasoner.testserver.shapes import Answer

_OPPOSITE = {"yes": "no", "no": "yes", "unclear": "yes", "first": "second", "second": "first", "tie": "first"}
_ANSWER = re.compile(r'(?<="answer": ")(?:yes|no)(?="\})|^(?:Yes|No)$')
"""The words of an answer in good form that are a verdict: within JSON, no text has a bare quotation mark."""
_WORD = re.compile(r"\s*\w+|\s*[^\w\s]+|\s+")
_CERTAIN = 0.999
"""What a model thinks of a token that could not be another one."""


class Verdict(NamedTuple):
    """An answer under an id, "" where there was none: yes, no, unclear; of pairs first, second, tie. ``sure``: P(yes)."""

    id: str
    answer: str
    evidence: str
    sure: float = 0.5


@dataclass(frozen=True, slots=True)
class Said:
    """What a model has to say: a verdict for each statement, or one. ``beside``: what is seen in the other picture of a pair."""

    form: Form
    verdicts: tuple[Verdict, ...]
    beside: str = ""


Manner: TypeAlias = Callable[[Said], Answer]


def good(said: Said) -> Answer:
    """As it was asked for."""
    return Answer(_text(said))


def _text(said: Said) -> str:
    match said.form:
        case Form.CHECKLIST:
            return json.dumps({"verdicts": [_entry(verdict) for verdict in said.verdicts]}, ensure_ascii=False)
        case Form.STATEMENT | Form.PAIR:
            return json.dumps(_single(said), ensure_ascii=False)
        case Form.WHOLE:
            return said.verdicts[0].answer.capitalize()


def _entry(verdict: Verdict) -> Mapping[str, str]:
    return {"id": verdict.id, "evidence": verdict.evidence, "answer": verdict.answer}


def _single(said: Said) -> Mapping[str, str]:
    verdict = said.verdicts[0]
    seen = {"first": verdict.evidence, "second": said.beside} if said.form is Form.PAIR else {"evidence": verdict.evidence}
    return {**seen, "answer": verdict.answer}


def probable(said: Said) -> Answer:
    """As it was asked for, with the probability of each yes and no, and of all else."""
    text = _text(said)
    shares = iter(verdict.sure for verdict in said.verdicts if verdict.answer in ("yes", "no"))
    tokens: list[Token] = []
    at = 0
    for match in _ANSWER.finditer(text):
        tokens += _certain(text[at : match.start()])
        tokens.append(_weighed(match.group(), next(shares)))
        at = match.end()
    return Answer(text, tokens=(*tokens, *_certain(text[at:])))


def _certain(text: str) -> list[Token]:
    return [Token(piece, {piece: math.log(_CERTAIN), "\n": math.log(1 - _CERTAIN)}) for piece in _WORD.findall(text)]


def _weighed(word: str, yes: float) -> Token:
    """A yes or no among what else could have stood there, some of it neither."""
    words = ("Yes", "No") if word.istitle() else ("yes", "no")
    masses = {words[0]: yes, words[1]: 1 - yes, "unclear": 0.02}
    total = sum(masses.values())
    return Token(word, {text: math.log(mass / total) for text, mass in masses.items() if mass > 0})


# -- with bad manners


def half(said: Said) -> Answer:
    """Leaves out every statement after the first half."""
    return good(replace(said, verdicts=said.verdicts[: (len(said.verdicts) + 1) // 2]))


def extra(said: Said) -> Answer:
    """Judges statements that nobody made, too."""
    if said.form is not Form.CHECKLIST:
        return good(said)
    more = (Verdict("c97", "yes", "a nice frame"), Verdict("mood", "no", "it is not gloomy"))
    return good(replace(said, verdicts=(*said.verdicts, *more)))


def twice(said: Said) -> Answer:
    """Answers twice, and contradicts itself."""
    other = replace(said, verdicts=tuple(verdict._replace(answer=_OPPOSITE[verdict.answer]) for verdict in said.verdicts))
    if said.form is Form.CHECKLIST:
        return good(replace(said, verdicts=said.verdicts + other.verdicts))
    return Answer(f"{_text(said)}\n{_text(other)}")


def not_applicable(said: Said) -> Answer:
    """Finds that nothing applies."""
    return good(replace(said, verdicts=tuple(verdict._replace(answer="N/A") for verdict in said.verdicts)))


def prose(said: Said) -> Answer:
    """Talks about the picture, and settles nothing."""
    return Answer(
        "What a charming picture! There is a lot to discover, and the light is lovely. The composition leads the eye from the front to the "
        "horizon, and the colours are in harmony with each other."
    )


def fenced(said: Said) -> Answer:
    """Puts its answer into a code fence, and talks around it."""
    return Answer(f"Here is what I see:\n\n```json\n{_text(said)}\n```\nLet me know if I should look again.")


def lines(said: Said) -> Answer:
    """Writes lines in place of JSON."""
    if said.form is Form.CHECKLIST:
        return Answer("\n".join(f"{verdict.id}: {verdict.answer} - because {verdict.evidence}" for verdict in said.verdicts))
    if said.form is Form.WHOLE:
        return Answer(f"Answer: {_text(said)}")
    return Answer("\n".join(f"{name.capitalize()}: {text}" for name, text in _single(said).items()))


def bare(said: Said) -> Answer:
    """Writes a list of words."""
    return Answer(json.dumps([verdict.answer for verdict in said.verdicts]))


def drafting(said: Said) -> Answer:
    """Thinks aloud in tags, in the form of an answer."""
    draft = replace(said, verdicts=tuple(verdict._replace(answer=_OPPOSITE[verdict.answer]) for verdict in said.verdicts))
    return Answer(f"<think>\nPerhaps {_text(draft)}? I look again.\n</think>\n\n{_text(said)}")


def refusing(said: Said) -> Answer:
    """Declines, in an ordinary answer."""
    return Answer("I'm sorry, but I can't help with judging this picture.")


def silent(said: Said) -> Answer:
    """Gives no evidence."""
    return good(replace(said, verdicts=tuple(verdict._replace(evidence="") for verdict in said.verdicts), beside=""))


def cut(said: Said) -> Answer:
    """Is cut off by its token limit in the middle of its answer."""
    text = _text(said)
    return Answer(text[: len(text) // 2], finish="length")
