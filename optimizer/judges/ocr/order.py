"""Lines of writing in the order in which people read them: along a row, and down a sign of several lines. What they say does not matter."""

from collections.abc import Sequence

from optimizer.judges.ocr import Line

_SAME_ROW = 0.5
"""Centres closer than this share of a line's height stand in one row."""
_OVERLAP = 0.5
"""Lines below each other share at least this part of the narrower one's width."""
_GAP = 1.0
"""They are at most this many heights of the taller one apart."""


def sequences(lines: Sequence[Line]) -> list[list[int]]:
    """Orders in which ``lines`` can be read, as their indices: all of them row by row, and each block whose lines stand below each other,
    where something else is beside it."""
    everything = _rows(lines)
    return [everything, *(block for block in _blocks(lines) if len(block) > 1 and block != everything)]


def _rows(lines: Sequence[Line]) -> list[int]:
    """From the top, each row from the left."""
    rows: list[list[int]] = []
    for index in sorted(range(len(lines)), key=lambda index: _middle(lines[index])):
        line = lines[index]
        if rows and _middle(line) - _middle(lines[rows[-1][-1]]) < _SAME_ROW * line.height:
            rows[-1].append(index)
        else:
            rows.append([index])
    return [index for row in rows for index in sorted(row, key=lambda index: lines[index].left)]


def _blocks(lines: Sequence[Line]) -> list[list[int]]:
    blocks: list[list[int]] = []
    for index in sorted(range(len(lines)), key=lambda index: lines[index].top):
        block = next((block for block in blocks if _goes_on(lines[block[-1]], lines[index])), None)
        if block is None:
            blocks.append([index])
        else:
            block.append(index)
    return blocks


def _goes_on(line: Line, below: Line) -> bool:
    shared = min(line.left + line.width, below.left + below.width) - max(line.left, below.left)
    gap = below.top - (line.top + line.height)
    return shared >= _OVERLAP * min(line.width, below.width) and gap <= _GAP * max(line.height, below.height)


def _middle(line: Line) -> float:
    return line.top + line.height / 2
