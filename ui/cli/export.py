"""``phoropter export``: a system prompt out of the ledger, as text, as JSON, or as the state of a dspy program; or whole runs, as a replay
table."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ui.cli.options import Home, Ledger, Profile, resolved

if TYPE_CHECKING:
    from data.records import SystemPrompt
    from data.replay import ReplayTable
    from ui.views import RunView


class Format(StrEnum):
    """What is written."""

    TEXT = "text"
    JSON = "json"
    DSPY = "dspy"


def export(
    context: typer.Context,
    identifiers: Annotated[
        list[str],
        typer.Argument(
            help="A run (its winner is exported), or a system prompt by name or id. With --table: runs, or `all`.",
            metavar="RUN|SYSTEM_PROMPT",
        ),
    ],
    format: Annotated[
        Format | None, typer.Option(help="As text if not given. dspy: for dspy.Predict('prompt -> rewrite').load(FILE).")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Write to this file instead of stdout.", metavar="FILE")] = None,
    table: Annotated[
        Path | None,
        typer.Option(
            help="Write all scores and the lineage of these runs to this Parquet file instead (docs/replay-table.md).", metavar="FILE"
        ),
    ] = None,
    profile: Profile = None,
    home: Home = None,
    ledger: Ledger = None,
    json: Annotated[bool, typer.Option("--json", help="The same as --format json.")] = False,
) -> None:
    """Write out a winner, a system prompt, or all scores as a table."""
    if table is not None:
        _check_alone(format, out)
        _export_table(context, identifiers, table, as_json=json)
        return
    _export_system_prompt(context, _the_one(identifiers), Format.JSON if json else format or Format.TEXT, out)


def _export_system_prompt(context: typer.Context, identifier: str, form: Format, out: Path | None) -> None:
    import json as json_module

    from reasoner.dspy_state import dspy_state
    from reasoner.library import shipped, shipped_names
    from ui.cli.finding import find
    from ui.cli.opening import ledger as open_ledger
    from ui.cli.output import print_json

    run: RunView | None = None
    if identifier in shipped_names():
        system_prompt = shipped(identifier)
    else:
        with open_ledger(resolved(context).settings) as store:
            run, found = find(identifier, store)
        system_prompt = found or _winner(run)
    if form is Format.JSON and out is None:
        print_json(_to_json(run, system_prompt))
        return
    if form is Format.JSON:
        text = json_module.dumps({"schema": 1, **_to_json(run, system_prompt)}, indent=2, ensure_ascii=False) + "\n"
    elif form is Format.DSPY:
        text = json_module.dumps(dspy_state(system_prompt.text), indent=2, ensure_ascii=False) + "\n"
    else:
        text = system_prompt.text + "\n"
    _deliver(text, out, system_prompt)


def _the_one(identifiers: list[str]) -> str:
    from data.errors import UsageError

    if len(identifiers) > 1:
        raise UsageError("one run or system prompt at a time", hint="only --table FILE takes several runs")
    return identifiers[0]


def _check_alone(format: Format | None, out: Path | None) -> None:
    from data.errors import UsageError

    if format is not None or out is not None:
        raise UsageError("--table names the file, and its format is Parquet: --out and --format don't go with it", hint="leave them out")


def _export_table(context: typer.Context, identifiers: list[str], file: Path, *, as_json: bool) -> None:
    from data.replayfiles import write_replay
    from ui.cli.opening import ledger as open_ledger
    from ui.cli.output import numbered, print_json, say
    from ui.exporting import chosen_runs, replay_table

    with open_ledger(resolved(context).settings) as store:
        runs = chosen_runs(store, identifiers)
        table = replay_table(store, runs)
    write_replay(table, file)
    found = _counts(table)
    if as_json:
        print_json({"table": str(file), "runs": [run.id for run in runs], "pipeline": dict(table.pipeline), **found})
        return
    words = [numbered(found["cells"], "cell"), numbered(found["system_prompts"], "system prompt"), numbered(found["prompts"], "prompt")]
    lost = f", {found['failed']} of them failures" if found["failed"] else ""
    say(f"{words[0]}{lost} of {words[1]} on {words[2]} are in {file} ({file.stat().st_size:,} bytes)")


def _counts(table: "ReplayTable") -> dict[str, int]:
    return {
        "cells": len(table.cells),
        "failed": sum(cell.score is None for cell in table.cells),
        "system_prompts": len(table.lineage),
        "prompts": len(table.prompts),
    }


def _winner(run: "RunView | None") -> "SystemPrompt":
    from data.errors import UsageError
    from data.identity import short

    assert run is not None, "found is either a run or a system prompt"
    if run.placebo_of is not None:
        raise UsageError(
            f"run {short(run.id)} is a placebo: its winner is no better than any other system prompt",
            hint=f"export the run that it belongs to: {short(run.placebo_of)}",
        )
    if run.winner is None:
        hint = f"`phoropter resume {short(run.id)}` goes on with it" if run.kind == "optimize" else "export a run of `phoropter optimize`"
        raise UsageError(f"run {short(run.id)} has no winner", hint=hint)
    return run.node(run.winner).system_prompt


def _to_json(run: "RunView | None", system_prompt: "SystemPrompt") -> dict[str, Any]:
    return {
        "system_prompt": {"id": system_prompt.id, "name": system_prompt.name, "text": system_prompt.text},
        "run": None if run is None else run.id,
        "confirmation": None if run is None else run.comparison,
    }


def _deliver(text: str, out: Path | None, system_prompt: "SystemPrompt") -> None:
    from data.errors import UsageError
    from data.identity import short
    from ui.cli.output import say

    if out is None:
        print(text, end="", flush=True)
        return
    try:
        out.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{out} can't be written: {error.strerror}", hint="choose another --out") from None
    say(f"system prompt {short(system_prompt.id)} is in {out}")
