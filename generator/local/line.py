"""A line of images before a step: whoever came first is served first, and takes along those of the same size.

Knows nothing of what the steps do.
"""

import time
from collections.abc import Callable, Sequence
from threading import Condition
from typing import Generic, Protocol, TypeVar

from generator.local import Size

LINGER = 0.005
"""For how many seconds the first in line waits for mates, where fewer than a batch are there. Requests that are sent together arrive
within a few milliseconds, and a step takes hundreds."""


class Waiting(Protocol):
    """What stands in line. ``abandoned``: nobody waits for it any more."""

    @property
    def size(self) -> Size: ...

    @property
    def abandoned(self) -> bool: ...


W = TypeVar("W", bound=Waiting)


class Line(Generic[W]):
    """``room``: how many may stand in it before ``put`` blocks."""

    def __init__(self, room: float = float("inf")) -> None:
        self._room = room
        self._line: list[tuple[float, W]] = []
        self._changed = Condition()
        self._closed = False

    def put(self, arrived: Sequence[W]) -> None:
        """Puts them at the end, as soon as there is room for the first of them; drops them where the line is closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or len(self._line) < self._room)
            now = time.monotonic()
            self._line += [(now, waiting) for waiting in arrived if not self._closed]
            self._changed.notify_all()

    def take(self, most: Callable[[Size], int]) -> list[W]:
        """The first in line and its mates, at most ``most`` of their size. Blocks while there is none; empty where the line is closed."""
        with self._changed:
            while not self._closed:
                self._line = [(since, waiting) for since, waiting in self._line if not waiting.abandoned]
                if not self._line:
                    self._changed.notify_all()  # whoever waits for room that the abandoned had
                    self._changed.wait()
                    continue
                since, first = self._line[0]
                mates = [waiting for _, waiting in self._line if waiting.size == first.size][: most(first.size)]
                patience = since + LINGER - time.monotonic()
                if len(mates) < most(first.size) and patience > 0:
                    self._changed.wait(patience)
                    continue
                taken = set(map(id, mates))
                self._line = [entry for entry in self._line if id(entry[1]) not in taken]
                self._changed.notify_all()
                return mates
            return []

    def close(self) -> None:
        """Empties the line, and lets everyone go who waits in ``put`` or ``take``."""
        with self._changed:
            self._closed = True
            self._line = []
            self._changed.notify_all()
