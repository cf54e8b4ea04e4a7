"""``phoropter judge agree``: how far judges agree with people, beside how far people agree with each other."""

import time
from collections.abc import Sequence
from contextlib import ExitStack
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from ui.cli.options import Home, Json, Ledger, Profile, resolved

if TYPE_CHECKING:
    from optimizer.agreement import Agreement, AgreementDifference
    from optimizer.stats import Interval
    from ui.agreeing import Judged, Planned
    from ui.calibrating import Bench, Progress

LINE_SECONDS = 10.0
"""How often it is said how far it is."""


class Report(NamedTuple):
    """Each judge's agreement with people, that of people with each other, and each two judges' difference."""

    judges: "Sequence[tuple[Judged, Agreement]]"
    ceiling: "Agreement | None"
    differences: "Sequence[tuple[str, str, AgreementDifference]]"


def agree(
    context: typer.Context,
    ratings: Annotated[Path, typer.Argument(help="A CSV file of what people think of pictures (docs/formats.md).", metavar="RATINGS.csv")],
    judges: Annotated[
        list[str] | None, typer.Option("--judge", help="Who is held against them; once for each judge. Else the profile's.", metavar="SPEC")
    ] = None,
    prompts: Annotated[
        str | None, typer.Option(help="The set that has the prompts' checklists, by their texts.", metavar="SET|FILE")
    ] = None,
    profile: Profile = None,
    home: Home = None,
    ledger: Ledger = None,
    json: Json = False,
) -> None:
    """Hold judges against people who rated the same pictures, or chose between two of them.

    Each judge sees each picture once; what it says is kept, so the same command goes on where it was stopped.
    """
    from data.ratings import load_ratings
    from ui.agreeing import bench_for, plan
    from ui.cli.output import command_line, print_json
    from ui.wiring import load_prompt_set

    settings = resolved(context).settings
    read, known = load_ratings(ratings), load_prompt_set(settings.run.prompts)
    specs = list(dict.fromkeys(judges or [settings.judge.engine]))
    words = [str(ratings), *(word for spec in specs for word in ("--judge", spec)), *(["--prompts", prompts] if prompts else [])]
    again = command_line("judge", "agree", *words, *(["--profile", profile] if profile else []), settings=settings)
    with ExitStack() as stack:
        # All of them first: a mistake in the last one's spec is said before the first one is paid.
        benches = [bench_for(settings, spec) for spec in specs]
        for bench in benches:
            stack.callback(bench.store.close)
        planned = plan(read, known, benches[0].store, benches[0].images)
        report = _report(planned, [_judged(planned, bench, again) for bench in benches])
    if json:
        print_json(_to_json(planned, report))
    else:
        _print(planned, report, settings.run.prompts)


def _judged(planned: "Planned", bench: "Bench", again: str) -> "Judged":
    """One judge's sitting; ``again`` is the command that goes on where it is stopped."""
    from ui.agreeing import judge_all
    from ui.cli.calibration import in_words
    from ui.cli.opening import run_to_end
    from ui.cli.output import numbered, say

    say(f"{bench.settings.judge.engine}: {numbered(len(planned.shown), 'picture')}; Ctrl-C stops it without loss")
    said = time.monotonic()

    def listen(progress: "Progress") -> None:
        nonlocal said
        if time.monotonic() - said > LINE_SECONDS or progress.done == progress.total:
            said = time.monotonic()
            say(f"  {in_words(progress)}")

    return run_to_end(judge_all(planned, bench, listen), lambda: again)


def _report(planned: "Planned", judged: "Sequence[Judged]") -> Report:
    from optimizer.agreement import agreement, agreement_difference, ceiling

    return Report(
        [(each, agreement(planned.people, each.values)) for each in judged],
        ceiling(planned.people),
        [(one.spec, other.spec, agreement_difference(planned.people, one.values, other.values)) for one, other in combinations(judged, 2)],
    )


def _to_json(planned: "Planned", report: Report) -> dict[str, Any]:
    """The report as documented in docs/json.md."""
    from optimizer.agreement import agreement_to_json

    return {
        "ratings": str(planned.ratings.path),
        "pictures": len(planned.shown),
        "prompts": len({image.prompt for image in planned.people.images}),
        "raters": planned.people.raters,
        "prompts_without_checklist": list(planned.unknown),
        "people": None if report.ceiling is None else agreement_to_json(report.ceiling),
        "judges": [
            {
                "judge": judged.spec,
                "run": judged.run_id,
                **agreement_to_json(found),
                "dropped": len(judged.values) - found.images,
                "failures": [
                    {"count": count, "kind": failure.kind.value, "message": failure.message, "hint": failure.hint}
                    for failure, count in judged.failures
                ],
            }
            for judged, found in report.judges
        ],
        "differences": [{"judge": one, "less": other, **agreement_to_json(found)} for one, other, found in report.differences],
    }


def _print(planned: "Planned", report: Report, prompt_set: str) -> None:
    from rich.table import Table

    from ui.cli.output import console, numbered, one_line, say

    out = console()
    people = planned.people
    raters = (
        f"{numbered(people.raters, 'rater')}, " if any(row.rater for row in (*planned.ratings.ratings, *planned.ratings.choices)) else ""
    )
    prompts = numbered(len({image.prompt for image in people.images}), "prompt")
    table = Table(
        title=f"{planned.ratings.path.name}: {numbered(len(planned.shown), 'picture')}, {raters}{prompts}; 95% intervals over prompts",
        title_justify="left",
        title_style="bold",
        box=None,
        padding=(0, 2, 0, 0),
    )
    for name in ("judge", "rank correlation", "prefers what people prefer", "pictures", "pairs", "dropped"):
        table.add_column(name, no_wrap=True, justify="left" if name == "judge" else "right")
    for judged, found in report.judges:
        table.add_row(one_line(judged.spec, 50), *_cells(found), str(len(judged.values) - found.images))
    if report.ceiling is not None:
        table.add_row("a person, of the others", *_cells(report.ceiling), "", style="bold")
    out.print(table)
    for one, other, found in report.differences:
        correlation, accuracy = _ranged(found.spearman, signed=True), _ranged(found.accuracy, signed=True)
        out.print(f"\n{one} less {other}, on {numbered(found.images, 'picture')}: rank correlation {correlation}, preference {accuracy}")
    for judged, _ in report.judges:
        for failure, count in judged.failures:
            out.print(f"\n{judged.spec}: {count} × {failure.kind.value}: {one_line(failure.message, 160)}")
            if failure.hint:
                out.print(f"  hint: {failure.hint}")
    if planned.unknown:
        say(f"\n{numbered(len(planned.unknown), 'prompt')} of these not in {prompt_set}, so without a checklist")
        say("hint: --prompts SET says which set has them")


def _cells(found: "Agreement") -> list[str]:
    return [_ranged(found.spearman), _ranged(found.accuracy), str(found.images), str(found.pairs)]


def _ranged(found: "Interval | None", *, signed: bool = False) -> str:
    from ui.cli.output import interval

    return interval(None if found is None else {"estimate": found.estimate, "low": found.low, "high": found.high}, signed=signed)
