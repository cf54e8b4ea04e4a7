"""A calibration's report: for people, what a judge sees, falls for, costs, and what it is good for; for machines, all of it."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from data.identity import short
from optimizer.calibration.rates import Rate
from optimizer.calibration.report import CalibrationReport, CanaryFigures, Cost, SkillFigures, Standing, Verdict
from ui.cli.output import command_line, console, figure, interval, numbered, one_line, seconds

if TYPE_CHECKING:
    from rich.table import Table

    from ui.settings import Settings


def report_to_json(run_id: str, report: CalibrationReport, sheet: str | None) -> dict[str, Any]:
    """The whole report (docs/json.md)."""
    return {"run": run_id, "kind": "calibration", **report.to_json(), "warnings": list(report.warnings), "worst_errors": sheet}


def print_report(run_id: str, report: CalibrationReport, settings: "Settings", sheet: str | None) -> None:
    """The report for people; what to type next at its end."""
    out = console()
    out.print(_skills(report))
    out.print()
    for sentence in _figures(report):
        out.print(sentence)
    out.print("\ncanaries")
    for canary in report.canaries:
        out.print(f"  {_canary(canary)}")
        if canary.passed is False:
            for prompt in canary.failed:
                out.print(f"      {one_line(prompt, 110)}")
    for failure in report.failures:
        out.print(f"\nnot judged: {failure.count} × {failure.stage} {failure.kind}: {one_line(failure.message, 160)}")
        if failure.hint:
            out.print(f"  hint: {failure.hint}")
    if report.declined:
        out.print(f"\n{numbered(report.declined, 'picture')} it can't judge, and says so: they are no part of the figures")
    out.print(f"\nverdict: {report.verdict.value}{_leading(report)}")
    for sentence in (*report.reasons, *report.advice):
        out.print(f"  {sentence}")
    out.print(f"\nRun {short(run_id)}.")
    if report.verdict is not Verdict.POOR and not report.pairs:
        out.print(f"  {command_line('optimize', '--judge', report.spec, settings=settings)}   # a search with this judge")
    out.print(f"  {command_line('judge', 'list', settings=settings)}   # all judges that were calibrated")
    if sheet is not None:
        # Plain print: a path must stay whole, in one line.
        print(f"\nits worst errors, as pictures:\n{Path(settings.home) / sheet}", flush=True)


def _leading(report: CalibrationReport) -> str:
    """What stands between the verdict and what there is to say of it."""
    if not report.reasons and not report.advice:
        return ""
    return ", but:" if report.verdict is Verdict.GOOD else ", because:"


def _skills(report: CalibrationReport) -> "Table":
    """A skill a row; all of them together at the end."""
    from rich.table import Table

    what = f"{report.images // 2} pairs of painted pictures" if report.pairs else f"{report.images} painted pictures"
    title = f"{report.spec}: {what} with known truth, 95% intervals"
    table = Table(title=title, title_justify="left", title_style="bold", box=None, padding=(0, 2, 0, 0))
    for name in (*_columns(report), ""):
        table.add_column(name, no_wrap=True, justify="left" if name in ("skill", "") else "right")
    for skill in report.skills:
        table.add_row(*_cells(report, skill), _standing(skill))
    rest = (report.right, report.false_yes, report.false_no, report.unanswered, report.flips, report.area)
    table.add_row(*_cells(report, SkillFigures("all", Standing.SEES, *rest)), "", style="bold")
    return table


def _columns(report: CalibrationReport) -> tuple[str, ...]:
    if report.pairs:
        return ("skill", "prefers the right one", "pairs")
    # Degrees are told apart by their order; whether they lie above or below a half is another matter.
    told = ("right", "in order") if report.area.cases else ("right",)
    return ("skill", *told, "answers", "false yes", "false no", "unclear")


def _cells(report: CalibrationReport, figures: SkillFigures) -> list[str]:
    if report.pairs:
        return [figures.skill, ranged(figures.right), str(figures.right.cases)]
    told = [ranged(figures.right), ranged(figures.area)] if report.area.cases else [ranged(figures.right)]
    errors = [figure(figures.false_yes.estimate), figure(figures.false_no.estimate)]
    return [figures.skill, *told, str(figures.right.cases), *errors, str(figures.unanswered or "")]


def _standing(skill: SkillFigures) -> str:
    return "" if skill.standing is Standing.SEES else skill.standing.value


def ranged(found: Rate, *, signed: bool = False) -> str:
    """``.812 [.760, .855]``; a dash where nothing is known."""
    return "–" if found.estimate is None else interval(found._asdict(), signed=signed)


def _figures(report: CalibrationReport) -> list[str]:
    """What there is to say beside the skills, in sentences."""
    said: list[str] = []
    if report.yes_bias.estimate is not None:
        said.append(
            f"yes-bias {ranged(report.yes_bias, signed=True)}: yes to {figure(report.false_yes.estimate)} of what is false, "
            f"no to {figure(report.false_no.estimate)} of what is true"
        )
    if report.brier is not None:
        said.append(f"its scores are degrees: true above false in {ranged(report.area)}, Brier score {figure(report.brier)} (0 is best)")
    if report.separation.estimate is not None:
        said.append(f"a faithful picture has a higher value than one with errors: {ranged(report.separation)}")
    if report.pairs:
        said.append(f"neither is better, it says, of {ranged(report.ties)}; its preference turns with the order in {ranged(report.flips)}")
    elif report.flips.estimate is not None:
        said.append(f"a second look turns {ranged(report.flips)} of its answers around")
    if report.value_sd is not None:
        said.append(f"a picture's value varies from look to look by {figure(report.value_sd)} (standard deviation)")
    return [*said, cost_in_words(report.cost)]


def cost_in_words(cost: Cost) -> str:
    """``0.8 s and $0.0012 per judgment; 812 tokens in, 143 out``."""
    took = seconds(cost.seconds) if cost.seconds >= 60 else f"{cost.seconds:.2g} s"
    price = "" if not cost.dollars else f" and ${cost.dollars:.4f}"
    tokens = f"; {cost.input_tokens:.0f} tokens in, {cost.output_tokens:.0f} out" if cost.input_tokens or cost.output_tokens else ""
    return f"{took}{price} per judgment{tokens}{'; the price is not known' if cost.dollars is None else ''}"


def _canary(canary: CanaryFigures) -> str:
    mark = {True: "✓", False: "✗", None: "–"}[canary.passed]
    if canary.figure is None:
        return f"{mark} {canary.name.value:<20} too few pairs to tell ({canary.pairs})"
    found = interval({"estimate": canary.figure, "low": canary.low, "high": canary.high}, signed=canary.figure_of == "mean rise")
    return f"{mark} {canary.name.value:<20} {canary.figure_of} {found}, {numbered(canary.pairs, 'pair')}"


# -- all of them


def row(run_id: str, report: CalibrationReport) -> dict[str, Any]:
    """A calibrated judge in a few figures."""
    return {
        "run": run_id,
        "spec": report.spec,
        "judge": report.judge,
        "verdict": report.verdict.value,
        "images": report.images,
        "right": _rounded(report.right),
        "yes_bias": _rounded(report.yes_bias),
        "blind": [skill.skill for skill in report.skills if skill.standing is Standing.BLIND],
        "canaries_failed": [canary.name.value for canary in report.canaries if canary.passed is False],
        "dollars": None if report.cost.dollars is None else round(report.cost.dollars, 6),
        "seconds": round(report.cost.seconds, 6),
    }


def _rounded(found: Rate) -> dict[str, float | None]:
    parts = {"estimate": found.estimate, "low": found.low, "high": found.high}
    return {name: None if value is None else round(value, 6) for name, value in parts.items()}


def print_list(rows: Sequence[Mapping[str, Any]]) -> None:
    """The calibrated judges as a table."""
    from rich.table import Table

    from ui.cli.output import say

    if not rows:
        say("no judge was calibrated yet; `phoropter judge calibrate JUDGE` does it")
        return
    table = Table(box=None, padding=(0, 2, 0, 0))
    for name in ("run", "verdict", "right", "yes-bias", "pictures", "$/judgment", "judge", "blind to, canaries failed"):
        table.add_column(name, no_wrap=name != "blind to, canaries failed")
    for entry in rows:
        table.add_row(
            short(entry["run"]),
            entry["verdict"],
            _found(entry["right"]),
            _found(entry["yes_bias"], signed=True),
            str(entry["images"]),
            "?" if entry["dollars"] is None else f"{entry['dollars']:.4f}",
            one_line(entry["spec"], 60),
            ", ".join([*entry["blind"], *entry["canaries_failed"]]),
        )
    console().print(table)


def _found(record: Mapping[str, float | None], *, signed: bool = False) -> str:
    return "–" if record["estimate"] is None else interval(record, signed=signed)
