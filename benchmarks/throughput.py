"""What the machinery itself costs: trials per second with engines that do nothing, the ledger on.

``python -m benchmarks.throughput [--trials 1000 10000 100000] [--check] [--json]``. Every trial goes through the three stages, is looked
up in
the ledger at each, and is written to a new SQLite file; all rewrites, images and judgments are distinct, so nothing is found. Each size
runs in a process of its own, so that its peak memory is its own. Beside it, in the same run, `dspy.Evaluate` on a program that does as
little, without any record: a peer, not a competitor.
"""
# dspy's classes are typed loosely.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false, reportUnknownLambdaType=false

import argparse
import asyncio
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.command import finish, options_of
from benchmarks.worlds import IdleGenerator, IdleJudge, IdleReasoner
from data.records import Prompt, SystemPrompt, TrialRequest
from data.runs import RunRecord
from data.store import Store, open_store
from optimizer.evaluate import Evaluator, Pipeline
from optimizer.events import Phase, TrialDone
from optimizer.stage import StageLimits
from ui.running import LedgerWriter

GOAL_PER_SECOND = 1500
"""A rack of eight GPUs with a four-step model draws some 100 images a second; the machinery must not be felt even at ten times that."""
GOAL_FLAT = 0.75
"""Trials per second at the largest size over those at the middle one: a run may not slow down as it grows."""
GOAL_MEMORY_MB = 120
"""How much more memory the largest size may take than the smallest: what is bounded does not grow with the run."""
SIZES = (1_000, 10_000, 100_000)
PROMPTS = 200


@dataclass(frozen=True, slots=True)
class Size:
    """One size: trials per second (``rate``), peak resident memory in MB, and dspy's evaluations per second for the same number (or
    None)."""

    trials: int
    rate: float
    memory_mb: float
    dspy_rate: float | None


def requests(count: int) -> Iterator[TrialRequest]:
    """Distinct trials over a fixed number of prompts."""
    system_prompts = [SystemPrompt(f"Rewrite it in way {number}.") for number in range(10)]
    prompts = [Prompt(f"a thing of kind {number}") for number in range(PROMPTS)]
    for number in range(count):
        yield TrialRequest(system_prompts[number % 10], prompts[number % PROMPTS], sample=number, seed=number)


def evaluate_idle(count: int) -> float:
    """Seconds for ``count`` trials through the stages and into a new ledger."""
    with tempfile.TemporaryDirectory() as folder, open_store(f"sqlite:///{folder}/ledger.db") as store:
        started = time.perf_counter()
        asyncio.run(_evaluate(store, count))
        seconds = time.perf_counter() - started
        kept = store.trial_count("run")
    if kept != count:
        raise RuntimeError(f"{kept} of {count} trials are in the ledger")
    return seconds


async def _evaluate(store: Store, count: int) -> None:
    limits = StageLimits(concurrency=2, batch=64)
    pipeline = Pipeline(
        IdleReasoner(),
        IdleGenerator(),
        IdleJudge(),
        limits,
        limits,
        limits,
        lambda asked: store.find_rewrites(list(asked)),
        lambda asked: store.find_images(list(asked)),
        lambda asked: store.find_judgments(list(asked)),
    )
    store.add_run(RunRecord("run", "benchmark", {}, datetime.now(UTC).isoformat()))
    async with Evaluator(pipeline) as evaluator, LedgerWriter(store, "run") as writer:
        async for trial in evaluator.stream(requests(count)):
            await writer.put(TrialDone(Phase.SEARCH, trial))


def evaluate_dspy(count: int) -> float:
    """Seconds for ``count`` evaluations of a program that does nothing, through `dspy.Evaluate` with its default of parallel threads."""
    import dspy

    class Idle(dspy.Module):
        def forward(self, prompt: str) -> dspy.Prediction:
            return dspy.Prediction(rewrite=prompt)

    examples = [dspy.Example(prompt=f"a thing of kind {number}").with_inputs("prompt") for number in range(count)]
    evaluate = dspy.Evaluate(devset=examples, metric=lambda *_: 0.5, num_threads=2, display_progress=False)
    started = time.perf_counter()
    evaluate(Idle())
    return time.perf_counter() - started


def child(kind: str, count: int) -> None:
    """Runs one measurement and prints it; called in a process of its own."""
    seconds = evaluate_idle(count) if kind == "ours" else evaluate_dspy(count)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"rate": count / seconds, "memory_mb": peak}))


def in_process_of_its_own(kind: str, count: int) -> dict[str, float]:
    command = [sys.executable, "-m", "benchmarks.throughput", "--child", kind, str(count)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).resolve().parent.parent)
    result: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return result


def measure(sizes: list[int]) -> list[Size]:
    """All sizes, ours and dspy's in turn. dspy keeps all results in memory, so its largest size is left out above 20,000."""
    results: list[Size] = []
    for count in sizes:
        ours = in_process_of_its_own("ours", count)
        theirs = in_process_of_its_own("dspy", count)["rate"] if count <= 20_000 else None
        results.append(Size(count, ours["rate"], ours["memory_mb"], theirs))
    return results


def is_ok(results: list[Size]) -> bool:
    first, last = results[0], results[-1]
    flat = len(results) < 2 or last.rate >= GOAL_FLAT * results[-2].rate
    return last.rate >= GOAL_PER_SECOND and flat and last.memory_mb - first.memory_mb <= GOAL_MEMORY_MB


def report(results: list[Size]) -> None:
    """What was run, a table, and the figure on the last line."""
    print(f"idle engines, SQLite ledger on, {PROMPTS} prompts; each size in a process of its own\n")
    print(f"{'trials':>8}{'trials/s':>11}{'peak MB':>10}{'dspy.Evaluate/s':>18}")
    for size in results:
        peer = f"{size.dspy_rate:>18,.0f}" if size.dspy_rate else f"{'-':>18}"
        print(f"{size.trials:>8,}{size.rate:>11,.0f}{size.memory_mb:>10.0f}{peer}")
    last, verdict = results[-1], "met" if is_ok(results) else "missed"
    print(f"\nthroughput: {last.rate:,.0f} trials/s at {last.trials:,} (goal: {GOAL_PER_SECOND:,}, flat in speed and memory): {verdict}")


def main() -> int:
    """The exit status: 1 where ``--check`` is given and a goal is missed."""
    parser = options_of("throughput", "Time the machinery with engines that do nothing.")
    parser.add_argument("--trials", type=int, nargs="+", default=list(SIZES))
    parser.add_argument("--child", nargs=2, metavar=("KIND", "COUNT"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        child(options.child[0], int(options.child[1]))
        return 0
    results = measure(options.trials)
    figures = {"sizes": [asdict(size) for size in results], "goal_per_second": GOAL_PER_SECOND, "ok": is_ok(results)}
    return finish(options, figures, lambda: report(results))


if __name__ == "__main__":
    sys.exit(main())
