"""Every command on the embedded world: what it prints for people, and the one JSON object for machines."""

import json
import re
import shutil
from pathlib import Path

import pytest
from PIL import Image

from reasoner.testserver import serving
from tests.ui.cli.conftest import IMAGES, ROOT, Finished, Phoropter, record

TEXT = "three red balloons above a blue house"


def test_help_names_every_command(phoropter: Phoropter) -> None:
    done = phoropter("--help")
    assert done.exit_code == 0
    commands = done.stdout.partition("Commands:")[2]
    for name in ("optimize", "resume", "rewrite", "imagine", "runs", "show", "lineage", "export", "prompts", "doctor", "verify", "ui"):
        assert f"\n  {name} " in commands
    assert "..." not in commands, "a summary that is cut off says half"


@pytest.mark.parametrize("command", ["optimize", "resume", "rewrite", "imagine", "runs", "show", "lineage", "export", "doctor", "verify"])
def test_every_command_has_help_and_json(phoropter: Phoropter, command: str) -> None:
    done = phoropter(command, "--help")
    assert done.exit_code == 0
    assert "--json" in done.stdout


# -- one text


def test_rewrite(phoropter: Phoropter) -> None:
    done = phoropter("rewrite", TEXT)
    assert done.exit_code == 0
    assert "balloons" in done.stdout
    assert phoropter("rewrite", TEXT).stdout == done.stdout
    assert not Path("phoropter-data").exists(), "a rewrite leaves nothing behind"


def test_rewrite_shows_reasoning_when_asked(phoropter: Phoropter) -> None:
    assert "reasoning:" not in phoropter("rewrite", TEXT).stdout
    assert phoropter("rewrite", TEXT, "-v").stdout.startswith("reasoning:\n")


def test_rewrite_says_what_a_model_took(phoropter: Phoropter) -> None:
    with serving() as server:
        asked = ("rewrite", TEXT, "--reasoner", f"openai:thinking@{server.url}")
        done = phoropter(*asked, "-v")
        found = record(phoropter(*asked, "--json").stdout)
    assert done.exit_code == 0, done.stderr
    reasoning, text = found["rewrite"]["reasoning"], found["rewrite"]["text"]
    assert TEXT in text
    assert done.stdout == f"reasoning:\n{reasoning}\n\nrewrite:\n{text}\n"
    used = found["timing"]
    assert used["output_tokens"] == len(f"{reasoning} {text}".split())
    assert f"{used['output_tokens']} out ({used['reasoning_tokens']} of them reasoning)" in done.stderr
    assert f"seed {found['rewrite']['seed']}" in done.stderr


def test_rewrite_says_what_was_lost(phoropter: Phoropter) -> None:
    with serving() as server:
        asked = ("rewrite", "7 cats, no dogs", "--reasoner", f"openai:other-language@{server.url}")
        done = phoropter(*asked)
        found = record(phoropter(*asked, "--json").stdout)["rewrite"]
    assert done.exit_code == 0, done.stderr
    assert found["drift"] == ["the number 7 is gone"]
    assert found["flaws"]
    assert all(f"drift: {note}" in done.stderr for note in found["drift"])
    assert all(f"flaw: {note}" in done.stderr for note in found["flaws"])


def test_the_raw_prompt_is_passed_on(phoropter: Phoropter) -> None:
    assert phoropter("rewrite", TEXT, "--system-prompt", "none").stdout == TEXT + "\n"


def test_rewrite_with_a_file(phoropter: Phoropter, tmp_path: Path) -> None:
    own = tmp_path / "mine.txt"
    own.write_text("Write one sentence, at most 12 words.")
    assert record(phoropter("rewrite", TEXT, "--system-prompt", own, "--json").stdout)["system_prompt"]["name"] == "mine"


def test_rewrite_with_the_digits_of_an_id(phoropter: Phoropter, finished: Finished) -> None:
    identifier = finished.winner["id"]
    done = phoropter("rewrite", TEXT, "--system-prompt", identifier.removeprefix("b2:")[:6], "--home", finished.home, "--json")
    assert record(done.stdout)["system_prompt"]["id"] == identifier


def test_imagine_judges_what_reads_as_a_scene(phoropter: Phoropter, tmp_path: Path) -> None:
    done = phoropter("imagine", TEXT, "--out", tmp_path / "picture.png")
    assert done.exit_code == 0, done.stderr
    assert "There are exactly three balloons" in done.stdout
    assert "✓" in done.stdout
    with Image.open(tmp_path / "picture.png") as picture:
        assert picture.size == (512, 512)
    found = record(phoropter("imagine", TEXT, "--json").stdout)
    assert 0 <= found["score"] <= 1
    assert {entry["id"] for entry in found["criteria"]} >= {"count-balloon", "color-house", "above-1"}
    assert all(entry["evidence"] for entry in found["criteria"])
    listed = record(phoropter("runs", "--json").stdout)["runs"]
    assert [(run["id"], run["kind"], run["images"]) for run in listed] == [(found["run"], "imagine", 1)], (
        "the same text again is the same run"
    )
    shown = phoropter("show", found["run"])
    assert "There are exactly three balloons" in shown.stdout


def test_imagine_does_not_judge_what_it_can_not_read(phoropter: Phoropter) -> None:
    done = phoropter("imagine", "melancholy")
    assert done.exit_code == 0, done.stderr
    assert "not judged: no checklist" in done.stdout
    assert record(phoropter("imagine", "melancholy", "--json").stdout)["score"] is None


@pytest.mark.parametrize(
    ("text", "criteria"),
    [
        ("a birthday", {"count-cake-balloon-gift"}),
        ("two cats, no birds", {"count-cat", "no-bird", "others"}),
        ('a sign that says "OPEN" on a beach', {"text", "background"}),
        ("ten balloons", set[str]()),
        ("", set[str]()),
    ],
)
def test_free_text_gets_a_checklist(text: str, criteria: set[str]) -> None:
    from ui.cli.free_text import checklist_of

    assert {criterion.id for criterion in checklist_of(text)} == criteria


# -- a run


def test_optimize_says_its_plan_before_it_begins(finished: Finished) -> None:
    assert finished.stderr.startswith(f"{IMAGES} images: ")
    assert f"`phoropter resume {finished.id}` goes on" in finished.stderr


def test_optimize_json_holds_the_whole_report(finished: Finished) -> None:
    found = finished.record
    assert list(found) == ["schema", "run", "kind", "state", "settings", "judge", "result", "contact_sheet", "timing"]
    assert found["settings"]["run.images"] == {"value": IMAGES, "from": "command line"}
    assert found["settings"]["run.prompts"]["from"] == "profile embedded"
    assert "home" not in found["settings"]
    result = found["result"]
    assert result["winner"]["id"] in {node["id"] for node in result["lineage"]}
    assert result["winner"]["id"] == result["shortlist"][0]
    assert [arm["name"] for arm in result["confirmation"]["arms"]] == ["none", "plain", "general", "best"]
    assert result["search"]["rounds"] > 0
    assert result["failures"] == []
    assert found["timing"]["images"] == found["timing"]["drawn"] + found["timing"]["reused"] <= IMAGES
    assert (finished.home / found["contact_sheet"]).exists()


def test_json_has_neither_time_nor_place_outside_of_timing(finished: Finished) -> None:
    found = finished.record
    timing = json.dumps(found.pop("timing"))
    assert "phoropter-data" in timing
    rest = json.dumps(found)
    assert str(finished.home.parent) not in rest
    assert "phoropter-data" not in rest
    assert '"seconds"' not in rest
    assert "created_at" not in rest


def test_the_same_command_again_answers_at_once(phoropter: Phoropter, finished: Finished, tmp_path: Path) -> None:
    home = shutil.copytree(finished.home, tmp_path / "copy")
    again = phoropter("optimize", "--images", IMAGES, "--seed", 1, "--home", home, "--json")
    assert again.exit_code == 0
    assert "on record, and finished" in again.stderr
    first, second = finished.record, record(again.stdout)
    assert first.pop("timing")["drawn"] == second.pop("timing")["drawn"]
    assert first == second


def test_the_report_for_people(phoropter: Phoropter, finished: Finished) -> None:
    done = phoropter("resume", finished.id, "--home", finished.home)
    assert done.exit_code == 0
    for words in ("difference to general", "A/A control: best against itself", "The winner,", f"phoropter export {finished.id}"):
        assert words in done.stdout
    comparison = finished.record["result"]["confirmation"]
    for entry in comparison["best_against"]:
        claimed = f"best beats {entry['reference']}" in done.stdout or f"; {entry['reference']} by" in done.stdout
        assert claimed == (entry["claimed"] and entry["estimate"] > 0)
    last = Path(done.stdout.splitlines()[-1])
    assert last.name == "contact-sheet.png"
    with Image.open(last) as sheet:
        assert sheet.width > 1000


def test_runs(phoropter: Phoropter, finished: Finished) -> None:
    done = phoropter("runs", "--home", finished.home)
    assert finished.id in done.stdout
    (run,) = record(phoropter("runs", "--home", finished.home, "--json").stdout)["runs"]
    assert (run["id"], run["state"], run["winner"]) == (finished.record["run"], "finished", finished.winner["id"])


def test_show_run(phoropter: Phoropter, finished: Finished) -> None:
    done = phoropter("show", finished.id, "--home", finished.home)
    assert "run.images" in done.stdout
    assert "(command line)" in done.stdout
    shown = record(phoropter("show", finished.id, "--home", finished.home, "--json").stdout)
    first = finished.record
    del shown["timing"], first["timing"]
    assert shown == first, "`show` and `optimize` say the same"


def test_show_system_prompt(phoropter: Phoropter, finished: Finished) -> None:
    done = phoropter("show", finished.winner["id"][:11], "--home", finished.home)
    assert finished.winner["text"].splitlines()[0] in done.stdout
    assert f"in run {finished.id}, as its winner" in done.stdout
    assert "confirmed as" in done.stdout
    found = record(phoropter("show", "none", "--home", finished.home, "--json").stdout)
    assert found["system_prompt"]["text"] == ""
    assert found["runs"][0]["confirmation"]["name"] == "none"


def test_show_a_shipped_system_prompt_without_a_ledger(phoropter: Phoropter) -> None:
    assert "general" in phoropter("show", "general").stdout


def test_lineage(phoropter: Phoropter, finished: Finished) -> None:
    done = phoropter("lineage", finished.id, "--home", finished.home)
    assert done.exit_code == 0
    nodes = finished.record["result"]["lineage"]
    for node in nodes:
        assert node["id"].removeprefix("b2:")[:8] in done.stdout
    assert " winner" in done.stdout
    children = [node for node in nodes if node["parents"]]
    assert children
    assert "{+" in done.stdout or "[-" in done.stdout, "words that changed are marked where there are no colours"
    bare = phoropter("lineage", finished.id, "--home", finished.home, "--no-diff")
    assert "{+" not in bare.stdout
    assert record(phoropter("lineage", finished.id, "--home", finished.home, "--json").stdout)["lineage"] == nodes


def test_export_text(phoropter: Phoropter, finished: Finished, tmp_path: Path) -> None:
    done = phoropter("export", finished.id, "--home", finished.home)
    assert done.stdout == finished.winner["text"] + "\n"
    assert phoropter("export", finished.id, "--home", finished.home, "--out", tmp_path / "winner.txt").stdout == ""
    assert (tmp_path / "winner.txt").read_text() == finished.winner["text"] + "\n"
    assert phoropter("export", "none").stdout == "\n", "shipped ones need no ledger"


def test_export_json(phoropter: Phoropter, finished: Finished) -> None:
    found = record(phoropter("export", finished.id, "--home", finished.home, "--format", "json").stdout)
    assert found["system_prompt"]["text"] == finished.winner["text"]
    assert found["confirmation"] == finished.record["result"]["confirmation"]
    assert phoropter("export", finished.id, "--home", finished.home, "--json").stdout.startswith("{")


def test_export_dspy_is_what_dspy_loads(phoropter: Phoropter, finished: Finished, tmp_path: Path) -> None:
    file = tmp_path / "program.json"
    phoropter("export", finished.id, "--home", finished.home, "--format", "dspy", "--out", file)
    import dspy

    program = dspy.Predict("prompt -> rewrite")
    program.load(file)
    program.save(tmp_path / "saved.json")
    saved = json.loads((tmp_path / "saved.json").read_text())
    ours = json.loads(file.read_text())
    assert saved["signature"] == ours["signature"], "what it loaded is what it writes"
    assert saved["signature"]["instructions"] == finished.winner["text"]
    assert "description" in saved["signature"]["fields"][1]
    assert saved.keys() == ours.keys()


# -- prompt sets


def test_prompts_list_and_show(phoropter: Phoropter) -> None:
    assert "scenes" in phoropter("prompts", "list").stdout
    sets = record(phoropter("prompts", "list", "--json").stdout)["sets"]
    assert {entry["name"] for entry in sets} >= {"scenes", "vague"}
    shown = phoropter("prompts", "show", "scenes", "--split", "test", "--limit", 2)
    assert "and " in shown.stdout
    assert "        - " in shown.stdout
    assert len(record(phoropter("prompts", "show", "scenes", "--limit", 3, "--json").stdout)["prompts"]) == 3


def test_prompts_import(phoropter: Phoropter, tmp_path: Path) -> None:
    table = tmp_path / "wishes.csv"
    table.write_text(
        "wish,category\n" + "".join(f"a picture number {n} of a {thing},x\n" for n, thing in enumerate(["cat", "dog", "sea"] * 4))
    )
    assert phoropter("prompts", "import", table).exit_code == 2, "the column has to be named"
    done = phoropter("prompts", "import", table, "--column", "wish", "--out", tmp_path / "set.jsonl", "--json")
    assert done.exit_code == 0, done.stderr
    found = record(done.stdout)
    assert found["count"] == 12
    assert found["categories"] == {"x": 12}
    assert "12 of 12 prompts have no checklist" in done.stderr
    assert len((tmp_path / "set.jsonl").read_text().splitlines()) == 12


def test_prompts_lint(phoropter: Phoropter, tmp_path: Path) -> None:
    assert phoropter("prompts", "lint", "scenes").exit_code == 0
    leaky = tmp_path / "leaky.jsonl"
    rows = [{"text": "a red balloon over the old town", "split": "search"}, {"text": "the red balloon over the old town", "split": "test"}]
    leaky.write_text("\n".join(map(json.dumps, rows)))
    done = phoropter("prompts", "lint", leaky, "--json")
    assert done.exit_code == 1
    assert not record(done.stdout)["ok"]
    assert "nearly the same" in phoropter("prompts", "lint", leaky).stdout


# -- trust


def test_verify(phoropter: Phoropter, finished: Finished, tmp_path: Path) -> None:
    assert phoropter("verify", "--home", finished.home).exit_code == 0
    home = shutil.copytree(finished.home, tmp_path / "copy")
    victim = sorted((home / "images").rglob("*.png"))[0]
    victim.unlink()
    done = phoropter("verify", "--home", home, "--json")
    assert done.exit_code == 1
    (problem,) = record(done.stdout)["problems"]
    assert victim.stem in problem


def test_a_contact_sheet_with_lost_pictures_says_so(phoropter: Phoropter, finished: Finished, tmp_path: Path) -> None:
    home = shutil.copytree(finished.home, tmp_path / "copy")
    shutil.rmtree(home / "images")
    shutil.rmtree(home / "runs")
    done = phoropter("show", finished.id, "--home", home)
    assert done.exit_code == 0
    sheet = Path(done.stdout.splitlines()[-1])
    with Image.open(sheet) as bare, Image.open(finished.home / finished.record["contact_sheet"]) as whole:
        assert bare.size == whole.size
        assert bare.tobytes() != whole.tobytes()


# -- the page about all this


def test_the_page_about_commands_has_every_command_and_option() -> None:
    import typer

    from ui.cli import app
    from ui.settings import Settings

    page = (ROOT / "docs" / "commands.md").read_text()
    group = typer.main.get_command(app)
    commands = dict(group.commands)  # pyright: ignore[reportAttributeAccessIssue]
    for name, command in {**commands, **commands["prompts"].commands}.items():
        assert re.search(rf"\b{name}\b", page), name
        for option in command.params:
            for spelling in option.opts:
                assert not spelling.startswith("--") or spelling == "--help" or spelling in page, f"{name} {spelling}"
    for section, value in Settings().model_dump().items():
        names = value if isinstance(value, dict) else {section: value}
        for name in names:
            shown = section if section in ("run", "transfer") else "STAGE"
            dotted = f"{shown}.{name}" if isinstance(value, dict) else name
            assert f"`{dotted}`" in page, dotted
