"""The figures of a contest as pictures: gain over images, by world; and our part of the opponents' images. SVG, equal bytes each time."""

# pyright: reportMissingImports=false, reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportUnknownParameterType=false

from pathlib import Path
from typing import Any

from benchmarks.search.contenders import DEFAULT, OURS, SUFFIX
from benchmarks.search.figures import GOAL_BEST, GOAL_DEFAULT, Against, Figures, Line

STRONG, DEFAULT_COLOR, GRAY = "#0072b2", "#d55e00", "#8a8a8a"
COLORS = {
    OURS: STRONG,
    DEFAULT: DEFAULT_COLOR,
    "gepa": "#e69f00",
    "gepa-current-best": "#f0b84d",
    "dspy-gepa": "#cc79a7",
    "dspy-simba": "#009e73",
    "dspy-mipro": "#56b4e9",
    "capo": "#7a5195",
    "halving": "#8c6d31",
}
"""By name, without the ending of the tuned ones; gray for others."""
COLUMNS = 3
LABEL = {"facecolor": "white", "edgecolor": "none", "pad": 0.8}
STYLE: Any = {
    # Names of shapes in the file are random otherwise.
    "svg.hashsalt": "phoropter",
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.size": 9.0,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#555555",
    "axes.titlesize": 10.0,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "xtick.color": "#555555",
    "ytick.color": "#555555",
    "legend.frameon": False,
}


def draw(result: Figures, folder: Path) -> list[Path]:
    """Writes the pictures of a contest beside its figures. Raises ImportError where matplotlib is absent."""
    import matplotlib

    matplotlib.use("Agg")
    with matplotlib.rc_context(STYLE):
        pictures = {"gains": _gains(result)}
        if result.against:
            pictures["ratios"] = _ratios(result)
        paths: list[Path] = []
        for name, picture in pictures.items():
            path = folder / f"search-{result.mode}-{name}.svg"
            picture.savefig(path, format="svg", metadata={"Date": None}, bbox_inches="tight")
            paths.append(path)
    return paths


def _gains(result: Figures) -> Any:
    """A panel per world: gain over images, ours and those that are tuned."""
    from matplotlib.figure import Figure

    rows = -(-len(result.regimes) // COLUMNS)
    columns = min(COLUMNS, len(result.regimes))
    picture = Figure(figsize=(3.4 * columns, 2.5 * rows), layout="constrained")
    panels = picture.subplots(rows, columns, squeeze=False, sharex=True)
    handles: dict[str, Any] = {}
    for place in range(rows * columns):
        panel = panels[place // columns][place % columns]
        if place >= len(result.regimes):
            panel.set_axis_off()
            continue
        regime = result.regimes[place]
        # Ours last, above the others.
        for line in sorted(_shown(result, regime), key=lambda line: line.contender == OURS):
            handles[line.contender] = _curve(panel, line)
        _dress(panel, regime, first=place % columns == 0, last=place + columns >= len(result.regimes))
    names = sorted(handles, key=lambda name: (name != OURS, result.contenders.index(name)))
    picture.legend([handles[name] for name in names], names, loc="outside lower center", ncols=min(5, len(names)))
    return picture


def _shown(result: Figures, regime: str) -> list[Line]:
    """Ours, GEPA as it comes and whoever is tuned; everybody where nobody is."""
    lines = [line for line in result.lines if line.regime == regime]
    tuned = [line for line in lines if line.contender.endswith(SUFFIX)]
    return [line for line in lines if line.contender in (OURS, DEFAULT)] + tuned if tuned else lines


def _curve(panel: Any, line: Line) -> Any:
    color = COLORS.get(line.contender.removesuffix(SUFFIX), GRAY)
    ours = line.contender == OURS
    # Those that answer at their end only have few points.
    marker = "o" if len(line.grid) < 6 else None
    panel.fill_between(line.grid, line.low, line.high, color=color, alpha=0.18 if ours else 0.08, linewidth=0)
    (handle,) = panel.plot(line.grid, line.mean, color=color, linewidth=2.4 if ours else 1.3, marker=marker, markersize=3)
    return handle


def _dress(panel: Any, regime: str, first: bool, last: bool) -> None:
    from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

    panel.set_title(regime)
    panel.set_xscale("log")
    panel.xaxis.set_major_locator(FixedLocator([75, 150, 300, 600, 1200, 2400]))
    panel.xaxis.set_minor_locator(NullLocator())
    panel.xaxis.set_major_formatter(FuncFormatter(_images))
    panel.yaxis.set_major_formatter(FuncFormatter(_gain))
    panel.grid(True, color="#e6e6e6", linewidth=0.7)
    panel.set_axisbelow(True)
    panel.set_ylim(bottom=min(0.0, panel.get_ylim()[0]))
    if first:
        panel.set_ylabel("true gain")
    if last:
        panel.set_xlabel("images")
        panel.tick_params(labelbottom=True)


def _images(value: float, place: int) -> str:
    return f"{value:,.0f}"


def _gain(value: float, place: int) -> str:
    return f"{value:.2f}".replace("0.", ".", 1)


def _ratios(result: Figures) -> Any:
    """Two bars per world: our images as a part of the best opponent's and of GEPA's as it comes."""
    from matplotlib.figure import Figure
    from matplotlib.patches import Patch

    regimes = result.regimes[::-1]
    picture = Figure(figsize=(7.6, 0.62 * len(regimes) + 1.3), layout="constrained")
    panel = picture.subplots()
    farthest = 1.0
    for offset, color, opponent in ((0.19, STRONG, None), (-0.19, DEFAULT_COLOR, DEFAULT)):
        for place, regime in enumerate(regimes):
            name = opponent or result.best.get(regime, "")
            entry = result.versus(regime, name)
            if entry is not None:
                farthest = max(farthest, _bar(panel, place + offset, entry, color, note="" if opponent else f" {name}"))
    for goal, color in ((GOAL_BEST, STRONG), (GOAL_DEFAULT, DEFAULT_COLOR)):
        panel.axvline(goal, color=color, linewidth=1.1, linestyle=(0, (4, 3)), zorder=0)
    panel.axvline(1.0, color="#555555", linewidth=0.8, zorder=0)
    panel.set_yticks(range(len(regimes)), regimes)
    panel.tick_params(axis="y", length=0)
    panel.set_xlim(0.0, min(2.0, farthest * 1.08))
    panel.set_xlabel("our images to the gain that an opponent ends with, as a part of its images (dashed: the goals)")
    patches = [Patch(color=STRONG, label="of the best opponent's, who is named"), Patch(color=DEFAULT_COLOR, label=f"of {DEFAULT}'s")]
    picture.legend(handles=patches, loc="outside upper left", ncols=2)
    return picture


def _bar(panel: Any, place: float, entry: Against, color: str, note: str) -> float:
    """A bar with its interval; hatched where we never got there with the images that we had. Returns how far it reaches."""
    value = entry.within if entry.ratio is None else entry.ratio
    reached = entry.ratio is not None
    panel.barh(
        place, value, height=0.34, color=color if reached else "none", edgecolor=color, hatch=None if reached else "////", alpha=0.85
    )
    high = entry.within if entry.high is None else entry.high
    if reached and entry.low is not None:
        panel.plot([entry.low, high], [place, place], color="#222222", linewidth=1.0)
    label = (f"{value:.2f}" if reached else f"> {value:.2f}").replace("0.", ".", 1)
    end = max(value, high)
    panel.text(end + 0.012, place, label + note, va="center", fontsize=7.5, color="#333333", bbox=LABEL)
    return end
