"""A step over many items: in batches, in smaller ones where memory is short, and singly where one item spoils it for the others.

Knows nothing of images.
"""

import logging
import time
import traceback
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Condition
from typing import Any

from data.errors import FailureKind, FatalError, StageError
from generator.local import device

log = logging.getLogger(__name__)

Call = Callable[[Sequence[Any]], Sequence[Any]]
"""One result per item, in order; an Exception may stand in place of one."""


@dataclass(frozen=True, slots=True)
class Done:
    """What became of one item: its ``outcome``, how many items the call had, and this one's share of its ``seconds``."""

    outcome: Any
    batch: int
    seconds: float


class Turns:
    """Who works on the device: several at once, or one alone."""

    def __init__(self) -> None:
        self._changed = Condition()
        self._working = 0

    @contextmanager
    def together(self) -> Generator[None]:
        with self._changed:
            self._changed.wait_for(lambda: self._working >= 0)
            self._working += 1
        try:
            yield
        finally:
            with self._changed:
                self._working -= 1
                self._changed.notify_all()

    @contextmanager
    def alone(self) -> Generator[None]:
        with self._changed:
            self._changed.wait_for(lambda: self._working == 0)
            self._working = -1
        try:
            yield
        finally:
            with self._changed:
                self._working = 0
                self._changed.notify_all()


class Step:
    """A step of a model. ``name`` is for people; ``most`` is how many items it takes at once, and it falls, for good, when memory is short.

    ``alone``: nothing else may run on the device meanwhile.
    """

    def __init__(self, name: str, most: int, turns: Turns, *, alone: bool = False) -> None:
        self.name = name
        self.calls = 0
        """How many of its calls succeeded."""
        self.seconds = 0.0
        """How long they took."""
        self.smallest = most
        """The smallest ``most`` of any kind of item."""
        self._most = most
        self._turns = turns
        self._alone = alone
        self._fits: dict[Any, int] = {}

    def most(self, kind: Any) -> int:
        """How many items of a ``kind``, such as a size, it takes at once."""
        return self._fits.get(kind, self._most)

    def __call__(self, call: Call, items: Sequence[Any], kind: Any) -> list[Done]:
        """What became of each item. Raises nothing: an exception is the outcome of the items that it befell."""
        done: list[Done] = []
        while len(done) < len(items):
            batch = items[len(done) : len(done) + self.most(kind)]
            results, error = self._try(call, batch, alone=self._alone)
            if error is None:
                done += results
            elif len(batch) == 1:
                done += self._once_more(call, batch, error)
            elif device.is_out_of_memory(error):
                self._shrink(kind, len(batch))
            elif isinstance(error, FatalError) or (isinstance(error, StageError) and error.retryable):
                # The surroundings failed, not an item.
                done += [Done(error, len(batch), 0.0)] * len(batch)
            else:
                done += [one for item in batch for one in self(call, [item], kind)]
        return done

    def _once_more(self, call: Call, single: Sequence[Any], error: Exception) -> list[Done]:
        """A single item that found no room may find it while no other step runs."""
        if device.is_out_of_memory(error):
            device.free_memory()
            results, again = self._try(call, single, alone=True)
            if again is None:
                return results
            error = self._no_room(again) if device.is_out_of_memory(again) else again
        return [Done(error, 1, 0.0)]

    def _try(self, call: Call, batch: Sequence[Any], *, alone: bool) -> tuple[list[Done], Exception | None]:
        with self._turns.alone() if alone else self._turns.together():
            started = time.perf_counter()
            try:
                outcomes = call(batch)
                device.wait()
            except Exception as raised:
                # The frames of the traceback hold the tensors that there was no room for.
                traceback.clear_frames(raised.__traceback__)
                return [], raised
            seconds = time.perf_counter() - started
        if len(outcomes) != len(batch):
            return [], StageError(FailureKind.MALFORMED, f"the model's {self.name} gave {len(outcomes)} results for {len(batch)} items")
        self.calls += 1
        self.seconds += seconds
        return [Done(outcome, len(batch), seconds / len(batch)) for outcome in outcomes], None

    def _shrink(self, kind: Any, tried: int) -> None:
        most = tried // 2
        log.warning("not enough memory to %s %d %s at once: going on with %d", self.name, tried, kind, most)
        self._fits[kind] = most
        self.smallest = min(self.smallest, most)
        device.free_memory()

    def _no_room(self, error: Exception) -> StageError:
        return StageError(
            FailureKind.OUT_OF_MEMORY,
            f"not enough memory to {self.name} a single one: {str(error).splitlines()[0] if str(error) else type(error).__name__}",
            hint="choose a smaller size, or add offload=model or dtype=bf16 to the generator's spec",
        )
