"""The Ray cluster under a pool: finding it or starting one, and how many actors have room on it. It starts none."""

# pyright: reportMissingImports=false, reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false, reportMissingTypeStubs=false

import logging
import socket
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from data.errors import UsageError
from generator.pool import ray

AUTO = "auto"
"""The cluster that runs on this machine, whoever started it."""
CLIENT = "ray://"
CONNECT_SECONDS, ANSWER_SECONDS = 5.0, 10.0
"""For a connection, and for a sign of life. Ray itself tries a dead address for minutes, and then ends the process."""
STORE_BYTES = 512 << 20
"""Shared memory of a cluster of our own. An image lies there only until it is fetched; Ray would take a third of the machine's memory."""
GIB = 1 << 30


@dataclass(frozen=True, slots=True)
class Need:
    """What one actor takes of its node: GPUs and CPU cores, a part of one is allowed, and bytes of main memory (0: not counted)."""

    gpus: float
    cpus: float
    memory: int

    def __str__(self) -> str:
        parts = [f"{self.gpus:g} GPU" if self.gpus else "", f"{self.cpus:g} CPU" if self.cpus else ""]
        return " and ".join(filter(None, [*parts, f"{self.memory / GIB:.1f} GiB of memory" if self.memory else ""])) or "nothing"

    @property
    def resources(self) -> dict[str, float]:
        """By Ray's names."""
        return {name: amount for name, amount in (("GPU", self.gpus), ("CPU", self.cpus), ("memory", float(self.memory))) if amount}

    @property
    def options(self) -> dict[str, Any]:
        """As arguments of ray.remote."""
        return {"num_gpus": self.gpus, "num_cpus": self.cpus, "memory": self.memory or None}

    @classmethod
    def of(cls, gpus: float | None, cpus: float, memory: float | None) -> Self:
        """``gpus`` None: one where the connected cluster has any, else none. UsageError where an amount is none."""
        if gpus is None:
            gpus = 1 if _total("GPU") else 0
        for name, amount in (("gpus", gpus), ("cpus", cpus), ("memory", memory or 0)):
            if amount < 0:
                raise UsageError(f"{name}={amount:g}: an actor can't take less than nothing", hint=f"leave {name} out")
        if gpus > 1 and gpus != int(gpus):
            # Ray's own rule: parts of a GPU are for those who share one.
            raise UsageError(
                f"gpus={gpus:g}: several GPUs are whole ones", hint=f"write gpus={int(gpus)}, or a part of one such as gpus=0.5"
            )
        return cls(gpus, cpus, int(memory or 0))


def connect(address: str) -> bool:
    """Connects this process to the cluster at ``address``; "" starts one on this machine. Returns whether the connection is ours to end.

    Where the process is connected already, it stays so: Ray knows one cluster per process. UsageError where there is no cluster.
    """
    if ray.is_initialized():
        return False
    # What Ray has to say otherwise is for its own users: dashboards, tokens, what will change.
    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
    logging.getLogger("ray").setLevel(logging.ERROR)
    if not address:
        # "local": without it, Ray looks for clusters first, and stumbles over what a killed process has left in the temporary folder.
        ray.init(address="local", include_dashboard=False, object_store_memory=STORE_BYTES, **quiet)
        return True
    _reach(address)
    try:
        ray.init(address=address, **quiet)
    # RuntimeError: its Ray or its Python is another version. ValueError: no address. ImportError: ray:// needs more than Ray alone.
    except (OSError, RuntimeError, ValueError, ImportError) as error:
        raise _no_cluster(address, str(error).split("\n", 1)[0]) from error
    return True


def disconnect() -> None:
    """Ends the connection, and the cluster with it where :func:`connect` started one."""
    ray.shutdown()


def room(need: Need) -> int:
    """How many actors of this need the connected cluster has room for now, by what its living nodes have and what is free in all."""
    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    free = ray.available_resources()
    return min(sum(_times(node, need) for node in nodes), _times(free, need))


def has_node(node: str) -> bool:
    """Whether the node of this id lives."""
    return any(entry["NodeID"] == node and entry["Alive"] for entry in ray.nodes())


def actor_count(need: Need, wanted: int | None) -> int:
    """How many actors a pool gets: as many as ``wanted``; None: as many as there are free GPUs, or half of the CPU cores, at least one.

    UsageError where there is no room for them, with what there is.
    """
    if wanted is not None and wanted < 1:
        raise UsageError(f"actors={wanted}: a pool needs at least one", hint="leave actors out for one per GPU")
    fits = room(need)
    if fits >= (wanted or 1):
        return wanted or (fits if need.gpus else min(fits, max(1, int(_total("CPU")) // 2)))
    free = ray.available_resources()
    there = ", ".join(f"{free.get(name, 0):g} of {_total(name):g} {name}" for name in ("GPU", "CPU"))
    there += f", {free.get('memory', 0) / GIB:.1f} of {_total('memory') / GIB:.1f} GiB"
    raise UsageError(
        f"the cluster has room for {fits or 'no'} actor{'s' if fits > 1 else ''} of {need} each, not for {wanted or 1}; free are {there}",
        hint=f"write actors={fits}" if fits else "ask for less with gpus=, cpus= and memory=, or add a node: ray start --address=HOST:PORT",
    )


def _times(resources: Mapping[str, float], need: Need) -> int:
    amounts = need.resources
    return min((int(resources.get(name, 0) / amount + 1e-9) for name, amount in amounts.items()), default=1)


def _total(name: str) -> float:
    return float(ray.cluster_resources().get(name, 0))


def _reach(address: str) -> None:
    """UsageError where nothing listens at ``address``."""
    if address == AUTO:
        return
    host, _, port = address.removeprefix(CLIENT).rpartition(":")
    if not host or not port.isdecimal():
        raise UsageError(f"{address!r} is no address of a Ray cluster", hint=f"write HOST:PORT, ray://HOST:PORT, or {AUTO}")
    try:
        socket.create_connection((host.strip("[]"), int(port)), CONNECT_SECONDS).close()
    except (OSError, OverflowError) as error:
        raise _no_cluster(address, str(error)) from error
    if not address.startswith(CLIENT):
        _check_health(address)


def _check_health(address: str) -> None:
    """UsageError where something else than a cluster's head listens at ``address``, such as its dashboard, or a Ray of another version."""
    command = [sys.executable, "-m", "ray.scripts.scripts", "health-check", "--address", address]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=ANSWER_SECONDS, check=False)
    except subprocess.TimeoutExpired as error:
        raise _no_cluster(address, f"something listens there, but did not answer within {ANSWER_SECONDS:g} s") from error
    if done.returncode:
        raise _no_cluster(address, (done.stderr.strip().splitlines() or ["it is not healthy"])[-1])


def _no_cluster(address: str, why: str) -> UsageError:
    return UsageError(
        f"there is no Ray cluster at {address}: {why}",
        hint="start one with `ray start --head --port=6379`, and on this machine `ray start --address=HOST:6379`; or name no cluster",
    )
