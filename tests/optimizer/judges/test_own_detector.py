"""The example of a detector of one's own, over a Mask2Former that is tiny and untrained: it finds nonsense, in the right form."""

import asyncio
import importlib.util
import io
from collections.abc import Sequence
from pathlib import Path

import pytest
from PIL import Image

from data.checklists import NamedThing, things_checklist
from data.records import GeneratedImage, Judgment, Prompt
from optimizer.judges import JudgeRequest
from optimizer.judges.detection import DetectionJudge

EXAMPLE = Path(__file__).resolve().parents[3] / "docs" / "examples" / "own_detector.py"


def png(size: tuple[int, int]) -> bytes:
    encoded = io.BytesIO()
    Image.radial_gradient("L").resize(size).convert("RGB").save(encoded, "PNG")
    return encoded.getvalue()


async def ask(judge: DetectionJudge, request: JudgeRequest) -> Sequence[Judgment | Exception]:
    return await judge([request])


# Importing torch and the model takes longer than anything else here.
@pytest.mark.timeout(300)
def test_the_example_detector_finds_things(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    backbone = transformers.SwinConfig(
        image_size=64,
        patch_size=4,
        embed_dim=8,
        depths=[1, 1, 1, 1],
        num_heads=[1, 1, 2, 2],
        window_size=4,
        out_features=["stage1", "stage2", "stage3", "stage4"],
    )
    config = transformers.Mask2FormerConfig(
        backbone_config=backbone, feature_size=32, mask_feature_size=32, hidden_dim=32, encoder_feedforward_dim=16, encoder_layers=1,
        decoder_layers=2, num_attention_heads=2, dim_feedforward=16, num_queries=8, id2label={0: "cat", 1: "mouse"},
    )  # fmt: skip
    transformers.set_seed(4)
    model = transformers.Mask2FormerForUniversalSegmentation(config)
    # Untrained, it is sure of nothing: sharper answers let some of them through.
    model.class_predictor.weight.data *= 60
    model.save_pretrained(tmp_path)
    transformers.Mask2FormerImageProcessorPil(size={"height": 64, "width": 64}).save_pretrained(tmp_path)

    spec = importlib.util.spec_from_file_location("own_detector", EXAMPLE)
    assert spec is not None
    assert spec.loader is not None
    example = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(example)
    detector = example.Mask2Former(str(tmp_path))
    assert detector.labels == {"cat", "computer mouse"}
    things, nothing = detector([png((200, 100)), png((100, 200))])
    assert things
    for found, shape in ((things, (100, 200)), (nothing, (200, 100))):
        for thing in found:
            left, top, width, height = map(int, thing.box)
            assert thing.mask is not None
            assert thing.mask.shape == shape
            assert thing.mask[top : top + height, left : left + width].sum() == thing.mask.sum() > 0
            assert 0.3 < thing.confidence <= 1

    checklist = things_checklist([NamedThing(("cat",)), NamedThing(("computer mouse",), color="red"), NamedThing(("zebra",))])
    request = JudgeRequest(Prompt("a cat, a red mouse and a zebra", checklist), GeneratedImage("0", 200, 100, content=png((200, 100))))
    (judgment,) = asyncio.run(ask(DetectionJudge(detector), request))
    assert isinstance(judgment, Judgment)
    assert [score.score is None for score in judgment.scores] == [False, False, False, True]
