"""Yes, no and unclear, in the words that models use for them. Pure; where in an answer those words stand is for answers.py."""

import re
from typing import NamedTuple

MOST_EVIDENCE = 300
"""Characters of evidence that are kept."""

_YES = r"yes|yeah|yep|y|true|correct|satisfied|fulfilled|holds|met|pass(?:ed)?|是的?"
# Before another word, "no" is part of a statement: "No car is visible" answers nothing.
_NO = r"no(?=\s*$|\s*\n|\s?[^\w\s]|\s(?:because|since|as)\b)|nope|n|false|incorrect|unsatisfied|unfulfilled|unmet|fail(?:s|ed)?|否|不是"
_UNCLEAR = (
    r"n\s?/\s?a|n\.a\.|unclear|unknown|uncertain|unsure|undecided|undetermined|indeterminate|none|null|不确定|"
    r"not (?:sure|clear|certain|applicable|determinable)|"
    r"(?:i )?(?:can ?not|can['’]?t|could not|couldn['’]?t|unable to|impossible to|hard to) (?:be )?(?:tell|told|say|see|seen|judge|"
    r"determine)\w*"
)
_NO_CHOICE = r"(?!\s{0,2}(?:/|\||or\b)\s{0,2}[\"'“]?(?:yes|no|true|false|unclear)\b)"
"""Not the choice itself, repeated."""
# What is unclear comes first: "n/a" begins with a "n".
WORD = rf"(?:(?P<unclear>{_UNCLEAR})|(?P<yes>{_YES})|(?P<no>{_NO}))(?!\w|['’]\w){_NO_CHOICE}"
"""A pattern for such a word, in groups that say which; case does not matter."""
_BEGINS = re.compile(rf"[\W_]{{0,12}}{WORD}", re.IGNORECASE)
_ENDS = re.compile(rf"(?:^|[\n.:;,|>→=(\[–—-])[\s*_`\"'“(\[]{{0,6}}{WORD}[\W_]{{0,8}}$", re.IGNORECASE)
_MOST_END = 60
"""Characters at the end of a text in which its last word is looked for."""
_NUMBER = re.compile(r"(\d{1,3}(?:\.\d+)?|\.\d+)\s*(%)?")
_EMPHASIS = " \t\r\n*_|\"'“”"
_AROUND = " \t\r\n.,:;|*_`\"'“”()[]{}–—-→>="


class Said(NamedTuple):
    """A word of answer: 1 yes, 0 no, between a number of the model's own, None where it can't tell; where it begins and ends in its text;
    and whether it is a yes or no, and no number between."""

    score: float | None
    start: int
    end: int
    is_yes_or_no: bool = True


def first_word(text: str) -> Said | None:
    """The answer that ``text`` begins with, or is; None where it is none."""
    if number := _NUMBER.fullmatch(text.strip(_EMPHASIS)):
        score = float(number[1]) / (100 if number[2] else 1)
        return Said(score, text.find(number[1]), len(text), score in (0, 1) and not number[2]) if score <= 1 else None
    return from_match(_BEGINS.match(text))


def last_word(text: str) -> Said | None:
    """The answer that ``text`` ends with; what is not set off from the words before is a part of them ("I see no")."""
    start = max(0, len(text.rstrip()) - _MOST_END)
    said = from_match(_ENDS.search(text, start))
    return said if said is None or said.start > start or start == 0 else None


def from_match(match: re.Match[str] | None) -> Said | None:
    """The word in a match of a pattern with WORD in it."""
    if match is None:
        return None
    kind = next(name for name in ("unclear", "yes", "no") if match[name])
    return Said({"yes": 1.0, "no": 0.0, "unclear": None}[kind], match.start(kind), match.end(kind), kind != "unclear")


def tidied(evidence: str) -> str:
    """One line of at most MOST_EVIDENCE characters, without what no ledger can keep."""
    kept = evidence.replace("\0", "").encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    line = " ".join(kept.split())
    return line if len(line) <= MOST_EVIDENCE else line[: MOST_EVIDENCE - 1].rstrip() + "…"


def beside(text: str) -> str:
    """What stands beside an answer, as evidence: without the signs that set it off."""
    return text.strip(_AROUND)
