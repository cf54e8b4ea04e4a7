"""What a run came to, in words and as JSON, read from the ledger alone: so `optimize`, `resume` and `show` say the same.

The figures are those of the confirmation; what is not claimed there is not claimed here.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from textwrap import indent
from typing import TYPE_CHECKING, Any

from data.identity import short
from ui.beside import drift_words, judge_words, length_words, monitor_words
from ui.claiming import placebo_to_json
from ui.cli.claim import print_claim
from ui.cli.output import command_line, console, figure, interval, numbered, one_line, p_value, seconds, without_password

if TYPE_CHECKING:
    from rich.table import Table

    from data.store import Store
    from ui.settings import Settings
    from ui.views import Node, RunView

Record = Mapping[str, Any]


# -- as JSON


def run_to_json(
    view: "RunView", failures: Sequence[Record], places: "Settings", sheet: str | None, placebo: "RunView | None" = None
) -> dict[str, Any]:
    """The whole report. Nothing outside ``timing`` depends on the clock, the machine, or where the files lie (docs/json.md)."""
    return {
        "run": view.id,
        "kind": view.kind,
        **({} if view.placebo_of is None else {"placebo_of": view.placebo_of}),
        "state": view.state,
        "settings": settings_to_json(view.config),
        "judge": view.judge,
        "result": {
            "winner": None if view.winner is None else _winner_to_json(view.node(view.winner)),
            "shortlist": list(view.shortlist),
            "lineage": [node_to_json(node) for node in view.nodes],
            "search": {
                "rounds": view.rounds,
                "images": view.images,
                "noise_sd": view.noise_sd,
                "refused_proposals": view.refused_proposals,
            },
            "gain": view.gain,
            "placebo": placebo_to_json(placebo),
            "confirmation": view.comparison,
            "monitors": view.monitors,
            "failures": list(failures),
        },
        "contact_sheet": sheet,
        "timing": timing_to_json(view, places),
    }


def settings_to_json(config: Record) -> dict[str, Any]:
    """Each setting by its dotted name, with where it came from when the run was begun."""
    origins: Record = config.get("origins", {})
    values = dict(_flat({name: value for name, value in config.items() if name not in ("origins", "placebo_of")}))
    return {name: {"value": value, "from": origins.get(name, "default")} for name, value in sorted(values.items())}


def _flat(values: Record, prefix: str = "") -> "list[tuple[str, Any]]":
    flat: list[tuple[str, Any]] = []
    for name, value in values.items():
        if isinstance(value, Mapping):
            flat += _flat(value, f"{prefix}{name}.")  # pyright: ignore[reportUnknownArgumentType]
        else:
            flat.append((prefix + name, value))
    return flat


def _winner_to_json(node: "Node") -> dict[str, Any]:
    return {"id": node.id, "text": node.system_prompt.text, "parents": list(node.parents), "operation": node.operation}


def node_to_json(node: "Node") -> dict[str, Any]:
    """A system prompt of a lineage; means and gains are the last posterior's, before the confirmation."""
    return {
        "id": node.id,
        "name": node.system_prompt.name,
        "text": node.system_prompt.text,
        "parents": list(node.parents),
        "operation": node.operation,
        "reason": node.reason,
        "mean": node.mean,
        "sd": node.sd,
        "gain": None if node.gain is None else round(node.gain, 6),
        "p_best": node.p_best,
        "trials": node.trials,
    }


def timing_to_json(view: "RunView", places: "Settings") -> dict[str, Any]:
    """What differs from machine to machine and from sitting to sitting."""
    images = confirmed_images(view)
    return {
        "created_at": view.created_at,
        "seconds": round(view.seconds, 3),
        "images": images,
        "drawn": view.drawn,
        "reused": max(0, images - view.drawn),
        "images_per_second": round(images / view.seconds, 3) if view.seconds else None,
        "rewrite_seconds": view.rewrite_seconds,
        "last_outcome": view.last_outcome,
        "home": str(places.home),
        "ledger": without_password(places.ledger_url),
    }


def confirmed_images(view: "RunView") -> int:
    """All images of the run: those of search and selection, and each arm's in the confirmation, the repeated one included, and those that
    another generator drew."""
    if view.comparison is None:
        return view.images
    arms = {arm["system_prompt"]: arm["trials"] for arm in view.comparison["arms"]}
    best = view.comparison["arms"][-1]["trials"]
    redrawn = [entry for entry in view.comparison.get("transfers", ()) if entry["exchanged"] == "generator"]
    return view.images + sum(arms.values()) + best + sum(arm["trials"] for entry in redrawn for arm in entry["arms"])


def count_failures(store: "Store", run_id: str) -> list[dict[str, Any]]:
    """A run's unscored trials by stage and kind, each with the message that occurred most."""
    counts: Counter[tuple[str, str]] = Counter()
    messages: dict[tuple[str, str], Counter[tuple[str, str]]] = {}
    for trial in store.trials(run_id):
        if trial.failure is not None:
            kind = (trial.failure.stage.value, trial.failure.kind.value)
            counts[kind] += 1
            messages.setdefault(kind, Counter())[trial.failure.message, trial.failure.hint] += 1
    found: list[dict[str, Any]] = []
    for kind, count in sorted(counts.items()):
        message, hint = min(messages[kind].items(), key=lambda item: (-item[1], item[0]))[0]
        found.append({"stage": kind[0], "kind": kind[1], "count": count, "message": message, "hint": hint})
    return found


# -- in words


def print_run(view: "RunView", failures: Sequence[Record], places: "Settings", sheet: str | None, placebo: "RunView | None" = None) -> None:
    """The report for people: table, claims, the winner's text, what to type next, and the contact sheet's path on the last line."""
    out = console()
    if view.comparison is not None:
        if view.placebo_of is not None:
            out.print(f"A placebo run, beside {short(view.placebo_of)}: no system prompt makes any difference, and every claim is false.\n")
        out.print(comparison_table(view.comparison))
        out.print()
        for sentence in claims(view.comparison):
            out.print(sentence)
        print_claim(view, placebo)
        print_beside(view.comparison, view.monitors, view.judge)
    print_failures(failures)
    if view.winner is not None:
        winner = view.node(view.winner)
        out.print(f"\nThe winner, {short(winner.id)}{_descent(view, winner)}:\n")
        out.print(indent(winner.system_prompt.text, "  "))
    out.print(f"\n{spent(view)}\n")
    identifier = short(view.id)
    for command, what in (
        (command_line("lineage", identifier, settings=places), "how it came about"),
        (command_line("export", identifier, settings=places), "the winning system prompt as text"),
        (command_line("ui", settings=places), "the pictures, in a browser"),
    ):
        out.print(f"  {command}   # {what}")
    if sheet is not None:
        # Plain print: a path must stay whole, in one line.
        print(f"\ncontact sheet, the same prompts and seeds side by side:\n{places.home / sheet}", flush=True)


def _descent(view: "RunView", node: "Node") -> str:
    if not node.parents:
        return f", {node.operation} “{node.system_prompt.name}”"
    return f", by {node.operation} from {' and '.join(short(parent) for parent in node.parents)}"


def spent(view: "RunView") -> str:
    """Images, time and speed in a sentence."""
    images = confirmed_images(view)
    speed = f" ({images / view.seconds:.1f} images per second)" if view.seconds else ""
    return (
        f"Run {short(view.id)}: {numbered(images, 'image')}, {max(0, images - view.drawn)} of them reused, "
        f"{numbered(len(view.nodes), 'system prompt')}, {seconds(view.seconds)}{speed}."
    )


def comparison_table(comparison: Record) -> "Table":
    """An arm a row, on the test prompts."""
    from rich.table import Table

    reference = comparison["reference"]
    title = f"on the test prompts: mean score, and difference to {reference}, with {comparison['confidence']:.0%} intervals"
    table = Table(title=title, title_justify="left", title_style="bold", box=None, padding=(0, 2, 0, 0))
    for name in ("arm", "system prompt"):
        table.add_column(name, no_wrap=True)
    unit = comparison.get("length_unit", "words")
    for name in ("mean", f"difference to {reference}", "p", "prompts", "dropped", unit):
        table.add_column(name, justify="right", no_wrap=True)
    for arm in comparison["arms"]:
        difference = arm["difference_to_reference"]
        table.add_row(
            arm["name"],
            short(arm["system_prompt"]),
            interval(arm["mean"]),
            "reference" if arm["name"] == reference else interval(difference, signed=True),
            "" if difference is None else p_value(difference["p_value"]),
            str(arm["prompts"]),
            f"{arm['drop_rate']:.1%}",
            f"{arm.get('mean_length', arm['mean_words']):.0f}",
        )
    return table


def claims(comparison: Record) -> list[str]:
    """Plain sentences: what is claimed, what is not, and what the same procedure says when nothing differs."""
    ids = {arm["name"]: arm["system_prompt"] for arm in comparison["arms"]}
    best = comparison["arms"][-1]["name"]
    same = [entry for entry in comparison["best_against"] if ids[entry["reference"]] == ids[best]]
    others = [entry for entry in comparison["best_against"] if entry not in same]
    beaten = [entry for entry in others if entry["claimed"] and entry["estimate"] > 0]
    lost = [entry for entry in others if entry["claimed"] and entry["estimate"] <= 0]
    open_ = [entry for entry in others if not entry["claimed"]]
    sentences = [f"{best} is {entry['reference']} itself: the search found nothing better to confirm." for entry in same]
    if beaten:
        sentences.append(f"Claimed: {best} beats {_listed(beaten)}.")
    if lost:
        sentences.append(f"Claimed: {best} is worse than {_listed(lost)}.")
    sentences += [
        f"Not claimed: {best} against {entry['reference']}: {interval(entry, signed=True)}, p {p_value(entry['p_value'])}. "
        "The data do not tell them apart."
        for entry in open_
    ]
    if not others and not same:
        sentences.append("Nothing can be claimed: no prompt was scored in two arms.")
    control = comparison["same_against_itself"]
    if control is not None:
        verdict = (
            "a difference where there is none, as befalls about 1 run in 20: measure again with another --seed before you rely on a claim"
            if control["claimed"]
            else "no difference, as it should be"
        )
        sentences.append(
            f"A/A control: {best} against itself, with fresh rewrites and seeds: "
            f"{interval(control, signed=True)}, p {p_value(control['p_value'])}: {verdict}."
        )
    return sentences


def _listed(entries: Sequence[Record]) -> str:
    parts = [f"{entry['reference']} by {interval(entry, signed=True)}, p {p_value(entry['p_value'])}" for entry in entries]
    return "; ".join(parts)


def print_beside(comparison: Record, monitors: Record | None, judge: Record | None) -> None:
    """What is no part of the claim, and may speak against it: length, drift, monitors and their alarms, what is known of the judge."""
    out = console()
    sentences = [length_words(comparison), drift_words(comparison), "" if monitors is None else monitor_words(monitors)]
    if any(sentences):
        out.print()
    for sentence in filter(None, sentences):
        out.print(sentence[0].upper() + sentence[1:])
    for alarm in () if monitors is None else monitors["alarms"]:
        out.print(f"Alarm: {alarm}.")
    for sentence in judge_words(judge):
        out.print(sentence)


def print_failures(failures: Sequence[Record]) -> None:
    """What was not scored, and why: a line per kind."""
    if not failures:
        return
    out = console()
    out.print(f"\n{numbered(sum(entry['count'] for entry in failures), 'trial')} could not be scored, and count for no side:")
    for entry in failures:
        out.print(f"  {entry['count']} × {entry['stage']} {entry['kind']}: {one_line(entry['message'], 160)}")
        if entry["hint"]:
            out.print(f"      hint: {entry['hint']}")


def standing(node: "Node") -> str:
    """``.781 ± .021``, or that it was not measured."""
    if node.mean is None or node.sd is None:
        return "not measured"
    return f"{figure(node.mean)} ± {figure(node.sd)}"
