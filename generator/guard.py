"""A guard in front of a generator and behind it: texts are checked before they are drawn, images before anyone gets them.

What does not pass is an outcome on record (FailureKind.BLOCKED), and its image is not kept. A guard that does not answer lets nothing pass.
Guards themselves lie under generator/guards/; which one is used, or none, is not decided here.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Protocol

from data.errors import FailureKind, FatalError, StageError
from data.records import GeneratedImage
from data.textlimit import TextLimit
from data.usage import NOTHING, Usage
from generator import ImageGenerator, ImageRequest

REWORD = "reword the prompt or the system prompt, or use another guard"
TEXTS_KEPT = 1024
"""Verdicts on texts kept at hand: one text is drawn with several seeds."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a text or an image may pass. ``reason``: the categories or the words of the guard, for people; "" where it gives none."""

    blocked: bool
    reason: str = ""
    usage: Usage = NOTHING


class Guard(Protocol):
    """Judges texts and images. ``identity``: all that its verdicts depend on, and no secrets.

    Where it can't judge, it raises a StageError. One that judges texts only, or images only, lets the others pass.
    """

    @property
    def identity(self) -> str: ...

    async def check_text(self, text: str, /) -> Verdict: ...

    async def check_image(self, png: bytes, /) -> Verdict: ...

    async def aclose(self) -> None:
        """Ends what is kept open between calls."""
        ...


class Guarded:
    """``generator`` behind ``guard``: an ImageGenerator whose failures may be BLOCKED. It owns both, and closes both.

    A text is checked once, however often it is asked for at the same time or soon again; what its check used is charged to the first image.
    """

    def __init__(self, generator: ImageGenerator, guard: Guard) -> None:
        self._generator = generator
        self._guard = guard
        self._texts: OrderedDict[str, asyncio.Task[Verdict]] = OrderedDict()

    @property
    def identity(self) -> str:
        """Both: which images there are depends on the guard, too."""
        return f"{self._generator.identity} guarded by {self._guard.identity}"

    @property
    def text_limit(self) -> TextLimit | None:
        return self._generator.text_limit

    @property
    def ratios(self) -> tuple[str, ...]:
        return self._generator.ratios

    @property
    def times_itself(self) -> bool:
        """Whether the generator bounds the time of its calls itself; guards always do."""
        return getattr(self._generator, "times_itself", False)

    def in_words(self) -> str:
        """How the generator is doing; "" where it does not say."""
        return getattr(self._generator, "in_words", str)()

    async def __call__(self, requests: Sequence[ImageRequest], /) -> Sequence[GeneratedImage | Exception]:
        """One outcome per request, in order. FatalError, from either, ends them all."""
        verdicts = await asyncio.gather(*(self._text_passes(request.text) for request in requests))
        passed = [request for request, verdict in zip(requests, verdicts, strict=True) if isinstance(verdict, Usage)]
        drawn = iter(await self._generator(passed) if passed else ())
        outcomes = [(next(drawn), verdict) if isinstance(verdict, Usage) else (verdict, NOTHING) for verdict in verdicts]
        return await asyncio.gather(*(self._image_passes(outcome, used) for outcome, used in outcomes))

    async def aclose(self) -> None:
        """Closes the generator and the guard, the one too where the other can't be."""
        for task in self._texts.values():
            task.cancel()
        async with AsyncExitStack() as closing:
            closing.push_async_callback(self._guard.aclose)
            inner: Any = self._generator
            if hasattr(inner, "aclose"):
                closing.push_async_callback(inner.aclose)

    async def _text_passes(self, text: str) -> Usage | Exception:
        """What checking it used, where it may pass; else why not."""
        try:
            verdict = await self._text_verdict(text)
        except FatalError:
            raise
        except Exception as error:  # Of this text alone; the others of its batch are not to blame.
            return error
        return self._blocked("text", verdict, verdict.usage) if verdict.blocked else verdict.usage

    async def _image_passes(self, image: GeneratedImage | Exception, used: Usage) -> GeneratedImage | Exception:
        if isinstance(image, StageError):
            image.usage += used
        if isinstance(image, Exception):
            return image
        assert image.content is not None, "a generator's images come with their files"
        spent = image.usage + used
        try:
            verdict = await self._guard.check_image(image.content)
        except FatalError:
            raise
        except StageError as error:
            error.usage += spent
            return error
        except Exception as error:  # Of this image alone.
            return error
        spent += verdict.usage
        return self._blocked("image", verdict, spent) if verdict.blocked else replace(image, usage=spent)

    def _blocked(self, what: str, verdict: Verdict, usage: Usage) -> StageError:
        why = f": {verdict.reason}" if verdict.reason else ""
        return StageError(
            FailureKind.BLOCKED,
            f"the guard {self._guard.identity.partition('?')[0]} blocked the {what}{why}",
            hint=REWORD,
            usage=usage,
        )

    async def _text_verdict(self, text: str) -> Verdict:
        """The guard's verdict, with the usage left out where it was charged before."""
        task = self._texts.get(text)
        if task is not None:
            self._texts.move_to_end(text)
            # Shielded: the check is shared, and one caller that goes away must not take it from the others.
            return replace(await asyncio.shield(task), usage=NOTHING)
        task = asyncio.create_task(self._guard.check_text(text))
        self._texts[text] = task
        task.add_done_callback(partial(self._forget_failed, text))
        while len(self._texts) > TEXTS_KEPT:
            self._texts.popitem(last=False)
        return await asyncio.shield(task)

    def _forget_failed(self, text: str, task: asyncio.Task[Verdict]) -> None:
        """A check that failed is made again for the next who asks."""
        if (task.cancelled() or task.exception() is not None) and self._texts.get(text) is task:
            del self._texts[text]
