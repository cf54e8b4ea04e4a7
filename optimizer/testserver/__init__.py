"""The test server with vision models that see painted scenes, err in planted ways, and misbehave as judges' models do.

They stand beside all models of reasoner/testserver/, by name (eyes.py), and answer what the judges with eyes ask. There is no model behind
them: they measure pixels as the scene judge does, and so know of the embedded painter's pictures only::

    with serving_eyes() as server:
        engine = openai_engine("eyes-bias-20", urls=[server.url], ...)

``python -m optimizer.testserver`` runs it by hand.
"""

from collections.abc import Generator, Sequence
from contextlib import contextmanager

from data.records import Prompt
from optimizer.testserver.eyes import TRAITS, Eyes, Trait
from optimizer.testserver.known import Known
from reasoner.testserver import ChatServer, Received, serving

__all__ = ["TRAITS", "ChatServer", "Received", "Trait", "serving_eyes"]


@contextmanager
def serving_eyes(
    *,
    known: Sequence[Prompt] | None = None,
    port: int = 0,
    latency: float = 0.0,
    capacity: int | None = None,
    drown: int | None = None,
    api_key: str | None = None,
) -> Generator[ChatServer]:
    """Like ``serving``. ``known``: prompts whose statements the models can answer, beside the shipped ``scenes`` and what they can read
    themselves; None: those of a calibration."""
    with serving(port=port, latency=latency, capacity=capacity, drown=drown, api_key=api_key, more=Eyes(Known(known)).models) as server:
        yield server
