"""A vLLM of our own: its life from start to end, and the engine over it.

A stand-in takes vLLM's place; the real one is met in tests/vllm.
"""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from data.chat import Chat, Completion
from data.errors import FatalError, UsageError
from reasoner.engines.vllm import vllm_engine
from reasoner.serving.machine import members_of, port_trouble
from reasoner.serving.server import RESTARTS_PER_HOUR, VllmServer
from reasoner.serving.weights import digest
from tests.reasoner.serving.conftest import KEY

ROOT = Path(__file__).resolve().parents[3]
STAND_IN = f"{sys.executable} {Path(__file__).parents[1] / 'stand_in.py'}"


def until(true: Callable[[], bool], what: str) -> None:
    """Waits for something that comes about by itself."""
    for _ in range(600):
        if true():
            return
        time.sleep(0.05)
    raise AssertionError(f"never: {what}")


@asynccontextmanager
async def stand_in(tmp_path: Path, behavior: str = "good", **options: Any) -> AsyncGenerator[VllmServer]:
    environment = {"PATH": os.environ["PATH"], "OPENAI_API_KEY": KEY}
    given: dict[str, Any] = {"grace": 1.0, **options}
    server = VllmServer(f"stand-in/{behavior}", command=STAND_IN, environment=environment, log_folder=tmp_path, **given)
    try:
        yield server
    finally:
        await server.stop()


def gone(group: int) -> bool:
    return not list(members_of(group))


async def test_it_starts_with_the_first_call_and_ends_with_all_its_processes(tmp_path: Path) -> None:
    async with stand_in(tmp_path) as server:
        assert (server.process, server.alive) == (None, False)
        await server.ready()
        group = server.process
        assert group is not None
        assert server.alive
        assert len(list(members_of(group))) == 2, "the server and its worker"
        report = await server.report()
        assert report.tokens_per_second > 0
        assert report.memory is not None
        assert report.memory > 1024**2
    assert gone(group)
    assert not server.alive


async def test_all_who_wait_wait_for_one_start(tmp_path: Path) -> None:
    async with stand_in(tmp_path) as server:
        impatient = asyncio.create_task(server.ready())
        await asyncio.sleep(0)
        impatient.cancel()
        await asyncio.gather(*(server.ready() for _ in range(5)))
        assert server.log_file.read_text().count("stand-in for") == 1


async def test_a_key_reaches_the_server_and_no_log_or_command_line(tmp_path: Path) -> None:
    async with stand_in(tmp_path, api_key=KEY) as server:
        await server.ready()
        assert (await server.report()).tokens_per_second > 0, "it asks with the key"
        assert server.process is not None
        assert KEY.encode() not in Path(f"/proc/{server.process}/cmdline").read_bytes()
        assert f"VLLM_API_KEY={KEY}".encode() in Path(f"/proc/{server.process}/environ").read_bytes()
        assert b"OPENAI_API_KEY" not in Path(f"/proc/{server.process}/environ").read_bytes()
        assert KEY not in server.log_file.read_text()


def test_others_are_not_served_without_a_key(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"0\.0\.0\.0 would let everyone") as caught:
        VllmServer("stand-in/good", command=STAND_IN, environment={}, log_folder=tmp_path, host="0.0.0.0")
    assert "PHOROPTER_API_KEY" in caught.value.hint


async def test_a_crash_at_the_start_is_told_with_the_logs_last_words(tmp_path: Path) -> None:
    async with stand_in(tmp_path, "crashing") as server:
        with pytest.raises(FatalError, match="made of cheese") as caught:
            await server.ready()
        assert str(server.log_file) in str(caught.value)
        assert not server.alive


async def test_a_start_that_takes_too_long_is_ended(tmp_path: Path) -> None:
    async with stand_in(tmp_path, "hanging", start_timeout=1.0) as server:
        waiting = asyncio.create_task(server.ready())
        while server.process is None:
            await asyncio.sleep(0.01)
        group = server.process
        with pytest.raises(FatalError, match="was not ready after 1 s"):
            await waiting
        assert gone(group)


async def test_stopped_while_it_starts_nothing_is_left(tmp_path: Path) -> None:
    async with stand_in(tmp_path, "hanging") as server:
        waiting = asyncio.create_task(server.ready())
        while server.process is None:
            await asyncio.sleep(0.01)
        group = server.process
        await server.stop()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert gone(group)


async def test_one_that_ignores_sigterm_is_killed(tmp_path: Path) -> None:
    async with stand_in(tmp_path, "stubborn") as server:
        await server.ready()
        group = server.process
        assert group is not None
    assert gone(group)


async def test_killed_it_is_started_again_at_the_same_address(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with stand_in(tmp_path) as server:
        await server.ready()
        url, first = server.url, server.process
        assert first is not None
        os.kill(first, signal.SIGKILL)
        assert await server.lost(within=10)
        await server.ready()
        assert server.url == url
        assert server.process != first
        assert gone(first), "the worker of the dead one"
    assert "died and is started again" in caplog.text


async def test_one_that_dies_again_and_again_is_given_up(tmp_path: Path) -> None:
    async with stand_in(tmp_path) as server:
        for _ in range(RESTARTS_PER_HOUR + 1):
            await server.ready()
            assert server.process is not None
            os.kill(server.process, signal.SIGKILL)
            assert await server.lost(within=10)
        with pytest.raises(FatalError, match=f"after {RESTARTS_PER_HOUR} restarts") as caught:
            await server.ready()
        assert "phoropter resume" in caught.value.hint


async def test_who_watches_hears_of_the_end(tmp_path: Path) -> None:
    async with stand_in(tmp_path) as server:
        await server.ready()
        watching = asyncio.create_task(server.watch())
        assert server.process is not None
        os.kill(server.process, signal.SIGKILL)
        with pytest.raises(FatalError, match="vLLM ended"):
            await watching


async def test_when_the_keeper_is_killed_the_server_still_ends(tmp_path: Path) -> None:
    async with stand_in(tmp_path) as server:
        await server.ready()
        group = server.process
        assert group is not None
        # The field after the state is the parent's id.
        keeper = int(Path(f"/proc/{group}/stat").read_text().rpartition(")")[2].split()[1])
        os.kill(keeper, signal.SIGKILL)
    until(lambda: gone(group), "what the keeper left")


def test_killed_ourselves_we_take_it_along(tmp_path: Path) -> None:
    program = f"""
import asyncio
from pathlib import Path
from reasoner.serving.server import VllmServer
async def main():
    server = VllmServer("stand-in/stubborn", command={STAND_IN!r}, environment={{}}, log_folder=Path("."), grace=1.0)
    await server.ready()
    print(server.process, flush=True)
    await asyncio.sleep(600)
asyncio.run(main())
"""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen([sys.executable, "-c", program], env=environment, stdout=subprocess.PIPE, text=True) as ours:
        assert ours.stdout is not None
        group = int(ours.stdout.readline())
        assert not gone(group)
        ours.kill()
    until(lambda: gone(group), "the server and its worker end")


def test_a_taken_port_is_told_with_who_has_it(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert f"(process {os.getpid()})" in (port_trouble("127.0.0.1", port) or "")
        with pytest.raises(UsageError, match=f"port {port} can't be had: .*process {os.getpid()}") as caught:
            VllmServer("stand-in/good", command=STAND_IN, environment={}, log_folder=tmp_path, port=port)
        assert f"--port {port + 1}" in caught.value.hint


async def test_a_given_port_is_used(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    async with stand_in(tmp_path, port=port) as server:
        await server.ready()
        assert server.url == f"http://127.0.0.1:{port}/v1"


# -- the engine over it


async def test_the_engine_asks_again_when_the_server_died_under_a_call(tmp_path: Path) -> None:
    async with stand_in(tmp_path, "mortal") as server:
        engine = vllm_engine(server, parameters={}, most=4, timeout=60)
        assert server.process is None, "a run that asks nothing starts nothing"
        (first,) = await engine([Chat("s", "a cat", 1)])
        assert isinstance(first, Completion)
        before = server.process
        # The stand-in kills itself over this text each time: asked once more, and then it is an error like any other.
        (deadly,) = await engine([Chat("s", "die", 1)])
        assert isinstance(deadly, Exception)
        assert server.process != before
        outcomes = await engine([Chat("s", "a cat", 1)])
        await engine.aclose()
        assert len(outcomes) == 1


async def test_a_call_in_flight_survives_the_servers_death(tmp_path: Path) -> None:
    async with stand_in(tmp_path) as server:
        engine = vllm_engine(server, parameters={}, most=4, timeout=60)
        await engine([Chat("s", "a cat", 1)])
        assert server.process is not None
        os.kill(server.process, signal.SIGKILL)
        (answer,) = await engine([Chat("s", "a cat", 1)])
        await engine.aclose()
        assert isinstance(answer, Completion)
        assert answer.text == f"A red cat on a beach, seen by {server.process}"


async def test_the_engine_is_known_by_model_and_parameters(tmp_path: Path, gpt_oss: Path) -> None:
    options: dict[str, Any] = {"command": STAND_IN, "environment": {}, "log_folder": tmp_path}
    named = vllm_engine(VllmServer("owner/model", memory_share=0.2, **options), parameters={"temperature": 0.5}, most=1, timeout=9)
    assert named.identity == 'vllm:owner/model?{"temperature":0.5}'
    of_folder = vllm_engine(VllmServer(str(gpt_oss), **options), parameters={}, most=1, timeout=9)
    assert of_folder.identity == f"vllm:my-model#{digest(gpt_oss)}?{{}}"
