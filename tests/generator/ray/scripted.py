"""A generator that does what a request's text says: it runs in the actors' processes, and leaves its traces in files."""

import asyncio
import os
import time
from collections.abc import Sequence
from pathlib import Path

from data.errors import FailureKind, FatalError, StageError, UsageError
from data.records import GeneratedImage
from data.textlimit import TextLimit
from data.usage import Usage
from generator import ImageRequest


class Scripted:
    """Texts are a word and the folder of the traces, and are drawn as themselves."""

    ratios = ("1:1", "16:9")

    def __init__(self, identity: str = "scripted:1") -> None:
        self.identity = identity
        self.text_limit = TextLimit("letters", 100, lambda text: len(text))
        self._at_work = 0

    async def __call__(self, requests: Sequence[ImageRequest]) -> Sequence[GeneratedImage | Exception]:
        return [await self._outcome(request) for request in requests]

    async def _outcome(self, request: ImageRequest) -> GeneratedImage | Exception:
        word, _, folder = request.text.partition(" ")
        self._at_work += 1
        try:
            match word:
                case "kills":
                    os._exit(1)
                case "kills-once":
                    if not first(folder):
                        os._exit(1)
                case "hangs":
                    await self._hang(folder)
                case "waits":
                    Path(folder, f"{request.seed}-of-{self._at_work}").touch()
                    while not Path(folder, "open").exists():
                        await asyncio.sleep(0.01)
                case "blocks":
                    time.sleep(60)
                case "fails":
                    return failure()
                case "raises":
                    raise failure()
                case "stumbles":
                    raise KeyError(folder)
                case "is-fatal":
                    return FatalError("the disk is full", hint="make room")
                case _:
                    await asyncio.sleep(0.005)
        finally:
            self._at_work -= 1
        return GeneratedImage(request.text, 1, request.seed, content=request.text.encode())

    async def _hang(self, folder: str) -> None:
        Path(folder, "began").touch()
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            Path(folder, "cancelled").touch()
            raise


def failure() -> StageError:
    return StageError(
        FailureKind.BLOCKED, "not that", retryable=True, hint="ask for something else", retry_after=2.5, usage=Usage(3, 4, 0.5)
    )


def first(folder: str) -> bool:
    """Whether somebody was here before; from now on, somebody was."""
    try:
        Path(folder, "was-here").touch(exist_ok=False)
    except FileExistsError:
        return True
    return False


def unmakable() -> Scripted:
    raise UsageError("there is no such model", hint="look at the list")


def dying() -> Scripted:
    os._exit(1)


def makable_once(folder: str) -> Scripted:
    if first(folder):
        raise UsageError("the model is gone")
    return Scripted()


def changing(folder: str) -> Scripted:
    return Scripted("scripted:2" if first(folder) else "scripted:1")
