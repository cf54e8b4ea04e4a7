"""The command line that benchmarks share: ``--check``, ``--json``, and an exit status that says whether the goal was met."""

import argparse
import json
from collections.abc import Callable, Mapping
from typing import Any


def options_of(name: str, description: str) -> argparse.ArgumentParser:
    """The parser of ``python -m benchmarks.NAME``, with what all have."""
    parser = argparse.ArgumentParser(prog=f"python -m benchmarks.{name}", description=description)
    parser.add_argument("--check", action="store_true", help="exit 1 where a goal is missed")
    parser.add_argument("--json", action="store_true", help="print one JSON object for machines")
    return parser


def finish(options: argparse.Namespace, figures: Mapping[str, Any], report: Callable[[], None]) -> int:
    """Prints ``figures`` or the ``report``, and returns the exit status: 1 where ``--check`` is given and figures["ok"] is False. None
    there: there was nothing to hold against a goal."""
    if options.json:
        print(json.dumps(figures))
    else:
        report()
    return 1 if options.check and figures["ok"] is False else 0
