"""The command line that benchmarks share: ``--check``, ``--json``, an exit status that says whether the goal was met, and their figures,
kept under results/.
"""

import argparse
import json
import platform
import sys
from collections.abc import Callable, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"
LIBRARIES = ("phoropter", "gepa", "numpy", "scipy")
"""Whose versions stand beside the figures."""


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


def save(name: str, figures: Mapping[str, Any]) -> None:
    """Keeps ``figures`` as results/NAME.json, with the command line and the versions that they come from."""
    command = " ".join(["python", "-m", f"benchmarks.{name}", *sys.argv[1:]])
    versions = {"python": platform.python_version(), **{library: version(library) for library in LIBRARIES}}
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{name}.json"
    path.write_text(json.dumps({"command": command, "versions": versions, **figures}, indent=1) + "\n")
