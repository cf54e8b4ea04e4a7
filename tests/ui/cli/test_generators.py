"""Real generators from the command line: what is drawn, what its file says, and what stands there when something is wrong."""

import importlib
import io
import json
import shutil
import sys
from pathlib import Path

import pytest
from PIL import Image

from data.provenance import provenance_of
from reasoner.testserver import serving
from tests.ui.cli.conftest import Phoropter, record

TEXT = "a quiet harbour"


def made(name: str, folder: Path) -> Path:
    """A tiny pipeline of the real classes."""
    pytest.importorskip("torch")
    importlib.import_module(f"tests.tiny_models.{name}").build(folder)
    return folder


@pytest.fixture(scope="module")
def lens(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made("lens", tmp_path_factory.mktemp("models") / "tiny-lens")


@pytest.fixture(scope="module")
def qwen(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made("qwen_image", tmp_path_factory.mktemp("models") / "tiny-qwen")


def test_imagine_with_diffusers(phoropter: Phoropter, qwen: Path) -> None:
    done = phoropter("imagine", TEXT, "--generator", f"diffusers:{qwen}?steps=2&size=64x64", "--out", "a.png", "--json")
    assert done.exit_code == 0, done.stderr
    found = record(done.stdout)
    assert (found["image"]["width"], found["image"]["height"]) == (64, 64)
    said = provenance_of(Path("a.png").read_bytes())
    assert said.prompt == TEXT
    assert said.system_prompt == found["system_prompt"]["id"]
    assert said.rewrite == found["rewrite"]["text"]
    assert "diffusers" in said.model
    assert said.seed == "1"
    with Image.open("a.png") as image:
        assert image.size == (64, 64)


def test_imagine_with_lens(phoropter: Phoropter, lens: Path) -> None:
    spec = f"lens:{lens}?steps=2&size=64x64"
    done = phoropter("imagine", TEXT, "--generator", spec, "--out", "a.png")
    assert done.exit_code == 0, done.stderr
    assert "picture   a.png" in done.stdout
    again = phoropter("imagine", TEXT, "--generator", spec, "--json")
    assert record(again.stdout)["image"]["width"] == 64
    other = record(phoropter("imagine", TEXT, "--generator", spec, "--seed", "2", "--json").stdout)
    assert other["image"]["sha256"] != record(again.stdout)["image"]["sha256"]


def test_a_spec_that_no_model_takes(phoropter: Phoropter, lens: Path) -> None:
    done = phoropter("imagine", TEXT, "--generator", f"lens:{lens}?stepps=2")
    assert done.exit_code == 2
    assert "there is no parameter stepps" in done.stderr
    assert "there are: steps" in done.stderr
    done = phoropter("imagine", TEXT, "--generator", f"lens:{lens}?size=100x64")
    assert done.exit_code == 2
    assert "multiples of 16" in done.stderr
    assert not Path("phoropter-data/images").exists()


def test_without_torch_it_says_what_to_install(phoropter: Phoropter, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    done = phoropter("imagine", TEXT, "--generator", "diffusers:Qwen/Qwen-Image")
    assert done.exit_code == 2
    assert "needs torch" in done.stderr
    assert "pip install 'phoropter[local]'" in done.stderr


def test_a_half_downloaded_model(phoropter: Phoropter, lens: Path, tmp_path: Path) -> None:
    broken = shutil.copytree(lens, tmp_path / "broken-lens")
    weights = next((broken / "transformer").glob("*.safetensors"))
    weights.write_bytes(weights.read_bytes()[:-100])
    done = phoropter("imagine", TEXT, "--generator", f"lens:{broken}?steps=2&size=64x64")
    assert done.exit_code == 2
    assert weights.name in done.stderr
    assert "Traceback" not in done.stderr


def test_images_over_http_say_what_spoils_a_comparison(phoropter: Phoropter) -> None:
    with serving() as server:
        done = phoropter("imagine", TEXT, "--generator", f"images:revised@{server.url}", "--json")
    assert done.exit_code == 0, done.stderr
    image = record(done.stdout)["image"]
    assert image["revised_prompt"]
    assert any("rewrote the text again" in flaw for flaw in image["flaws"])


def test_what_a_guard_blocks_is_shown_as_such(phoropter: Phoropter) -> None:
    with serving() as server:
        done = phoropter("imagine", "a forbidden thing", "--generator", "embedded", "--guard", f"chat:guard@{server.url}")
        asked = phoropter("imagine", "a forbidden thing", "--generator", "embedded", "--guard", f"chat:guard@{server.url}", "--json")
    assert done.exit_code == 1
    assert "blocked " in done.stdout
    failure = record(asked.stdout)["failure"]
    assert failure["kind"] == "blocked"
    assert failure["stage"] == "generate"


def test_a_pool_draws_what_one_draws(phoropter: Phoropter) -> None:
    pytest.importorskip("ray")
    alone = record(phoropter("imagine", TEXT, "--generator", "embedded", "--home", "alone", "--json").stdout)
    done = phoropter("imagine", TEXT, "--generator", "ray:embedded?actors=1", "--home", "pool", "--json")
    assert done.exit_code == 0, done.stderr
    pool = record(done.stdout)
    assert (pool["image"]["width"], pool["image"]["height"]) == (alone["image"]["width"], alone["image"]["height"])


def test_doctor_loads_no_weights(phoropter: Phoropter, lens: Path) -> None:
    done = phoropter("doctor", "--generator", f"lens:{lens}", "--json")
    checks = {check["name"]: check for check in json.loads(done.stdout)["checks"]}
    assert checks["generator"]["ok"], checks["generator"]
    assert io.StringIO(done.stderr).read() == ""
