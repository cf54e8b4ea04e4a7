"""How commands speak: reports and JSON on stdout, progress and errors on stderr, figures written alike everywhere."""

import json
import re
import shlex
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from data.errors import PhoropterError

if TYPE_CHECKING:
    from rich.console import Console

    from ui.settings import Settings

SCHEMA = 1
"""The version of every JSON object that a command prints."""
PIPE_WIDTH = 140
"""Columns where the output is no terminal: tables stay whole in files and logs."""


def print_json(record: Mapping[str, Any]) -> None:
    """One JSON object on stdout, in the order of its keys."""
    utf8 = (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"
    print(json.dumps({"schema": SCHEMA, **record}, indent=2, ensure_ascii=not utf8, allow_nan=False))


def say(text: str = "") -> None:
    """A line for people, on stderr: what is going on, never the result."""
    print(text, file=sys.stderr, flush=True)


def console(*, stderr: bool = False) -> "Console":
    """A console that takes texts as they are: brackets in a user's prompt are no markup."""
    from rich.console import Console

    made = Console(stderr=stderr, highlight=False, markup=False, emoji=False, soft_wrap=True)
    if not made.is_terminal:
        made.width = PIPE_WIDTH
    return made


def print_error(error: PhoropterError, *, as_json: bool) -> None:
    """What went wrong and what to do about it: on stderr, and with ``as_json`` as an object on stdout, too."""
    say(f"error: {error}")
    if error.hint:
        say(f"hint: {error.hint}")
    if as_json:
        print_json({"error": {"type": type(error).__name__, "message": str(error), "hint": error.hint}})


def exit_code(error: PhoropterError) -> int:
    """2 where nothing was started because of what was asked for, 1 for all else."""
    from data.errors import UsageError

    return 2 if isinstance(error, UsageError) else 1


def without_password(url: str) -> str:
    """A database's URL as it may be shown."""
    return re.sub(r"(://[^:/@]*):[^/]*@", r"\1:***@", url)


def command_line(command: str, *arguments: str, settings: "Settings") -> str:
    """The command to type next, with the places it needs where they are not the default ones."""
    from ui.settings import Settings

    words = ["phoropter", command, *arguments]
    if settings.home != Settings().home:
        words += ["--home", str(settings.home)]
    if settings.ledger:
        words += ["--ledger", without_password(settings.ledger)]
    return shlex.join(words)


def figure(value: float | None, *, signed: bool = False) -> str:
    """A score or a difference of scores with three decimals: ``.312``, ``+.040``; a dash where there is none."""
    if value is None:
        return "–"
    text = f"{value:+.3f}" if signed else f"{value:.3f}"
    # What rounds to nothing has no sign.
    text = text.replace("-0.000", "0.000").replace("+0.000", "0.000")
    return text.replace("0.", ".", 1) if abs(value) < 1 and text[-5] == "0" else text


def interval(record: Mapping[str, Any] | None, *, signed: bool = False) -> str:
    """``+.312 [.254, .371]``; without brackets where there are too few prompts for an interval."""
    if record is None:
        return "–"
    estimate = figure(record["estimate"], signed=signed)
    if record["low"] is None:
        return f"{estimate} [?]"
    return f"{estimate} [{figure(record['low'], signed=signed)}, {figure(record['high'], signed=signed)}]"


def p_value(value: float) -> str:
    return "<.001" if value < 0.001 else figure(value)


def seconds(value: float) -> str:
    """A duration as people say it: ``8 s``, ``3 min 20 s``, ``2 h 5 min``."""
    whole = round(value)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def one_line(text: str, width: int) -> str:
    """The beginning of ``text`` in at most ``width`` characters, cut at a word."""
    flat = " ".join(text.split())
    if len(flat) <= width:
        return flat
    cut = flat[: width - 1].rsplit(" ", 1)[0]
    return (cut or flat[: width - 1]) + "…"


def numbered(count: int, noun: str) -> str:
    """``1 prompt``, ``2 prompts``."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
