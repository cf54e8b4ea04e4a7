"""Lens from disk: mirrors as they are, single files, and what must not load. Nothing is downloaded."""

# pyright: reportMissingImports=false

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")
diffusers = pytest.importorskip("diffusers")

from safetensors.torch import load_file, save_file  # noqa: E402

from data.errors import UsageError  # noqa: E402
from generator.lens.loading import load_transformer, read_header  # noqa: E402
from generator.lens.pipeline import LensPipeline  # noqa: E402

WEIGHTS = "transformer/diffusion_pytorch_model.safetensors"


def load(folder: Path, **settings: Any) -> LensPipeline:
    pipeline = LensPipeline.from_pretrained(folder, **settings)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


@pytest.fixture
def copied(saved: Path, tmp_path: Path) -> Path:
    """A folder to spoil."""
    return Path(shutil.copytree(saved, tmp_path / "copy"))


@pytest.fixture
def state(saved: Path) -> dict[str, Any]:
    return load_file(saved / WEIGHTS)


def test_a_round_trip_changes_no_bit(pipeline: LensPipeline, saved: Path, features: Callable, draw: Callable) -> None:
    assert torch.equal(draw(load(saved), features(5, 3), [0, 1]), draw(pipeline, features(5, 3), [0, 1]))


def test_what_is_saved_names_classes_as_mirrors_do(saved: Path, tmp_path: Path) -> None:
    load(saved).save_pretrained(tmp_path)
    for folder in (saved, tmp_path):
        index = json.loads((folder / "model_index.json").read_text())
        assert index["_class_name"] == "LensPipeline"
        assert {name: index[name] for name in ("transformer", "vae", "scheduler")} == {
            "transformer": ["diffusers", "LensTransformer2DModel"],
            "vae": ["diffusers", "AutoencoderKLFlux2"],
            "scheduler": ["diffusers", "FlowMatchEulerDiscreteScheduler"],
        }
    assert json.loads((tmp_path / "transformer/config.json").read_text())["_class_name"] == "LensTransformer2DModel"


def test_nothing_is_left_in_the_namespace_of_diffusers(saved: Path) -> None:
    load(saved)
    assert not [name for name in ("LensPipeline", "LensTransformer2DModel") if hasattr(diffusers, name)]


def test_bfloat16(pipeline: LensPipeline, saved: Path, features: Callable, draw: Callable) -> None:
    small = load(saved, dtype=torch.bfloat16)
    assert {part.dtype for part in (*small.transformer.parameters(), *small.vae.parameters())} == {torch.bfloat16}
    # Two steps of guided noise on random weights: roughly the same picture is what can be asked for.
    assert (draw(small, features(5), [0]) - draw(pipeline, features(5), [0])).abs().mean() < 0.05


def test_a_given_component_is_not_read(pipeline: LensPipeline, copied: Path) -> None:
    shutil.rmtree(copied / "transformer")
    assert load(copied, transformer=pipeline.transformer).transformer is pipeline.transformer


def test_shards(pipeline: LensPipeline, copied: Path, features: Callable, draw: Callable) -> None:
    (copied / WEIGHTS).unlink()
    pipeline.transformer.save_pretrained(copied / "transformer", max_shard_size="100KB")
    assert len(list((copied / "transformer").glob("*.safetensors"))) > 2
    assert torch.equal(draw(load(copied), features(5), [0]), draw(pipeline, features(5), [0]))
    next((copied / "transformer").glob("*-00002-*")).unlink()
    with pytest.raises(UsageError, match=r"there is no .*-00002-of"):
        load(copied)


@pytest.mark.parametrize("prefix", ["", "model.diffusion_model.", "transformer."])
def test_a_single_file(
    pipeline: LensPipeline, saved: Path, state: dict[str, Any], tmp_path: Path, features: Callable, draw: Callable, prefix: str
) -> None:
    path = tmp_path / "lens.safetensors"
    save_file({prefix + name: tensor for name, tensor in state.items()}, path)
    shutil.copy(saved / "transformer/config.json", tmp_path)
    single = LensPipeline.from_single_file(path, vae=saved / "vae")
    single.set_progress_bar_config(disable=True)
    assert torch.equal(draw(single, features(5), [0]), draw(pipeline, features(5), [0]))
    assert load_transformer(path, dtype=torch.bfloat16).dtype == torch.bfloat16


def test_a_single_file_without_a_configuration_is_taken_for_the_released_model(state: dict[str, Any], tmp_path: Path) -> None:
    save_file(state, tmp_path / "lens.safetensors")
    with pytest.raises(UsageError, match=r"it lacks transformer_blocks\.2\..* and \d+ more; it has, in other shapes, "):
        load_transformer(tmp_path / "lens.safetensors")


def spoilt(name: str, state: dict[str, Any]) -> tuple[dict[str, Any], str]:
    gone, extra = "transformer_blocks.1.attn.img_qkv.bias", "transformer_blocks.1.attn.img_qkv.lora"
    match name:
        case "missing":
            return {key: tensor for key, tensor in state.items() if key != gone}, rf"it lacks {gone}$"
        case "many missing":
            return {key: tensor for key, tensor in state.items() if "txt_" not in key}, r"it lacks txt_.*, .*, .* and \d+ more$"
        case "extra":
            return {**state, extra: torch.zeros(1)}, rf"it has, beyond what is needed, {extra}$"
        case "wrong shape":
            return {**state, gone: torch.zeros(7)}, rf"{gone} \[7\] instead of \[96\]"
        case "quantised":
            return {key: tensor.to(torch.float8_e4m3fn) for key, tensor in state.items()}, r"is quantised \(F8_E4M3\)"
        case _:
            raise ValueError(name)


@pytest.mark.parametrize("what", ["missing", "many missing", "extra", "wrong shape", "quantised"])
def test_tensors_that_do_not_fit_are_named(copied: Path, state: dict[str, Any], what: str) -> None:
    tensors, said = spoilt(what, state)
    save_file(tensors, copied / WEIGHTS)
    with pytest.raises(UsageError, match=said) as folder:
        load(copied)
    assert str(copied / "transformer") in str(folder.value)
    shutil.copy(copied / WEIGHTS, copied / "single.safetensors")
    shutil.copy(copied / "transformer/config.json", copied)
    with pytest.raises(UsageError, match=said):
        load_transformer(copied / "single.safetensors")


def broken_files(whole: bytes) -> Iterator[tuple[str, bytes]]:
    yield "half downloaded", whole[: len(whole) // 2]
    yield "one byte short", whole[:-1]
    yield "something behind it", whole + b"\0"
    yield "header cut", whole[:100]
    yield "empty", b""
    yield "a web page", b"<!DOCTYPE html><title>404</title>"
    yield "a git-lfs pointer", b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 16416900608\n"
    yield "JSON of another kind", (2).to_bytes(8, "little") + b"[]"
    yield "no tensors", (2).to_bytes(8, "little") + b"{}"
    yield "a tensor without offsets", (38).to_bytes(8, "little") + b'{"img_in.weight":{"dtype":"F32"}}     '


def test_broken_files_are_named(copied: Path) -> None:
    whole = (copied / WEIGHTS).read_bytes()
    for what, content in broken_files(whole):
        (copied / WEIGHTS).write_bytes(content)
        with pytest.raises(UsageError) as found:
            load(copied)
        assert str(copied / WEIGHTS) in str(found.value), what
        assert found.value.hint == "download it again", what


@pytest.mark.parametrize("component", ["vae", "transformer"])
def test_pickles_are_not_opened(copied: Path, component: str) -> None:
    weights = copied / component / "diffusion_pytorch_model.safetensors"
    weights.rename(weights.with_suffix(".bin"))
    with pytest.raises(UsageError, match=r"diffusion_pytorch_model\.bin is a pickle, which can hold code"):
        load(copied)


@pytest.mark.parametrize("name", ["lens.ckpt", "lens.gguf"])
def test_single_files_of_other_kinds(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"anything")
    with pytest.raises(UsageError, match="is no safetensors file"):
        load_transformer(tmp_path / name, config={"num_layers": 1})


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda folder: shutil.rmtree(folder / "vae"), "there is no folder .*vae"),
        (lambda folder: (folder / "model_index.json").unlink(), r"there is no .*model_index\.json"),
        (lambda folder: (folder / "model_index.json").write_text("{"), r"model_index\.json can't be read"),
        (lambda folder: (folder / "vae/config.json").write_text("[]"), r"vae/config\.json holds no JSON object"),
        (lambda folder: (folder / "transformer/config.json").write_text('{"rms_norm": false}'), r"transformer/config\.json: .*rms_norm"),
        (lambda folder: (folder / "transformer/config.json").write_text('{"num_layers": "two"}'), r"transformer/config\.json: "),
        (lambda folder: shutil.rmtree(folder / "scheduler"), "there is no folder .*scheduler"),
        (lambda folder: (folder / "scheduler/scheduler_config.json").write_text("{"), "scheduler can't be loaded"),
    ],
)
def test_folders_that_are_no_mirror(copied: Path, spoil: Callable[[Path], object], said: str) -> None:
    spoil(copied)
    with pytest.raises(UsageError, match=said):
        load(copied)


def test_sources_that_are_not_there(tmp_path: Path, saved: Path) -> None:
    with pytest.raises(UsageError, match="hub's cache") as found:
        load(Path("nobody/Lens"))
    assert found.value.hint.startswith("hf download nobody/Lens")
    with pytest.raises(UsageError, match="neither a folder nor the name"):
        load(tmp_path / "nothing/at/all")
    with pytest.raises(UsageError, match="is a file"):
        load(saved / WEIGHTS)


def test_an_argument_that_is_no_component(saved: Path) -> None:
    with pytest.raises(TypeError, match="safety_checker"):
        load(saved, safety_checker=None)


def test_headers_tell_types_and_shapes(saved: Path) -> None:
    header = read_header(saved / WEIGHTS)
    assert header["img_in.weight"] == ("F32", (32, 128))
