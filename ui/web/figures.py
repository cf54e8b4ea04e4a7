"""What bears on a claim, as HTML: the gain three times over with the placebo run beside it, transfers, categories, costs."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ui.claiming import FIGURES, cost_words, gain_figures, placebo_words, transfer_heads, transfer_verdict, worth_comparing
from ui.web.claim import interval_words
from ui.web.markup import escaped, signed

if TYPE_CHECKING:
    from ui.views import RunView

Record = Mapping[str, Any]


def figures(view: "RunView", placebo: "RunView | None") -> str:
    """All of it: the three figures and what transfers in sight, categories and costs folded; "" where a run kept none of it."""
    if view.comparison is None:
        return ""
    said = placebo_words(placebo)
    parts = [
        gain_table(view, placebo) if worth_comparing(view) else "",
        f'<p class="ph-under">{escaped(said)}</p>' if said else "",
        _transfers(view.comparison.get("transfers", ()), transfer_heads(view)),
        _folded(view),
    ]
    return "".join(parts)


def gain_table(view: "RunView", placebo: "RunView | None") -> str:
    """The gain over the reference as the search has it, as the posterior has it, and as it was confirmed."""
    reference = "" if view.gain is None else view.gain["reference"]
    theirs = gain_figures(None if placebo is None else placebo.gain)
    head = '<th class="ph-num">placebo run</th>' if placebo is not None else ""
    rows = [
        f'<tr{" class=ph-best" if key == "held_out" else ""}><th scope="row">{name}<small>{about}</small></th>'
        f"{_cell(ours)}{_cell(other) if placebo is not None else ''}</tr>"
        for (name, key, about), ours, other in zip(FIGURES, gain_figures(view.gain), theirs, strict=True)
    ]
    return _table(f'<th>gain over {escaped(reference)}, three times over</th><th class="ph-num">this run</th>{head}', rows)


def _cell(entry: Record | None) -> str:
    if entry is None:
        return '<td class="ph-num">–</td>'
    bounds = "" if entry["low"] is None else f' <span class="ph-soft">{escaped(interval_words(entry))}</span>'
    return f'<td class="ph-num"><b>{signed(entry["estimate"])}</b>{bounds}</td>'


def _transfers(transfers: Sequence[Record], heads: Sequence[str]) -> str:
    if not transfers:
        return ""
    rows = [
        f'<tr><th scope="row">{escaped(head)}</th>{_cell(entry["difference"])}<td>{_chip(entry)}</td></tr>'
        for entry, head in zip(transfers, heads, strict=True)
    ]
    return _table('<th>does it transfer to what the search never used?</th><th class="ph-num">best minus reference</th><th></th>', rows)


def _chip(entry: Record) -> str:
    difference = entry["difference"]
    verdict = escaped(transfer_verdict(entry))
    if difference is None:
        return f'<span class="ph-chip">{verdict}</span>'
    kind = "" if not difference["claimed"] else " ph-good" if difference["estimate"] > 0 else " ph-bad"
    return f'<span class="ph-chip{kind}" title="p = {difference["p_value"]:.3f}, {difference["prompts"]} prompts">{verdict}</span>'


def _folded(view: "RunView") -> str:
    """What is looked up rather than read."""
    categories: Sequence[Record] = (view.comparison or {}).get("categories", ())
    costs = cost_words(view)
    summary = [name for name, there in (("by category", categories), ("what rewrites cost", costs)) if there]
    if not summary:
        return ""
    cost = f'<p class="ph-under">A rewrite of best takes {escaped("; ".join(costs))}.</p>' if costs else ""
    title = " and ".join(summary).capitalize()
    return f'<details class="ph-more"><summary>{title}</summary>{_categories(categories)}{cost}</details>'


def _categories(categories: Sequence[Record]) -> str:
    if not categories:
        return ""
    rows = [
        f'<tr><th scope="row">{escaped(entry["name"] or "(none)")}<small>{entry["prompts"]} prompts</small></th>{_cell(entry)}'
        f'<td class="ph-num ph-soft">{signed(entry["own"])}</td></tr>'
        for entry in categories
    ]
    head = (
        '<th>category<small>drawn towards the common gain; no claim is made of any</small></th><th class="ph-num">best minus reference</th>'
        '<th class="ph-num">as measured</th>'
    )
    return _table(head, rows)


def _table(head: str, rows: Sequence[str]) -> str:
    return f'<table class="ph-claim ph-small"><thead><tr>{head}</tr></thead><tbody>{"".join(rows)}</tbody></table>'
