"""HTML for the pages: escaping, figures in words, and the look of it all. Every text that a person or a model wrote passes `escaped`."""

import html
from collections.abc import Sequence

from ui.views import DiffPart

MINUS = "\u2212"


def escaped(text: str) -> str:
    """``text`` as HTML shows it, quotes included, so that it may stand in an attribute."""
    return html.escape(text, quote=True)


def signed(value: float, digits: int = 3) -> str:
    """+0.071 or −0.071; what rounds to 0 has no sign."""
    text = f"{abs(value):.{digits}f}"
    if float(text) == 0.0:
        return text
    return ("+" if value > 0 else MINUS) + text


def clipped(text: str, length: int) -> str:
    """At most ``length`` characters, cut between words where possible, with an ellipsis where something is missing."""
    if len(text) <= length:
        return text
    return text[: length - 1].rsplit(" ", 1)[0].rstrip(" ,.;:") + "…"


CONTEXT_WORDS = 16
"""Shown of an unchanged stretch on each side of a change; what is between is counted."""


def diff_html(parts: Sequence[DiffPart]) -> str:
    """A word diff: what went is struck through in red, what came is underlined in green; long unchanged stretches are cut short."""
    last = len(parts) - 1
    pieces = [_diff_part(part, opening=place == 0, closing=place == last) for place, part in enumerate(parts)]
    return f'<div class="ph-diff">{"".join(pieces)}</div>'


def _diff_part(part: DiffPart, *, opening: bool, closing: bool) -> str:
    match part.kind:
        case "removed":
            # Line breaks that went would tear the text apart.
            words = escaped(" ".join(part.text.split()))
            return f"<del>{words}</del> " if words else ""
        case "added":
            return _around_breaks("ins", escaped(part.text))
        case "same":
            return _shortened(part.text.split(" "), 0 if opening else CONTEXT_WORDS, 0 if closing else CONTEXT_WORDS)


def _shortened(words: Sequence[str], head: int, tail: int) -> str:
    """``words`` with only so many at either end; a few more than that are not worth a gap."""
    hidden = len(words) - head - tail
    if hidden <= CONTEXT_WORDS:
        return _breaks(escaped(" ".join(words))) + " "
    gap = f'<span class="ph-gap">… {sum(bool(word.strip()) for word in words[head : head + hidden])} words …</span>'
    start, end = escaped(" ".join(words[:head])), escaped(" ".join(words[head + hidden :]))
    return f"{_breaks(start)} {gap} {_breaks(end)} ".lstrip()


def _breaks(text: str) -> str:
    """Line breaks are words of a diff: without the spaces beside them."""
    return text.replace(" \n ", "\n").replace("\n ", "\n").replace(" \n", "\n")


def _around_breaks(tag: str, text: str) -> str:
    lines = [line.strip(" ") for line in text.split("\n")]
    marked = "\n".join(f"<{tag}>{line}</{tag}>" if line else "" for line in lines)
    return marked + ("" if marked.endswith("\n") else " ")


def box(kind: str, title: str, body: str = "", code: str = "") -> str:
    """A calm box: ``kind`` is "empty", "error" or "note". The texts are escaped here."""
    parts = [f"<strong>{escaped(title)}</strong>"]
    if body:
        parts.append(f"<p>{escaped(body)}</p>")
    if code:
        parts.append(f"<pre>{escaped(code)}</pre>")
    return f'<div class="ph-box ph-{escaped(kind)}">{"".join(parts)}</div>'
