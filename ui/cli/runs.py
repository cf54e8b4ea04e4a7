"""``phoropter runs``: what is on record."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from ui.cli.options import Home, Json, Ledger, Profile, resolved

TRANSFER = "transfer"

if TYPE_CHECKING:
    from data.store import Store
    from ui.views import RunView


def runs(
    context: typer.Context,
    limit: Annotated[int, typer.Option(help="At most so many, newest first.", min=1, metavar="N")] = 20,
    profile: Profile = None,
    home: Home = None,
    ledger: Ledger = None,
    json: Json = False,
) -> None:
    """List the runs on record, newest first."""
    from ui.cli.opening import ledger as open_ledger
    from ui.cli.output import print_json
    from ui.views import run_view

    settings = resolved(context).settings
    with open_ledger(settings) as store:
        records = store.runs()
        views = [run_view(store, record.id) for record in records[:limit]]
        rows = [_row(view, store) for view in views]
    if json:
        print_json({"runs": rows, "more": max(0, len(records) - limit)})
    else:
        _print(rows, len(records) - len(rows))


def _row(view: "RunView", store: "Store") -> dict[str, Any]:
    from ui.placebo import SEARCHES

    run = view.config.get("run", {})
    return {
        "id": view.id,
        "kind": view.kind,
        "method": view.method if view.kind in SEARCHES else None,
        "state": _state(view),
        "created_at": view.created_at,
        "prompts": run.get("prompts") if view.kind in SEARCHES else view.config.get("text"),
        "seed": run.get("seed"),
        "images": store.trial_count(view.id),
        "images_planned": _planned(view, store),
        "system_prompts": len(view.nodes),
        "winner": view.winner,
        "claims": list(view.comparison["claims"]) if view.comparison else [],
        "last_outcome": view.last_outcome,
        "belongs_to": view.placebo_of or view.config.get("transfer_of"),
    }


def _planned(view: "RunView", store: "Store") -> int | None:
    from ui.placebo import SEARCHES

    if view.kind in SEARCHES:
        return view.config.get("run", {}).get("images")
    # A transfer goes as far as its run's confirmation did.
    return store.trial_count(view.id) if view.kind == TRANSFER else view.config.get("trials", 1)


def _state(view: "RunView") -> str:
    from ui.placebo import SEARCHES

    if view.kind == "calibration":
        return "finished" if view.last_outcome == "finished" else "stopped"
    return view.state if view.kind in SEARCHES else "finished"


def _print(rows: list[dict[str, Any]], older: int) -> None:
    from rich.table import Table

    from data.identity import short
    from optimizer.methods import OURS
    from ui.cli.output import console, one_line, say
    from ui.placebo import SEARCHES

    table = Table(box=None, padding=(0, 2, 0, 0))
    for name in ("run", "kind", "state", "begun (UTC)", "prompts", "seed", "images", "winner", "what is claimed, or how it ended"):
        # What people type or compare keeps its width; the sentences at the end give way on a narrow terminal.
        table.add_column(name, no_wrap=True, min_width={"run": 8, "state": 9, "images": 9, "winner": 8}.get(name))
    for row in rows:
        outcome = f"beats {', '.join(row['claims'])}" if row["claims"] else ""
        if row["belongs_to"] is not None:
            outcome = f"{outcome + '; ' if outcome else ''}belongs to {short(row['belongs_to'])}"
        if not outcome and row["state"] != "finished":
            outcome = one_line(row["last_outcome"], 70)
        table.add_row(
            short(row["id"]),
            row["kind"] if row["method"] in (None, OURS) else f"{row['kind']}, {row['method']}",
            row["state"],
            row["created_at"][:16].replace("T", " "),
            one_line(row["prompts"] or "", 30),
            "" if row["seed"] is None else str(row["seed"]),
            f"{row['images']}/{row['images_planned']}",
            short(row["winner"]) if row["winner"] else "",
            outcome or ("nothing" if row["kind"] in SEARCHES and row["state"] == "finished" else ""),
        )
    if rows:
        console().print(table)
    else:
        say("there are no runs yet; `phoropter optimize` makes one")
    if older > 0:
        say(f"and {older} older: --limit {older + len(rows)} shows them")
