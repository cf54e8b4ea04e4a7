"""RapidOCR: PP-OCR's small models on onnxruntime. They lie in the package, so it needs no network and no GPU.

It reads Latin letters, Chinese and Japanese, on signs as well as on pages.
"""
# pyright: reportMissingImports=false, reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from collections.abc import Sequence
from importlib.metadata import version
from importlib.util import find_spec
from typing import Any

import numpy as np

from data.errors import FailureKind, FatalError, StageError, UsageError
from optimizer.judges.ocr import Line, Pixels

LIBRARIES = ("rapidocr", "onnxruntime")
INSTALL = "pip install 'phoropter[ocr]'"


class RapidOcr:
    """A Reader. Its models are loaded when the first picture comes. UsageError where the library is missing."""

    def __init__(self) -> None:
        if missing := [name for name in LIBRARIES if find_spec(name) is None]:
            raise UsageError(f"reading the words in pictures needs {missing[0]}, which is not installed", hint=INSTALL)
        self._engine: Any = None
        self._letters = frozenset[str]()

    @property
    def identity(self) -> str:
        return f"rapidocr:{version('rapidocr')}"

    def knows(self, text: str) -> bool:
        self._load()
        return all(sign.isspace() or sign in self._letters for sign in text)

    def lines(self, image: Pixels) -> Sequence[Line]:
        # Upside down is not how a sign should be: without the classifier, it is read as it stands.
        found = self._run(image, use_det=True, use_cls=False, use_rec=True)
        if found.txts is None or found.boxes is None:
            return []
        return [_line(text, corners, score) for text, corners, score in zip(found.txts, found.boxes.tolist(), found.scores, strict=True)]

    def line(self, image: Pixels) -> str:
        found = self._run(image, use_det=False, use_cls=False, use_rec=True)
        return " ".join(found.txts or ())

    def _run(self, image: Pixels, **steps: bool) -> Any:
        self._load()
        try:
            # It takes arrays as OpenCV has them, blue first. The steps are kept from call to call, so each names all of them.
            return self._engine(image[:, :, ::-1].copy(), **steps)
        except Exception as error:
            raise StageError(FailureKind.CRASHED, f"RapidOCR failed: {type(error).__name__}: {error}") from error

    def _load(self) -> None:
        if self._engine is not None:
            return
        try:
            from rapidocr import RapidOCR

            engine: Any = RapidOCR(params={"Global.log_level": "error"})
            # The first call loads the model that knows letters.
            engine(np.full((48, 160, 3), 255, np.uint8), use_det=False, use_cls=False, use_rec=True)
            self._letters = frozenset("".join(engine.text_rec.postprocess_op.character))
            self._engine = engine
        except Exception as error:
            raise FatalError(f"RapidOCR can't be loaded: {type(error).__name__}: {error}", hint=f"{INSTALL} --force-reinstall") from error


def _line(text: str, corners: Sequence[Sequence[float]], score: float) -> Line:
    left, top = (min(corner[axis] for corner in corners) for axis in (0, 1))
    right, bottom = (max(corner[axis] for corner in corners) for axis in (0, 1))
    return Line(text, left, top, right - left, bottom - top, float(score))
