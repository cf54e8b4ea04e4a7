"""What the tests of our own vLLM share."""

import json
from pathlib import Path

import pytest

KEY = "sk-not-for-the-log"


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def gpt_oss(tmp_path: Path) -> Path:
    """A folder that looks like a model's."""
    folder = tmp_path / "my-model"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps({"model_type": "gpt_oss", "max_position_embeddings": 4096}))
    (folder / "model.safetensors").write_bytes(bytes(300_000))
    return folder
