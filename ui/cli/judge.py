"""``phoropter judge``: how good judges are. Calibrated on painted scenes whose truth is known, and listed with what was found."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from ui.cli import judge_agree
from ui.cli.options import Home, Json, Ledger, Profile, resolved

if TYPE_CHECKING:
    from ui.calibrating import Bench, Planned

IMAGES = 500
"""Enough to know a skill's accuracy to within .1, and that of all of them to within .02."""

app = typer.Typer(help="Measure how good a judge is.", no_args_is_help=True, rich_markup_mode=None)

Spec = Annotated[
    str,
    typer.Argument(help="scene, text, checklist:openai:MODEL@http://host:8000/v1, vqa:…, pairwise:…, panel: SPEC + SPEC.", metavar="JUDGE"),
]


@app.command("calibrate")
def calibrate(
    context: typer.Context,
    judge: Spec,
    images: Annotated[
        int, typer.Option(help="How many painted pictures; canaries and second looks come on top.", min=1, metavar="N")
    ] = 500,
    seed: Annotated[int, typer.Option(help="Another number, other pictures.", metavar="N")] = 1,
    profile: Profile = None,
    home: Home = None,
    ledger: Ledger = None,
    json: Json = False,
) -> None:
    """Show a judge painted scenes with known truth, and say what it sees, misses and falls for.

    The same command on the same ledger is the same calibration: unfinished, it goes on; finished, it answers at once.
    """
    from ui.calibrating import finished, open_bench, plan
    from ui.cli.calibration import conduct
    from ui.cli.calibration_report import print_report, report_to_json
    from ui.cli.output import command_line, print_json, say

    settings = resolved(context).settings
    bench = open_bench(settings)
    try:
        planned = plan(bench, images, seed)
        report = finished(bench.store, planned.id)
        if report is None:
            words = [*(["--images", str(images)] if images != IMAGES else []), *(["--seed", str(seed)] if seed != 1 else [])]
            words += ["--profile", profile] if profile else []
            report = conduct(planned, bench, command_line("judge", "calibrate", judge, *words, settings=settings))
        else:
            say("this calibration is on record, and finished: this is its report")
        sheet = _sheet(planned, bench)
        if json:
            print_json(report_to_json(planned.id, report, sheet))
        else:
            print_report(planned.id, report, settings, sheet)
    finally:
        bench.store.close()


@app.command("list")
def list_judges(
    context: typer.Context,
    profile: Profile = None,
    home: Home = None,
    ledger: Ledger = None,
    json: Json = False,
) -> None:
    """List the calibrations on record, the newest first."""
    from ui.calibrating import calibrations
    from ui.cli.calibration_report import print_list, row
    from ui.cli.opening import ledger as open_ledger
    from ui.cli.output import print_json

    with open_ledger(resolved(context).settings) as store:
        rows: list[dict[str, Any]] = [row(run_id, report) for run_id, report in calibrations(store)]
    if json:
        print_json({"judges": rows})
    else:
        print_list(rows)


app.command("agree")(judge_agree.agree)


def _sheet(planned: "Planned", bench: "Bench") -> str | None:
    """The path, below the home folder, of the sheet with the judge's worst errors; None where it made none."""
    from data.errors import PhoropterError
    from ui.calibration_sheet import draw, place
    from ui.cli.output import say

    relative = place(planned.id)
    path = bench.settings.home / relative
    try:
        return relative if path.exists() or draw(planned, bench, path) else None
    except PhoropterError as error:
        say(f"warning: {error}")  # The figures are there all the same.
        return None
