"""Judges held against people, at the command line: figures, what is kept, what is refused."""

import csv
import io
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import pytest
import typer
from PIL import Image
from typer.testing import CliRunner, Result

from data.errors import FatalError
from data.formats import load_prompts
from data.records import Judgment, Prompt
from data.store import open_store
from generator.embedded.painter import paint, to_png
from generator.embedded.picture import Group, Picture, picture_of
from optimizer.judges import JudgeRequest
from tests.ui.cli.cheap import Judge
from tests.ui.cli.conftest import record
from ui.cli import Commands
from ui.cli.judge_agree import agree

PROMPTS = 8
Agree = Callable[..., Result]


class Dying:
    """A Judge that an outage ends after a few pictures, until there is a file called "back"."""

    identity = "dying:1"

    def __init__(self) -> None:
        self._left = 5

    async def __call__(self, requests: Sequence[JudgeRequest]) -> Sequence[Judgment | Exception]:
        self._left -= len(requests)
        if self._left < 0 and not Path("back").exists():
            raise FatalError("the endpoint is gone", hint="wait, then `phoropter resume`")
        return await Judge()(requests)


@pytest.fixture
def typed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Agree:
    """Types ``judge agree`` in an empty folder."""
    app = typer.Typer(cls=Commands, rich_markup_mode=None)
    app.command("agree")(agree)
    app.callback()(lambda: None)
    monkeypatch.chdir(tmp_path)
    return lambda *arguments: CliRunner().invoke(app, ["agree", *map(str, arguments)])


def scenes() -> list[Prompt]:
    return [prompt for prompt in load_prompts("scenes") if prompt.scene is not None and len(prompt.checklist) > 2][:PROMPTS]


def pictures(folder: Path) -> list[tuple[str, Prompt, float]]:
    """Of each prompt a picture that shows it and one of something else, by name, with what anybody would say of it."""
    made: list[tuple[str, Prompt, float]] = []
    for number, prompt in enumerate(scenes()):
        assert prompt.scene is not None
        for name, picture, rating in (
            ("good", picture_of(prompt.scene, number), 5.0),
            ("bad", Picture((Group("star", "pink", 6),), "snow"), 1.0),
        ):
            path = folder / f"{name}-{number}.png"
            path.write_bytes(to_png(paint(picture)))
            made.append((path.name, prompt, rating))
    return made


def write(path: Path, header: str, rows: Iterable[Iterable[object]]) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(header.split(","))
        writer.writerows(rows)
    return path


def figures(result: Result) -> dict[str, Any]:
    assert result.exit_code == 0, result.output
    return record(result.stdout)


def test_a_judge_that_sees_what_people_see(typed: Agree, tmp_path: Path):
    rows = [
        (name, prompt.text, rating + shift, rater)
        for name, prompt, rating in pictures(tmp_path)
        for rater, shift in (("ann", 0), ("bob", 0.5))
    ]
    file = write(tmp_path / "r.csv", "image,prompt,rating,rater", rows)
    found = figures(typed(file, "--judge", "scene", "--prompts", "scenes", "--json"))
    assert (found["pictures"], found["prompts"], found["raters"]) == (2 * PROMPTS, PROMPTS, 2)
    (judge,) = found["judges"]
    assert judge["accuracy"]["estimate"] == 1.0
    assert judge["accuracy"]["low"] < 0.7, "eight prompts leave a doubt"
    assert judge["spearman"]["estimate"] > 0.8
    assert (judge["images"], judge["pairs"], judge["dropped"], judge["failures"]) == (2 * PROMPTS, PROMPTS, 0, [])
    assert found["people"]["accuracy"]["estimate"] == 1.0


def test_nothing_is_judged_twice(typed: Agree, tmp_path: Path):
    file = write(tmp_path / "r.csv", "image,prompt,rating", [(name, prompt.text, rating) for name, prompt, rating in pictures(tmp_path)])
    command = (file, "--judge", "scene", "--judge", "tests.ui.cli.cheap:Judge")
    first, again = typed(*command, "--json"), typed(*command, "--json")
    assert figures(first) == figures(again)
    assert "16/16 judged · 16 on record" in again.stderr
    with open_store(f"sqlite:///{tmp_path}/phoropter-data/ledger.db") as store:
        assert [run.kind for run in store.runs()] == ["agreement", "agreement"]
        sittings = [event.payload["drawn"] for run in store.runs() for event in store.events(run.id)]
        assert sorted(sittings) == [0, 0, 16, 16]
        assert list(store.verify()) == []
    # The difference is the scene judge's less that of one that likes colours.
    (difference,) = figures(again)["differences"]
    assert difference["judge"] == "scene"
    assert difference["accuracy"]["estimate"] > 0.2


def test_a_sitting_that_ended_early_goes_on(typed: Agree, tmp_path: Path):
    file = write(tmp_path / "r.csv", "image,prompt,rating", [(name, prompt.text, rating) for name, prompt, rating in pictures(tmp_path)])
    command = (file, "--judge", "tests.ui.cli.test_judge_agree:Dying", "--json")
    stopped = typed(*command)
    assert stopped.exit_code == 1
    assert "the endpoint is gone" in stopped.stderr
    assert "then `phoropter judge agree" in stopped.stderr
    (tmp_path / "back").touch()
    (judge,) = figures(typed(*command))["judges"]
    assert judge["images"] == 2 * PROMPTS
    with open_store(f"sqlite:///{tmp_path}/phoropter-data/ledger.db") as store:
        (run,) = store.runs()
        drawn = {event.payload["outcome"].partition(":")[0]: event.payload["drawn"] for event in store.events(run.id)}
    assert 0 < drawn["FatalError"] <= 5
    assert drawn["FatalError"] + drawn["finished"] == 2 * PROMPTS


def test_choices_and_pictures_of_the_ledger(typed: Agree, tmp_path: Path):
    made = pictures(tmp_path)
    rated = write(tmp_path / "r.csv", "image,prompt,rating", [(name, prompt.text, rating) for name, prompt, rating in made])
    figures(typed(rated, "--judge", "scene", "--json"))
    with open_store(f"sqlite:///{tmp_path}/phoropter-data/ledger.db") as store:
        (run,) = store.runs()
        by_place = {(trial.request.prompt.text, trial.score or 0.0): trial.image.sha256 for trial in store.trials(run.id) if trial.image}
    good = {text: max((score, sha256) for (other, score), sha256 in by_place.items() if other == text)[1] for text, _ in by_place}
    rows = [(f"bad-{number}.png", good[prompt.text][:12].upper(), prompt.text, "B") for number, prompt in enumerate(scenes())]
    file = write(tmp_path / "pairs.csv", "Image A,image_b,Prompt,choice", rows)
    result = typed(file, "--judge", "scene", "--json")
    (judge,) = figures(result)["judges"]
    assert judge["accuracy"]["estimate"] == 1.0
    assert judge["spearman"] is None
    assert judge["pairs"] == PROMPTS
    with open_store(f"sqlite:///{tmp_path}/phoropter-data/ledger.db") as store:
        keys = {trial.judgment_key for run in store.runs() for trial in store.trials(run.id)}
        assert len(keys) == 2 * PROMPTS, "the same picture for the same prompt is the same judgment"


def test_prompts_without_a_checklist_are_dropped_and_said(typed: Agree, tmp_path: Path):
    rows = [(name, prompt.text, rating) for name, prompt, rating in pictures(tmp_path)]
    rows += [("good-0.png", "a wish that is in no set", 3), ("bad-0.png", "a wish that is in no set", 2)]
    file = write(tmp_path / "r.csv", "image,prompt,rating", rows)
    found = figures(typed(file, "--judge", "scene", "--json"))
    assert found["prompts_without_checklist"] == ["a wish that is in no set"]
    (judge,) = found["judges"]
    assert (judge["images"], judge["dropped"]) == (2 * PROMPTS, 2)
    assert [(failure["count"], failure["kind"]) for failure in judge["failures"]] == [(2, "unsupported")]
    words = typed(file, "--judge", "scene")
    assert words.exit_code == 0
    assert "2 × unsupported" in words.stdout
    assert "1 prompt of these not in scenes" in words.stderr


def test_a_photograph_in_another_format_is_taken(typed: Agree, tmp_path: Path):
    for name in ("a.jpg", "b.webp"):
        file = io.BytesIO()
        Image.new("RGB", (64, 48), (200, 30, 30)).save(file, "JPEG" if name.endswith("jpg") else "WEBP")
        (tmp_path / name).write_bytes(file.getvalue())
    prompt = scenes()[0]
    file = write(tmp_path / "r.csv", "image,prompt,rating", [("a.jpg", prompt.text, 1), ("b.webp", prompt.text, 2)])
    found = figures(typed(file, "--judge", "tests.ui.cli.cheap:Judge", "--json"))
    assert found["judges"][0]["images"] == 2


@pytest.mark.parametrize(
    ("rows", "judge", "said"),
    [
        ([("broken.png", "a cat", 1)], "scene", "broken.png: no picture, or not a whole one"),
        ([("0123456789ab", "a cat", 1)], "scene", "no image on record begins with '0123456789ab'"),
        ([("good-0.png", "a cat", 1)], "pairwise:openai:m@http://127.0.0.1:1/v1", "compares pictures and scores none"),
        ([("good-0.png", "a cat", 1)], "sceen", "sceen"),
    ],
)
def test_what_can_not_be_held_against_anybody_is_said_first(typed: Agree, tmp_path: Path, rows: list[Any], judge: str, said: str):
    pictures(tmp_path)
    (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nno more")
    result = typed(write(tmp_path / "r.csv", "image,prompt,rating", rows), "--judge", judge)
    assert result.exit_code == 2
    assert said in result.stderr
    assert "hint: " in result.stderr
