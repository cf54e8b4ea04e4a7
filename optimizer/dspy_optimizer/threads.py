"""Between dspy's threads and our event loop: blocking work awaited, asynchronous work waited for, dspy's settings with both."""

import asyncio
import contextvars
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from reasoner.dspy_lm import OwnLoop

Q = TypeVar("Q")
R = TypeVar("R")

PATIENCE = 5.0
"""Seconds that an interrupted search may take to tidy up."""


async def in_thread(threads: ThreadPoolExecutor, work: Callable[[Q], R], item: Q) -> R:
    """``work(item)``, done by one of ``threads``. The context holds dspy's settings; each call has a copy of it for its own."""
    context = contextvars.copy_context()
    return await asyncio.get_running_loop().run_in_executor(threads, lambda: context.run(work, item))


def run_apart(work: Coroutine[Any, Any, R]) -> R:
    """The result of ``work`` from a loop in a thread of its own: also where a loop runs already, as in a notebook. An interrupt cancels the
    work and waits until it has tidied up."""
    own, ended = OwnLoop(), threading.Event()

    async def watched() -> R:
        try:
            return await work
        finally:
            ended.set()

    future = asyncio.run_coroutine_threadsafe(watched(), own())
    try:
        return future.result()
    except BaseException:
        future.cancel()
        ended.wait(PATIENCE)
        raise
    finally:
        own.close()
