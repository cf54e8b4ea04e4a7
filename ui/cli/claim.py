"""What bears on a claim, on the terminal: the gain three times over, by category, with other engines, and what it costs."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ui.claiming import FIGURES, cost_words, gain_figures, placebo_words, transfer_heads, transfer_verdict, worth_comparing
from ui.cli.output import console, figure, interval, p_value

if TYPE_CHECKING:
    from rich.table import Table

    from ui.views import RunView

Record = Mapping[str, Any]


def print_claim(view: "RunView", placebo: "RunView | None") -> None:
    """All of it, as far as it is known."""
    out = console()
    if worth_comparing(view):
        out.print()
        out.print(gain_table(view, placebo))
    if said := placebo_words(placebo):
        out.print(said)
    if view.comparison is None:
        return
    if transfers := view.comparison.get("transfers"):
        out.print()
        out.print(transfer_table(transfers, transfer_heads(view)))
    if categories := view.comparison.get("categories"):
        out.print()
        out.print(category_table(categories, view.comparison))
    if said := cost_words(view):
        out.print(f"\nA rewrite of best takes {'; '.join(said)}.")


def gain_table(view: "RunView", placebo: "RunView | None") -> "Table":
    """Search score, shrunk and held out; in a column beside, the same of the placebo run."""
    reference = "" if view.gain is None else view.gain["reference"]
    table = _table(f"gain of best over {reference}, three times over")
    table.add_column("", no_wrap=True)
    table.add_column("gain", justify="right", no_wrap=True)
    if placebo is not None:
        table.add_column("placebo", justify="right", no_wrap=True)
    table.add_column("")
    for (name, _, about), ours, theirs in zip(FIGURES, gain_figures(view.gain), gain_figures(placebo and placebo.gain), strict=True):
        row = [name, _told(ours), *([_told(theirs)] if placebo is not None else []), about]
        table.add_row(*row)
    return table


def _told(entry: Record | None) -> str:
    if entry is not None and entry["low"] is None:
        return figure(entry["estimate"], signed=True)
    return interval(entry, signed=True)


def transfer_table(transfers: Sequence[Record], heads: Sequence[str]) -> "Table":
    """The gain with an engine exchanged that the search never used."""
    best, reference = transfers[0]["arms"][1]["name"], transfers[0]["arms"][0]["name"]
    table = _table(f"does it transfer? {best} minus {reference} with engines that the search never used")
    table.add_column("", no_wrap=True)
    for name in ("gain", "p", "prompts", "dropped"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("")
    for entry, head in zip(transfers, heads, strict=True):
        difference = entry["difference"]
        lost = sum(arm["failed"] for arm in entry["arms"]) / max(1, sum(arm["trials"] for arm in entry["arms"]))
        figures = ("–", "", "0") if difference is None else (
            interval(difference, signed=True), p_value(difference["p_value"]), str(difference["prompts"])
        )  # fmt: skip
        table.add_row(head, *figures, f"{lost:.1%}", transfer_verdict(entry))
    return table


def category_table(categories: Sequence[Record], comparison: Record) -> "Table":
    """The gain by category of prompts."""
    best = comparison["arms"][-1]["name"]
    table = _table(f"{best} minus {comparison['reference']} by category: drawn towards the common gain, and no claim is made of any")
    table.add_column("category", no_wrap=True)
    for name in ("gain", "prompts", "as measured"):
        table.add_column(name, justify="right", no_wrap=True)
    for entry in categories:
        table.add_row(entry["name"] or "(none)", interval(entry, signed=True), str(entry["prompts"]), figure(entry["own"], signed=True))
    return table


def _table(title: str) -> "Table":
    from rich.table import Table

    return Table(title=title, title_justify="left", title_style="bold", box=None, padding=(0, 2, 0, 0))
