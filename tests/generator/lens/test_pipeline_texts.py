"""Lens's pipeline with its text encoder, a tiny GPT-OSS: from words to pixels, to disk and back."""

# pyright: reportMissingImports=false

import json
import logging
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("diffusers")

from data.errors import UsageError  # noqa: E402
from generator.lens.pipeline import LensPipeline  # noqa: E402

VISIBLE, ROUNDING = 0.01, 1e-4
"""Mean difference of two pictures that is to be seen, and the largest that is none, in values from 0 to 1."""


@pytest.fixture(scope="module")
def saved_whole(reading_pipeline: LensPipeline, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Some 200 MB, most of it GPT-OSS's vocabulary."""
    folder = tmp_path_factory.mktemp("whole") / "Lens"
    reading_pipeline.save_pretrained(folder)
    yield folder
    shutil.rmtree(folder)


def test_pictures_depend_on_the_words(reading_pipeline: LensPipeline, draw: Callable) -> None:
    drawn = draw(reading_pipeline, prompt=["a red lighthouse", "a blue lighthouse", "a red lighthouse"], seeds=[0, 0, 0])
    assert (drawn[0] - drawn[1]).abs().mean() > VISIBLE
    # Equal but for rounding: on some processors, kernels sum the rows of a batch in other orders.
    assert (drawn[0] - drawn[2]).abs().max() < ROUNDING


def test_features_can_be_kept(reading_pipeline: LensPipeline, draw: Callable) -> None:
    [encoded] = reading_pipeline.encode_prompt(["a harbour"])
    assert encoded.cut == 0
    assert torch.equal(draw(reading_pipeline, [encoded.layers], [0]), draw(reading_pipeline, prompt="a harbour", seeds=[0]))


def test_an_empty_prompt_is_still_asked_for_and_an_empty_negative_is_not(reading_pipeline: LensPipeline, draw: Callable) -> None:
    [empty] = reading_pipeline.encode_prompt([""])
    assert torch.equal(draw(reading_pipeline, prompt="", seeds=[0]), draw(reading_pipeline, [empty.layers], [0]))
    nothing = draw(reading_pipeline, prompt="a harbour", seeds=[0])
    assert (nothing - draw(reading_pipeline, prompt="a harbour", seeds=[0], negative_prompt_embeds=[empty.layers])).abs().max() > VISIBLE


def test_negative_prompts_one_for_all_or_one_each(reading_pipeline: LensPipeline, draw: Callable) -> None:
    prompts = ["a harbour", "a mill"]
    plain = draw(reading_pipeline, prompt=prompts, seeds=[0, 1])
    for_all = draw(reading_pipeline, prompt=prompts, seeds=[0, 1], negative_prompt="blurry")
    for_one = draw(reading_pipeline, prompt=prompts, seeds=[0, 1], negative_prompt=["", "blurry"])
    assert (for_all - plain).abs().amax(dim=(1, 2, 3)).min() > VISIBLE
    assert torch.allclose(for_one[0], plain[0], atol=1e-4)
    assert torch.allclose(for_one[1], for_all[1], atol=1e-4)


def test_what_was_cut_is_said(reading_pipeline: LensPipeline, draw: Callable, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, logger="generator.lens"):
        draw(reading_pipeline, prompt="a harbour", seeds=[0], max_sequence_length=160)
        assert not caplog.messages
        draw(reading_pipeline, prompt="a harbour " * 100, seeds=[0], max_sequence_length=160)
    [said] = caplog.messages
    [encoded] = reading_pipeline.encode_prompt(["a harbour " * 100], max_sequence_length=160)
    assert encoded.cut > 100
    assert said.startswith(f"{encoded.cut} tokens of a text were cut: Lens reads 160")


def test_from_disk_the_same_words_draw_the_same_pixels(reading_pipeline: LensPipeline, saved_whole: Path, draw: Callable) -> None:
    index = json.loads((saved_whole / "model_index.json").read_text())
    assert index["text_encoder"] == ["transformers", "LensGptOssEncoder"]
    assert index["tokenizer"] == ["transformers", "PreTrainedTokenizerFast"]
    loaded = LensPipeline.from_pretrained(saved_whole)
    loaded.set_progress_bar_config(disable=True)
    asked = {"prompt": "a quiet harbour", "seeds": [0], "negative_prompt": "blurry"}
    assert torch.equal(draw(loaded, **asked), draw(reading_pipeline, **asked))


def test_from_disk_without_the_text_encoder(reading_pipeline: LensPipeline, saved_whole: Path) -> None:
    loaded = LensPipeline.from_pretrained(saved_whole, text_encoder=None, tokenizer=None)
    assert loaded.text_encoder is None
    with pytest.raises(ValueError, match="without a text encoder"):
        loaded(prompt="a harbour")


def test_parts_from_several_places(saved_whole: Path, reading_pipeline: LensPipeline, draw: Callable, tmp_path: Path) -> None:
    encoder = tmp_path / "gpt-oss"
    encoder.mkdir()
    for file in (*(saved_whole / "text_encoder").iterdir(), *(saved_whole / "tokenizer").iterdir()):
        (encoder / file.name).symlink_to(file)
    weights = saved_whole / "transformer/diffusion_pytorch_model.safetensors"
    put_together = LensPipeline.from_single_file(weights, vae=saved_whole / "vae", text_encoder=encoder)
    put_together.set_progress_bar_config(disable=True)
    asked = {"prompt": "a quiet harbour", "seeds": [0]}
    assert torch.equal(draw(put_together, **asked), draw(reading_pipeline, **asked))


@pytest.mark.parametrize(
    ("file", "content"), [("model.safetensors", b"\x10\0\0\0\0\0\0\0{"), ("config.json", b"{")], ids=["weights", "configuration"]
)
def test_a_broken_text_encoder_is_named(saved_whole: Path, tmp_path: Path, file: str, content: bytes) -> None:
    spoilt = tmp_path / "Lens"
    for path in saved_whole.rglob("*.*"):
        target = spoilt / path.relative_to(saved_whole)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.symlink_to(path)
    (spoilt / "text_encoder" / file).unlink()
    (spoilt / "text_encoder" / file).write_bytes(content)
    with pytest.raises(UsageError, match="text_encoder"):
        LensPipeline.from_pretrained(spoilt)
