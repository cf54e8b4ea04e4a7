"""What is wrong with a pipeline's folder is said before anything is loaded, with the name of what is wrong."""

# pyright: reportMissingImports=false

import json
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("diffusers")

from safetensors.torch import load_file, save_file  # noqa: E402

from data.errors import UsageError  # noqa: E402
from generator.local.checking import check_file, check_files, check_pipeline, check_tensors, model_classes  # noqa: E402

WEIGHTS = "diffusion_pytorch_model.safetensors"


@pytest.fixture
def folder(tiny: Callable[[str], Path], tmp_path: Path) -> Path:
    """A copy of a tiny Z-Image, to be spoiled."""
    return Path(shutil.copytree(tiny("z_image"), tmp_path / "Z-Image"))


def complaint(folder: Path | str) -> UsageError:
    with pytest.raises(UsageError) as raised:
        check_tensors(check_pipeline(str(folder)))
    assert raised.value.hint
    return raised.value


def edited(file: Path, change: Callable[[dict[str, Any]], object]) -> None:
    tensors = load_file(file)
    change(tensors)
    save_file(tensors, file)


def index(folder: Path, **changed: Any) -> None:
    file = folder / "model_index.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **changed}))


def test_a_whole_pipeline_passes_and_says_what_it_is(folder: Path) -> None:
    facts = check_pipeline(str(folder))
    check_tensors(facts)
    assert (facts.name, facts.pipeline, facts.folder) == ("Z-Image", "ZImagePipeline", folder)
    assert set(model_classes(facts)) == {"transformer", "vae", "text_encoder"}


@pytest.mark.parametrize(
    ("pipeline", "what"),
    [
        ("StableDiffusionXLImg2ImgPipeline", "starts from an image"),
        ("StableDiffusionXLControlNetPipeline", "starts from an image"),
        ("QwenImageEditPipeline", "starts from an image"),
        ("WanPipeline", "makes videos"),
        ("StableAudioPipeline", "makes sound"),
        ("DDPMPipeline", "reads no prompt"),
    ],
)
def test_a_pipeline_with_another_purpose_is_no_text_to_image_model(folder: Path, pipeline: str, what: str) -> None:
    index(folder, _class_name=pipeline)
    said = str(complaint(folder))
    assert "no text-to-image model" in said
    assert f"{pipeline} {what}" in said


def test_a_language_model_is_said_to_be_one(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"architectures": ["GptOssForCausalLM"]}')
    assert "holds a GptOssForCausalLM" in str(complaint(tmp_path))


def test_a_folder_of_pickles_is_said_to_be_one(tmp_path: Path) -> None:
    (tmp_path / "model.ckpt").write_bytes(pickle.dumps({}))
    assert "holds model.ckpt, a pickle" in str(complaint(tmp_path))


def test_lens_is_referred_to_its_own_engine(folder: Path) -> None:
    index(folder, _class_name="LensPipeline")
    assert complaint(folder).hint == f"write lens:{folder}"


def test_a_class_that_diffusers_lacks_is_named(folder: Path) -> None:
    index(folder, _class_name="TomorrowsPipeline")
    assert "has no pipeline TomorrowsPipeline" in str(complaint(folder))


@pytest.mark.parametrize(
    "changed",
    [{"_class_name": ["pipeline.py", "Mine"]}, {"transformer": ["transformer_mine", "Mine"]}, {"vae": ["os", "system"]}],
    ids=["pipeline", "component", "module"],
)
def test_code_that_comes_with_the_weights_is_not_run(folder: Path, changed: dict[str, Any]) -> None:
    (folder / "pipeline.py").write_text("raise SystemExit")
    index(folder, **changed)
    assert "code of" in str(complaint(folder))


def test_pickled_weights_are_named_and_never_opened(folder: Path) -> None:
    file = folder / "transformer" / WEIGHTS
    file.unlink()
    # Whoever opened it would end the test run.
    file.with_name("diffusion_pytorch_model.bin").write_bytes(b"cos\n_exit\n(I1\ntR.")
    assert "transformer/diffusion_pytorch_model.bin is a pickle" in str(complaint(folder))


def test_a_pickle_beside_safetensors_is_only_noted(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    (folder / "vae/diffusion_pytorch_model.bin").write_bytes(b"cos\n_exit\n(I1\ntR.")
    with caplog.at_level("INFO"):
        check_tensors(check_pipeline(str(folder)))
    assert "vae/diffusion_pytorch_model.bin is not used" in caplog.text


def test_a_half_downloaded_file_is_named_with_its_sizes(folder: Path) -> None:
    file = folder / "vae" / WEIGHTS
    content = file.read_bytes()
    file.write_bytes(content[: len(content) // 2])
    said = str(complaint(folder))
    assert f"vae/{WEIGHTS} has {len(content) // 2:,} bytes" in said
    assert f"{len(content):,}" in said


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"short",
        b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n",
        (2**40).to_bytes(8, "little"),
        (4).to_bytes(8, "little") + b"[{}]",
        (2).to_bytes(8, "little") + b"{}",
        (9).to_bytes(8, "little") + b'{"a": {}}',
        (11).to_bytes(8, "little") + b'{"a": null}',
    ],
)
def test_a_file_that_is_no_safetensors_file_is_named(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "model.safetensors"
    file.write_bytes(content)
    with pytest.raises(UsageError, match=r"model\.safetensors"):
        check_file(file)


def test_a_missing_shard_is_named(folder: Path) -> None:
    component = folder / "transformer"
    tensors = load_file(component / WEIGHTS)
    (component / WEIGHTS).rename(component / "diffusion_pytorch_model-00001-of-00002.safetensors")
    shards = {name: f"diffusion_pytorch_model-0000{place % 2 + 1}-of-00002.safetensors" for place, name in enumerate(tensors)}
    (component / f"{WEIGHTS}.index.json").write_text(json.dumps({"weight_map": shards}))
    assert "there is no" in str(complaint(folder))
    assert "00002-of-00002" in str(complaint(folder))


def test_an_index_may_not_lead_out_of_its_folder(folder: Path) -> None:
    (folder / "vae" / f"{WEIGHTS}.index.json").write_text(json.dumps({"weight_map": {"a": "../../elsewhere.safetensors"}}))
    assert "'../../elsewhere.safetensors', which is not a file beside it" in str(complaint(folder))


def test_a_folder_without_weights_is_named(folder: Path) -> None:
    (folder / "text_encoder/model.safetensors").unlink()
    assert "text_encoder has no weights" in str(complaint(folder))
    shutil.rmtree(folder / "text_encoder")
    assert f"there is no folder {folder / 'text_encoder'}" in str(complaint(folder))


@pytest.mark.parametrize("file", [f"transformer/{WEIGHTS}", "text_encoder/model.safetensors"])
def test_missing_tensors_are_named(folder: Path, file: str) -> None:
    name = sorted(load_file(folder / file))[0]
    edited(folder / file, lambda tensors: tensors.pop(name))
    assert f"it lacks {name}" in str(complaint(folder))


@pytest.mark.parametrize("file", [f"transformer/{WEIGHTS}", "text_encoder/model.safetensors"])
def test_tensors_of_another_shape_are_named(folder: Path, file: str) -> None:
    name = sorted(load_file(folder / file))[0]
    edited(folder / file, lambda tensors: tensors.update({name: tensors[name].repeat_interleave(2, 0)}))
    assert f"it has, in another shape, {name}" in str(complaint(folder))


def test_tensors_that_nothing_needs_are_named(folder: Path) -> None:
    edited(folder / "vae" / WEIGHTS, lambda tensors: tensors.update({"beyond.weight": torch.zeros(1)}))
    assert "it has, beyond what is needed, beyond.weight" in str(complaint(folder))


def test_a_text_encoder_may_hold_more_than_is_needed(folder: Path) -> None:
    """They are cut out of larger models."""
    edited(folder / "text_encoder/model.safetensors", lambda tensors: tensors.update({"lm_head.weight": torch.zeros(1)}))
    check_tensors(check_pipeline(str(folder)))


def test_a_configuration_that_is_no_json_is_named(folder: Path) -> None:
    (folder / "model_index.json").write_text("{")
    assert "model_index.json can't be read" in str(complaint(folder))


def test_a_repository_that_is_not_here_is_said_with_the_way_to_get_it() -> None:
    error = complaint("nobody/nothing")
    assert "not in the hub's cache" in str(error)
    assert "hf download nobody/nothing" in error.hint


def test_a_path_that_is_not_there_is_no_repository(tmp_path: Path) -> None:
    assert "there is no folder" in str(complaint(tmp_path / "nothing"))


def test_a_single_file_is_no_pipeline(folder: Path) -> None:
    assert "is a single file" in str(complaint(folder / "vae" / WEIGHTS))


def test_the_files_of_one_model_can_be_checked_alone(folder: Path) -> None:
    check_files(folder / "vae")
    (folder / "vae" / WEIGHTS).rename(folder / "vae/diffusion_pytorch_model.fp16.safetensors")
    with pytest.raises(UsageError, match=r"without a variant in their name: diffusion_pytorch_model\.fp16"):
        check_files(folder / "vae")
