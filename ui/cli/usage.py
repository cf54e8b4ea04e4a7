"""What the user typed and we don't know: typer's complaints and unknown commands, in the same words as all other errors."""

from typing import TYPE_CHECKING

import typer

from data.errors import UsageError
from ui.cli.output import print_error

if TYPE_CHECKING:
    from typer.core import TyperGroup


def print_version(wanted: bool) -> None:
    """What ``--version`` does."""
    if wanted:
        print(own_version())
        raise typer.Exit


def own_version() -> str:
    """The installed version; in words where it is run from its folder."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("phoropter")
    except PackageNotFoundError:
        return "not installed, run from its folder"


def unknown_command(wanted: str, group: "TyperGroup") -> UsageError:
    """There is no such command: which there are, the nearest first."""
    from ui.spec import unknown

    return unknown("command", wanted, [name for name, command in group.commands.items() if not command.hidden])


def report_misuse(error: typer.TyperException, *, as_json: bool) -> int:
    """Prints what typer found wrong with options and arguments; its exit code."""
    if type(error).__name__ == "NoArgsIsHelpError":
        typer.echo(error.format_message())
        return 0
    context = getattr(error, "ctx", None)
    path = context.command_path if context is not None else "phoropter"
    print_error(UsageError(error.format_message().rstrip("."), hint=f"`{path} --help` says what there is"), as_json=as_json)
    return error.exit_code
