"""What a thread that computes on a device has to know of it. Where torch is not loaded, there is no device, and nothing is done.

Importing this loads no torch: whoever has loaded a model with torch has loaded torch.
"""
# pyright: reportMissingImports=false, reportUnknownMemberType=false, reportUnknownVariableType=false

import gc
import sys
from typing import Any

_FULL = ("not enough memory", "can't allocate memory", "cannot allocate memory", "out of memory")
"""What torch's RuntimeErrors say where the CPU's memory, or a library's, is short."""


def is_out_of_memory(error: BaseException) -> bool:
    """Whether ``error`` says that there was no room: fewer items, or smaller ones, may fit."""
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    return isinstance(error, RuntimeError) and any(words in str(error).lower() for words in _FULL)


def free_memory() -> None:
    """Gives back what is kept for later, so that what comes next finds all the room there is."""
    gc.collect()
    if cuda := _cuda():
        cuda.empty_cache()


def use_own_stream() -> None:
    """The calling thread's work no longer queues behind that of other threads. Each piece has to end with ``wait``: only then may another
    thread read what it made, and only then may what it read be freed."""
    if cuda := _cuda():
        cuda.set_stream(cuda.Stream())


def wait() -> None:
    """Returns when the calling thread's work on the device is done."""
    if cuda := _cuda():
        cuda.current_stream().synchronize()


def _cuda() -> Any:
    """torch.cuda where it is in use, else None."""
    torch = sys.modules.get("torch")
    cuda = getattr(torch, "cuda", None)
    return cuda if cuda is not None and cuda.is_initialized() else None


def choose(device: str | None) -> str:
    """``device`` as torch names it; where None is given, the GPU if there is one, else the CPU."""
    import torch

    if device is not None:
        return device
    return "cuda" if torch.cuda.is_available() else "cpu"
