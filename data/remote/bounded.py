"""Answers cut off while they come in, at a size that no answer in words has. Not a limit in time: that is data/remote/balance.py."""

from collections.abc import AsyncIterator

import httpx
import openai

MOST_BYTES = 4 << 20
"""Of an answer's body as it is sent. The longest rewrite anybody wants is a thousandth of it."""


class TooLarge(openai.OpenAIError):
    """An answer has more than MOST_BYTES. One of the openai package's errors, since that passes on no others."""


async def bound(response: httpx.Response) -> None:
    """A response hook for httpx: whoever reads on after MOST_BYTES gets TooLarge, and the connection is closed."""
    # An asynchronous client's responses always have such a stream.
    if isinstance(response.stream, httpx.AsyncByteStream):
        response.stream = _Bounded(response.stream)


class _Bounded(httpx.AsyncByteStream):
    def __init__(self, stream: httpx.AsyncByteStream) -> None:
        self._stream = stream

    async def __aiter__(self) -> AsyncIterator[bytes]:
        size = 0
        async for chunk in self._stream:
            size += len(chunk)
            if size > MOST_BYTES:
                raise TooLarge(f"more than {MOST_BYTES} bytes")
            yield chunk

    async def aclose(self) -> None:
        await self._stream.aclose()
