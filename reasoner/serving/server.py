"""A `vllm serve` of our own: started, waited for, watched, restarted when it dies, stopped with all that it started.

How it is called stands in launch.py, what its log means in log.py, and who sees to it that it never outlives us in keeper.py. This asks
the server for nothing but its health and, for the report, its speed; chats are the engines' business.
"""

import asyncio
import logging
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import httpx

from data.errors import FatalError, UsageError
from reasoner.serving import keeper
from reasoner.serving.launch import CONTEXT, MEMORY_SHARE, Features, Serving, find_vllm, serve_command, serve_environment
from reasoner.serving.log import known_trouble, latest_line, telling_lines
from reasoner.serving.machine import free_port, gpu_bytes, gpu_names, has_gpu, port_trouble, resident_bytes
from reasoner.serving.weights import model_name

log = logging.getLogger(__name__)

START_SECONDS = 900.0
"""Twenty billion parameters from a slow disk, compiled for a new GPU, take ten minutes."""
GRACE_SECONDS = 15.0
"""What the server gets to end by itself."""
RESTARTS_PER_HOUR = 3
CHECK_SECONDS = 0.25
NEWS_SECONDS = 20.0
LOOPBACK = ("127.0.0.1", "localhost", "::1")
SPEED_CHATS = 8
SPEED_TOKENS = 64


@dataclass(frozen=True, slots=True)
class Report:
    """What a running server takes and gives. Bytes are None where they can't be told, and ``gpu`` also where it uses none;
    ``tokens_per_second``: of eight chats at once."""

    start_seconds: float
    memory: int | None
    gpu_memory: int | None
    tokens_per_second: float


@dataclass(slots=True)
class _Child:
    """A keeper and the server under it. ``group``: the server's process id and process group; None where it could not be started."""

    keeper: "subprocess.Popen[bytes]"
    group: int | None


class VllmServer:
    """One model, served at one address of this machine.

    ``model``: a name, or a folder. ``command``: what starts vLLM, or a Python or an environment that has it; "" looks in the usual places.
    ``environment``: the server's, as launch.py filters it. ``port`` None: a free one. Other hosts than this machine's own are
    served only with an ``api_key``. ``features``: also hand out text features, by files in that folder, which is this server's own: it is
    made for it, for this user alone, and removed when the server stops.

    UsageError for what can't be served; nothing is started before :meth:`ready`.
    """

    def __init__(
        self,
        model: str,
        *,
        environment: Mapping[str, str],
        log_folder: Path,
        command: str = "",
        host: str = "127.0.0.1",
        port: int | None = None,
        api_key: str | None = None,
        memory_share: float = MEMORY_SHARE,
        max_model_len: int = CONTEXT,
        features: Features | None = None,
        start_timeout: float = START_SECONDS,
        grace: float = GRACE_SECONDS,
    ) -> None:
        if host not in LOOPBACK and not api_key:
            raise UsageError(f"serving at {host} would let everyone use the model", hint="export PHOROPTER_API_KEY=…, or leave --host out")
        self.name = model_name(model)
        self.api_key = api_key
        self._vllm = find_vllm(command, environment, [Path.cwd(), Path(sys.prefix).parent])
        self._environment = dict(environment)
        self._port_is_given = port is not None
        self._serving = Serving(model, host, port or 0, memory_share, max_model_len, has_gpu(), features)
        if port is not None:
            self._refuse_taken()
        self._start_timeout = start_timeout
        self._grace = grace
        stamp = f"{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}"
        self.log_file = log_folder.absolute() / f"vllm-{re.sub(r'[^A-Za-z0-9.-]+', '-', self.name)}-{stamp}.log"
        self._log_start = 0
        self._child: _Child | None = None
        self._starting: asyncio.Task[None] | None = None
        self._restarts: deque[float] = deque(maxlen=RESTARTS_PER_HOUR)
        self._start_seconds = 0.0

    @property
    def model(self) -> str:
        """The name or folder that was asked for."""
        return self._serving.model

    @property
    def features(self) -> Features | None:
        """What it hands out of texts; None where it only chats."""
        return self._serving.features

    @property
    def url(self) -> str:
        """What clients on this machine take as base URL, once the server is ready."""
        host = self._serving.host
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
        return f"http://{f'[{host}]' if ':' in host else host}:{self._serving.port}/v1"

    @property
    def process(self) -> int | None:
        """The server's process id, and that of its process group; None where none was started."""
        return self._child.group if self._child else None

    @property
    def alive(self) -> bool:
        """Whether the server's process is there: ready, or still starting."""
        child = self._child
        return child is not None and child.group is not None and child.keeper.poll() is None and _exists(child.group)

    async def ready(self) -> None:
        """Returns when the server takes calls: starts it the first time, and again when it died. FatalError where it can't be had.

        Who stops waiting does not stop the start: others may wait for it, too.
        """
        if self._starting is None and self.alive:
            return
        if self._starting is None:
            self._starting = asyncio.create_task(self._start())
            self._starting.add_done_callback(self._started)
        await asyncio.shield(self._starting)

    async def lost(self, within: float) -> bool:
        """Whether the server is gone, or goes within so many seconds: a dying one breaks connections first."""
        until = time.monotonic() + within
        while self.alive and time.monotonic() < until:
            await asyncio.sleep(CHECK_SECONDS / 5)
        return not self.alive

    async def watch(self) -> None:
        """Raises FatalError, with the reason, when the server is gone; returns never."""
        while self.alive:
            await asyncio.sleep(CHECK_SECONDS)
        raise self._failed("ended")

    async def stop(self) -> None:
        """Ends the server and all that it started; returns when they are gone. It is not started again after that unless asked for."""
        starting, self._starting = self._starting, None
        if starting is not None:
            starting.cancel()
            with suppress(asyncio.CancelledError, FatalError):
                await starting
        child, self._child = self._child, None
        if child is not None:
            await asyncio.to_thread(self._end, child)
        if self._serving.features:
            await asyncio.to_thread(shutil.rmtree, self._serving.features.folder, ignore_errors=True)

    # -- starting

    def _started(self, task: "asyncio.Task[None]") -> None:
        if self._starting is task:
            self._starting = None
        if not task.cancelled():
            # Whoever waited has it; where nobody did any more, it is not to be complained about as never retrieved.
            task.exception()

    async def _start(self) -> None:
        if self._child is not None:
            self._count_restart()
            await asyncio.to_thread(self._end, self._child)
        began = time.monotonic()
        if self._child is None and not self._port_is_given:
            self._take_port()
        # Takes as long as a Python to start. In a thread, a cancelled start could leave a server that nobody knows of.
        self._child = child = self._launch()
        try:
            await self._wait_until_healthy(began)
        except FatalError:
            self._child = None
            await asyncio.to_thread(self._end, child)
            raise
        self._start_seconds = time.monotonic() - began
        log.info("vLLM serves %s at %s; it took %.0f s to start", self.name, self.url, self._start_seconds)

    def _count_restart(self) -> None:
        """Notes one more restart; FatalError where there were too many."""
        now = time.monotonic()
        if len(self._restarts) == RESTARTS_PER_HOUR and now - self._restarts[0] < 3600:
            raise self._failed(f"died, after {RESTARTS_PER_HOUR} restarts within an hour")
        self._restarts.append(now)
        log.warning(
            "vLLM died and is started again: %s (log: %s)", next(iter(telling_lines(self._log_text(), 1)), "it left no word"), self.log_file
        )

    def _take_port(self) -> None:
        self._serving = replace(self._serving, port=free_port(self._serving.host))

    def _refuse_taken(self) -> None:
        port = self._serving.port
        if trouble := port_trouble(self._serving.host, port):
            raise UsageError(
                f"port {port} can't be had: {trouble}", hint=f"choose another: --port {port + 1}; without one, a free one is taken"
            )

    def _launch(self) -> _Child:
        self.log_file.parent.mkdir(parents=True, exist_ok=True)
        if self._serving.features:
            _make_private(self._serving.features.folder)
        self._log_start = self.log_file.stat().st_size if self.log_file.exists() else 0
        command = serve_command(self._vllm, self._serving)
        environment = serve_environment(self._environment, self._serving, self.api_key)
        with self.log_file.open("ab") as output:
            keeping = subprocess.Popen(
                [sys.executable, "-I", keeper.__file__, str(self._grace), *command],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=output,
                env=environment,
                start_new_session=True,
            )
        assert keeping.stdout is not None
        with keeping.stdout as first_line:
            group = first_line.readline().strip()
        log.info("vLLM is starting with %s (process %s, log: %s)", self.name, group.decode() or "none", self.log_file)
        return _Child(keeping, int(group) if group else None)

    async def _wait_until_healthy(self, began: float) -> None:
        news = began + NEWS_SECONDS
        health = self.url.removesuffix("/v1") + "/health"
        # The user's proxies are not for this machine.
        async with httpx.AsyncClient(trust_env=False, timeout=5.0) as client:
            while True:
                with suppress(httpx.HTTPError):
                    if (await client.get(health)).status_code == 200 and self.alive:
                        return
                now = time.monotonic()
                if not self.alive:
                    raise self._failed("ended before it was ready")
                if now - began > self._start_timeout:
                    raise self._failed(f"was not ready after {self._start_timeout:.0f} s")
                if now > news:
                    news += NEWS_SECONDS
                    log.info(
                        "vLLM is still starting after %.0f s: %s", now - began, latest_line(self._log_text()) or "it has said nothing yet"
                    )
                await asyncio.sleep(CHECK_SECONDS)

    def _failed(self, what: str) -> FatalError:
        text = self._log_text()
        trouble = known_trouble(text)
        if trouble is not None:
            gpus = f" ({'; '.join(gpu_names())})" if self._serving.gpu and re.search("memory|GiB", trouble.message) else ""
            return FatalError(f"vLLM {what}: {trouble.message}{gpus}; log: {self.log_file}", hint=trouble.hint)
        lines = "".join(f"\n  {line}" for line in telling_lines(text)) or "\n  (it is empty)"
        return FatalError(
            f"vLLM {what}; its log ends:{lines}\nlog: {self.log_file}", hint="mend what the log says; `phoropter resume` continues a run"
        )

    def _log_text(self) -> str:
        """What the log has since the last start."""
        try:
            with self.log_file.open("rb") as file:
                file.seek(self._log_start)
                return file.read().decode(errors="replace")
        except OSError:
            return ""

    # -- ending

    def _end(self, child: _Child) -> None:
        """Closes the keeper's input, which ends the server, and waits; kills what is left."""
        assert child.keeper.stdin is not None
        with suppress(OSError):
            child.keeper.stdin.close()
        try:
            child.keeper.wait(self._grace + keeper.LEFT_BEHIND_SECONDS + 3)
        except subprocess.TimeoutExpired:
            child.keeper.kill()
            child.keeper.wait()
        # Does something only where the keeper itself was killed.
        if child.group is not None:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(child.group, signal.SIGKILL)

    # -- the report

    async def report(self) -> Report:
        """Memory and measured speed of the running server."""
        speed = await self._speed()
        group = self.process
        assert group is not None
        return Report(self._start_seconds, resident_bytes(group), gpu_bytes(group) if self._serving.gpu else None, speed)

    async def _speed(self) -> float:
        """Tokens per second in all, of several chats at once."""
        headers = {"Authorization": f"Bearer {self.api_key}"} if self.api_key else {}
        async with httpx.AsyncClient(trust_env=False, timeout=self._start_timeout, headers=headers) as client:

            async def chat(number: int) -> int:
                body = {
                    "model": self.name,
                    "messages": [{"role": "user", "content": f"Describe picture {number}."}],
                    "max_tokens": SPEED_TOKENS,
                    "ignore_eos": True,
                }
                answer = await client.post(f"{self.url}/chat/completions", json=body)
                answer.raise_for_status()
                return int(answer.json()["usage"]["completion_tokens"])

            try:
                # The first one waits for what is compiled at first use.
                await chat(0)
                began = time.perf_counter()
                tokens = sum(await asyncio.gather(*(chat(number) for number in range(SPEED_CHATS))))
            except (httpx.HTTPError, ValueError, KeyError, TypeError) as error:
                raise FatalError(
                    f"vLLM is up, but does not answer chats: {error}; log: {self.log_file}", hint="does the model chat?"
                ) from None
            return tokens / (time.perf_counter() - began)


def _make_private(folder: Path) -> None:
    """An empty folder that only this user can look into: its files tell of texts."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o700, parents=True)


def _exists(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True
