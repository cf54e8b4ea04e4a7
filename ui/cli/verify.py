"""``phoropter verify``: whether the ledger and its image files are what they claim to be."""

import typer

from ui.cli.options import Home, Json, Ledger, Profile, resolved


def verify(context: typer.Context, profile: Profile = None, home: Home = None, ledger: Ledger = None, json: Json = False) -> None:
    """Check all ids and image files of the ledger."""
    from data.blobs import ImageFiles
    from ui.cli.opening import ledger as open_ledger
    from ui.cli.output import numbered, print_json

    settings = resolved(context).settings
    problems: list[str] = []
    with open_ledger(settings) as store:
        for problem in store.verify(ImageFiles(settings.image_location)):
            problems.append(problem)
            if not json:
                print(problem, flush=True)
    if json:
        print_json({"ok": not problems, "problems": problems})
    else:
        print(f"{numbered(len(problems), 'problem')} found" if problems else "all is well: every id, reference and image file was checked")
    if problems:
        raise typer.Exit(1)
