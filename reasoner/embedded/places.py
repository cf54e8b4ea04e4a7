"""Where things go: a three by three grid of named places, filled so that stated relations hold. Rows and columns run from -1 to 1."""

from collections.abc import Mapping, Sequence

from data.scene import Direction
from reasoner.embedded.items import Item, Link

Cell = tuple[int, int]

CELL_NAMES: Mapping[Cell, str] = {
    (-1, -1): "at the upper left", (-1, 0): "at the top centre", (-1, 1): "at the upper right",
    (0, -1): "at the middle left", (0, 0): "in the centre", (0, 1): "at the middle right",
    (1, -1): "at the lower left", (1, 0): "at the bottom centre", (1, 1): "at the lower right",
}  # fmt: skip
_CENTRE_OUT = (0, -1, 1)
_FIRST_CELLS: Sequence[Cell] = ((0, -1), (0, 1), (-1, -1), (-1, 1), (1, 0), (0, 0), (1, -1), (1, 1), (-1, 0))
"""In which order things without relations take their places."""


def arrange(items: Sequence[Item], links: Sequence[Link], placed: Sequence[bool], enumerated: Sequence[bool]) -> None:
    """Gives cells to the items that are to be ``placed``, one per copy to those that are to be ``enumerated`` as far as there is room."""
    rows, columns = _levels(len(items), links)
    free = set(CELL_NAMES)
    for item in items:
        free.difference_update(item.cells)
    # Those bound by a relation choose first, then the many.
    order = sorted(range(len(items)), key=lambda index: (index not in rows and index not in columns, -(items[index].count or 0)))
    waiting = {index for index in order if placed[index] and not items[index].cells}
    for index in order:
        if index not in waiting:
            continue
        waiting.discard(index)
        item = items[index]
        wanted = (item.count or 1) if enumerated[index] else 1
        allowed = _allowed(index, wanted, rows, columns)
        room = len(free) - len(waiting)
        cells = [cell for cell in allowed if cell in free]
        if 1 < wanted <= min(len(cells), room):
            item.cells, item.enumerated = sorted(cells[:wanted]), True
        elif cells:
            item.cells = cells[:1]
        elif allowed:
            item.cells = [allowed[0]]
        free.difference_update(item.cells)


def _levels(number: int, links: Sequence[Link]) -> tuple[dict[int, int], dict[int, int]]:
    """For each item in a relation its row and its column, -1, 0 or 1, so that what is above has the lower row."""
    vertical = [_ordered(link, Direction.ABOVE) for link in links if link.direction in (Direction.ABOVE, Direction.BELOW)]
    horizontal = [_ordered(link, Direction.LEFT) for link in links if link.direction in (Direction.LEFT, Direction.RIGHT)]
    return _ranks(number, vertical), _ranks(number, horizontal)


def _ordered(link: Link, first: Direction) -> tuple[int, int]:
    return (link.subject, link.object) if link.direction is first else (link.object, link.subject)


def _ranks(number: int, pairs: Sequence[tuple[int, int]]) -> dict[int, int]:
    level = {index: 0 for pair in pairs for index in pair}
    for _ in range(min(number, 4)):
        for before, after in pairs:
            level[after] = max(level[after], min(2, level[before] + 1))
    last = max(level.values(), default=0)
    return {index: -1 if rank == 0 else 1 if rank == last else 0 for index, rank in level.items()}


def _allowed(index: int, wanted: int, rows: Mapping[int, int], columns: Mapping[int, int]) -> list[Cell]:
    """The cells that an item may take, best first."""
    row, column = rows.get(index), columns.get(index)
    if row is None and column is None:
        return list(_FIRST_CELLS)
    if row is not None and column is not None:
        return [(row, column)]
    lines = [row if row is not None else column]
    if wanted > 3 and 0 not in (rows if row is not None else columns).values():
        lines.append(0)
    cells = [(line, across) for line in lines if line is not None for across in _CENTRE_OUT]
    return cells if row is not None else [(across, line) for line, across in cells]


def row_or_column(item: Item, links: Sequence[Link], index: int) -> str:
    """For several things placed together: the side of the picture that they take."""
    row, column = item.cells[0]
    sideways = any(index in (link.subject, link.object) and link.direction in (Direction.LEFT, Direction.RIGHT) for link in links)
    if sideways:
        return {-1: "on the left side of the picture", 0: "in the middle of the picture", 1: "on the right side of the picture"}[column]
    if any(index in (link.subject, link.object) for link in links):
        return {-1: "in a row across the top", 0: "in a row across the middle", 1: "in a row along the bottom"}[row]
    return CELL_NAMES[row, column]
