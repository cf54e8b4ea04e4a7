"""The figures of a contest in words: for a terminal, for a Markdown page, for the README."""

from collections.abc import Sequence

from benchmarks.search.contenders import DEFAULT, OURS
from benchmarks.search.figures import GOAL_BEST, GOAL_DEFAULT, GOAL_WORST, Against, Figures, Line

SHOWN = (150, 300, 600, 2400)
"""The images at which tables show our gain; those that were not played are left out."""


def text(result: Figures) -> str:
    """For a terminal: what was run, tables, and the figure on the last line."""
    parts = [
        result.command,
        ", ".join(f"{name} {version}" for name, version in result.versions.items()),
        *(f"left out: {name}: {why}" for name, why in result.left_out.items()),
        "",
        "\n\n".join(_aligned(table) for table in _tables(result)),
        "",
    ]
    if result.against:
        parts += [_goals(), *(f"  missed: {miss}" for miss in result.misses)]
    return "\n".join([*parts, figure(result)])


def figure(result: Figures) -> str:
    """The one line that counts."""
    worst = result.worst
    if worst is None:
        return f"search: nothing to compare with, since {OURS} or its opponents did not take part"
    return (
        f"search: {_median(result.median_best)} of the images of the best-tuned opponent and {_median(result.median_default)} of"
        f" {DEFAULT}'s in the median regime; {_worst(result, worst)}: {'missed' if result.misses else 'met'}"
    )


def _worst(result: Figures, worst: Against) -> str:
    """The regime where we need most of the best opponent's images, or where that is beyond what we were given."""
    beyond = result.undecided
    if not beyond:
        return f"at most {_ratio(worst)} ({worst.regime})"
    return f"more than our {_decimal(beyond[0].within, 2)} in {', '.join(entry.regime for entry in beyond)} (--full tells how much)"


def markdown(result: Figures) -> str:
    """A page with everything."""
    versions = ", ".join(f"{name} {version}" for name, version in result.versions.items())
    left_out = "".join(f"Left out: {name} ({why}).\n" for name, why in result.left_out.items())
    return (
        "# Ways to search, side by side\n\n"
        f"`{result.command}`; {versions}.\n{left_out}\n"
        "Gains are true gains over the system prompt that a search starts from: mean over worlds of what is handed over, with a 95%"
        " interval. A ratio is the part of an opponent's images that we need to reach what it reaches with all of them; intervals are"
        " bootstrapped over worlds.\n\n"
        + "\n\n".join(_pipes(table) for table in _tables(result))
        + f"\n\n{_goals()}\n\n**{figure(result)}**\n\n"
        + f"![Gain over images](search-{result.mode}-gains.svg)\n\n![Ratios](search-{result.mode}-ratios.svg)\n"
    )


def readme(result: Figures) -> str:
    """The table for the README: by regime, what we reach, what others reach, and our part of their images."""
    return _pipes(_by_regime(result))


Table = Sequence[Sequence[str]]


def _tables(result: Figures) -> list[Table]:
    return [_by_regime(result), _by_contender(result)] if result.against else [_gains(result)]


def _by_regime(result: Figures) -> Table:
    """What we reach and they reach, by regime."""
    ours = [line for line in result.lines if line.contender == OURS]
    shown = [images for images in SHOWN if any(images in line.grid for line in ours)]
    end = max(max(line.grid) for line in result.lines)
    head = ["world", *(f"ours, {images:,} images" for images in shown)]
    head += [f"{DEFAULT}, {end:,}", f"best opponent, {end:,}", f"images, of {DEFAULT}'s", "of the best's"]
    rows = [head]
    for regime in result.regimes:
        best = result.best.get(regime, "")
        default, mine, theirs = (result.line(regime, name) for name in (DEFAULT, OURS, best))
        rows.append(
            [
                regime,
                *(_gain(mine, images) for images in shown),
                _gain(default, end),
                f"{_gain(theirs, end)} ({best})",
                _ratio(result.versus(regime, DEFAULT)),
                _ratio(result.versus(regime, best)),
            ]
        )
    rows.append(["median", *("" for _ in shown), "", "", _median(result.median_default), _median(result.median_best)])
    return rows


def _by_contender(result: Figures) -> Table:
    """What each opponent reaches at its end, and our part of its images, by regime."""
    names = [name for name in result.contenders if name != OURS]
    rows = [["world", *names]]
    for regime in result.regimes:
        lines = [result.line(regime, name) for name in names]
        rows.append(
            [regime, *(f"{_gain(line, line.grid[-1])}: {_bare(result.versus(regime, line.contender))}" if line else "" for line in lines)]
        )
    counts = [[line.proposals for line in result.lines if line.contender == name] for name in names]
    rows.append(["proposals", *(f"{sum(count) / len(count):.0f}" for count in counts)])
    return rows


def _gains(result: Figures) -> Table:
    """Only gains, where there is nothing to compare with."""
    return [
        ["world", "who", "worlds", "proposals", "gain"],
        *(
            [
                line.regime,
                line.contender,
                str(line.worlds),
                f"{line.proposals:.0f}",
                "  ".join(f"{images}: {_gain(line, images)}" for images in line.grid),
            ]
            for line in result.lines
        ),
    ]


def _gain(line: Line | None, images: int) -> str:
    if line is None or images not in line.grid:
        return ""
    place = line.grid.index(images)
    return f"{_decimal(line.mean[place])} ± {_decimal((line.high[place] - line.low[place]) / 2)}"


def _ratio(entry: Against | None) -> str:
    if entry is None:
        return ""
    return f"{_bare(entry)} [{_end(entry.low, entry)}, {_end(entry.high, entry)}]"


def _bare(entry: Against | None) -> str:
    return "" if entry is None else _end(entry.ratio, entry)


def _end(value: float | None, entry: Against) -> str:
    return f"> {_decimal(entry.within, 2)}" if value is None else _decimal(value, 2)


def _median(values: Sequence[float | None]) -> str:
    value, low, high = ("not reached" if value is None else _decimal(value, 2) for value in values)
    return f"{value} [{low}, {high}]"


def _decimal(value: float, digits: int = 3) -> str:
    """Without the zero before the point."""
    return f"{value:.{digits}f}".replace("0.", ".", 1) if abs(value) < 1 else f"{value:.{digits}f}"


def _goals() -> str:
    return (
        f"Goals: at most {GOAL_BEST} of the images of the best-tuned opponent and {GOAL_DEFAULT} of {DEFAULT}'s in the median regime, "
        f"at most {GOAL_WORST:g} in every regime."
    )


def _aligned(table: Table) -> str:
    widths = [max(len(row[column]) for row in table) for column in range(len(table[0]))]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in table)


def _pipes(table: Table) -> str:
    head, *rows = [f"| {' | '.join(row)} |" for row in table]
    return "\n".join([head, f"|{'---|' * len(table[0])}", *rows])
