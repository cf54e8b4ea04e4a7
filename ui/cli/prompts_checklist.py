"""``phoropter prompts checklist``: criteria for the prompts of a set, written from their texts alone."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ui.cli.options import Json, Profile, WriterSpec, resolved
from ui.cli.writing import Dollars, Out

if TYPE_CHECKING:
    from collections.abc import Sequence

    from data.records import Prompt
    from optimizer.authoring import Author, Listen
    from optimizer.authoring.checklists import Written


def write(
    context: typer.Context,
    source: Annotated[str, typer.Argument(help="A shipped set, or a file.", metavar="SET|FILE")],
    out: Out,
    anew: Annotated[bool, typer.Option("--anew", help="Write those that are there anew, too.")] = False,
    dollars: Dollars = None,
    profile: Profile = None,
    writer: WriterSpec = None,
    json: Json = False,
) -> None:
    """Write a checklist for each prompt that has none.

    Stopped at any moment, the same command goes on where it was. The file is for people to read and edit.
    """
    from optimizer.authoring.checklists import write_checklists
    from ui.cli.output import print_json
    from ui.cli.set_counts import counts, counts_in_words
    from ui.cli.writing import command, say_lacking, used_in_words, used_to_json, written
    from ui.journal import Journal

    settings = resolved(context).settings

    async def work(author: "Author", listen: "Listen") -> "Sequence[Written]":
        return await write_checklists(wanted, author, listen)

    with Journal(out) as journal:
        # Within the lock: another process may just have finished the file.
        prompts, wanted = _to_write(source, out, anew=anew)
        outcomes, tally = written(work, lambda outcomes: _with(prompts, outcomes), settings, journal, out, dollars)
    finished = _with(prompts, outcomes)
    failed = [outcome for outcome in outcomes if outcome.reason]
    if json:
        lacking = [{"text": outcome.prompt.text, "reason": outcome.reason} for outcome in failed]
        remarks = [{"text": outcome.prompt.text, "remarks": list(outcome.remarks)} for outcome in outcomes if outcome.remarks]
        print_json({"file": str(out), **counts(finished), "lacking": lacking, "remarks": remarks, "used": used_to_json(tally)})
    else:
        print(f"{out}: {counts_in_words(counts(finished))}\n{used_in_words(tally)}")
        print(f"read, and edit where you know better; then: {command('prompts', 'lint', out)}")
    say_lacking([f"{outcome.prompt.text!r}: {outcome.reason}" for outcome in failed], f"of {len(wanted)} checklists could not be written:")
    if failed:
        raise typer.Exit(1)


def _to_write(source: str, out: Path, *, anew: bool) -> "tuple[list[Prompt], list[Prompt]]":
    """The prompts of ``source``, and those of them that get a checklist. UsageError where ``out`` may not be written over."""
    from data.errors import UsageError
    from data.formats import load_prompts
    from ui.cli.writing import command

    prompts = load_prompts(source)
    in_place = out.exists() and Path(source).exists() and out.samefile(source)
    if in_place and out.suffix.lower() not in (".jsonl", ".ndjson"):
        raise UsageError(f"{out} is the file that is read, and no JSON Lines", hint="write the set to another one: --out FILE")
    if out.exists() and not in_place:
        hint = f"to write what it still lacks: {command('prompts', 'checklist', out, '--out', out)}; or name another file"
        raise UsageError(f"{out} is there already", hint=hint)
    wanted = [prompt for prompt in prompts if anew or not prompt.checklist]
    if not wanted and in_place:
        raise UsageError(f"all prompts of {source} have a checklist", hint="--anew writes them anew")
    return prompts, wanted


def _with(prompts: "Sequence[Prompt]", outcomes: "Sequence[Written]") -> "list[Prompt]":
    """The set with what was written. A prompt whose new checklist failed keeps what it had."""
    written = {outcome.prompt.text: outcome.prompt for outcome in outcomes if not outcome.reason}
    return [written.get(prompt.text, prompt) for prompt in prompts]
