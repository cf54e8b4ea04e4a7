"""Libraries that print, without what they print: a run's output is its events, and a terminal has room for one live view."""

import logging
import sys
import threading
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

from tqdm import tqdm


class _Muted:
    """A stream that drops what one thread writes, and passes on all else."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self.muted_thread = threading.get_ident()

    def write(self, text: str) -> int:
        return len(text) if threading.get_ident() == self.muted_thread else self._stream.write(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


@contextmanager
def quiet(logger: str) -> Generator[None]:
    """While the block runs: nothing that its thread prints is shown, no progress bar is redrawn, and ``logger`` says nothing."""
    log, bar = logging.getLogger(logger), tqdm
    level, interval = log.level, bar.monitor_interval
    output: Any = _Muted(sys.stdout)
    errors: Any = _Muted(sys.stderr)
    before = sys.stdout, sys.stderr
    # A bar that waits long is redrawn by a thread of tqdm's own.
    bar.monitor_interval = 0
    log.setLevel(logging.CRITICAL + 1)
    sys.stdout, sys.stderr = output, errors
    try:
        yield
    finally:
        for unfinished in list(getattr(bar, "_instances", ())):
            # One that an error left open writes its last line when it is collected, from whichever thread that is.
            if getattr(unfinished.fp, "muted_thread", None) == threading.get_ident():
                unfinished.disable = True
        # Somebody else may have put a stream of theirs in place meanwhile.
        if sys.stdout is output:
            sys.stdout = before[0]
        if sys.stderr is errors:
            sys.stderr = before[1]
        log.setLevel(level)
        bar.monitor_interval = interval
