"""Games and how they are kept; who takes part; how opponents are tuned."""

from dataclasses import asdict, replace
from pathlib import Path

import pytest

from benchmarks.search.contenders import GRIDS, NAMED, NAMES, OURS, missing, searcher, tuned
from benchmarks.search.contest import Game, Kept, Played, code_of, grid, key, play, play_all
from benchmarks.search.opponents.gepa import Gepa
from benchmarks.search.opponents.simple import RandomSearch
from benchmarks.search.tuning import overall, race

GAME = Game(RandomSearch(5), "middle", 3, 60)


def test_a_game_is_looked_at_on_the_grid() -> None:
    played = play(Game(RandomSearch(5), "no noise", 3, 200))
    assert len(played.gains) == len(grid(200)) == 5
    assert played.spent == 200
    assert played.proposals >= 39


def test_what_determines_a_game_is_in_its_key() -> None:
    others = [
        replace(GAME, searcher=RandomSearch(10)),
        replace(GAME, searcher=Gepa()),
        replace(GAME, regime="loud"),
        replace(GAME, seed=4),
        replace(GAME, images=61),
    ]
    assert len({key(GAME), *map(key, others)}) == 6
    assert key(GAME) == key(Game(RandomSearch(5), "middle", 3, 60))


def test_words_about_code_do_not_change_it(tmp_path: Path) -> None:
    one, two, three = tmp_path / "one.py", tmp_path / "two.py", tmp_path / "three.py"
    one.write_text('"""A text."""\ndef f(x):\n    """Says so."""\n    return x + 1\n')
    two.write_text("# Another.\ndef f(x):\n    return (x\n            + 1)\n")
    three.write_text("def f(x):\n    return x + 2\n")
    assert code_of(one) == code_of(two) != code_of(three)


def test_a_game_is_played_once(tmp_path: Path) -> None:
    path = tmp_path / "games.jsonl"
    played = play_all([GAME, GAME], 1, Kept(path))
    assert len(path.read_text().splitlines()) == 1
    # A kill in the midst of a line loses that line only.
    path.write_text(path.read_text() + path.read_text()[:40])
    assert Kept(path).get(GAME) == played[GAME]
    assert Kept(path).get(replace(GAME, seed=4)) is None


def test_a_kept_game_is_not_played_again(tmp_path: Path) -> None:
    path = tmp_path / "games.jsonl"
    other = Played((0.5, 0.25), 1, 2)
    Kept(path).add(GAME, other)
    assert play_all([GAME], 1, Kept(path))[GAME] == other


def test_games_on_two_processes_are_the_same_games(tmp_path: Path) -> None:
    games = [replace(GAME, seed=seed) for seed in range(3)]
    assert play_all(games, 2, Kept(tmp_path / "two")) == play_all(games, 1, Kept(tmp_path / "one"))


def test_a_name_that_is_none_is_told_what_there_is() -> None:
    assert OURS in missing("nobody")
    assert missing(OURS) == ""


@pytest.mark.parametrize("name", NAMES)
def test_everybody_can_be_found(name: str) -> None:
    if missing(name):
        pytest.skip(missing(name))
    found = searcher(name, "middle")
    assert asdict(found) is not None  # type: ignore[arg-type]


@pytest.mark.parametrize("family", GRIDS)
def test_tuning_chooses_among_different_settings(family: str) -> None:
    options = GRIDS[family]
    assert len(set(options)) == len(options) > 1
    assert {type(option) for option in options} == {type(options[0])}
    chosen = tuned().get(family, {})
    assert all(any(asdict(option) == wanted for option in options) for wanted in chosen.values())  # type: ignore[arg-type]


def test_the_defaults_are_what_each_documentation_starts_with() -> None:
    default = NAMED["gepa-default"]
    assert isinstance(default, Gepa)
    assert (default.val, default.minibatch, default.selector, default.accept) == (40, 3, "pareto", "strict_improvement")


def test_a_race_finds_the_setting_that_gains_most(tmp_path: Path) -> None:
    options = [RandomSearch(80), RandomSearch(5, "best"), RandomSearch(80, "best"), RandomSearch(40), RandomSearch(20, "best")]
    means = race(options, "no noise", 300, 1, Kept(tmp_path / "games"), heats=(2, 3))
    best = max(means, key=lambda option: means[option])
    # Without noise few prompts say enough, and 80 images for each child are too many.
    assert best in (RandomSearch(5, "best"), RandomSearch(20, "best"))
    assert means[RandomSearch(80)] < 0, "it fell out of the race"


def test_overall_is_who_ranks_best_on_average() -> None:
    one, two, three = RandomSearch(5), RandomSearch(10), RandomSearch(20)
    assert overall([{one: 0.3, two: 0.2, three: 0.1}, {one: 0.0, two: 0.2, three: 0.1}, {two: 0.1, one: 0.05, three: 0.0}]) == two
