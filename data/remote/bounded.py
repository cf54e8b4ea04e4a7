"""Answers cut off while they come in, at a size that nobody wants. Not a limit in time: that is data/remote/balance.py."""

from collections.abc import AsyncIterator, Awaitable, Callable

import httpx
import openai

MOST_BYTES = 4 << 20
"""Of an answer in words, its body as it is sent. The longest rewrite anybody wants is a thousandth of it."""


class TooLarge(openai.OpenAIError):
    """An answer has more bytes than it may. One of the openai package's errors, since that passes on no others."""


def bounded(most: int) -> Callable[[httpx.Response], Awaitable[None]]:
    """A response hook for httpx: whoever reads on after ``most`` bytes gets TooLarge, and the connection is closed."""

    async def bound(response: httpx.Response) -> None:
        # An asynchronous client's responses always have such a stream.
        if isinstance(response.stream, httpx.AsyncByteStream):
            response.stream = _Bounded(response.stream, most)

    return bound


class _Bounded(httpx.AsyncByteStream):
    def __init__(self, stream: httpx.AsyncByteStream, most: int) -> None:
        self._stream = stream
        self._most = most

    async def __aiter__(self) -> AsyncIterator[bytes]:
        size = 0
        async for chunk in self._stream:
            size += len(chunk)
            if size > self._most:
                raise TooLarge(f"more than {self._most} bytes")
            yield chunk

    async def aclose(self) -> None:
        await self._stream.aclose()
