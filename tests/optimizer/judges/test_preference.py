"""The preference judge: that its scores are those of transformers itself, and what it refuses to load."""
# pyright: reportMissingImports=false, reportPrivateImportUsage=false

import asyncio
import io
import json
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from data.errors import FailureKind, FatalError, StageError, UsageError
from data.records import GeneratedImage, Judgment, Prompt
from generator.embedded.painter import paint, to_png
from generator.embedded.picture import Group, Picture
from optimizer.judges import JudgeRequest
from optimizer.judges.preference import BATCH, load_preference

pytest.importorskip("transformers")

LONG = "a very long text about a red cat " * 12


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a tiny CLIP. Tests that change it work on a copy."""
    from transformers.utils import logging

    from tests.tiny_models.clip import build

    logging.set_verbosity_error()
    logging.disable_progress_bar()
    folder = tmp_path_factory.mktemp("models") / "clip"
    build(folder)
    return folder


@pytest.fixture
def copy(clip: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(clip, tmp_path / "clip"))


def request(text: str, kind: str = "cat", seed: int = 1) -> JudgeRequest:
    png = to_png(paint(Picture((Group(kind, "red", 1),), "snow", seed=seed)))
    return JudgeRequest(Prompt(text), GeneratedImage(f"{kind} {seed}", 512, 512, content=png))


def by_transformers(folder: Path, requests: Sequence[JudgeRequest]) -> list[tuple[float, float]]:
    """The model's own logit for each text and image, one at a time, and its logit scale."""
    import torch
    from PIL import Image
    from transformers import CLIPImageProcessorPil, CLIPModel, CLIPProcessor, CLIPTokenizer

    model = CLIPModel.from_pretrained(folder).eval()
    processor = CLIPProcessor(CLIPImageProcessorPil.from_pretrained(folder), CLIPTokenizer.from_pretrained(folder))
    found = []
    for one in requests:
        assert one.image.content
        picture = Image.open(io.BytesIO(one.image.content)).convert("RGB")
        how: dict[str, Any] = {"return_tensors": "pt", "truncation": True, "max_length": 77}
        inputs = processor(text=one.prompt.text, images=picture, **how)
        with torch.inference_mode():
            found.append((model(**inputs).logits_per_image.item(), model.logit_scale.exp().item()))
    return found


async def test_scores_are_those_of_transformers(clip: Path) -> None:
    requests = [request(text, kind) for text in ("a cat", "three red balloons above a house", "x", LONG) for kind in ("cat", "house")]
    outcomes = await load_preference(str(clip))(requests)
    for outcome, (logit, scale) in zip(outcomes, by_transformers(clip, requests), strict=True):
        assert isinstance(outcome, Judgment)
        assert outcome.value == pytest.approx((logit / scale + 1) / 2, abs=1e-5)
        (score,) = outcome.scores
        assert (score.id, score.score) == ("preference", outcome.value)
        assert float(score.evidence.removeprefix("raw score ").partition(";")[0]) == pytest.approx(logit, abs=1e-3)
    assert len({round(outcome.value, 6) for outcome in outcomes if isinstance(outcome, Judgment)}) == len(requests)


async def test_a_text_that_is_too_long_is_cut_and_the_evidence_says_so(clip: Path) -> None:
    whole, cut = await load_preference(str(clip))([request("a cat"), request(LONG)])
    assert isinstance(whole, Judgment)
    assert isinstance(cut, Judgment)
    assert "tokens" not in whole.scores[0].evidence
    assert cut.scores[0].evidence.endswith("tokens only the first 77 were read")


async def test_outcomes_come_one_per_request_in_order_beyond_a_batch(clip: Path) -> None:
    judge = load_preference(str(clip))
    assert await judge([]) == []
    requests = [request("a cat" if seed % 2 else "a house", seed=seed) for seed in range(BATCH + 3)]
    broken = [
        JudgeRequest(Prompt("a cat"), GeneratedImage("none", 1, 1)),
        JudgeRequest(Prompt("a cat"), GeneratedImage("broken", 1, 1, content=b"no image")),
    ]
    outcomes = await judge([requests[0], *broken, *requests[1:]])
    kinds = [outcome.kind if isinstance(outcome, StageError) else None for outcome in outcomes]
    assert kinds == [None, FailureKind.UNSUPPORTED, FailureKind.MALFORMED, *[None] * (len(requests) - 1)]
    together = [outcome.value for outcome in outcomes if isinstance(outcome, Judgment)]
    alone = await asyncio.gather(*(judge([one]) for one in requests))
    assert together == pytest.approx([outcome.value for (outcome,) in alone if isinstance(outcome, Judgment)], abs=1e-5)


async def test_its_identity_is_that_of_the_weights_wherever_they_lie(clip: Path, copy: Path) -> None:
    from safetensors.torch import load_file, save_file

    judge = load_preference(str(copy))
    assert judge.identity == load_preference(str(clip)).identity
    assert str(copy.parent) not in judge.identity
    (copy / "README.md").write_text("nothing that is loaded")
    assert load_preference(str(copy)).identity == judge.identity
    weights = load_file(copy / "model.safetensors")
    save_file({name: weight + 0.01 for name, weight in weights.items()}, copy / "model.safetensors", {"format": "pt"})
    assert load_preference(str(copy)).identity != judge.identity


# -- what is not loaded


def refused(source: object, *, revision: str | None = None) -> UsageError:
    with pytest.raises(UsageError) as caught:
        load_preference(str(source), revision=revision)
    assert caught.value.hint
    return caught.value


def test_a_folder_without_a_model_is_refused(tmp_path: Path, clip: Path) -> None:
    assert "it has no config.json" in str(refused(tmp_path))
    assert "no folder" in str(refused(tmp_path / "nowhere" / "at" / "all"))
    assert "no revisions" in str(refused(clip, revision="main"))


def test_a_repository_that_is_not_in_the_cache_is_said_to_be_missing() -> None:
    error = refused("nobody/has-this")
    assert "not in the hub's cache" in str(error)
    assert error.hint == "where there is a network: hf download nobody/has-this"


def test_a_model_of_another_kind_is_refused(copy: Path) -> None:
    (copy / "config.json").write_text(json.dumps({"model_type": "siglip"}))
    assert "of type siglip" in str(refused(copy))
    for text in ("", "[]", "{"):
        (copy / "config.json").write_text(text)
        assert "can't be read" in str(refused(copy))


def test_pickles_are_not_opened(copy: Path) -> None:
    (copy / "model.safetensors").rename(copy / "pytorch_model.bin")
    error = refused(copy)
    assert "lacks weights in safetensors" in str(error)
    assert "pickles" in error.hint


def test_half_a_download_is_found_before_anything_is_judged(copy: Path) -> None:
    file = copy / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-100])
    assert "not whole" in str(refused(copy))


def test_shards_are_all_looked_at(copy: Path) -> None:
    index = {"weight_map": {"a": "model-00001-of-00002.safetensors", "b": "../../model-00002-of-00002.safetensors"}}
    (copy / "model.safetensors").rename(copy / "model-00001-of-00002.safetensors")
    (copy / "model.safetensors.index.json").write_text(json.dumps(index))
    assert "model-00002-of-00002.safetensors" in str(refused(copy))
    shutil.copy(copy / "model-00001-of-00002.safetensors", copy / "model-00002-of-00002.safetensors")
    load_preference(str(copy))


@pytest.mark.parametrize("names", [("processor_config.json",), ("tokenizer.json",)])
def test_what_reads_texts_and_images_has_to_be_there(copy: Path, names: tuple[str, ...]) -> None:
    for name in names:
        (copy / name).unlink()
    assert "has no" in str(refused(copy))


async def test_weights_that_are_missing_are_not_made_up(copy: Path) -> None:
    from safetensors.torch import load_file, save_file

    weights = load_file(copy / "model.safetensors")
    del weights["visual_projection.weight"]
    save_file(weights, copy / "model.safetensors", {"format": "pt"})
    with pytest.raises(FatalError, match=r"lack 1 of the tensors that the model has, such as visual_projection\.weight"):
        await load_preference(str(copy))([request("a cat")])


async def test_what_transformers_can_not_load_ends_the_run(copy: Path) -> None:
    judge = load_preference(str(copy))
    (copy / "tokenizer.json").write_text("{")
    with pytest.raises(FatalError, match="can't be loaded") as caught:
        await judge([request("a cat")])
    assert caught.value.hint


def test_a_library_that_is_missing_is_said(clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "transformers", None)
    error = refused(clip)
    assert "needs transformers" in str(error)
    assert error.hint == "pip install 'phoropter[local]'"
