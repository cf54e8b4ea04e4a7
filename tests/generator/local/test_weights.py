"""A fingerprint says which weights lie in a folder, and not where or what they are called."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from generator.local.weights import fingerprint, weight_files

np = pytest.importorskip("numpy")
safetensors = pytest.importorskip("safetensors.numpy")

Change = Callable[[Path], object]


def save(file: Path, **changed: float) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    tensors = {name: np.full((300, 7), value, dtype="float32") for name, value in {"a": 1.0, "b": 2.0, **changed}.items()}
    safetensors.save_file(tensors, file)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "pipeline"
    save(made / "transformer" / "model.safetensors")
    save(made / "text_encoder" / "model.safetensors")
    (made / "transformer" / "config.json").write_text('{"layers": 2}')
    (made / "model_index.json").write_text(
        '{"_class_name": "P", "transformer": ["d", "T"], "text_encoder": ["t", "E"], "vae": [null, null]}'
    )
    return made


def test_a_copy_elsewhere_has_the_same(folder: Path, tmp_path: Path) -> None:
    copied = Path(shutil.copytree(folder, tmp_path / "elsewhere" / "other name"))
    assert fingerprint(copied) == fingerprint(folder)


@pytest.mark.parametrize(
    "change",
    [
        lambda folder: save(folder / "transformer" / "model.safetensors", b=2.5),
        lambda folder: save(folder / "transformer" / "model.safetensors", c=3.0),
        lambda folder: save(folder / "transformer" / "other.safetensors"),
        lambda folder: (folder / "transformer" / "config.json").write_text('{"layers": 3}'),
        lambda folder: (folder / "transformer" / "model.safetensors").write_bytes(b"\xff" * 100),
        lambda folder: (folder / "transformer" / "model.safetensors").write_bytes(b""),
        lambda folder: (folder / "transformer" / "model.safetensors").write_bytes(b"\x07" + bytes(7) + b'{"a":5}'),
    ],
    ids=["a tensor's numbers", "one more tensor", "one more file", "configuration", "broken", "empty", "senseless"],
)
def test_a_change_gives_another(folder: Path, change: Change) -> None:
    before = fingerprint(folder)
    change(folder)
    assert fingerprint(folder) != before


def test_what_is_left_out_does_not_matter(folder: Path) -> None:
    before = fingerprint(folder, leave_out=("text_encoder",))
    save(folder / "text_encoder" / "model.safetensors", a=9.0)
    assert fingerprint(folder, leave_out=("text_encoder",)) == before


def test_variants_are_passed_over_unless_there_is_nothing_else(tmp_path: Path) -> None:
    save(tmp_path / "model.fp16.safetensors")
    assert weight_files(tmp_path) == [tmp_path / "model.fp16.safetensors"]
    save(tmp_path / "model.safetensors")
    assert weight_files(tmp_path) == [tmp_path / "model.safetensors"]
