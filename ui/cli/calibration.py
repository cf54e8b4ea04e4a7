"""A calibration as it goes: carried out to its end, with a line of progress on stderr."""

import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from data.identity import short
from ui.cli.output import one_line, say, seconds

if TYPE_CHECKING:
    from optimizer.calibration.report import CalibrationReport
    from ui.calibrating import Bench, Planned, Progress

LINE_SECONDS = 10.0
"""Where there is no terminal, a line about this often."""
ENOUGH = 16
"""Judgments after which something can be said about how long the others take."""


def conduct(planned: "Planned", bench: "Bench", again: str) -> "CalibrationReport":
    """Carries the calibration out; ``again`` is the command that goes on where it is stopped."""
    from ui.calibrating import carry_out
    from ui.cli.opening import run_to_end

    images = planned.subject.images
    shown = f"{images // 2} pairs of painted pictures" if planned.of_pairs else f"{images} painted pictures"
    say(f"{planned.judgments} judgments: {shown}, some of them twice, and canaries")
    say(f"run {short(planned.id)}; Ctrl-C stops it without loss, the same command goes on\n")
    with _watching() as listen:
        return run_to_end(carry_out(planned, bench, listen), lambda: again)


@contextmanager
def _watching() -> "Generator[Callable[[Progress], None]]":
    """What it yields is to be called with the progress: one line that changes on a terminal, a line now and then where there is none."""
    from ui.cli.output import console

    screen = console(stderr=True)
    if screen.is_terminal:
        with screen.status("starting") as status:
            yield lambda progress: status.update(in_words(progress))
        return
    said = time.monotonic()

    def listen(progress: "Progress") -> None:
        nonlocal said
        if time.monotonic() - said > LINE_SECONDS:
            said = time.monotonic()
            say(in_words(progress))

    yield listen


def in_words(progress: "Progress") -> str:
    """How far it is: ``312/696 judged · left 2 min 3 s · $0.14 · 2 × judge timeout; the last: …``."""
    parts = [f"{progress.done}/{progress.total} judged"]
    if progress.reused:
        parts.append(f"{progress.reused} on record")
    made = progress.done - progress.reused
    if made >= ENOUGH and progress.done < progress.total:
        parts.append(f"left {seconds(progress.seconds / made * (progress.total - progress.done))}")
    if progress.usage.cost is None:
        parts.append("price not known")
    elif progress.usage.cost:
        parts.append(f"${progress.usage.cost:.2f}")
    if progress.failures:
        counts = ", ".join(f"{count} × {name}" for name, count in progress.failures.most_common(3))
        parts.append(f"{counts}; the last: {one_line(progress.last_failure, 80)}")
    return " · ".join(parts)
