"""The noise of a run as HTML: a bar of its sources, what to buy next, and the figures folded."""

import math

from ui.noise import Noise, Source, sources
from ui.noise_advice import GAINS, advice, cancelled, prompts_for
from ui.web.markup import escaped


def panel(noise: Noise) -> str:
    """All of it."""
    rows = sources(noise)
    said = "".join(f'<p class="ph-under">{escaped(sentence)}</p>' for sentence in advice(noise))
    return (
        f'<h3 class="ph-section">Noise<small>{escaped(_about(noise))}</small></h3>{bar(rows)}{said}'
        f'<details class="ph-more"><summary>By source, and prompts needed</summary>{_table(rows)}{_needed(noise)}</details>'
    )


def _about(noise: Noise) -> str:
    shared = cancelled(noise)
    cancels = "" if shared is None else f"; {shared:.0%} of it cancels between two system prompts on the same prompts and seeds"
    return f"where the SD of a score, {math.sqrt(noise.total):.3f}, comes from{cancels}"


def bar(rows: list[Source]) -> str:
    """The measured sources side by side, as wide as their shares; what is known of a part of one stands inside it, darker."""
    inside = {row.within: row for row in rows if row.part and row.share}
    pieces = [_piece(row, inside.get(row.name)) for row in rows if row.share is not None and not row.part]
    return f'<div class="ph-noise" role="img" aria-label="{escaped(_spoken(rows))}">{"".join(pieces)}</div>'


def _piece(row: Source, part: Source | None) -> str:
    share = row.share or 0.0
    within = 0.0 if part is None or part.share is None or share <= 0.0 else min(1.0, part.share / share)
    mark = "" if part is None else f'<i style="width:{within:.1%}" title="of it {escaped(_named(part))}"></i>'
    name = escaped(_named(row))
    return f'<div class="ph-of-{row.name}" style="flex:{share:.4f}" title="{name}">{mark}<span>{name}</span></div>'


def _named(row: Source) -> str:
    return f"{row.label} {row.share or 0.0:.0%}"


def _spoken(rows: list[Source]) -> str:
    return ", ".join(_named(row) for row in rows if row.share is not None)


def _table(rows: list[Source]) -> str:
    head = "<th>source</th>" + "".join(f'<th class="ph-num">{name}</th>' for name in ("share", "SD", "repetitions")) + "<th></th>"
    return _rows(head, [_row(row) for row in rows])


def _row(row: Source) -> str:
    name = f"{'of it ' if row.part else ''}{row.label}"
    share = "–" if row.share is None else f"{row.share:.0%}"
    repetitions = f"{row.repetitions:,}" if row.repetitions else ""
    return (
        f'<tr><th scope="row">{escaped(name)}</th><td class="ph-num">{share}</td><td class="ph-num">{_sd(row)}</td>'
        f'<td class="ph-num">{repetitions}</td><td class="ph-soft">{escaped(row.note)}</td></tr>'
    )


def _sd(row: Source) -> str:
    if row.variance is None or row.sd is None:
        return "–"
    if row.variance.low is None or row.variance.high is None:
        return f"<b>{row.sd:.3f}</b>"
    return f'<b>{row.sd:.3f}</b> <span class="ph-soft">{math.sqrt(row.variance.low):.3f} to {math.sqrt(row.variance.high):.3f}</span>'


def _needed(noise: Noise) -> str:
    head = "<th>prompts to find a gain with 80% power</th>" + "".join(f'<th class="ph-num">gain of {gain:.2f}</th>' for gain in GAINS)
    rows = [
        f'<tr><th scope="row">{images} {"image" if images == 1 else "images"} of each</th>'
        + "".join(f'<td class="ph-num">{"–" if needed is None else f"{needed:,}"}</td>' for needed in row)
        + "</tr>"
        for images, row in prompts_for(noise)
    ]
    return _rows(head, rows)


def _rows(head: str, rows: list[str]) -> str:
    return f'<table class="ph-claim ph-small"><thead><tr>{head}</tr></thead><tbody>{"".join(rows)}</tbody></table>'
