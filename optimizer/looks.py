"""What a picture looks like in a few numbers, whatever it shows: saturation, contrast, sharpness, and a gist to tell two of them apart.

Pure functions of a file's bytes. They say nothing of quality; monitors.py compares them.
"""
# pyright: reportUnknownMemberType=false
# Pillow leaves the types of sizes and pixels open.

import io
import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]

SIDE = 256
"""Pictures are measured at SIDE² pixels whatever their size and shape: sharpness is a matter of scale."""
GIST = 16
"""Pixels on a side of what is left of a picture when two are compared: what is where, in which color."""


class Look(NamedTuple):
    """What one picture looks like. ``saturation``: the mean distance of its largest color channel from its smallest, in [0, 1].

    ``contrast``: the standard deviation of its luminance, in [0, 0.5]. ``sharpness``: the variance of the Laplacian of its luminance.
    ``gist``: its GIST × GIST thumbnail as numbers in [0, 1].
    """

    saturation: float
    contrast: float
    sharpness: float
    gist: Floats


def look(png: bytes) -> Look:
    """Measures a picture's file. OSError where it holds none."""
    from PIL import Image

    with Image.open(io.BytesIO(png)) as opened:
        picture = opened.convert("RGB")
    scale = SIDE / math.sqrt(picture.width * picture.height)
    size = (max(3, round(picture.width * scale)), max(3, round(picture.height * scale)))
    small = picture.resize(size, Image.Resampling.BOX)
    red, green, blue = (np.asarray(band) for band in small.split())
    largest, smallest = np.maximum(np.maximum(red, green), blue), np.minimum(np.minimum(red, green), blue)
    luminance = np.asarray(small.convert("L"), dtype=np.float32) / 255
    around = luminance[:-2, 1:-1] + luminance[2:, 1:-1] + luminance[1:-1, :-2] + luminance[1:-1, 2:]
    laplacian = around - 4 * luminance[1:-1, 1:-1]
    gist: Floats = np.asarray(small.resize((GIST, GIST), Image.Resampling.BOX), dtype=np.float32) / np.float32(255)
    return Look(float((largest - smallest).mean() / 255), float(luminance.std()), float(laplacian.var()), gist)


def distance(one: Look, other: Look) -> float:
    """How different two pictures are, in [0, 1]: the root mean square difference of their gists."""
    return float(np.sqrt(np.square(one.gist - other.gist).mean()))
