"""``phoropter export``: a system prompt out of the ledger, as text, as JSON, or as the state of a dspy program."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ui.cli.options import Home, Ledger, Profile, resolved

if TYPE_CHECKING:
    from data.records import SystemPrompt
    from ui.views import RunView


class Format(StrEnum):
    """What is written."""

    TEXT = "text"
    JSON = "json"
    DSPY = "dspy"


def export(
    context: typer.Context,
    identifier: Annotated[
        str, typer.Argument(help="A run (its winner is exported), or a system prompt by name or id.", metavar="RUN|SYSTEM_PROMPT")
    ],
    format: Annotated[Format, typer.Option(help="dspy: for dspy.Predict('prompt -> rewrite').load(FILE).")] = Format.TEXT,
    out: Annotated[Path | None, typer.Option(help="Write to this file instead of stdout.", metavar="FILE")] = None,
    profile: Profile = None,
    home: Home = None,
    ledger: Ledger = None,
    json: Annotated[bool, typer.Option("--json", help="The same as --format json.")] = False,
) -> None:
    """Write out the winner of a run, or any system prompt."""
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
    form = Format.JSON if json else format
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


def _winner(run: "RunView | None") -> "SystemPrompt":
    from data.errors import UsageError
    from data.identity import short

    assert run is not None, "found is either a run or a system prompt"
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
