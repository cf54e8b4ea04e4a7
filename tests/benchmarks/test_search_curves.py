"""What games amount to: curves, ratios, figures, and how they are told."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.search import report
from benchmarks.search.__main__ import Plan, contest
from benchmarks.search.contest import ROOT, Game, Kept, Played
from benchmarks.search.curves import Curve, images_to, median, ratio
from benchmarks.search.figures import Figures, as_json, curve_of, figures, newest, read, write
from benchmarks.search.opponents.simba import Simba

GRID = (50, 100, 200, 400)


def curve(*rows: list[float]) -> Curve:
    return Curve(GRID, np.array(rows), 10.0)


gains = st.lists(st.floats(-0.2, 0.6), min_size=4, max_size=4)
curves = st.lists(gains, min_size=1, max_size=6).map(lambda rows: curve(*rows))


@given(gains, st.floats(-0.3, 0.7), st.floats(0.0, 0.3))
@settings(deadline=None)
def test_a_higher_target_takes_no_fewer_images(mean: list[float], target: float, more: float) -> None:
    low, high = (images_to(np.array(mean), GRID, wanted) for wanted in (target, target + more))
    assert GRID[0] <= low <= high
    assert low == math.inf or low <= GRID[-1]
    assert (low == math.inf) == (max(mean) < target)


def test_images_between_points_lie_on_a_line_over_their_logarithm() -> None:
    mean = np.array([0.0, 0.1, 0.3, 0.2])
    assert images_to(mean, GRID, 0.1) == pytest.approx(100)
    assert images_to(mean, GRID, 0.2) == pytest.approx(100 * math.sqrt(2))
    assert images_to(mean, GRID, -1.0) == 50
    assert images_to(mean, GRID, 0.31) == math.inf


@given(curves)
@settings(deadline=None, max_examples=20)
def test_a_curve_against_itself_needs_at_most_all_images(mine: Curve) -> None:
    found = ratio(mine, mine)
    assert found.value <= 1.0 + 1e-9
    assert found.low <= found.value + 1e-9 or len(mine.gains) > 1
    assert found.high <= 1.0 + 1e-9


def test_a_ratio_has_an_interval_over_worlds() -> None:
    generator = np.random.default_rng(1)
    noise = generator.normal(0.0, 0.03, (40, 4))
    ours = Curve(GRID, np.array([0.1, 0.2, 0.3, 0.4]) + noise, 1.0)
    theirs = Curve(GRID, np.array([0.0, 0.05, 0.1, 0.2]) + generator.normal(0.0, 0.03, (40, 4)), 1.0)
    found = ratio(ours, theirs)
    assert found.low < found.value < found.high
    assert found.low < 0.25 < found.high


def test_a_median_with_infinity_in_it() -> None:
    reached = ratio(curve([0.1, 0.2, 0.3, 0.4]), curve([0.0, 0.0, 0.0, 0.2]))
    never = ratio(curve([0.0, 0.0, 0.0, 0.0]), curve([0.0, 0.0, 0.0, 0.2]))
    assert median([reached, never, never])[0] == math.inf
    assert median([reached, reached, never])[0] == pytest.approx(0.25)


def made(ours: list[float], best: list[float], default: list[float]) -> Figures:
    rows = {"ours": ours, "halving": best, "gepa-default": default}
    found = {("middle", name): curve(row, row) for name, row in rows.items()}
    return figures("quick", "python -m benchmarks.search", {"gepa": "0.1.4"}, found, {"capo": "not installed"})


def test_goals_are_held_against_the_best_opponent_and_gepa_as_it_comes() -> None:
    good = made([0.05, 0.2, 0.3, 0.4], [0.0, 0.0, 0.0, 0.2], [0.0, 0.0, 0.0, 0.01])
    assert good.best == {"middle": "halving"}
    assert good.median_best[0] == pytest.approx(0.25)
    # The first point of the grid is all that is known below it.
    assert good.median_default[0] == pytest.approx(0.125)
    assert good.misses == ["0.12 of the images of gepa-default in the median regime"]


def test_a_gain_that_is_never_reached_is_missed() -> None:
    bad = made([0.0, 0.0, 0.0, 0.1], [0.0, 0.0, 0.0, 0.2], [0.0, 0.0, 0.0, 0.05])
    assert "middle: more images than halving" in bad.misses
    assert bad.median_best == [None, None, None]
    told = report.text(bad)
    assert "> 1.00" in told
    assert told.splitlines()[-1].endswith("missed")


def test_figures_are_read_as_they_were_written(tmp_path: Path) -> None:
    result = made([0.05, 0.2, 0.3, 0.4], [0.0, 0.0, 0.0, 0.2], [0.0, 0.0, 0.0, 0.01])
    write(result, tmp_path / "figures.json")
    again = read(tmp_path / "figures.json")
    assert as_json(again) == json.loads(json.dumps(as_json(result)))
    assert report.text(again) == report.text(result)
    assert "left out: capo: not installed" in report.text(again)
    assert "| middle |" in report.readme(again)
    assert "search-quick-gains.svg" in report.markdown(again)


def test_what_fewer_images_leave_open_is_said_and_no_miss() -> None:
    rows = {"ours": [0.05, 0.2], "halving": [0.0, 0.0, 0.0, 0.3], "gepa-default": [0.0, 0.0, 0.0, 0.01]}
    found = {("middle", name): Curve(GRID[: len(row)], np.array([row, row]), 10.0) for name, row in rows.items()}
    open_end = figures("quick", "python -m benchmarks.search", {}, found, {})
    assert [entry.regime for entry in open_end.undecided] == ["middle"]
    assert not any("more images than" in miss for miss in open_end.misses)
    assert f"more than our {open_end.undecided[0].within:.2f} in middle".replace("0.", ".") in report.text(open_end)


def test_the_readme_has_the_table_of_the_newest_contest() -> None:
    assert report.readme(read(newest(ROOT / "benchmarks" / "results"))) in (ROOT / "README.md").read_text()


def test_pictures_are_the_same_bytes_each_time(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    from benchmarks.search.plots import draw

    result = made([0.05, 0.2, 0.3, 0.4], [0.0, 0.0, 0.0, 0.5], [0.0, 0.0, 0.0, 0.01])
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
    one, two = (draw(result, tmp_path / folder) for folder in ("one", "two"))
    assert [path.name for path in one] == ["search-quick-gains.svg", "search-quick-ratios.svg"]
    assert [path.read_bytes() for path in one] == [path.read_bytes() for path in two]
    assert b"halving" in one[1].read_bytes()


def test_a_small_contest(tmp_path: Path) -> None:
    plan = Plan("chosen", ("middle", "no noise"), ("ours", "random", "nobody"), 2, 60, 60)
    kept = tmp_path / "games.jsonl"
    result = contest(plan, "python -m benchmarks.search", 1, Kept(kept))
    assert result.regimes == ["middle", "no noise"]
    assert {line.contender for line in result.lines} == {"ours", "random"}
    assert list(result.left_out) == ["nobody"]
    ours = result.line("middle", "ours")
    assert ours is not None
    assert ours.grid == (50,)
    games = kept.read_text()
    assert contest(plan, "python -m benchmarks.search", 1, Kept(kept)) == result
    assert kept.read_text() == games, "nothing was played again"


def test_where_ours_falls_short_it_is_played_with_more_images(tmp_path: Path) -> None:
    kept = Kept(tmp_path / "games.jsonl")
    for most, grid in ((60, (50,)), (100, (50, 75, 100))):
        result = contest(Plan("chosen", ("no noise",), ("ours", "halving"), 2, 60, most), "python -m benchmarks.search", 1, kept)
        assert [entry.regime for entry in result.undecided] == ["no noise"], "60 images are not enough"
        assert [line.grid for line in result.lines if line.contender == "ours"] == [grid]


def test_who_answers_at_the_end_is_played_once_for_each_point() -> None:
    games = [Game(Simba(), "middle", seed, images) for seed in range(2) for images in (600, 300)]
    played = {game: Played((0.0, game.images / 1000 + game.seed), proposals=game.images, spent=game.images) for game in games}
    found = curve_of(games, played, (300, 600))
    assert found.gains.tolist() == [[0.3, 0.6], [1.3, 1.6]]
    assert found.proposals == 600
