"""Text features by text, so that a text that is drawn with several seeds, or again later, is encoded once.

Holds what was used last, up to a number of texts. Not safe for several threads.
"""

from collections import OrderedDict

from generator.local import Encoded


class Features:
    """At most ``most`` texts' features; the one that was not asked for the longest is dropped first."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._kept: OrderedDict[str, Encoded] = OrderedDict()

    def __len__(self) -> int:
        return len(self._kept)

    def get(self, text: str) -> Encoded | None:
        if text not in self._kept:
            return None
        self._kept.move_to_end(text)
        return self._kept[text]

    def put(self, text: str, encoded: Encoded) -> None:
        self._kept[text] = encoded
        self._kept.move_to_end(text)
        while len(self._kept) > self._most:
            self._kept.popitem(last=False)

    def clear(self) -> None:
        self._kept.clear()
