"""Whether a model fits is said before it loads, from the headers of its files, with what would fit."""

import json
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.errors import UsageError
from generator.local.memory import GB, WORKING, Free, check_memory, on_device, weights

PLENTY = 10**15
SERVED = {"text_encoder": "lens:FOLDER@http://HOST:8000/v1"}


def write(file: Path, tensors: Mapping[str, tuple[str, int]]) -> None:
    """A safetensors file's header, of tensors by name with dtype and stored bytes. No weights follow."""
    header: dict[str, object] = {"__metadata__": {"format": "pt"}}
    end = 0
    for name, (dtype, stored) in tensors.items():
        header[name] = {"dtype": dtype, "shape": [stored], "data_offsets": [end, end + stored]}
        end += stored
    encoded = json.dumps(header).encode()
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(len(encoded).to_bytes(8, "little") + encoded)


@pytest.fixture
def lens(tmp_path: Path) -> Path:
    """The layout and the sizes of a Lens mirror: 16.4 GB of transformer in float32, GPT-OSS in MXFP4, 0.3 GB of autoencoder."""
    folder = tmp_path / "Lens"
    parts = ("text_encoder", "transformer", "vae", "tokenizer", "scheduler")
    folder.mkdir()
    (folder / "model_index.json").write_text(json.dumps({"_class_name": "LensPipeline", **{part: ["library", "Class"] for part in parts}}))
    (folder / "scheduler").mkdir()
    shards = {"model-1.safetensors": {"experts_blocks": ("U8", 10 * GB)}, "model-2.safetensors": {"experts_scales": ("U8", GB)}}
    shards["model-2.safetensors"]["embed"] = ("BF16", 2 * GB)
    for name, tensors in shards.items():
        write(folder / "text_encoder" / name, tensors)
    index = {"weight_map": {tensor: name for name, tensors in shards.items() for tensor in tensors}}
    (folder / "text_encoder" / "model.safetensors.index.json").write_text(json.dumps(index))
    write(folder / "text_encoder" / "leftover.safetensors", {"old": ("F32", 100 * GB)})
    write(folder / "transformer" / "diffusion_pytorch_model.safetensors", {"a": ("F32", 16 * GB), "count": ("I64", 8)})
    write(folder / "transformer" / "diffusion_pytorch_model.fp16.safetensors", {"a": ("F16", 8 * GB)})
    write(folder / "vae" / "diffusion_pytorch_model.safetensors", {"a": ("BF16", GB)})
    return folder


def test_weights_are_counted_as_they_will_lie_in_memory(lens: Path) -> None:
    assert weights(lens, 2) == {"text_encoder": 13 * GB, "transformer": 8 * GB + 8, "vae": GB}
    assert weights(lens, 4) == {"text_encoder": 15 * GB, "transformer": 16 * GB + 8, "vae": 2 * GB}
    assert weights(lens, 2, unpacked=True)["text_encoder"] == 42 * GB
    assert weights(lens, 2, leave_out=("text_encoder",)) == {"transformer": 8 * GB + 8, "vae": GB}


def test_a_folder_without_an_index_is_one_model(tmp_path: Path) -> None:
    write(tmp_path / "gpt-oss" / "model.safetensors", {"a": ("F32", 40)})
    assert weights(tmp_path / "gpt-oss", 2) == {"gpt-oss": 20}


def test_what_fits_is_let_through(lens: Path) -> None:
    check_memory(lens, dtype="bf16", device="cuda", free=Free(25 * GB, 0))
    check_memory(lens, dtype="bf16", device="cuda", offload="model", free=Free(16 * GB, 30 * GB))
    check_memory(lens, dtype="bf16", device="cuda", leave_out=("text_encoder",), free=Free(12 * GB, 0))
    check_memory(lens, dtype="bf16", device="cpu", free=Free(25 * GB, 25 * GB))


def test_what_does_not_fit_names_sizes_and_what_would(lens: Path) -> None:
    with pytest.raises(UsageError) as raised:
        check_memory(lens, dtype="bf16", device="cuda", elsewhere=SERVED, free=Free(16 * GB, 64 * GB))
    assert "Lens needs 24.0 GB on cuda in bf16 (text_encoder 13.0 GB, transformer 8.0 GB, vae 1.0 GB" in str(raised.value)
    assert "16.0 GB are free" in str(raised.value)
    assert "offload=model (15.0 GB)" in raised.value.hint
    assert "lens:FOLDER@http://HOST:8000/v1 (11.0 GB)" in raised.value.hint
    assert "dtype" not in raised.value.hint


def test_a_wider_dtype_is_told_of_the_narrower(lens: Path) -> None:
    with pytest.raises(UsageError) as raised:
        check_memory(lens, dtype="fp32", device="cuda", free=Free(30 * GB, 0))
    assert "dtype=bf16" in raised.value.hint
    assert "offload" not in raised.value.hint  # the host has no room for it


def test_offloading_needs_room_on_the_host(lens: Path) -> None:
    with pytest.raises(UsageError, match=r"22\.0 GB of memory .* 8\.0 GB are free") as raised:
        check_memory(lens, dtype="bf16", device="cuda", offload="model", free=Free(40 * GB, 8 * GB))
    assert "offload" not in raised.value.hint


def test_where_nothing_would_fit_that_is_said(lens: Path) -> None:
    with pytest.raises(UsageError) as raised:
        check_memory(lens, dtype="bf16", device="cpu", free=Free(GB, GB))
    assert "more memory" in raised.value.hint


def test_this_machine_has_room_for_something_small(tmp_path: Path) -> None:
    pytest.importorskip("psutil")
    write(tmp_path / "tiny" / "model.safetensors", {"a": ("F32", 40)})
    check_memory(tmp_path / "tiny", dtype="fp32", device="cpu")


@given(st.dictionaries(st.sampled_from("abcd"), st.integers(1, 10**11), min_size=1))
def test_the_more_is_offloaded_the_less_is_needed(needs: dict[str, int]) -> None:
    everything, one, layers = (on_device(needs, offload) for offload in ("none", "model", "sequential"))
    assert everything >= one >= layers
    assert max(needs.values()) <= one
    assert everything <= sum(needs.values()) + WORKING
