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


def diff_html(parts: Sequence[DiffPart]) -> str:
    """A word diff: what went is struck through in red, what came is underlined in green."""
    return f'<div class="ph-diff">{"".join(_diff_part(part) for part in parts)}</div>'


def _diff_part(part: DiffPart) -> str:
    text = escaped(part.text)
    match part.kind:
        case "removed":
            # Line breaks that went would tear the text apart.
            return f"<del>{' '.join(text.split())}</del> " if text.strip() else ""
        case "added":
            return _around_breaks("ins", text)
        case "same":
            return _breaks(text) + " "


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
