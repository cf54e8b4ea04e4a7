"""The instructions of a program's predictors as one text, and back: what is searched over is a text, and a program may have several.

One predictor's instructions are the text. Several stand below each other, each under its name in double brackets::

    [[draft]]
    Write three facts about the topic.

    [[answer.predict]]
    Answer in one sentence.

Any instructions come back as they were, to the last space. It knows nothing of dspy.
"""

import re
from collections.abc import Mapping, Sequence

_HEAD = re.compile(r"\[\[(.*)\]\]")
_LIKE_A_HEAD = re.compile(r"\\*\[\[")
_ESCAPED = re.compile(r"\\+\[\[")


def joined(instructions: Mapping[str, str]) -> str:
    """One text for the ``instructions`` by predictor name. Names hold no line breaks."""
    if len(instructions) == 1:
        return next(iter(instructions.values()))
    return "\n\n".join(f"[[{name}]]\n{_escaped(text)}" for name, text in instructions.items())


def parted(text: str, names: Sequence[str]) -> dict[str, str]:
    """The instructions in ``text`` by predictor name; ValueError where it is not one for exactly these ``names``, in this order."""
    if len(names) == 1:
        return {names[0]: text}
    parts: dict[str, list[str]] = {}
    heads: list[str] = []
    for line in text.split("\n"):
        if head := _HEAD.fullmatch(line):
            heads.append(head[1])
            parts[head[1]] = []
        elif heads:
            parts[heads[-1]].append(line)
    if heads != list(names):
        raise ValueError(f"the text has parts for {', '.join(heads) or 'no predictor'}; the program has {', '.join(names)}")
    # All but the last end with the blank line that stands before the next head.
    ended = {name: lines if name == names[-1] else lines[:-1] for name, lines in parts.items()}
    return {name: _unescaped("\n".join(lines)) for name, lines in ended.items()}


def _escaped(text: str) -> str:
    return "\n".join(f"\\{line}" if _LIKE_A_HEAD.match(line) else line for line in text.split("\n"))


def _unescaped(text: str) -> str:
    return "\n".join(line[1:] if _ESCAPED.match(line) else line for line in text.split("\n"))
