"""``phoropter show``: all there is on one run or one system prompt."""

from textwrap import indent
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ui.cli.options import Home, Json, Ledger, Profile, resolved

if TYPE_CHECKING:
    from data.records import SystemPrompt
    from data.store import Store
    from ui.settings import Settings
    from ui.views import RunView


def show(
    context: typer.Context,
    identifier: Annotated[str, typer.Argument(help="The first digits of an id, or a shipped name.", metavar="RUN|SYSTEM_PROMPT")],
    profile: Profile = None,
    home: Home = None,
    ledger: Ledger = None,
    json: Json = False,
) -> None:
    """Show a run or a system prompt.

    Of a run: state, settings, report. Of a system prompt: text, descent, scores.
    """
    from reasoner.library import shipped, shipped_names
    from ui.cli.finding import find
    from ui.cli.opening import ledger as open_ledger
    from ui.cli.opening import ledger_missing

    settings = resolved(context).settings
    if identifier in shipped_names() and ledger_missing(settings):
        _show_system_prompt(shipped(identifier), None, as_json=json)
        return
    with open_ledger(settings) as store:
        run, system_prompt = find(identifier, store)
        if system_prompt is not None:
            _show_system_prompt(system_prompt, store, as_json=json)
        elif run is not None and run.kind == "imagine":
            _show_imagined(run, store, settings, as_json=json)
        elif run is not None and run.kind == "calibration":
            _show_calibration(run, store, settings, as_json=json)
        elif run is not None and run.kind == "intent":
            _show_intent(run.id, store, as_json=json)
        elif run is not None and run.kind == "transfer":
            from ui.views import run_view

            _show_run(run_view(store, str(run.config["transfer_of"])), store, settings, as_json=json)
        elif run is not None:
            _show_run(run, store, settings, as_json=json)


def _show_run(run: "RunView", store: "Store", settings: "Settings", *, as_json: bool) -> None:
    from data.blobs import ImageFiles
    from data.identity import short
    from optimizer.methods import OURS
    from ui.cli.conduct import report
    from ui.cli.output import command_line, console
    from ui.cli.report import settings_to_json

    if not as_json:
        out = console()
        ended = f"; it last ended with: {run.last_outcome}" if run.state != "finished" and run.last_outcome else ""
        by = "" if run.method == OURS else f" with {run.method}"
        out.print(f"run {short(run.id)}, {run.kind}{by}, {run.state}, begun {run.created_at}{ended}")
        if run.state != "finished":
            out.print(f"to go on: {command_line('resume', short(run.id), settings=settings)}")
        out.print("\nsettings")
        for name, entry in settings_to_json(run.config).items():
            if entry["from"] != "default" or name.startswith("run.") or name.endswith(".engine"):
                out.print(f"  {name:<22} {_plain(entry['value'])}   ({entry['from']})")
        out.print()
    report(run, store, settings, as_json=as_json, images=ImageFiles(settings.image_location))


def _plain(value: Any) -> str:
    """A setting as people write it."""
    if isinstance(value, list):
        return ", ".join(str(entry) for entry in value)  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]
    return "–" if value is None else str(value)


def _show_imagined(run: "RunView", store: "Store", settings: "Settings", *, as_json: bool) -> None:
    from data.blobs import ImageFiles
    from ui.cli.imagine import print_trial, trial_to_json
    from ui.cli.output import print_json

    images = ImageFiles(settings.image_location)
    for trial in store.trials(run.id):
        if as_json:
            print_json({"run": run.id, "kind": run.kind, **trial_to_json(trial)})
        else:
            print_trial(trial, run.id, images)
        return


def _show_calibration(run: "RunView", store: "Store", settings: "Settings", *, as_json: bool) -> None:
    from data.errors import UsageError
    from data.identity import short
    from ui.calibrating import finished
    from ui.calibration_sheet import place
    from ui.cli.calibration_report import print_report, report_to_json
    from ui.cli.output import command_line, print_json

    report = finished(store, run.id)
    if report is None:
        again = command_line("judge", "calibrate", str(run.config["spec"]), settings=settings)
        raise UsageError(f"the calibration {short(run.id)} is not finished", hint=f"to go on: {again}")
    sheet = place(run.id) if (settings.home / place(run.id)).exists() else None
    if as_json:
        print_json(report_to_json(run.id, report, sheet))
    else:
        print_report(run.id, report, settings, sheet)


def _show_intent(run_id: str, store: "Store", *, as_json: bool) -> None:
    from ui.cli.intent import show_intent
    from ui.intent import intent_of

    show_intent(intent_of(store, run_id), None, as_json=as_json)


def _show_system_prompt(system_prompt: "SystemPrompt", store: "Store | None", *, as_json: bool) -> None:
    from ui.cli.output import print_json

    places: list[dict[str, Any]] = []
    if store is not None:
        runs = [record.id for record in store.runs() if record.kind == "optimize"]
        places = [place for run_id in runs for place in _places(system_prompt.id, run_id, store)]
    if as_json:
        record = {"id": system_prompt.id, "name": system_prompt.name, "text": system_prompt.text}
        print_json({"system_prompt": record, "runs": places})
    else:
        _print_system_prompt(system_prompt, places)


def _places(identifier: str, run_id: str, store: "Store") -> list[dict[str, Any]]:
    """What a run knows of a system prompt: its place in the lineage, and its score in the confirmation."""
    from ui.cli.report import node_to_json
    from ui.views import run_view

    view = run_view(store, run_id)
    nodes = [node_to_json(node) for node in view.nodes if node.id == identifier]
    arms = [arm for arm in (view.comparison or {}).get("arms", ()) if arm["system_prompt"] == identifier]
    if not nodes and not arms:
        return []
    lineage = {name: value for name, value in nodes[0].items() if name not in ("id", "name", "text")} if nodes else None
    return [{"run": view.id, "winner": view.winner == identifier, "lineage": lineage, "confirmation": arms[-1] if arms else None}]


def _print_system_prompt(system_prompt: "SystemPrompt", places: list[dict[str, Any]]) -> None:
    from data.identity import short
    from ui.cli.output import console, figure, interval

    out = console()
    name = f" “{system_prompt.name}”" if system_prompt.name else ""
    words = len(system_prompt.text.split())
    out.print(f"system prompt {short(system_prompt.id)}{name}, {words} words\n")
    out.print(indent(system_prompt.text, "  ") or "  (empty: the user's own words go to the generator)")
    out.print()
    if not places:
        out.print("no run on record has it in its lineage or its confirmation")
    for place in places:
        lineage, arm = place["lineage"], place["confirmation"]
        parts: list[str] = []
        if lineage is not None:
            parents = " and ".join(short(parent) for parent in lineage["parents"])
            parts.append(f"{lineage['operation']}{' from ' + parents if parents else ''}: {lineage['reason']}")
            if lineage["mean"] is not None:
                gain = figure(lineage["gain"], signed=True)
                score = f"{figure(lineage['mean'])} ± {figure(lineage['sd'])}"
                chance = "" if lineage["p_best"] is None else f", best with chance {lineage['p_best']:.0%}"
                parts.append(f"searched: {score}, {gain} over the first root{chance}")
                parts.append(f"{lineage['trials']} trials in search and selection")
        if arm is not None:
            parts.append(f"confirmed as {arm['name']}: {interval(arm['mean'])} on {arm['prompts']} test prompts")
        out.print(f"in run {short(place['run'])}{', as its winner' if place['winner'] else ''}:")
        for part in parts:
            out.print(f"  {part}")
