"""Kill -9 at random moments, then resume: is the end the same, and what is paid for twice? Beside it, the same with GEPA's run_dir.

``python -m benchmarks.kill [--moments 50] [--images 200] [--full] [--check] [--json]``. Runs `phoropter optimize` once undisturbed. Then,
for each moment, starts it on a fresh home, kills the process a moment after so many images were asked for, runs the same command again,
which resumes it (after another kill, every third time), and compares what ``--json`` says, all but its ``timing``. Moments are spread over
the run's images. gepa.optimize is killed and resumed at as many moments of its 400 scores, in a world where a score is the same whenever it
is asked for. Both write down each image, and each score, before it is made: what was paid is counted outside of them.
"""

import json
import random
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.command import finish, options_of, save
from benchmarks.counted import noted
from benchmarks.harness import in_processes
from data.identity import derived_random

GOAL_SAME = 1.0
"""Every single one: a run that ends differently after a kill has lost something, or gone astray."""
GOAL_AGAIN = 1.0
"""Images paid for again per kill, of those that may be in flight at once: what was finished before is in the ledger."""

MOMENTS, IMAGES = 50, 200
FULL_MOMENTS, FULL_IMAGES = 200, 600
ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True, slots=True)
class Program:
    """A command that notes what it pays for in the folder where it runs, and prints one JSON object at its end."""

    command: tuple[str, ...]

    def start(self, folder: Path) -> "subprocess.Popen[str]":
        folder.mkdir(parents=True, exist_ok=True)
        return subprocess.Popen(self.command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def finished(self, folder: Path) -> dict[str, Any]:
        """Runs to the end and returns what was printed; RuntimeError where it failed."""
        process = self.start(folder)
        printed, complaints = process.communicate()
        if process.returncode:
            raise RuntimeError(f"{' '.join(self.command)} ended with {process.returncode}:\n{complaints[-2000:]}")
        result: dict[str, Any] = json.loads(printed)
        return result

    def killed(self, folder: Path, paid: int, later: float) -> None:
        """Runs until ``paid`` lines are in the log, and ``later`` seconds more; then kill -9."""
        process = self.start(folder)
        while process.poll() is None and noted(folder) < paid:
            time.sleep(0.002)
        time.sleep(later)
        process.kill()
        process.communicate()


def ours(images: int) -> Program:
    """`phoropter optimize` in the embedded world, with a generator that counts."""
    words = ("optimize", "--profile", "embedded", "--generator", "benchmarks.counted:CountedGenerator", "--images", str(images))
    return _python("from ui.cli import main; main()", *words, "--seed", "1", "--home", ".", "--json")


def gepa() -> Program:
    """gepa.optimize with a run_dir."""
    return _python("from benchmarks.counted import run_gepa; run_gepa()")


def _python(code: str, *words: str) -> Program:
    return Program((sys.executable, "-c", f"import sys; sys.path.insert(0, {str(ROOT)!r}); {code}", *words))


@dataclass(frozen=True, slots=True)
class Killed:
    """One moment: what had been paid when the first kill came, kills in all, whether the end was the same, what was paid over all sittings
    beyond the undisturbed run, and how much of that the program's own count leaves out (None where it keeps none)."""

    paid: int
    kills: int
    same: bool
    again: int
    uncounted: int | None


def essence(result: dict[str, Any]) -> str:
    """Everything that may not depend on when and how often it was killed."""
    return json.dumps({name: value for name, value in result.items() if name not in ("timing", "counted")}, sort_keys=True)


def killed_at(number: int, program: Program, folder: Path, moments: int) -> Killed:
    """Kills and resumes at one of ``moments``, spread over what the undisturbed run in ``folder``/plain paid."""
    chance = derived_random("kill", number)
    plain: dict[str, Any] = json.loads((folder / "plain.json").read_text())
    total = noted(folder / "plain")
    home = folder / str(number)
    paid = int(total * (number + chance.random()) / moments)
    program.killed(home, paid, _later(chance))
    kills = 1
    if number % 3 == 0:
        program.killed(home, paid + int((total - paid) * chance.random()), _later(chance))
        kills += 1
    result = program.finished(home)
    uncounted = noted(home) - result["counted"] if "counted" in result else None
    return Killed(paid, kills, essence(result) == essence(plain), noted(home) - total, uncounted)


def _later(chance: random.Random) -> float:
    """Long enough to let anything happen between two images: a round sealed, a proposal written, a state saved."""
    return 0.2 * chance.random()


def kill_all(program: Program, moments: int, what: str) -> list[Killed]:
    """The undisturbed run, then all moments."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "plain.json").write_text(json.dumps(program.finished(folder / "plain")))
        return in_processes(partial(killed_at, program=program, folder=folder, moments=moments), range(moments), what)


def in_flight() -> int:
    """How many trials the embedded profile has under way at once, at most."""
    from benchmarks.worlds import IdleGenerator, IdleJudge, IdleReasoner
    from optimizer.evaluate import Pipeline
    from ui.settings import resolve

    settings = resolve("embedded").settings
    return Pipeline(
        IdleReasoner(), IdleGenerator(), IdleJudge(), settings.reasoner.limits, settings.generator.limits, settings.judge.limits
    ).in_flight


@dataclass(frozen=True, slots=True)
class Result:
    """All that was measured, and in how many seconds. ``in_flight``: trials that our run has under way at once, at most."""

    images: int
    in_flight: int
    ours: tuple[Killed, ...]
    gepa: tuple[Killed, ...]
    seconds: float

    @property
    def most(self) -> int:
        """Images per kill that may be paid for again."""
        return int(GOAL_AGAIN * self.in_flight)

    @property
    def misses(self) -> list[str]:
        """What is not as the goals want it."""
        runs, same = len(self.ours), sum(one.same for one in self.ours)
        costly = sum(one.again > self.most * one.kills for one in self.ours)
        return [
            *([f"{runs - same} of {runs} runs ended differently"] if same < GOAL_SAME * runs else []),
            *([f"{costly} of {runs} runs paid again for more than {self.most} images per kill"] if costly else []),
        ]


def measure(moments: int, images: int) -> Result:
    """Both, one after the other."""
    started = time.perf_counter()
    killed = kill_all(ours(images), moments, "killed and resumed")
    beside = kill_all(gepa(), moments, "gepa killed and resumed")
    return Result(images, in_flight(), tuple(killed), tuple(beside), time.perf_counter() - started)


def report(result: Result) -> None:
    """What was run, a table, and the figure on the last line."""
    print(
        f"`phoropter optimize --images {result.images}` and gepa.optimize with a run_dir, killed -9 and resumed; {result.seconds:.0f} s\n"
    )
    print(f"{'':<32}{'paid again':>14}{'paid, and not counted':>24}")
    print(f"{'':<11}{'kills':>7}{'same end':>14}{'mean':>8}{'most':>6}{'mean':>18}{'most':>6}")
    for name, moments in (("phoropter", result.ours), ("gepa", result.gepa)):
        again = [one.again for one in moments]
        uncounted = [one.uncounted for one in moments if one.uncounted is not None]
        same = f"{sum(one.same for one in moments)} of {len(moments)}"
        row = f"{name:<11}{sum(one.kills for one in moments):>7}{same:>14}{sum(again) / len(again):>8.1f}{max(again):>6}"
        print(row + (f"{sum(uncounted) / len(uncounted):>18.1f}{max(uncounted):>6}" if uncounted else f"{'-':>18}{'-':>6}"))
    print(f"\ngoals: all end the same; at most {result.most} images are paid for again per kill: as many as may be in flight")
    for miss in result.misses:
        print(f"  missed: {miss}")
    same, theirs = (sum(one.same for one in moments) / len(moments) for moments in (result.ours, result.gepa))
    print(
        f"kill: {same:.0%} of {len(result.ours)} ended the same, at most {max(one.again for one in result.ours)} images paid again"
        f" (gepa: {theirs:.0%}, {max(one.again for one in result.gepa)} scores): {'missed' if result.misses else 'met'}"
    )


def as_json(result: Result) -> dict[str, Any]:
    """The figures for machines."""
    return {**asdict(result), "seconds": round(result.seconds, 1), "missed": result.misses, "ok": not result.misses}


def main() -> int:
    """The exit status: 1 where ``--check`` is given and a goal is missed."""
    parser = options_of("kill", "Kill a run at random moments, resume it, compare.")
    parser.add_argument("--moments", type=int, help=f"how many ({MOMENTS}; with --full {FULL_MOMENTS})")
    parser.add_argument("--images", type=int, help=f"of our run ({IMAGES}; with --full {FULL_IMAGES})")
    parser.add_argument("--full", action="store_true", help=f"{FULL_MOMENTS} moments of a run of {FULL_IMAGES} images")
    options = parser.parse_args()
    moments, images = (FULL_MOMENTS, FULL_IMAGES) if options.full else (MOMENTS, IMAGES)
    result = measure(options.moments or moments, options.images or images)
    save("kill", as_json(result))
    return finish(options, as_json(result), lambda: report(result))


if __name__ == "__main__":
    sys.exit(main())
