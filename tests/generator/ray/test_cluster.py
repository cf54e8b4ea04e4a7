"""Finding a cluster, starting one, leaving nothing behind. What needs one runs in a process of its own: Ray knows one per process."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("ray")

from data.errors import UsageError
from generator.pool.cluster import connect

ROOT = Path(__file__).resolve().parents[3]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT), "RAY_USAGE_STATS_ENABLED": "0"}

OWN_CLUSTER = """
import asyncio, os, sys
import ray
from generator import ImageRequest
from generator.engines.ray import RayPool
from mine import Mine

async def main():
    pool = RayPool.start(Mine, actors=1, cpus=0.5)
    session = ray._private.worker.global_worker.node.session_name
    (image,) = await pool([ImageRequest("a cat", 1)])
    await pool.aclose()
    assert not ray.is_initialized()
    print(image.sha256, session)

asyncio.run(main())
"""
MINE = """
from data.records import GeneratedImage

class Mine:
    identity, text_limit, ratios = "mine:1", None, ()

    async def __call__(self, requests):
        print("an actor's own words")
        return [GeneratedImage(request.text, 1, 1) for request in requests]
"""
WITHOUT_RAY = """
import sys
sys.modules["ray"] = None
from data.errors import UsageError
try:
    import generator.engines.ray
except UsageError as error:
    print(error, error.hint, sep="|")
"""


def run(*command: str, cwd: Path) -> str:
    """What a Python that has our modules prints."""
    done = subprocess.run([sys.executable, *command], cwd=cwd, env=ENVIRONMENT, capture_output=True, text=True, timeout=110)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


def commands() -> list[str]:
    """Of all processes."""
    texts: list[str] = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            texts.append(entry.read_text(errors="replace"))
        except OSError:
            continue
    return texts


def test_an_address_where_nobody_listens_is_said_at_once() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
        for name in (address, f"ray://{address}"):
            with pytest.raises(UsageError, match=f"no Ray cluster at {name}: .*refused") as caught:
                connect(name)
            assert "ray start --head" in caught.value.hint


def test_an_address_where_something_else_listens_is_said_soon() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        address = f"127.0.0.1:{other.getsockname()[1]}"
        with pytest.raises(UsageError, match=f"no Ray cluster at {address}: something listens there"):
            connect(address)


def test_no_cluster_on_this_machine_is_said_at_once() -> None:
    with pytest.raises(UsageError, match="no Ray cluster at auto: Could not find any running Ray instance"):
        connect("auto")


@pytest.mark.parametrize("address", ["head", "head:port", ":6379", "ray://"])
def test_what_is_no_address_is_said_with_what_is(address: str) -> None:
    with pytest.raises(UsageError, match="no address of a Ray cluster"):
        connect(address)


def test_without_ray_the_engine_says_how_to_get_it() -> None:
    said = run("-c", WITHOUT_RAY, cwd=ROOT)
    assert said == "the ray engine needs Ray, which is not installed|pip install 'phoropter[ray]'\n"


def test_a_cluster_of_our_own_finds_modules_of_the_working_folder_and_ends_with_the_pool(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(MINE)
    (tmp_path / "main.py").write_text(OWN_CLUSTER)
    (line,) = run("main.py", cwd=tmp_path).splitlines()
    drawn, _, session = line.rpartition(" ")
    assert drawn == "a cat"
    assert not [command for command in commands() if session in command]


def test_a_node_that_is_killed_takes_no_trial_with_it() -> None:
    said = run("-m", "benchmarks.ray_pool", "--trials", "60", "--rounds", "1", "--json", cwd=ROOT)
    loss = json.loads(said.splitlines()[-1])["loss"]
    assert (loss["trials"], loss["once"], loss["restarts"]) == (60, 60, 1)
