"""Does the generator ever wait? The share of the time that the image stage is busy while a search runs, with GEPA's beside it.

``python -m benchmarks.utilisation [--images 1200] [--full] [--check] [--json]``. A rewrite takes 2 s, a batch of up to 8 images
4 s in one worker, a judgment 3 s, a proposal 20 s, all scaled 1:20; rewrites, judgments and proposals run side by side as they come. Our
search with its own stages, and gepa.optimize whose adapter asks the same stages: as it is (one proposal at a time), and with 4 parents × 2
mutations per iteration, whose scores and reflections are each asked for at once.

Busy is the time that the batches take, of the time between the beginning of the first and the end of the last. Nothing is left out: the
warm-up, with only the roots to look at, and the end, when nothing more is to come, count; so does a batch that is done and not taken yet
because a decision is being computed. Full is what was drawn, of what could have been drawn in that time in batches of 8.

The waiting is real, and decisions are taken in a thread beside it, as in any run: measure on a machine that does little else.
"""

import asyncio
import sys
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Generic, TypeVar

from benchmarks.command import finish, options_of, save
from benchmarks.gepa_beside import optimize
from benchmarks.search.worlds import SEARCH_PROMPTS, Evidence, SyntheticWorld, text_of
from benchmarks.worlds import (
    SyntheticGenerator,
    SyntheticJudge,
    SyntheticProposer,
    SyntheticReasoner,
    prompts_of,
    synthetic_world,
    system_prompt_of,
)
from data.errors import Stage as StageName
from data.identity import derived_seed
from data.records import Derivation, GeneratedImage, Operation, Split, SystemPrompt, TrialRequest
from generator import ImageRequest
from optimizer.budget import Budget, Limits
from optimizer.evaluate import Evaluator, Pipeline
from optimizer.pairs import Pairs
from optimizer.plan import Planner, Policy
from optimizer.search import History, Search
from optimizer.stage import Stage, StageLimits

GOAL_BUSY = 0.97
"""The generator is what a search pays for. What is left are the warm-up and the end."""

SCALE = 1 / 20
"""At 1:100 a batch takes 40 ms, and what the event loop does for its eight trials 20: that would weigh a hundred times what it does beside
a real generator."""
REWRITE, IMAGES_OF_A_BATCH, JUDGMENT, PROPOSAL = 2.0, 4.0, 3.0, 20.0
BATCH = 8
IMAGES, FULL_IMAGES = 1200, 6000
VALIDATION = 40
GENEROUS = StageLimits(concurrency=256, batch=1)
ONE_WORKER = StageLimits(concurrency=1, batch=BATCH)

Q = TypeVar("Q")
R = TypeVar("R")


@dataclass(slots=True)
class Slow(Generic[Q, R]):
    """An engine that takes its time, and remembers when it worked on how much."""

    inner: Callable[[Sequence[Q]], Awaitable[Sequence[R | Exception]]]
    seconds: float
    identity: str = "slow"
    text_limit: None = None
    ratios: tuple[str, ...] = ()
    spans: list[tuple[float, float, int]] = field(default_factory=list[tuple[float, float, int]])

    async def __call__(self, requests: Sequence[Q]) -> Sequence[R | Exception]:
        loop = asyncio.get_running_loop()
        started = loop.time()
        await asyncio.sleep(self.seconds)
        results = await self.inner(requests)
        self.spans.append((started, loop.time(), len(requests)))
        return results


@dataclass(frozen=True, slots=True)
class Used:
    """How well the image stage was used: seconds from its first batch to its last, batches and images, the shares busy and full, and
    proposals meanwhile."""

    name: str
    seconds: float
    batches: int
    images: int
    busy: float
    full: float
    proposals: int


@dataclass(frozen=True, slots=True)
class Server:
    """The three stages of a world, slowed down, and who writes system prompts. Everyone who is measured gets a new one."""

    generator: Slow[ImageRequest, GeneratedImage]
    proposer: Slow[Any, Any]
    pipeline: Pipeline
    scale: float

    @classmethod
    def of(cls, world: SyntheticWorld, propose: Callable[[Any], Awaitable[Any]], scale: float = SCALE) -> "Server":
        async def ask(requests: Sequence[Any]) -> list[Any]:
            return [await propose(request) for request in requests]

        generator = Slow(SyntheticGenerator(world), scale * IMAGES_OF_A_BATCH)
        reasoner, judge = Slow(SyntheticReasoner(), scale * REWRITE), Slow(SyntheticJudge(world), scale * JUDGMENT)
        return cls(generator, Slow(ask, scale * PROPOSAL), Pipeline(reasoner, generator, judge, GENEROUS, ONE_WORKER, GENEROUS), scale)

    def used(self, name: str) -> Used:
        """How well the generator was used so far."""
        spans = self.generator.spans
        seconds = spans[-1][1] - spans[0][0]
        images = sum(size for *_, size in spans)
        could = seconds / (self.scale * IMAGES_OF_A_BATCH)
        return Used(name, seconds, len(spans), images, len(spans) / could, images / (could * BATCH), len(self.proposer.spans))


def ours(images: int, policy: Policy, scale: float = SCALE) -> Used:
    """Our search for so many images."""
    world = synthetic_world(1)
    server = Server.of(world, SyntheticProposer(world), scale)
    asyncio.run(_search(server, world, images, policy))
    return server.used("phoropter")


async def _search(server: Server, world: SyntheticWorld, images: int, policy: Policy) -> None:
    prompts = [prompt for prompt in prompts_of(world) if prompt.split is Split.SEARCH]
    planner = Planner(Pairs(prompts, 1, "search"), policy, 1)
    async with Evaluator(server.pipeline) as evaluator, Stage(StageName.PROPOSE, server.proposer, GENEROUS) as proposer:
        search = Search(planner, evaluator, proposer, "slow", prompts, Budget(Limits(images)), images, 0, 1, History())
        roots = [Derivation(system_prompt_of(rules), (), Operation.ROOT, "start") for rules in ([], [0])]
        async for _ in search.run(roots):
            pass


def gepa(name: str, images: int, at_once: tuple[int, int], scale: float = SCALE) -> Used:
    """gepa.optimize for so many scores, or a few more. It knows no event loop: the loop runs while it waits for scores or texts."""
    world = synthetic_world(1)

    async def reflect(job: tuple[str, Evidence]) -> str:
        text, seen = job
        return world.propose(Operation.REFLECT, [text], seen, derived_seed(text, seen))

    server = Server.of(world, reflect, scale)
    prompts = prompts_of(world)
    passes: Counter[tuple[str, int]] = Counter()
    evaluator = Evaluator(server.pipeline)

    def request(text: str, number: int) -> TrialRequest:
        passes[text, number] += 1
        return TrialRequest(SystemPrompt(text), prompts[number], sample=0, seed=passes[text, number])

    async def measured(asked: Sequence[tuple[str, Sequence[int]]]) -> list[list[float]]:
        trials = iter(await asyncio.gather(*(evaluator.run(request(text, number)) for text, batch in asked for number in batch)))
        return [[next(trials).score or 0.0 for _ in batch] for _, batch in asked]

    async def written(asked: Sequence[tuple[str, Evidence]]) -> list[str]:
        return [str(texts[0]) for texts in await asyncio.gather(*(server.proposer([job]) for job in asked))]

    with asyncio.Runner() as runner:
        runner.run(evaluator.__aenter__())
        optimize(
            text_of([]), range(SEARCH_PROMPTS), lambda asked: runner.run(measured(asked)), lambda asked: runner.run(written(asked)),
            scores=images, val=VALIDATION, seed=1, at_once=at_once,
        )  # fmt: skip
        runner.run(evaluator.__aexit__())
    return server.used(name)


@dataclass(frozen=True, slots=True)
class Result:
    """All that was measured, ours first."""

    used: tuple[Used, ...]

    @property
    def ok(self) -> bool:
        return self.used[0].busy >= GOAL_BUSY


def measure(images: int) -> Result:
    """One after the other."""
    serial = gepa("gepa", images, (1, 1))
    parallel = gepa("gepa, 4 parents x 2 mutations", images, (4, 2))
    return Result((ours(images, Policy.filling(BATCH, images)), serial, parallel))


def report(result: Result) -> None:
    """What was run, a table, and the figure on the last line."""
    print(f"rewrite 2 s, 8 images 4 s, judgment 3 s, proposal 20 s, scaled 1:{1 / SCALE:.0f}\n")
    print(f"{'':<31}{'images':>7}{'batches':>9}{'seconds':>9}{'proposals':>11}{'busy':>8}{'full':>8}")
    for entry in result.used:
        row = f"{entry.name:<31}{entry.images:>7}{entry.batches:>9}{entry.seconds:>9.2f}{entry.proposals:>11}"
        print(f"{row}{entry.busy:>8.1%}{entry.full:>8.1%}")
    mine, *theirs = result.used
    beside = ", ".join(f"{entry.busy:.0%}" for entry in theirs)
    verdict = "met" if result.ok else "missed"
    print(f"\nutilisation: the image stage is busy {mine.busy:.1%} of the time (goal: {GOAL_BUSY:.0%}; gepa: {beside}): {verdict}")


def as_json(result: Result) -> dict[str, Any]:
    """The figures for machines."""
    return {**asdict(result), "scale": SCALE, "goal_busy": GOAL_BUSY, "ok": result.ok}


def main() -> int:
    """The exit status: 1 where ``--check`` is given and the goal is missed."""
    parser = options_of("utilisation", "How busy a search keeps the image stage.")
    parser.add_argument("--images", type=int, help=f"of each search ({IMAGES}; with --full {FULL_IMAGES})")
    parser.add_argument("--full", action="store_true", help=f"{FULL_IMAGES} images")
    options = parser.parse_args()
    result = measure(options.images or (FULL_IMAGES if options.full else IMAGES))
    save("utilisation", as_json(result))
    return finish(options, as_json(result), lambda: report(result))


if __name__ == "__main__":
    sys.exit(main())
