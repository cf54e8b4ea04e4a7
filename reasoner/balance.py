"""Many calls to a few places: as many at once as each can serve, the next one to the least busy, none to one that is dead.

:class:`Balanced` is the ChatEngine over one or several :class:`Endpoint`; reasoner/throttle.py finds out how many calls an endpoint takes.
"""

from collections.abc import Sequence
from typing import Protocol

from reasoner.chat import Chat, Completion


class Endpoint(Protocol):
    """One place that answers chats. ``name`` is what people know it by, its address as a rule; never a secret."""

    @property
    def name(self) -> str: ...

    async def ready(self) -> None:
        """Waits until calls can be made; FatalError where they never will. Not counted against a call's time. Cheap when it is ready."""
        ...

    async def answer(self, chat: Chat) -> Completion:
        """Answers one chat; raises StageError."""
        ...

    async def aclose(self) -> None:
        """Ends what is kept open between calls."""
        ...


class Balanced:
    """A ChatEngine over ``endpoints``, with at most ``most`` calls at once in all, each of at most ``timeout`` seconds."""

    times_itself = True

    def __init__(self, identity: str, endpoints: Sequence[Endpoint], *, most: int, timeout: float) -> None:
        self.identity = identity
        self._endpoints = tuple(endpoints)
        self._most = most
        self._timeout = timeout

    async def __call__(self, chats: Sequence[Chat]) -> Sequence[Completion | Exception]:
        raise NotImplementedError

    async def aclose(self) -> None:
        """Closes all endpoints."""
        for endpoint in self._endpoints:
            await endpoint.aclose()
