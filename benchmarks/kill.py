"""Kill -9 at random moments, then resume: is the end the same?

``python -m benchmarks.kill [--moments 25] [--images 600] [--check] [--json]``. Runs `phoropter optimize` once undisturbed. Then, for each
moment,
starts it on a fresh home, kills the process at a random time, runs the same command again, which resumes it (after another kill, every
third time), and
compares what ``--json`` says, all but its ``timing``. Moments are spread over the undisturbed run's duration.
"""

import argparse
import json
import random
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

GOAL_SAME = 1.0
"""Every single one: a run that ends differently after a kill has lost something, or paid for it twice."""

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True, slots=True)
class Killed:
    """One moment: seconds until the kill, kills in all, whether the end was the same, and images drawn over all sittings beyond the plain
    run's."""

    after: float
    kills: int
    same: bool
    drawn_again: int


def command(home: str, *words: str) -> list[str]:
    code = "from ui.cli import main; main()"
    return [sys.executable, "-c", code, *words, "--home", home, "--json"]


def finished(home: str, *words: str) -> dict[str, Any]:
    """Runs to the end and returns what was printed; RuntimeError where it failed."""
    done = subprocess.run(command(home, *words), cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{' '.join(words)} ended with {done.returncode}:\n{done.stderr[-2000:]}")
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def killed(home: str, after: float, *words: str) -> None:
    """Runs for ``after`` seconds, then kill -9."""
    process = subprocess.Popen(command(home, *words), cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    time.sleep(after)
    process.kill()
    process.wait()


def essence(result: dict[str, Any]) -> str:
    """Everything that may not depend on when and how often it was killed."""
    return json.dumps({name: value for name, value in result.items() if name != "timing"}, sort_keys=True)


def drawn(home: str) -> int:
    """Images on record in a home: files, whoever drew them."""
    return sum(1 for _ in (Path(home) / "images").rglob("*.png"))


def measure(moments: int, images: int) -> list[Killed]:
    """The undisturbed run, then one after another."""
    chance = random.Random(7)
    optimize = ("optimize", "--profile", "embedded", "--images", str(images), "--seed", "1")
    results: list[Killed] = []
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        plain = finished(f"{folder}/plain", *optimize)
        seconds = time.perf_counter() - started
        files = drawn(f"{folder}/plain")
        for number in range(moments):
            home = f"{folder}/{number}"
            after = seconds * (number + chance.random()) / moments
            killed(home, after, *optimize)
            kills = 1
            if number % 3 == 0:
                killed(home, seconds * chance.random() / 2, *optimize)
                kills += 1
            again = finished(home, *optimize)
            results.append(Killed(after, kills, essence(again) == essence(plain), drawn(home) - files))
            print(f"killed after {after:5.1f} s: {'the same' if results[-1].same else 'DIFFERENT'}", file=sys.stderr, flush=True)
    return results


def report(results: list[Killed], images: int) -> float:
    """What was run, a table, and the figure on the last line."""
    share = sum(result.same for result in results) / len(results)
    print(f"`phoropter optimize --images {images}` killed -9 at {len(results)} moments and resumed\n")
    print(f"{'killed after s':>15}{'kills':>7}{'same end':>10}{'images more':>13}")
    for result in results:
        print(f"{result.after:>15.1f}{result.kills:>7}{'yes' if result.same else 'NO':>10}{result.drawn_again:>13}")
    print(f"\nkill: {share:.0%} of {len(results)} ended the same (goal: all): {'met' if share >= GOAL_SAME else 'missed'}")
    return share


def main() -> int:
    """The exit status: 1 where ``--check`` is given and the goal is missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.kill", description="Kill a run at random moments, resume it, compare.")
    parser.add_argument("--moments", type=int, default=25)
    parser.add_argument("--images", type=int, default=600)
    parser.add_argument("--check", action="store_true", help="exit 1 where the goal is missed")
    parser.add_argument("--json", action="store_true", help="print one JSON object for machines")
    options = parser.parse_args()
    results = measure(options.moments, options.images)
    same = all(result.same for result in results)
    if options.json:
        print(json.dumps({"moments": [asdict(result) for result in results], "images": options.images, "ok": same}))
    else:
        report(results, options.images)
    return 1 if options.check and not same else 0


if __name__ == "__main__":
    sys.exit(main())
