"""Other optimizers' own code, over our pipeline: what there is by name, and how each is begun. A run's ``method`` is one of these names.

Every score they ask for is a trial, every system prompt that they make has its place in the lineage, and what they choose is confirmed as
what our own search chooses. Nothing here imports their libraries before one of them is to run.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from data.errors import UsageError

if TYPE_CHECKING:
    from optimizer.methods.bridge import Bridge
    from optimizer.methods.task import Task

OURS = "phoropter"
"""The method that is not here: our own search (optimizer/search.py)."""
FORMAT = 1
"""Part of the id of every run with another method: raised when what it is told, or how its answers are taken, changes."""


@dataclass(frozen=True, slots=True)
class Method:
    """An optimizer of another library. ``title``: its name in sentences. ``packages``: what has to be installed."""

    title: str
    packages: tuple[str, ...]

    @property
    def identity(self) -> str:
        """All of it that determines a run's course."""
        from importlib.metadata import version

        return f"{self.title} {' '.join(f'{package} {version(package)}' for package in self.packages)} format {FORMAT}"


METHODS = {
    "gepa": Method("GEPA", ("gepa",)),
    "mipro": Method("MIPROv2", ("dspy", "optuna")),
    "simba": Method("SIMBA", ("dspy",)),
}
NAMES = (OURS, *METHODS)


def identity_of(name: str) -> str:
    """What stands in a run's id for its method: "" for our own search. UsageError where the method's library is not installed."""
    from importlib.metadata import PackageNotFoundError

    if name == OURS:
        return ""
    try:
        return METHODS[name].identity
    except PackageNotFoundError as missing:
        raise UsageError(f"--method {name} needs {missing.name}, which is not installed", hint=f"pip install {missing.name}") from None


def work_of(name: str) -> "Callable[[Bridge, Task], None]":
    """The function that runs a method from beginning to end, in a thread of its own."""
    match name:
        case "gepa":
            from optimizer.methods.gepa import run_gepa

            return run_gepa
        case "mipro":
            from optimizer.methods.mipro import run_mipro

            return run_mipro
        case _:
            from optimizer.methods.simba import run_simba

            return run_simba
