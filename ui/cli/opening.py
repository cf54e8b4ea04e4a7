"""What most commands begin with: a ledger that is there, a system prompt by whatever name the user has for it."""

from collections.abc import Callable, Coroutine
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import typer

from data.errors import FatalError, UsageError
from ui.cli.output import say

if TYPE_CHECKING:
    from collections.abc import Generator

    from data.records import SystemPrompt
    from data.store import Store
    from ui.settings import Settings
    from ui.wiring import Parts

T = TypeVar("T")


def ledger_missing(settings: "Settings") -> str:
    """The file in which a ledger would be, and is not; "" where there is one, or only asking can tell."""
    url = settings.ledger_url
    path = url.removeprefix("sqlite:///")
    return path if path != url and not Path(path).exists() else ""


@contextmanager
def ledger(settings: "Settings") -> "Generator[Store]":
    """The ledger, opened to be read. UsageError where there is none: looking makes none."""
    if path := ledger_missing(settings):
        raise UsageError(f"there is no ledger at {path}", hint="`phoropter optimize` makes one; --home or --ledger say where yours is")
    from data.store import open_store

    with open_store(settings.ledger_url) as store:
        yield store


@contextmanager
def parts(settings: "Settings") -> "Generator[Parts]":
    """Engines and ledger, built and opened; the ledger is closed at the end."""
    from ui.wiring import open_parts

    made = open_parts(settings)
    try:
        yield made
    finally:
        made.store.close()


def system_prompt(name: str, settings: "Settings") -> "SystemPrompt":
    """A system prompt by shipped name, file, or the first digits of its id in the ledger."""
    from ui.wiring import load_system_prompt

    try:
        return load_system_prompt(name)
    except UsageError:
        if not looks_like_id(name):
            raise
    with ledger(settings) as store:
        return store.system_prompt(name)


def looks_like_id(name: str) -> bool:
    """Whether it can only be the beginning of an id."""
    from data.identity import HASH_TAG

    bare = name.removeprefix(HASH_TAG)
    return 4 <= len(bare) <= 32 and all(letter in "0123456789abcdef" for letter in bare)


def run_to_end(work: Coroutine[Any, Any, T], resume: Callable[[], str]) -> T:
    """Runs ``work``; where it is interrupted or can't go on, says how to continue: ``resume`` is the command to type."""
    import asyncio

    try:
        return asyncio.run(work)
    except KeyboardInterrupt:
        say(f"\nstopped. Nothing is lost: what was drawn and judged is in the ledger. To go on:\n  {resume()}")
        raise typer.Exit(130) from None
    except FatalError as error:
        generic = "`phoropter resume`"
        exact = f"`{resume()}`"
        hint = error.hint.replace(generic, exact) if generic in error.hint else f"{error.hint or 'find out why'}; then {exact}"
        raise FatalError(str(error), hint=hint) from error
