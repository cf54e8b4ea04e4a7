"""What `prompts make` and `prompts checklist` have in common: the journal, how far the writing is, how to go on after a stop, the end."""

import shlex
import time
from collections.abc import Awaitable, Callable, Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from ui.cli.output import numbered, say, seconds

if TYPE_CHECKING:
    from data.records import Prompt
    from optimizer.authoring import Author, Listen
    from ui.authoring import Tally, Watch
    from ui.journal import Journal
    from ui.settings import Settings

T = TypeVar("T")

LINE_SECONDS = 10.0
"""Where there is no terminal, a line about this often."""
LISTED = 10
"""Prompts that could not be written which are named; the others are counted."""

Out = Annotated[Path, typer.Option("--out", help="Where to write the set.", metavar="FILE")]
Dollars = Annotated[float | None, typer.Option(help="Stop before answers cost more than this.", min=0.0, metavar="X")]


def written(
    work: "Callable[[Author, Listen], Awaitable[T]]",
    prompts_of: Callable[[T], "Sequence[Prompt]"],
    settings: "Settings",
    journal: "Journal",
    out: Path,
    dollars: float | None,
) -> "tuple[T, Tally]":
    """Lets ``work`` ask the writer with the open ``journal`` of ``out``, and saves the prompts of its result there. Then the journal
    goes."""
    import asyncio

    from data.errors import FatalError
    from data.formats import save_prompts
    from ui.authoring import carried_out

    if len(journal):
        say(f"going on: {journal.path} has {numbered(len(journal), 'answer')} of an earlier sitting")
    try:
        with watching() as watch:
            result, tally = asyncio.run(carried_out(settings, journal, dollars, work, watch))
    except KeyboardInterrupt:
        say(f"\nstopped. Nothing is lost: the answers so far are in {journal.path}. To go on, give the same command again.")
        raise typer.Exit(130) from None
    except FatalError as error:
        kept = f"then give the same command again: what came so far ({numbered(len(journal), 'answer')}) is kept" if len(journal) else ""
        raise FatalError(str(error), hint="; ".join(part for part in (error.hint, kept) if part)) from error
    save_prompts(prompts_of(result), out)
    journal.finish()
    return result, tally


@contextmanager
def watching(where: str = "the journal") -> "Generator[Watch]":
    """Shows how far the writing is while the block runs, on a terminal in one line that changes. ``where`` earlier answers are kept."""
    from ui.cli.output import console

    screen = console(stderr=True)
    if not screen.is_terminal:
        yield _Lines(where).listen
        return
    with screen.status("asking") as status:
        lines = _Lines(where, say=status.update, every=0.0)
        yield lines.listen


class _Lines:
    """Says a line now and then. The time that is left is that of the phase, at the speed that it has had so far."""

    def __init__(self, where: str, say: Callable[[str], None] = say, every: float = LINE_SECONDS) -> None:
        self._where = where
        self._say = say
        self._every = every
        self._said = 0.0
        self._phase = ""
        self._began = (0.0, 0)

    def listen(self, phase: str, done: int, total: int, tally: "Tally") -> None:
        now = time.monotonic()
        if phase != self._phase:
            self._phase, self._began, self._said = phase, (now, done), 0.0
        if now - self._said >= self._every:
            self._said = now
            self._say(f"{phase} {done}/{total}{self._left(now, done, total)} · {used_in_words(tally, self._where)}")

    def _left(self, now: float, done: int, total: int) -> str:
        began, before = self._began
        if done <= before or done >= total:
            return ""
        return f" · left {seconds((now - began) / (done - before) * (total - done))}"


def used_in_words(tally: "Tally", where: str = "the journal") -> str:
    """``83 answers, 12 of them found in the journal, 4512 tokens, $0.12``."""
    found = f", {tally.recalled} found in {where}" if tally.recalled else ""
    price = "price unknown" if tally.used.cost is None else f"${tally.used.cost:.4f}"
    return f"{numbered(tally.asked, 'answer')}{found}, {tally.used.input_tokens + tally.used.output_tokens} tokens, {price}"


def used_to_json(tally: "Tally") -> dict[str, Any]:
    """The same for machines."""
    return {
        "answers": tally.asked,
        "recalled": tally.recalled,
        "input_tokens": tally.used.input_tokens,
        "output_tokens": tally.used.output_tokens,
        "dollars": tally.used.cost,
    }


def say_lacking(lacking: Sequence[str], what: str) -> None:
    """Names what could not be written, as far as it is not too much to read."""
    if not lacking:
        return
    say(f"warning: {len(lacking)} {what}")
    for line in lacking[:LISTED]:
        say(f"  {line}")
    if len(lacking) > LISTED:
        say(f"  and {len(lacking) - LISTED} more")


def command(*words: object) -> str:
    """A command to type."""
    return shlex.join(["phoropter", *(str(word) for word in words)])
