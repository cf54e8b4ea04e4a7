"""``phoropter prompts make``: a prompt set from nothing, written by a language model or by the embedded writer."""

from typing import TYPE_CHECKING, Annotated

import typer

from ui.cli.options import Json, Profile, WriterSpec, resolved
from ui.cli.writing import Dollars, Out

if TYPE_CHECKING:
    from optimizer.authoring import Author, Listen
    from optimizer.authoring.sets import Made

COUNT = 200


def make(
    context: typer.Context,
    out: Out,
    count: Annotated[int, typer.Option(help="How many prompts.", min=1, max=20_000, metavar="N")] = COUNT,
    about: Annotated[str, typer.Option(help="What all of them have to do with: kitchen appliances.", metavar="TEXT")] = "",
    language: Annotated[
        list[str] | None, typer.Option(help="What they are written in, an ISO code; en. May be repeated.", metavar="CODE")
    ] = None,
    seed: Annotated[int, typer.Option(help="Another number, another set.", metavar="N")] = 1,
    dollars: Dollars = None,
    profile: Profile = None,
    writer: WriterSpec = None,
    json: Json = False,
) -> None:
    """Make a prompt set: ten categories, from a bare word to a long wish, with checklists and splits.

    Stopped at any moment, the same command goes on where it was.
    """
    from data.errors import UsageError
    from data.formats import load_prompts, shipped_sets
    from optimizer.authoring.sets import make_set
    from optimizer.authoring.taxonomy import Plan
    from ui.cli.output import print_json
    from ui.cli.set_counts import counts, counts_in_words
    from ui.cli.writing import command, say_lacking, used_in_words, used_to_json, written
    from ui.journal import Journal

    settings = resolved(context).settings
    plan = Plan(count, seed, " ".join(about.split()), tuple(dict.fromkeys(language or ["en"])))
    known = [prompt.text for name in shipped_sets() for prompt in load_prompts(name)]

    async def work(author: "Author", listen: "Listen") -> "Made":
        return await make_set(plan, author, known, listen)

    with Journal(out) as journal:
        # Within the lock: another process may just have finished it.
        if out.exists():
            raise UsageError(f"{out} is there already", hint="name another file: --out FILE")
        made, tally = written(work, lambda made: made.prompts, settings, journal, out, dollars)
    if json:
        remarks = [{"text": text, "remarks": list(found)} for text, found in made.remarks.items()]
        print_json(
            {"file": str(out), **counts(made.prompts), "lacking": list(made.lacking), "remarks": remarks, "used": used_to_json(tally)}
        )
    else:
        print(f"{out}: {counts_in_words(counts(made.prompts))}\n{used_in_words(tally)}")
        if made.remarks:
            print(f"{len(made.remarks)} checklists could be better: {command('prompts', 'lint', out)}")
    say_lacking(made.lacking, f"of {count} prompts are lacking:")
    if made.lacking:
        raise typer.Exit(1)
    if not json:
        print(f"read it with: {command('prompts', 'show', out)}\nuse it with: {command('optimize', '--prompts', out)}")
