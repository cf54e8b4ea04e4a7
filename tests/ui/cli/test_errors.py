"""What happens when something is wrong: two lines on stderr, an exit code, no traceback; with --json the same as an object."""

import json
from pathlib import Path

import pytest

from reasoner.testserver import serving
from tests.ui.cli import cheap
from tests.ui.cli.conftest import Finished, Phoropter, record


def spoken(text: str) -> tuple[str, str]:
    """The error and the hint on stderr."""
    error, _, hint = text.partition("\nhint: ")
    assert error.startswith("error: "), text
    assert "Traceback" not in text
    return error.removeprefix("error: "), hint.strip()


@pytest.mark.parametrize(
    ("arguments", "said", "first"),
    [
        (["optimise"], "unknown command 'optimise'", "there are: optimize"),
        (["prompts", "lst"], "unknown command 'lst'", "there are: list"),
        (["optimize", "--profile", "embeded"], "unknown profile 'embeded'", "there are: embedded"),
        (["optimize", "--reasoner", "opnai:x"], "unknown reasoner engine 'opnai'", "there are: openai"),
        (["optimize", "--generator", "embeded"], "unknown generator engine", "there are: embedded"),
        (["imagine", "x", "--generator", "lens"], "'lens' names no model", "write for example lens:"),
        (["imagine", "x", "--generator", "images:gpt-image-1"], "OPENAI_API_KEY is not set", "export OPENAI_API_KEY="),
        (["imagine", "x", "--generator", "images:m@http://localhost:1/v1?n=2"], "n can't be set", "leave n out"),
        (["optimize", "--generator", "images:m@http://localhost:1/v1"], "draws other pictures", "name a judge that sees"),
        (["imagine", "x", "--guard", "moderatoin"], "unknown guard 'moderatoin'", "there are: moderation"),
        (["rewrite", "x", "--reasoner", "shared"], "the generator holds no language model", "shared goes with --generator lens:FOLDER"),
        (["optimize", "--judge", "scenes"], "unknown judge engine", "there are: scene"),
        (["optimize", "--proposer", "reflect:x"], "unknown proposer engine", "there are: "),
        (["optimize", "--prompts", "scene"], "no prompt set 'scene'", "did you mean scenes?"),
        (["optimize", "--root", "genral"], "unknown system prompt 'genral'", "there are: general"),
        (["optimize", "--root", "none"], "can't start from the raw prompt", "start from plain"),
        (["rewrite", "x", "--system-prompt", "plane"], "unknown system prompt 'plane'", "there are: plain"),
        (["rewrite", " "], "the text is empty", "for example: phoropter rewrite"),
        (["rewrite", "x", "--reasoner", "openai:gpt-5.5"], "OPENAI_API_KEY is not set", "export OPENAI_API_KEY="),
        (["prompts", "show", "scenes", "--split", "tests"], "unknown split 'tests'", "there are: test"),
        (["optimize", "--images", "40"], "40 images are too few", "give it at least --images 200"),
        (["optimize", "--imagse", "300"], "No such option: --imagse", "`phoropter optimize --help`"),
        (["optimize", "--images", "many"], "Invalid value for '--images'", "`phoropter optimize --help`"),
        (["optimize", "--dollars", "-1"], "run.dollars (from command line)", "given was -1.0; docs/commands.md"),
        (["rewrite"], "Missing argument 'TEXT'", "`phoropter rewrite --help`"),
        (["runs"], "there is no ledger at phoropter-data/ledger.db", "`phoropter optimize` makes one"),
        (["resume", "1234"], "there is no ledger", "`phoropter optimize` makes one"),
        (["runs", "--ledger", "mysql://x/y"], "can't be kept in 'mysql'", "there are: sqlite:///FILE"),
    ],
)
def test_wrong_input(phoropter: Phoropter, arguments: list[str], said: str, first: str) -> None:
    done = phoropter(*arguments)
    error, hint = spoken(done.stderr)
    assert said in error
    assert hint.startswith(first)
    assert done.exit_code == 2
    assert done.stdout == ""
    assert not Path("phoropter-data").exists(), "nothing was started"
    again = phoropter(*arguments, "--json")
    assert again.exit_code == 2
    assert record(again.stdout)["error"] == {"type": "UsageError", "message": error, "hint": hint}


def test_no_command_is_a_question(phoropter: Phoropter) -> None:
    done = phoropter()
    assert done.exit_code == 0
    assert "Commands:" in done.stdout


def test_empty_prompt_file(phoropter: Phoropter, tmp_path: Path) -> None:
    empty = tmp_path / "empty.txt"
    empty.write_text("\n\n")
    error, _ = spoken(phoropter("optimize", "--prompts", empty).stderr)
    assert "there are no prompts in this file" in error


def test_broken_json_lines(phoropter: Phoropter, tmp_path: Path) -> None:
    broken = tmp_path / "broken.jsonl"
    broken.write_text('{"text": "a cat", "split": "search"}\n{"text": \n{"text": "a dog", "split": "tests"}\n')
    done = phoropter("prompts", "import", broken)
    error, hint = spoken(done.stderr)
    assert f"{broken}:2: " in error
    assert f"{broken}:3: unknown split 'tests'" in error
    assert "nothing was imported" in hint
    assert done.exit_code == 2
    assert list(tmp_path.iterdir()) == [broken]


def test_prompts_that_nobody_can_judge(phoropter: Phoropter, tmp_path: Path) -> None:
    texts = tmp_path / "texts.txt"
    texts.write_text("a cat\na dog\n")
    error, hint = spoken(phoropter("optimize", "--prompts", texts).stderr)
    assert "2 of 2 prompts have no checklist to judge by, the first: 'a cat'" in error
    assert "--prompts scenes" in hint
    assert "no criterion that pixels can answer" in phoropter("optimize", "--prompts", "vague").stderr


def test_no_text_to_overwrite_an_import_with_itself(phoropter: Phoropter, tmp_path: Path) -> None:
    texts = tmp_path / "texts.jsonl"
    texts.write_text('{"prompt": "a cat"}\n{"prompt": "a dog"}\n')
    before = texts.read_text()
    assert phoropter("prompts", "import", texts, "--out", texts).exit_code == 2
    assert texts.read_text() == before


def test_ids_that_are_not_there(phoropter: Phoropter, finished: Finished) -> None:
    for command in ("resume", "lineage", "show", "export"):
        done = phoropter(command, "zzzz", "--home", finished.home)
        error, hint = spoken(done.stderr)
        assert "there is no " in error
        assert "phoropter runs" in hint
        assert done.exit_code == 2
    wrong = finished.id[:-1] + ("0" if finished.id[-1] != "0" else "1")
    assert f"did you mean {finished.id}?" in phoropter("resume", wrong, "--home", finished.home).stderr


def test_a_ledger_that_is_none(phoropter: Phoropter, tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "ledger.db").write_bytes(b"this is no database, but long enough to look like one" * 40)
    done = phoropter("runs", "--home", tmp_path / "home", "--json")
    assert done.exit_code == 1
    assert record(done.stdout)["error"]["type"] == "LedgerError"
    assert "damaged or no database" in done.stderr
    checks = {check["name"]: check for check in record(phoropter("doctor", "--home", tmp_path / "home", "--json").stdout)["checks"]}
    assert checks["ledger"]["ok"] is False


def test_a_dead_endpoint_of_one_rewrite(phoropter: Phoropter, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PHOROPTER_REASONER__ATTEMPTS", "1")
    done = phoropter("rewrite", "a cat", "--reasoner", "openai:x@http://127.0.0.1:9/v1")
    error, hint = spoken(done.stderr)
    assert error.startswith("no connection to http://127.0.0.1:9/v1")
    assert "is the server up?" in hint
    assert done.exit_code == 1


def test_a_dead_endpoint_of_one_picture_is_on_record(phoropter: Phoropter, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PHOROPTER_REASONER__ATTEMPTS", "1")
    done = phoropter("imagine", "a cat", "--reasoner", "openai:x@http://127.0.0.1:9/v1", "--json")
    assert done.exit_code == 1
    found = record(done.stdout)
    assert (found["failure"]["stage"], found["failure"]["kind"]) == ("rewrite", "unreachable")
    assert "unreachable" in phoropter("show", found["run"]).stdout


SECRET = "sk-not-to-be-seen-0123456789"


def test_secrets_are_never_printed(phoropter: Phoropter, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", SECRET)
    monkeypatch.setenv("PHOROPTER_API_KEY", SECRET)
    monkeypatch.setenv("PHOROPTER_REASONER__ATTEMPTS", "1")
    dead = ("--reasoner", "openai:x@http://127.0.0.1:9/v1")
    outputs = [
        phoropter("doctor", *dead),
        phoropter("doctor", *dead, "--json"),
        phoropter("rewrite", "a cat", *dead),
        phoropter("imagine", "a cat", *dead, "--json"),
        phoropter("optimize", "--images", 220, *dead, "--generator", cheap.GENERATOR, "--judge", cheap.JUDGE, "--json"),
        phoropter("runs", "--ledger", f"postgresql://me:{SECRET}@127.0.0.1:9/x", "--json"),
        phoropter("doctor", "--ledger", f"postgresql://me:{SECRET}@127.0.0.1:9/x", "--json"),
        phoropter("rewrite", "a cat", "--reasoner", "openai:x?api_key=" + SECRET),
        phoropter("rewrite", "a cat", "--reasoner", f"openai:x@http://me:{SECRET}@localhost/v1"),
    ]
    with serving() as server:  # It quotes the key that it refuses.
        refusing = ("--reasoner", f"openai:unauthorized@{server.url}")
        outputs += [phoropter("rewrite", "a cat", *refusing), phoropter("imagine", "a cat", *refusing, "--json")]
    assert "set" in json.dumps(record(outputs[1].stdout)["checks"])
    for done in outputs:
        assert done.exit_code != 0
        assert SECRET not in done.stdout + done.stderr
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert files
    assert not any(SECRET.encode() in path.read_bytes() for path in files)
