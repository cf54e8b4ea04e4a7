"""Tesseract, the program: ``tesseract`` has to be installed beside Python.

It was made for pages. In pictures it misses most writing (optimizer/judges/text.py has it read again what another found), and it reads
English letters.
"""

import shutil
import subprocess
from collections.abc import Iterator, Sequence
from itertools import groupby

import cv2
from cv2.typing import MatLike

from data.errors import FailureKind, StageError, UsageError
from optimizer.judges.ocr import Line, Pixels

INSTALL = "apt-get install tesseract-ocr"
_SPARSE, _ONE_LINE = "11", "7"
"""Its page segmentation modes: as much text as there is in no order; one line that fills the picture."""
_ENLARGED = 3
"""A whole picture is enlarged by this: letters of 8 pixels are too small for it."""
_LINE_HEIGHT = 40
"""Pixels: the height of line that it was trained on."""
_SURE = 60.0
"""Percent. Words that it is less sure of are mostly grass and windows."""
_TIMEOUT = 60.0
"""Seconds. It takes less than one."""
_WORD = "5"
"""The level of words in its tables, which have a row per page, block, paragraph, line and word."""


class Tesseract:
    """A Reader. UsageError where the program is missing or does not know English."""

    def __init__(self) -> None:
        program = shutil.which("tesseract")
        if program is None:
            raise UsageError("the program tesseract is not installed", hint=f"{INSTALL}, or brew install tesseract")
        # Its threads only get into each other's way on pictures as small as these.
        env = shutil.which("env")
        self._command = [env, "OMP_THREAD_LIMIT=1", program] if env else [program]
        self._version = _said(program, "--version").split("\n", 1)[0].strip()
        if "eng" not in _said(program, "--list-langs").split():
            raise UsageError("tesseract has no data for English", hint="apt-get install tesseract-ocr-eng")

    @property
    def identity(self) -> str:
        return self._version.replace(" ", ":")

    def knows(self, text: str) -> bool:
        return text.isascii()

    def lines(self, image: Pixels) -> Sequence[Line]:
        return list(_parsed(self._run(_enlarged(image, _ENLARGED), _SPARSE, "tsv")))

    def line(self, image: Pixels) -> str:
        return self._run(_enlarged(image, _LINE_HEIGHT / image.shape[0]), _ONE_LINE, "txt").strip()

    def _run(self, gray: MatLike, mode: str, output: str) -> str:
        command = [*self._command, "-", "-", "-l", "eng", "--psm", mode, "--dpi", "150", output]
        png = cv2.imencode(".png", gray)[1].tobytes()
        try:
            done = subprocess.run(command, input=png, capture_output=True, timeout=_TIMEOUT, check=True)
        except subprocess.TimeoutExpired:
            raise StageError(FailureKind.TIMEOUT, f"tesseract took more than {_TIMEOUT:.0f} s", retryable=True) from None
        except (OSError, subprocess.CalledProcessError) as error:
            said = error.stderr.decode(errors="replace").strip() if isinstance(error, subprocess.CalledProcessError) else str(error)
            raise StageError(FailureKind.CRASHED, f"tesseract failed: {said[:300]}", hint="try: tesseract --list-langs") from None
        return done.stdout.decode(errors="replace")


def _said(program: str, option: str) -> str:
    try:
        done = subprocess.run([program, option], capture_output=True, timeout=_TIMEOUT, check=True)
    except (OSError, subprocess.SubprocessError) as error:
        raise UsageError(f"{program} can't be run: {error}", hint=INSTALL) from None
    return done.stdout.decode(errors="replace")


def _enlarged(image: Pixels, scale: float) -> MatLike:
    return cv2.resize(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)


def _parsed(table: str) -> Iterator[Line]:
    """The lines in one of its tables, of the words that it is sure of."""
    rows = (row.split("\t") for row in table.splitlines()[1:])
    words = [row for row in rows if len(row) == 12 and row[0] == _WORD and row[11].strip() and float(row[10]) >= _SURE]
    for _, group in groupby(words, key=lambda row: row[1:5]):
        line = list(group)
        left, top, width, height = ([float(row[column]) / _ENLARGED for row in line] for column in (6, 7, 8, 9))
        right = max(start + extent for start, extent in zip(left, width, strict=True))
        bottom = max(start + extent for start, extent in zip(top, height, strict=True))
        sure = sum(float(row[10]) for row in line) / len(line) / 100
        yield Line(" ".join(row[11].strip() for row in line), min(left), min(top), right - min(left), bottom - min(top), sure)
