"""A detector that is real where pictures are painted: the pixel judge's eyes, with what it sees as detections."""

from collections.abc import Sequence

import cv2
import numpy as np

from data.palette import classify
from data.scene import KINDS
from optimizer.judges.detection import Detection
from optimizer.judges.pixels import Box, measure

UNKNOWN = "thing"
"""What is like no kind that it knows."""


class PaintedDetector:
    """A Detector of the embedded world's kinds. ``colors``: whether it says the colours itself."""

    identity = "painted"
    labels = frozenset((*KINDS, UNKNOWN))

    def __init__(self, colors: bool = False) -> None:
        self._colors = colors

    def __call__(self, pngs: Sequence[bytes]) -> list[list[Detection]]:
        return [self._found(png) for png in pngs]

    def _found(self, png: bytes) -> list[Detection]:
        classes = classify(np.asarray(cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR_RGB), np.uint8))
        return [
            Detection(
                figure.kind or UNKNOWN,
                0.95 if figure.kind else 0.5,
                (figure.box.left, figure.box.top, figure.box.width, figure.box.height),
                _mask(classes, figure.box),
                figure.color if self._colors else None,
            )
            for figure in measure(png).figures
        ]


def _mask(classes: np.ndarray, box: Box) -> np.ndarray:
    """What in a figure's box is neither scenery nor, but for its outline, ink."""
    mask = np.zeros(classes.shape, bool)
    part = np.s_[box.top : box.top + box.height, box.left : box.left + box.width]
    inside = (classes[part] > 0).astype(np.uint8)
    mask[part] = cv2.erode(inside, np.ones((5, 5), np.uint8), borderValue=0) > 0
    if not mask.any():
        mask[part] = inside > 0
    return mask
