"""A detector of one's own behind the scene judge: Mask2Former, the kind of model that GenEval was made with.

``PYTHONPATH=docs phoropter optimize --judge scene:examples.own_detector:mask2former …``, or from a package of yours. Needs the extra
``local``. The weights (the 80 kinds of things that GenEval asks for) are downloaded from the hub at the first use.
"""

import io
from collections.abc import Sequence

import torch
from PIL import Image
from transformers import AutoImageProcessor, Mask2FormerForUniversalSegmentation

from optimizer.judges.detection import CONFIDENCE, Detection

MODEL = "facebook/mask2former-swin-small-coco-instance"
NAMES = {"mouse": "computer mouse", "keyboard": "computer keyboard", "remote": "tv remote"}
"""What prompts call a thing that the model calls otherwise."""


class Mask2Former:
    """Everything that a detector needs: ``identity``, the ``labels`` that it knows, and the call."""

    def __init__(self, source: str) -> None:
        self.identity = f"mask2former:{source}"
        self._device = "cuda" if torch.cuda.is_available() else "cpu"
        self._processor = AutoImageProcessor.from_pretrained(source, backend="pil")
        self._model = Mask2FormerForUniversalSegmentation.from_pretrained(source, use_safetensors=True).to(self._device).eval()
        self._names = {number: NAMES.get(name, name) for number, name in self._model.config.id2label.items()}
        self.labels = frozenset(self._names.values())

    def __call__(self, pngs: Sequence[bytes]) -> list[list[Detection]]:
        return [self._found(Image.open(io.BytesIO(png))) for png in pngs]

    def _found(self, picture: Image.Image) -> list[Detection]:
        with torch.inference_mode():
            output = self._model(**self._processor(picture, return_tensors="pt").to(self._device))
        (result,) = self._processor.post_process_instance_segmentation(
            output, threshold=CONFIDENCE, target_sizes=[(picture.height, picture.width)], return_binary_maps=True
        )
        found: list[Detection] = []
        for segment, mask in zip(result["segments_info"], result["segmentation"], strict=False):
            own = mask.cpu().numpy() > 0.5
            rows, columns = own.any(axis=1).nonzero()[0], own.any(axis=0).nonzero()[0]
            if rows.size:
                box = (columns[0], rows[0], columns[-1] - columns[0] + 1, rows[-1] - rows[0] + 1)
                found.append(Detection(self._names[segment["label_id"]], segment["score"], tuple(map(float, box)), own))
        return found


def mask2former() -> Mask2Former:
    """What the spec names."""
    return Mask2Former(MODEL)
