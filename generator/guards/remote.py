"""Guards that ask a server: what they have in common. A text or an image goes out, a verdict comes back, or a StageError says why not."""

import asyncio
import base64
import io
from collections.abc import Sequence
from typing import NamedTuple

from data.remote.balance import Balanced, Endpoint
from data.remote.errors import Wording
from generator.guard import Verdict

MOST_EDGE = 1024
"""Pixels of the longer side that a guard is shown: what may not be seen is seen at that size."""
WORDING = Wording(
    section="generator",
    serves="guard",
    delivers="a verdict",
    shorten="state a shorter length in the system prompt, or serve a longer context",
    smaller="use another guard",
)


class Material(NamedTuple):
    """What is to be judged: a ``text``, or an ``image`` as a data URI. The other one is empty."""

    text: str = ""
    image: str = ""


class RemoteGuard:
    """A Guard over endpoints that judge alike, with at most ``most`` calls at once, each of at most ``timeout`` seconds.

    ``images`` False: texts alone are judged, and every image passes.
    """

    def __init__(self, identity: str, endpoints: Sequence[Endpoint[Material, Verdict]], *, images: bool, most: int, timeout: float) -> None:
        self.identity = identity
        self._images = images
        self._asked = Balanced[Material, Verdict](identity, endpoints, most=most, timeout=timeout, section=WORDING.section)

    async def check_text(self, text: str, /) -> Verdict:
        """Judges a text; raises StageError."""
        return await self._ask(Material(text=text))

    async def check_image(self, png: bytes, /) -> Verdict:
        """Judges an image; raises StageError."""
        if not self._images:
            return Verdict(blocked=False)
        return await self._ask(Material(image=await asyncio.to_thread(data_uri, png)))

    async def aclose(self) -> None:
        """Ends the connections that are kept open between calls."""
        await self._asked.aclose()

    async def _ask(self, material: Material) -> Verdict:
        (outcome,) = await self._asked([material])
        if isinstance(outcome, Exception):
            raise outcome
        return outcome


def data_uri(png: bytes) -> str:
    """A PNG as a data URI, scaled down to at most MOST_EDGE pixels on its longer side. It blocks: call it in a thread."""
    from PIL import Image

    with Image.open(io.BytesIO(png), formats=("PNG",)) as image:
        if max(image.size) > MOST_EDGE:
            image.thumbnail((MOST_EDGE, MOST_EDGE))
            file = io.BytesIO()
            image.save(file, "PNG")
            png = file.getvalue()
    return f"data:image/png;base64,{base64.b64encode(png).decode()}"
