"""Lines into one paragraph: headings, rules, bullets and numbers go, and a list is either one scene or several prompts.

It is several prompts where its entries tell the same scene again. It cuts off marks and titles, and of several prompts all but the first.
"""

import re
from typing import NamedTuple

_MARK = re.compile(r"[ \t]*(?:[-*•–·▪◦‣●]|(?P<number>\d{1,2})[.)]|(?P<letter>[a-eA-E])\))[ \t]+(?=\S)")
_INLINE = re.compile(r"(?:(?<=^)|(?<=\s))(?P<number>\d)[.)]\s+(?=\S)")
_HEADING = re.compile(r"[ \t]*#{1,6}[ \t]+(?P<text>.*\S)[ \t#]*$")
_QUOTE = re.compile(r"[ \t]*>[ \t]?")
_BOLD = re.compile(r"\*\*[^*]{1,80}\*\*$|__[^_]{1,80}__$")
_SEVERAL = re.compile(
    r"\b(?:prompts|versions|options|variations|alternatives|variants|rewrites|opciones|versiones|varianten)\b|几个|选项", re.IGNORECASE
)
_LABELED = re.compile(r"[ \t]*(?:\*\*|__)?[^\W\d_][\w /&-]{0,40}(?:\*\*|__)?[:：](?:\*\*|__)?\s")
"""A line such as “Setting: deep snow”. Its label stays: it may say what the words after it are about."""
_TITLE_WORDS = 10
_PROMPT_WORDS = 8
"""An entry with fewer words is a part of a scene, no prompt of its own."""
_SAME = 0.4
"""Share of the shorter entry's long words from which on two entries tell the same scene."""


class Flat(NamedTuple):
    """The paragraph, what was removed, in words, and how many further prompts the text had."""

    text: str
    removed: str
    further: int = 0


def without_list(text: str) -> Flat | None:
    """``text`` as one paragraph without marks; None where it has none."""
    lines = _split(text)
    removed: list[str] = []
    kept: list[str] = []
    headings = sum(1 for line in lines if _HEADING.match(line))
    for number, line in enumerate(lines):
        if _is_rule(line):
            removed.append("a rule")
            continue
        if quote := _QUOTE.match(line):
            removed.append("quotation marks")
            line = line[quote.end() :]
        heading = _HEADING.match(line)
        others = any(other.strip() for other in lines[number + 1 : number + 50])
        if (heading or _BOLD.fullmatch(line.strip())) and headings < 2 and not kept and others and len(line.split()) <= _TITLE_WORDS:
            removed.append(f"the title “{line.strip(' #*_')}”")
            continue
        if heading:
            removed.append("heading marks")
            line = heading["text"] + (":" if others and not heading["text"].endswith((":", "：", ".")) else "")
        kept.append(line)
    entries = _entries(kept)
    if entries.marks:
        if entries.are_prompts:
            return Flat(entries.texts[0], "", len(entries.texts) - 1)
        return Flat(_joined([*entries.before, *entries.texts]), "; ".join(dict.fromkeys([*removed, "list marks"])))
    if sum(1 for line in kept if _LABELED.match(line)) > 1:
        return Flat(_joined([line for line in kept if line.strip()]), "; ".join(dict.fromkeys([*removed, "line breaks"])))
    return Flat("\n".join(kept).strip(), "; ".join(dict.fromkeys(removed))) if removed else None


def _split(text: str) -> list[str]:
    """The lines of ``text``; of a list that stands on one line, its entries."""
    if "\n" not in text and text.startswith(("1. ", "1) ")):
        numbers = [match for match in _INLINE.finditer(text)]
        if [match["number"] for match in numbers[:2]] == ["1", "2"]:
            starts = [match.start() for match in numbers]
            return [text[start:end] for start, end in zip(starts, [*starts[1:], len(text)], strict=True)]
    return text.split("\n")


def _is_rule(line: str) -> bool:
    marks = line.replace(" ", "").strip()
    return len(marks) >= 3 and len(set(marks)) == 1 and marks[0] in "-*_=─—"


class _Entries(NamedTuple):
    before: list[str]
    texts: list[str]
    marks: int

    @property
    def are_prompts(self) -> bool:
        if len(self.texts) < 2:
            return False
        if any(_SEVERAL.search(line) for line in self.before):
            return True
        first = _long_words(self.texts[0])
        return all(
            len(text.split()) >= _PROMPT_WORDS and len(first & _long_words(text)) >= _SAME * max(1, min(len(first), len(_long_words(text))))
            for text in self.texts
        )


def _entries(lines: list[str]) -> _Entries:
    before: list[str] = []
    entries: list[list[str]] = []
    marks = 0
    for line in lines:
        mark = _MARK.match(line)
        if mark and _counts(mark, lines, is_first=not entries):
            marks += 1
            entries.append([line[mark.end() :].strip()])
        elif not line.strip():
            continue
        elif entries:
            # A line without a mark goes on with the entry before it.
            entries[-1].append(line.strip())
        else:
            before.append(line.strip())
    return _Entries(before, ["\n".join(entry) for entry in entries], marks)


def _counts(mark: re.Match[str], lines: list[str], *, is_first: bool) -> bool:
    """Whether a mark is one: a first entry is the first by number, and a lone line may well begin with a dash and a number."""
    number = mark["number"]
    if number is None:
        return mark["letter"] is None or len(lines) > 1
    return not is_first or int(number) == 1


def _joined(parts: list[str]) -> str:
    """One paragraph, with a stop between parts that have none."""
    text: list[str] = []
    for part in map(str.strip, parts):
        if text:
            bare = text[-1].rstrip("*_` ")
            ended = bare.endswith((".", "!", "?", ",", ";", ":", "…", "。", "，", "；", "：", "、", "！", "？"))
            text[-1] += " " if ended else ". " if part[:1].isupper() or part[:1] in "*_" else ", "
        text.append(part)
    return "".join(text)


def _long_words(text: str) -> set[str]:
    return set(re.findall(r"[^\W\d_]{4,}", text.lower()))
