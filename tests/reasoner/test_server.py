"""A vLLM of our own: how it is found and called, what its log means, and its life from start to end.

A stand-in takes vLLM's place; the real one is met in tests/vllm.
"""

import asyncio
import json
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

from data.errors import FatalError, UsageError
from reasoner.chat import Chat, Completion
from reasoner.engines.vllm import vllm_engine
from reasoner.engines.vllm_in_process import VllmInProcess
from reasoner.serving.launch import HARMONY_DATE, MODULE, OLD_MODULE, Serving, find_vllm, serve_command, serve_environment
from reasoner.serving.log import known_trouble, latest_line, telling_lines
from reasoner.serving.machine import members_of, port_trouble
from reasoner.serving.server import RESTARTS_PER_HOUR, VllmServer
from reasoner.serving.weights import digest, longest_context, model_identity, model_name, reasoning_parser

ROOT = Path(__file__).resolve().parents[2]
LOGS = Path(__file__).with_name("assets") / "vllm_logs"
STAND_IN = f"{sys.executable} {Path(__file__).with_name('stand_in.py')}"
KEY = "sk-not-for-the-log"


@pytest.fixture
def gpt_oss(tmp_path: Path) -> Path:
    """A folder that looks like a model's."""
    folder = tmp_path / "my-model"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps({"model_type": "gpt_oss", "max_position_embeddings": 4096}))
    (folder / "model.safetensors").write_bytes(bytes(300_000))
    return folder


def until(true: Callable[[], bool], what: str) -> None:
    """Waits for something that comes about by itself."""
    for _ in range(600):
        if true():
            return
        time.sleep(0.05)
    raise AssertionError(f"never: {what}")


# -- the model's folder


def test_a_folder_says_what_it_holds(gpt_oss: Path) -> None:
    assert reasoning_parser(str(gpt_oss)) == "openai_gptoss"
    assert longest_context(str(gpt_oss)) == 4096
    assert model_name(str(gpt_oss)) == "my-model"


@pytest.mark.parametrize(
    ("name", "parser"),
    [
        ("openai/gpt-oss-20b", "openai_gptoss"),
        ("unsloth/gpt-oss-120b-GGUF", "openai_gptoss"),
        ("Qwen/Qwen3-8B", "qwen3"),
        ("deepseek-ai/DeepSeek-R1-Distill-Llama-8B", "deepseek_r1"),
        ("meta-llama/Llama-3.1-8B-Instruct", None),
    ],
)
def test_a_name_says_how_the_model_reasons(name: str, parser: str | None) -> None:
    assert reasoning_parser(name) == parser


def test_other_weights_in_the_same_folder_are_another_model(gpt_oss: Path) -> None:
    before = model_identity(str(gpt_oss))
    assert before == model_identity(str(gpt_oss))
    assert before.startswith("my-model#b2:")
    weights = bytearray((gpt_oss / "model.safetensors").read_bytes())
    weights[-1] = 1
    (gpt_oss / "model.safetensors").write_bytes(weights)
    changed = model_identity(str(gpt_oss))
    (gpt_oss / "generation_config.json").write_text('{"temperature": 0.5}')
    assert len({before, changed, model_identity(str(gpt_oss))}) == 3


def test_the_digest_does_not_depend_on_where_the_folder_lies(gpt_oss: Path) -> None:
    before = digest(gpt_oss)
    (gpt_oss / ".cache").mkdir()
    (gpt_oss / ".cache" / "download.lock").write_text("1")
    assert digest(gpt_oss.rename(gpt_oss.with_name("elsewhere"))) == before


def test_a_path_without_a_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is no folder"):
        model_name(str(tmp_path / "nothing"))
    with pytest.raises(UsageError, match="holds no model"):
        model_name(str(tmp_path))


# -- finding vLLM


def make_venv(folder: Path) -> Path:
    package = folder / "lib" / "python3.12" / "site-packages" / "vllm"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (folder / "bin").mkdir()
    python = folder / "bin" / "python"
    python.symlink_to(sys.executable)
    return python


def make_program(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    return path


def test_vllm_is_found_in_a_venv_beside_the_project(tmp_path: Path) -> None:
    python = make_venv(tmp_path / ".venv-vllm")
    on_path = make_program(tmp_path / "bin" / "vllm")
    assert find_vllm("", {"PATH": str(on_path.parent)}, [tmp_path / "elsewhere", tmp_path]) == [str(python), "-m", MODULE]


def test_vllm_is_found_on_the_path(tmp_path: Path) -> None:
    program = make_program(tmp_path / "bin" / "vllm")
    assert find_vllm("", {"PATH": str(program.parent)}, [tmp_path]) == [str(program)]


def test_a_command_goes_before_what_would_be_found(tmp_path: Path) -> None:
    python = make_venv(tmp_path / ".venv-vllm")
    program = make_program(tmp_path / "opt" / "vllm")
    path = {"PATH": str(python.parent)}
    assert find_vllm(str(program), path, [tmp_path]) == [str(program)]
    assert find_vllm(f"{python} -m {OLD_MODULE}", path, [tmp_path]) == [str(python), "-m", OLD_MODULE]
    assert find_vllm(str(python), path, []) == [str(python), "-m", MODULE]
    assert find_vllm("python", path, []) == [str(python), "-m", MODULE]
    assert find_vllm(str(tmp_path / ".venv-vllm"), path, []) == [str(python), "-m", MODULE]


def test_where_there_is_no_vllm_the_error_says_what_was_looked_at_and_what_to_type(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        find_vllm("", {"PATH": str(tmp_path)}, [tmp_path])
    assert str(tmp_path / ".venv-vllm") in str(caught.value)
    assert "PATH" in str(caught.value)
    assert "pip install vllm" in caught.value.hint
    assert "--vllm" in caught.value.hint
    with pytest.raises(UsageError, match=r"'/nowhere/vllm' does not exist"):
        find_vllm("/nowhere/vllm", {}, [])
    with pytest.raises(UsageError, match="no environment with vLLM"):
        find_vllm(str(tmp_path), {}, [])


def test_in_process_needs_vllm_here() -> None:
    with pytest.raises(UsageError, match="not in this environment"):
        VllmInProcess("openai/gpt-oss-20b", parameters={})


# -- calling it


def flags(command: list[str]) -> dict[str, str]:
    """Each flag with the word after it."""
    return {word: after for word, after in zip(command, [*command[1:], ""], strict=True) if word.startswith("--")}


def test_the_command_line_on_a_gpu() -> None:
    command = serve_command(["vllm"], Serving("openai/gpt-oss-20b", port=8123, memory_share=0.3, context=6000, gpu=True))
    assert command[:3] == ["vllm", "serve", "openai/gpt-oss-20b"]
    given = flags(command)
    assert given["--served-model-name"] == "openai/gpt-oss-20b"
    assert (given["--host"], given["--port"]) == ("127.0.0.1", "8123")
    assert (given["--gpu-memory-utilization"], given["--max-model-len"]) == ("0.3", "6000")
    assert given["--reasoning-parser"] == "openai_gptoss"
    assert "--enable-prefix-caching" in given
    assert not {"--trust-remote-code", "--enforce-eager", "--api-key"} & given.keys()


def test_the_command_line_for_a_folder_without_a_gpu(gpt_oss: Path) -> None:
    command = serve_command(["python", "-m", OLD_MODULE], Serving(str(gpt_oss)))
    given = flags(command)
    assert given["--model"] == str(gpt_oss)
    assert given["--served-model-name"] == "my-model"
    assert given["--max-model-len"] == "4096", "no more than the model takes"
    assert "--enforce-eager" in given
    assert not {"serve", "--gpu-memory-utilization"} & set(command)


def test_the_server_gets_no_keys_but_its_own(gpt_oss: Path) -> None:
    mine = {
        "PATH": "/bin",
        "CUDA_VISIBLE_DEVICES": "1",
        "OPENAI_API_KEY": "a",
        "GITHUB_TOKEN": "b",
        "AWS_SECRET_ACCESS_KEY": "c",
        "PHOROPTER_API_KEY": "d",
        "HF_TOKEN": "e",
    }
    given = serve_environment(mine, Serving("openai/gpt-oss-20b", gpu=True), KEY)
    assert given == {
        "PATH": "/bin",
        "CUDA_VISIBLE_DEVICES": "1",
        "HF_TOKEN": "e",
        "VLLM_API_KEY": KEY,
        "VLLM_NO_USAGE_STATS": "1",
        "DO_NOT_TRACK": "1",
        "PYTHONUNBUFFERED": "1",
        "VLLM_SYSTEM_START_DATE": HARMONY_DATE,
    }
    assert "HF_TOKEN" not in serve_environment(mine, Serving(str(gpt_oss)), None), "a folder is on this machine"


@pytest.mark.parametrize(
    "wrong", [{"memory_share": 0}, {"memory_share": 1.5}, {"memory_share": "half"}, {"context": 100}, {"context": "8k"}, {"port": 70000}]
)
def test_what_can_not_be_served_is_refused(wrong: dict) -> None:
    with pytest.raises(UsageError, match="has to be"):
        Serving("openai/gpt-oss-20b", **wrong)


# -- reading its log


@pytest.mark.parametrize(
    ("log", "message", "hint"),
    [
        ("gpu_taken", "cuda:0 has 7.31 of 23.53 GiB free, and the server was to take 10.59 GiB", "memory_share=0.29"),
        ("memory_taken", "has 7.3 of 9.34 GiB free", "memory_share=0.76"),
        ("gpu_no_cache", "nothing is left", "memory_share=0.9"),
        ("gpu_out_of_memory", "does not fit", "smaller model"),
        ("gpu_bfloat16", "bfloat16", "float16"),
        ("cache_too_small", "8192 tokens need", "max_model_len=384"),
        ("context_beyond_model", "takes 8192 tokens, fewer than the 999999", "max_model_len=8192"),
        ("gated", "gated", "HF_TOKEN"),
        ("offline", "not on this machine", "hf download"),
        ("port_taken", "port is taken", "--port"),
        ("unknown_flag", "does not know a flag", "--upgrade"),
        ("no_distribution", "distribution", OLD_MODULE),
    ],
)
def test_known_troubles_are_told_with_what_to_do(log: str, message: str, hint: str) -> None:
    trouble = known_trouble((LOGS / f"{log}.log").read_text())
    assert trouble is not None
    assert message in trouble.message
    assert hint in trouble.hint


def test_of_other_troubles_the_root_cause_is_shown() -> None:
    text = (LOGS / "unknown_parser.log").read_text()
    assert known_trouble(text) is None
    assert telling_lines(text)[0].startswith("KeyError: \"Reasoning parser 'nope' not found")
    later = (LOGS / "gpu_taken.log").read_text()
    assert telling_lines(later)[0].startswith("ValueError: Free memory on device cuda:0"), "not that the engine failed because of it"


def test_lines_lose_what_vllm_puts_before_them() -> None:
    line = "(EngineCore pid=901) INFO 11-24 09:14:31 [core.py:133] Loading weights"
    assert latest_line(f"{line}\n\n") == "Loading weights"
    assert telling_lines(f"first\n{line}\n") == ["first", "Loading weights"]
    assert latest_line("") == ""


# -- its life


@asynccontextmanager
async def stand_in(tmp_path: Path, behavior: str = "good", **options: Any) -> AsyncGenerator[VllmServer]:
    environment = {"PATH": os.environ["PATH"], "OPENAI_API_KEY": KEY}
    given: dict[str, Any] = {"grace": 1.0, **options}
    server = VllmServer(f"stand-in/{behavior}", command=STAND_IN, environment=environment, log_folder=tmp_path, **given)
    try:
        yield server
    finally:
        await server.stop()


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


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
