"""OpenAI's moderations endpoint as a guard, or any server's that speaks alike. What it flags does not pass."""

from collections.abc import Mapping, Sequence
from typing import Any, cast

from data.errors import FailureKind, StageError
from data.remote.client import Client
from data.remote.errors import Json
from data.usage import Usage
from generator.guard import Verdict
from generator.guards.remote import WORDING, Material, RemoteGuard

MODEL = "omni-moderation-latest"
"""The only one of OpenAI's that takes images, too."""


class ModerationEndpoint:
    """A data.remote.balance.Endpoint: one address and model. ``url`` None is OpenAI's own, where moderation costs nothing."""

    def __init__(self, model: str, *, url: str | None, api_key: str | None, timeout: float) -> None:
        self._model = model
        self._client = Client(model, url=url, api_key=api_key, timeout=timeout, wording=WORDING)

    @property
    def name(self) -> str:
        """The address, without what it may hold of secrets."""
        return self._client.name

    async def ready(self) -> None:
        """Always is: a server that is down shows at the call."""

    async def aclose(self) -> None:
        """Ends the connections that are kept open between calls."""
        await self._client.aclose()

    async def answer(self, material: Material) -> Verdict:
        """Judges a text or an image; raises StageError."""
        shown = [{"type": "image_url", "image_url": {"url": material.image}}] if material.image else material.text
        answer, _ = await self._client.ask("/moderations", {"model": self._model, "input": shown}, {})
        flagged, categories = _result(answer)
        if flagged is None:
            message = f"{self.name} answered JSON that is no moderation's verdict"
            raise StageError(FailureKind.MALFORMED, message, retryable=True)
        cost = 0.0 if self._client.region is not None else None
        return Verdict(flagged, self._client.to.hidden(", ".join(categories)), Usage(cost=cost))


def _result(answer: Json) -> tuple[bool | None, Sequence[str]]:
    """Whether anything is flagged, and the categories; None where the answer does not say."""
    results: Any = answer.get("results")
    if not isinstance(results, list) or not results:
        return None, ()
    entries = [cast("Mapping[str, Any]", entry) for entry in cast("list[Any]", results) if isinstance(entry, Mapping)]
    flags = [entry.get("flagged") for entry in entries]
    if len(entries) != len(cast("list[Any]", results)) or not all(isinstance(flag, bool) for flag in flags):
        return None, ()
    named: list[Any] = [entry.get("categories") for entry in entries]
    return any(flags), [str(name) for of in named if isinstance(of, Mapping) for name, said in cast("Json", of).items() if said is True]


def moderation_guard(
    model: str = "", *, urls: Sequence[str] = (), api_key: str | None, images: bool = True, most: int, timeout: float
) -> RemoteGuard:
    """A Guard over ``urls``; none is OpenAI's own. At most ``most`` calls at once, each of at most ``timeout`` seconds.

    ``model`` "": MODEL. ``images`` False: texts only. UsageError where the key can't be meant.
    """
    model = model or MODEL
    endpoints = [ModerationEndpoint(model, url=url, api_key=api_key, timeout=timeout) for url in urls or (None,)]
    identity = f"moderation:{model}" if images else f"moderation:{model}?images=false"
    return RemoteGuard(identity, endpoints, images=images, most=most, timeout=timeout)
