"""What a call to a model costs us besides the model: our engine, and the rewriter over it, against the bare openai client.

``python -m benchmarks.reasoner_overhead [--calls 300] [--rounds 9] [--check] [--json]``. All clients ask one local server, in a process of
its own, the same question; it answers at once. Each client runs in each round, in turn, so that what else the machine does befalls all; a
figure is the median over the rounds. CPU time is that of the clients' process. litellm and dspy.LM are peers, for comparison.
"""
# litellm's and dspy's functions are typed loosely.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false

import argparse
import asyncio
import gc
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.command import finish, options_of
from data.chat import Chat, ChatEngine, Completion
from data.records import Prompt, SystemPrompt
from reasoner import RewriteRequest
from reasoner.rewrite import Rewriter

GOAL_MS = 0.3
"""CPU milliseconds per call over the bare client. A rack of endpoints that answers 300 calls a second then takes a tenth of a core more."""
CONCURRENCIES = (1, 32)
MODEL = "small"
SYSTEM = "Rewrite the user's prompt in vivid detail for an image model. Keep every number and quoted word. Answer with the prompt only."
USER = "three red balloons above a blue house"

ANSWER = json.dumps(
    {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": MODEL,
        "choices": [
            {
                "index": 0,
                "finish_reason": "stop",
                "message": {
                    "role": "assistant",
                    "content": "Three glossy red balloons drift in a row high above a small blue wooden house, in soft morning light.",
                    "reasoning": "The user wants three red balloons and one blue house. I keep the number and both colors, and place them.",
                },
            }
        ],
        "usage": {"prompt_tokens": 60, "completion_tokens": 55, "total_tokens": 115},
    }
).encode()

Receive = Callable[[], Awaitable[Mapping[str, Any]]]
Send = Callable[[Mapping[str, Any]], Awaitable[None]]
Ask = Callable[[int], Awaitable[None]]
"""Makes one call; the number is its seed."""


@dataclass(frozen=True, slots=True)
class Cost:
    """One client's median cost at one concurrency: calls per second, CPU milliseconds per call, and the latter over the bare client's."""

    client: str
    concurrency: int
    per_second: float
    cpu_ms: float
    over_bare_ms: float


async def app(scope: Mapping[str, Any], receive: Receive, send: Send) -> None:
    """A chat endpoint that always gives the same answer, as an ASGI application: as little work as a server can do."""
    while (await receive()).get("more_body"):
        pass
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(ANSWER)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": ANSWER})


def serve() -> None:
    """Prints the URL and serves; called in a process of its own."""
    import uvicorn

    # The protocol is named, or asyncio leaves TCP_NODELAY off and every answer takes 40 ms.
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listening.bind(("127.0.0.1", 0))
    print(f"http://127.0.0.1:{listening.getsockname()[1]}/v1", flush=True)
    uvicorn.Server(uvicorn.Config(app, log_level="error", lifespan="off")).run(sockets=[listening])


@contextmanager
def server() -> Generator[str]:
    """The server in a process of its own; its URL."""
    command = [sys.executable, "-m", "benchmarks.reasoner_overhead", "--serve"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).resolve().parent.parent)
    try:
        assert process.stdout is not None
        yield process.stdout.readline().strip()
    finally:
        process.terminate()
        process.communicate()


@asynccontextmanager
async def clients(url: str, most: int) -> AsyncGenerator[Mapping[str, Ask]]:
    """All that are compared, each with one kept client and at most ``most`` calls at once."""
    import dspy
    import litellm
    import openai
    from dspy import lm15

    from reasoner.engines.openai import openai_engine

    messages = [{"role": "system", "content": SYSTEM}, {"role": "user", "content": USER}]
    async with AsyncExitStack() as closing:
        bare = await closing.enter_async_context(openai.AsyncOpenAI(base_url=url, api_key="none", max_retries=0))
        engine = openai_engine(MODEL, urls=[url], api_key=None, parameters={}, most=most, timeout=60)
        closing.push_async_callback(engine.aclose)
        rewriter = Rewriter(engine)
        lm = dspy.LM(f"openai/{MODEL}", api_base=url, api_key="none", cache=False, max_tokens=2048, num_retries=0)
        question = lm15.Request(f"openai/{MODEL}", (lm15.Message.user(USER),), system=SYSTEM)
        request = RewriteRequest(SystemPrompt(SYSTEM), Prompt(USER), 0)

        async def ask_bare(seed: int) -> None:
            answer = await bare.chat.completions.create(
                model=MODEL,
                messages=[{"role": "system", "content": SYSTEM}, {"role": "user", "content": USER}],
                seed=seed,
                max_completion_tokens=2048,
            )
            _expect(answer.choices[0].message.content)

        async def ask_ours(seed: int) -> None:
            await _answered(engine, Chat(SYSTEM, USER, seed))

        async def ask_rewriter(seed: int) -> None:
            (outcome,) = await rewriter([request])
            if isinstance(outcome, Exception):
                raise outcome

        async def ask_litellm(seed: int) -> None:
            complete: Any = litellm.acompletion
            answer = await complete(f"openai/{MODEL}", messages, api_base=url, api_key="none", seed=seed, max_tokens=2048, num_retries=0)
            _expect(answer.choices[0].message.content)

        async def ask_dspy(seed: int) -> None:
            call: Any = lm.acall
            _expect((await call(question)).text)

        yield {"bare": ask_bare, "ours": ask_ours, "rewriter": ask_rewriter, "litellm": ask_litellm, "dspy.LM": ask_dspy}


async def _answered(engine: ChatEngine, chat: Chat) -> None:
    (outcome,) = await engine([chat])
    if not isinstance(outcome, Completion):
        raise outcome


def _expect(answer: object) -> None:
    if not answer:
        raise RuntimeError("the server's answer is empty")


async def _timed(ask: Ask, calls: int, concurrency: int) -> tuple[float, float]:
    """Calls per second, and CPU milliseconds per call."""
    seeds = iter(range(calls))

    async def worker() -> None:
        for seed in seeds:
            await ask(seed)

    # Garbage of the one before is not this one's cost.
    gc.collect()
    started, cpu = time.perf_counter(), time.process_time()
    async with asyncio.TaskGroup() as workers:
        for _ in range(concurrency):
            workers.create_task(worker())
    return calls / (time.perf_counter() - started), (time.process_time() - cpu) / calls * 1000


async def measure(calls: int, rounds: int) -> list[Cost]:
    """All clients at all concurrencies. One round more than asked for warms them up: connections, imports, what the engine finds out."""
    costs: list[Cost] = []
    with server() as url:
        for concurrency in CONCURRENCIES:
            figures: dict[str, list[tuple[float, float]]] = {}
            async with clients(url, concurrency) as asks:
                for number in range(rounds + 1):
                    # Another one goes first each time, so that none is always next to the same other.
                    names = list(asks)[number % len(asks) :] + list(asks)[: number % len(asks)]
                    for name in names:
                        figure = await _timed(asks[name], calls, concurrency)
                        if number:
                            figures.setdefault(name, []).append(figure)
                costs += _costs(figures, list(asks), concurrency)
    return costs


def _costs(figures: Mapping[str, list[tuple[float, float]]], names: list[str], concurrency: int) -> list[Cost]:
    bare = [cpu for _, cpu in figures["bare"]]
    return [
        Cost(
            name,
            concurrency,
            median(rate for rate, _ in figures[name]),
            median(cpu for _, cpu in figures[name]),
            # Round by round: what slows a whole round down is in both.
            median(cpu - base for (_, cpu), base in zip(figures[name], bare, strict=True)),
        )
        for name in names
    ]


def overhead(costs: list[Cost]) -> float:
    """The engine's overhead in ms, at the concurrency where it is highest."""
    return max(cost.over_bare_ms for cost in costs if cost.client == "ours")


def report(costs: list[Cost], calls: int, rounds: int) -> None:
    """What was run, a table, and the figure on the last line."""
    print(f"{calls} calls per client and round, {rounds} rounds; one local server in a process of its own\n")
    print(f"{'concurrency':>11}  {'client':<10}{'calls/s':>9}{'CPU ms/call':>13}{'over bare':>11}")
    for cost in costs:
        print(f"{cost.concurrency:>11}  {cost.client:<10}{cost.per_second:>9,.0f}{cost.cpu_ms:>13.2f}{cost.over_bare_ms:>11.2f}")
    figure = overhead(costs)
    print(f"\nreasoner overhead: {figure:.2f} ms CPU per call (goal: at most {GOAL_MS}): {'met' if figure <= GOAL_MS else 'missed'}")


def main() -> int:
    """The exit status: 1 where ``--check`` is given and the goal is missed."""
    parser = options_of("reasoner_overhead", "Time a call besides the model's own work.")
    parser.add_argument("--calls", type=int, default=300, help="per client and round")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        serve()
        return 0
    # Without a network, litellm waits for its price list; this is read when it is imported.
    os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
    costs = asyncio.run(measure(options.calls, options.rounds))
    ok = overhead(costs) <= GOAL_MS
    figures = {"costs": [asdict(cost) for cost in costs], "goal_ms": GOAL_MS, "ok": ok}
    return finish(options, figures, lambda: report(costs, options.calls, options.rounds))


if __name__ == "__main__":
    sys.exit(main())
