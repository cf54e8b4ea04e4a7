"""``phoropter prompts``: sets of prompts, shipped or the user's own: listed, shown, imported, linted. Those that write lie beside."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ui.cli import prompts_checklist, prompts_make
from ui.cli.options import Json
from ui.cli.set_counts import counts, counts_in_words

if TYPE_CHECKING:
    from collections.abc import Sequence

    from data.records import Prompt

SHOWN = 12
"""Prompts that `show` prints unless it is told otherwise."""

app = typer.Typer(help="Make, list, show, import and lint prompt sets.", no_args_is_help=True, rich_markup_mode=None)

Source = Annotated[str, typer.Argument(help="A shipped set, or a file.", metavar="SET|FILE")]


@app.command("list")
def list_sets(json: Json = False) -> None:
    """List the shipped prompt sets."""
    from data.formats import load_prompts, shipped_sets
    from ui.cli.output import print_json

    records = [{"name": name, **counts(load_prompts(name))} for name in shipped_sets()]
    if json:
        print_json({"sets": records})
        return
    for record in records:
        print(f"{record['name']:<10} {counts_in_words(record)}")
    print("\nyour own: phoropter prompts import FILE")


@app.command("show")
def show_set(
    source: Source,
    limit: Annotated[int, typer.Option(help="How many to print; 0 for all.", min=0, metavar="N")] = SHOWN,
    split: Annotated[str | None, typer.Option(help="Only those of one split: search, select, test, canary.", metavar="NAME")] = None,
    json: Json = False,
) -> None:
    """Show the prompts of a set with their checklists."""
    from data.formats import load_prompts
    from ui.cli.output import console, print_json

    prompts = load_prompts(source)
    chosen = _of_split(prompts, split)
    shown = chosen[: limit or None]
    if json:
        print_json({"set": source, **counts(prompts), "prompts": [{"id": prompt.id, **prompt.to_json()} for prompt in shown]})
        return
    out = console()
    out.print(f"{source}: {counts_in_words(counts(prompts))}\n")
    for prompt in shown:
        out.print(f"{prompt.split.value:<7} {prompt.category:<12} {prompt.text}")
        for criterion in prompt.checklist:
            need = "" if criterion.need.value == "must" else f" ({criterion.need.value.replace('_', ' ')})"
            out.print(f"        - {criterion.text}{need}")
    if len(shown) < len(chosen):
        out.print(f"\nand {len(chosen) - len(shown)} more: --limit 0 shows all")


@app.command("import")
def import_set(
    file: Annotated[Path, typer.Argument(help="A file of prompts (docs/formats.md).", metavar="FILE")],
    format: Annotated[str | None, typer.Option(help="What it is, where its name and first line don't tell.", metavar="NAME")] = None,
    column: Annotated[str | None, typer.Option(help="Where the text is, in a table or an object.", metavar="NAME")] = None,
    out: Annotated[Path | None, typer.Option(help="Where to write the set; by default beside FILE.", metavar="FILE")] = None,
    seed: Annotated[int, typer.Option(help="Another number, other splits.", metavar="N")] = 1,
    json: Json = False,
) -> None:
    """Import a file as a prompt set: JSON Lines, with a split for each prompt."""
    from data.errors import UsageError
    from data.formats import assign_splits, import_prompts, save_prompts
    from ui.cli.output import print_json, say

    prompts = import_prompts(file, format, column)
    if len({prompt.split for prompt in prompts}) < 2:
        prompts = assign_splits(prompts, seed)
    target = out or file.with_name(f"{file.stem}.prompts.jsonl")
    if target.exists() and target.samefile(file):
        raise UsageError(f"{target} is the file that is imported", hint="write the set to another one: --out FILE")
    save_prompts(prompts, target)
    bare = sum(not prompt.checklist for prompt in prompts)
    if json:
        print_json({"file": str(target), **counts(prompts)})
    else:
        print(f"{target}: {counts_in_words(counts(prompts))}")
    if bare:
        say(f"warning: {bare} of {len(prompts)} prompts have no checklist, and can't be judged yet")
        say(f"hint: have them written: phoropter prompts checklist {target} --out {target}; or add them to each row (docs/formats.md)")
    elif not json:
        print(f"use it with: phoropter optimize --prompts {target}")


@app.command("lint")
def lint_set(source: Source, json: Json = False) -> None:
    """Say what makes a set a bad one; exit 1 where figures measured with it can't be trusted."""
    from data.formats import lint_prompts, load_prompts
    from data.lint import Severity
    from ui.cli.output import numbered, print_json

    prompts = load_prompts(source)
    findings = lint_prompts(prompts)
    errors = sum(finding.severity is Severity.ERROR for finding in findings)
    if json:
        rows = [
            {
                "prompt": None if finding.index is None else finding.index + 1,
                "text": None if finding.index is None else prompts[finding.index].text,
                "severity": finding.severity.value,
                "message": finding.message,
            }
            for finding in findings
        ]
        print_json({"set": source, "ok": errors == 0, "findings": rows})
    else:
        for finding in findings:
            where = "the set" if finding.index is None else f"prompt {finding.index + 1} {prompts[finding.index].text[:50]!r}"
            print(f"{finding.severity.value}: {where}: {finding.message}")
        print(f"{numbered(len(prompts), 'prompt')}, {numbered(errors, 'error')}, {numbered(len(findings) - errors, 'warning')}")
    if errors:
        raise typer.Exit(1)


app.command("checklist")(prompts_checklist.write)
app.command("make")(prompts_make.make)


def _of_split(prompts: "Sequence[Prompt]", split: str | None) -> "Sequence[Prompt]":
    from data.records import Split
    from ui.spec import unknown

    if split is None:
        return prompts
    if split not in list(Split):
        raise unknown("split", split, [member.value for member in Split])
    return [prompt for prompt in prompts if prompt.split == split]
