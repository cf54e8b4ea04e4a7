"""The command line: ``phoropter COMMAND``. One file per command; here they are put together, and errors become exit codes.

Importing this loads nothing heavy (benchmarks/startup.py): each command imports what it uses when it runs.
"""

import sys
from collections.abc import Sequence
from io import TextIOWrapper
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from data.errors import PhoropterError
from ui.cli import (
    doctor,
    export,
    imagine,
    intent,
    judge,
    lineage,
    noise,
    optimize,
    prompts,
    reasoner,
    resume,
    rewrite,
    runs,
    show,
    ui,
    verify,
)
from ui.cli.notices import print_notices
from ui.cli.output import exit_code, print_error
from ui.cli.usage import print_version, report_misuse, unknown_command

INTERRUPTED = 130
"""What shells expect of a program that Ctrl-C ended."""


class Commands(TyperGroup):
    """The commands; an error becomes two lines and an exit code, never a traceback."""

    def main(self, args: Sequence[str] | None = None, prog_name: str | None = None, **extra: Any) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride]
        words = list(sys.argv[1:] if args is None else args)
        extra["standalone_mode"] = False
        try:
            code = super().main(words, "phoropter", **extra)
        except typer.Abort:
            code = INTERRUPTED
        except typer.TyperException as error:
            code = report_misuse(error, as_json="--json" in words)
        except PhoropterError as error:
            print_error(error, as_json="--json" in words)
            code = exit_code(error)
        sys.exit(code if isinstance(code, int) else 0)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        if args and not args[0].startswith("-") and self.get_command(ctx, args[0]) is None:
            raise unknown_command(args[0], self)
        return super().resolve_command(ctx, args)


app = typer.Typer(
    cls=Commands,
    # Help drawn by rich takes 0.2 s longer.
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Start with: phoropter optimize   (nothing to download, no key, no GPU)",
)


@app.callback()
def before_any_command(
    version: Annotated[bool, typer.Option("--version", help="Print the version and exit.", callback=print_version, is_eager=True)] = False,
) -> None:
    """Finds a better system prompt for the language model that rewrites prompts in front of a text-to-image model."""


app.command("optimize")(optimize.optimize)
app.command("resume")(resume.resume)
reasoner.app.info.cls = Commands
app.add_typer(reasoner.app, name="reasoner")
app.command("rewrite")(rewrite.rewrite)
app.command("imagine")(imagine.imagine)
app.command("runs")(runs.runs)
app.command("show")(show.show)
app.command("lineage")(lineage.lineage)
app.command("intent")(intent.intent)
app.command("noise")(noise.noise)
app.command("export")(export.export)
prompts.app.info.cls = Commands
app.add_typer(prompts.app, name="prompts")
judge.app.info.cls = Commands
app.add_typer(judge.app, name="judge")
app.command("doctor")(doctor.doctor)
app.command("verify")(verify.verify)
app.command("ui")(ui.ui)


def main() -> None:
    """The console script."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            # A terminal that has no ✓ shows a question mark; it does not end the program.
            stream.reconfigure(errors="replace")
    print_notices()
    app()
