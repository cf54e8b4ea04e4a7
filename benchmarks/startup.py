"""How long ``phoropter --help`` takes, and which heavy packages it drags in.

``python -m benchmarks.startup [--check] [--json]``. Every command pays this before it does anything, completion in the shell pays it at
each tab. Measures start-up alone: no command is run, no engine is built.
"""

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.command import finish, options_of

ROOT = Path(__file__).resolve().parent.parent

GOAL_SECONDS = 0.3
"""Below about a third of a second an answer still feels immediate. On two slow cores an empty typer application takes 0.1 s with
plain help, and 0.32 s with help drawn by rich, which alone would miss this."""

HEAVY = (
    "torch", "vllm", "litellm", "dspy", "streamlit", "diffusers", "transformers", "openai", "sqlmodel", "sqlalchemy", "alembic",
    "pandas", "pyarrow", "scipy", "cv2", "numpy", "PIL", "pydantic",
)  # fmt: skip
"""None of these is needed to print help, and each costs 0.05 s (numpy) to 4 s (litellm): commands import what they use when they run."""

WARM_UP = 2
TIMED = 11
"""Odd, so that the median is a run that took place; enough for it to shrug off a few disturbed ones."""

_MAIN = "from ui.cli import main; main()"

_PROBE = """
import json, sys
import ui.cli
imported = sorted(sys.modules)
sys.argv = ["phoropter", "--help"]
try:
    ui.cli.main()
except SystemExit as end:
    if end.code:
        raise
print()
print(json.dumps({"import": imported, "help": sorted(sys.modules)}))
"""


@dataclass(frozen=True, slots=True)
class Startup:
    """Wall-clock seconds of ``command``, and the heavy packages found loaded, by moment: after the import, and after ``--help``."""

    command: str
    seconds: tuple[float, ...]
    python_seconds: tuple[float, ...]
    loaded: dict[str, list[str]]

    @property
    def median(self) -> float:
        """Seconds of the middle run."""
        return statistics.median(self.seconds)

    @property
    def ok(self) -> bool:
        """Whether both goals are met."""
        return self.median < GOAL_SECONDS and not any(self.loaded.values())


def help_command() -> list[str]:
    """The console script that is installed beside this Python, or, where there is none, the function behind it."""
    script = Path(sys.executable).with_name("phoropter")
    return [str(script), "--help"] if script.exists() else [sys.executable, "-c", _MAIN, "--help"]


def timed(command: Sequence[str]) -> tuple[float, ...]:
    """Wall-clock seconds of each run of ``command`` after the warm-up. Raises CalledProcessError where one fails."""
    seconds: list[float] = []
    for _ in range(WARM_UP + TIMED):
        start = time.perf_counter()
        subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
        seconds.append(time.perf_counter() - start)
    return tuple(seconds[WARM_UP:])


def loaded_packages() -> dict[str, list[str]]:
    """The heavy packages in a fresh interpreter, after ``import ui.cli`` and after ``--help``."""
    answer = subprocess.run([sys.executable, "-c", _PROBE], cwd=ROOT, check=True, capture_output=True, text=True)
    modules: dict[str, list[str]] = json.loads(answer.stdout.splitlines()[-1])
    return {moment: [package for package in HEAVY if package in names] for moment, names in modules.items()}


def measure() -> Startup:
    """Runs it all; about five seconds."""
    command = help_command()
    return Startup(" ".join(command), timed(command), timed([sys.executable, "-c", "pass"]), loaded_packages())


def report(startup: Startup) -> None:
    """What was run, a table, and the figure on the last line."""
    print(f"{startup.command}: {TIMED} runs after {WARM_UP} to warm up, Python {sys.version.split()[0]}\n")
    print(f"{'seconds':<22}{'fastest':>9}{'median':>9}{'slowest':>9}")
    for name, seconds in (("phoropter --help", startup.seconds), ("python -c pass", startup.python_seconds)):
        print(f"{name:<22}{min(seconds):>9.3f}{statistics.median(seconds):>9.3f}{max(seconds):>9.3f}")
    print()
    for moment, packages in startup.loaded.items():
        print(f"heavy packages after {moment:<8}{', '.join(packages) or 'none'}")
    verdict = "met" if startup.ok else "missed"
    print(
        f"\nstartup: {startup.median:.3f} s median (goal: under {GOAL_SECONDS} s),"
        f" {len(startup.loaded['help'])} heavy packages (goal: none): {verdict}"
    )


def main() -> int:
    """The exit status: 1 where ``--check`` is given and a goal is missed."""
    options = options_of("startup", "Time phoropter --help, and list what it loads.").parse_args()
    startup = measure()
    figures = {**asdict(startup), "median": startup.median, "goal_seconds": GOAL_SECONDS, "ok": startup.ok}
    return finish(options, figures, lambda: report(startup))


if __name__ == "__main__":
    sys.exit(main())
