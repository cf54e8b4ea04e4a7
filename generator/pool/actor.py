"""What lives in an actor's process: one generator, made there, and drawing what it is sent. Everything that leaves it is plain data."""

# pyright: reportMissingImports=false, reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false, reportMissingTypeStubs=false

import asyncio
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from data.errors import FailureKind, PhoropterError, StageError
from data.records import GeneratedImage
from generator import ImageGenerator, ImageRequest
from generator.pool import ray


@dataclass(frozen=True, slots=True)
class Facts:
    """What a generator says of itself; of its text limit the tokenizer's name and the tokens, since counting can't travel."""

    identity: str
    ratios: tuple[str, ...]
    limit: tuple[str, int] | None


class Place(NamedTuple):
    """Where an actor is: the node's id and name, and the GPUs that it was given there, by their numbers."""

    node: str
    address: str
    gpus: tuple[str, ...]


class GpuUse(NamedTuple):
    """Of an actor's first GPU: bytes taken, by whomever, and in all, and how busy it was lately in percent (None: NVML isn't there)."""

    taken: int
    total: int
    busy: int | None


class Drawn(NamedTuple):
    """The outcome of one request, and the GPU's state after it (None: no GPU is in use)."""

    outcome: GeneratedImage | Exception
    gpu: GpuUse | None


class GeneratorActor:
    """The class of a pool's actors. ``make`` is called in :meth:`begin`, so that what it raises comes back as itself."""

    def __init__(self, make: Callable[[], ImageGenerator]) -> None:
        self._make = make
        self._generator: ImageGenerator | None = None

    async def place(self) -> Place:
        """Answers as soon as the process runs."""
        context = ray.get_runtime_context()
        return Place(context.get_node_id(), ray.util.get_node_ip_address(), tuple(map(str, ray.get_gpu_ids())))

    async def begin(self) -> Facts | Exception:
        """Makes the generator, which may load a model and take minutes."""
        try:
            self._generator = self._make()
            limit = self._generator.text_limit
            return Facts(self._generator.identity, tuple(self._generator.ratios), limit and (limit.name, limit.tokens))
        except Exception as error:
            return portable(error)

    async def draw(self, request: ImageRequest) -> Drawn:
        """Draws one image; calls overlap, and a generator that batches makes batches of them.

        Ray puts the answer into this node's object store, and whoever asked fetches it from there, once.
        """
        assert self._generator is not None, "begin comes first"
        try:
            (outcome,) = await self._generator([request])
        except Exception as error:
            outcome = error
        return Drawn(portable(outcome) if isinstance(outcome, Exception) else outcome, gpu_use())

    async def count(self, text: str) -> int:
        """How long ``text`` is by the tokenizer of the generator's text limit."""
        assert self._generator is not None, "begin comes first"
        assert self._generator.text_limit is not None, "only asked where there is a limit"
        return self._generator.text_limit.count(text)

    async def watch(self) -> None:
        """Never answers: waiting for it ends with the actor, and not before."""
        await asyncio.Event().wait()


def portable(error: Exception) -> Exception:
    """``error`` where it is one of ours. Others, which may hold anything, become a StageError of their text."""
    if isinstance(error, PhoropterError):
        return error
    return StageError(FailureKind.CRASHED, f"{type(error).__name__}: {error}")


def gpu_use() -> GpuUse | None:
    """The state of this process's first GPU; None where it uses none."""
    torch = sys.modules.get("torch")
    if torch is None or not torch.cuda.is_initialized():
        return None
    free, total = torch.cuda.mem_get_info()
    try:
        busy = int(torch.cuda.utilization())
    except (ImportError, RuntimeError):
        busy = None
    return GpuUse(total - free, total, busy)
