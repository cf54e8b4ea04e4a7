"""Where a pipeline of diffusers computes, in which numbers, and how much of it lies there: the choices that every model here shares."""
# pyright: reportMissingImports=false, reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import torch

from data.errors import UsageError
from generator.local import device as devices

DTYPES = {"bf16": torch.bfloat16, "fp16": torch.float16, "fp32": torch.float32}
OFFLOADS = ("none", "model", "sequential")
"""What waits in main memory: nothing; all parts but the one at work; all layers but the one at work."""


@dataclass(frozen=True, slots=True)
class Placing:
    """``device`` as torch names it; ``dtype`` and ``offload`` as specs do."""

    device: str
    dtype: str
    offload: str

    @classmethod
    def of(cls, device: str | None, dtype: str | None, offload: str) -> "Placing":
        """By default a GPU if there is one, bf16 there and fp32 on the CPU. UsageError for what there is not."""
        place = devices.choose(device)
        dtype = dtype or ("fp32" if place == "cpu" else "bf16")
        one_of("dtype", dtype, DTYPES)
        one_of("offload", offload, OFFLOADS)
        if offload != "none" and place == "cpu":
            raise UsageError(f"offload={offload} moves parts between a device and the CPU, and the device is the CPU", hint="leave it out")
        return cls(place, dtype, offload)

    @property
    def precision(self) -> torch.dtype:
        return DTYPES[self.dtype]

    @property
    def stays(self) -> bool:
        """Whether all of the model lies on the device all the time."""
        return self.offload == "none"

    def put(self, pipeline: Any) -> None:
        """Moves ``pipeline`` to where it computes, or prepares it to come and go. May run out of memory."""
        if self.offload == "model":
            pipeline.enable_model_cpu_offload(device=self.device)
        elif self.offload == "sequential":
            pipeline.enable_sequential_cpu_offload(device=self.device)
        else:
            pipeline.to(self.device)
        pipeline.set_progress_bar_config(disable=True)
        devices.wait()


def one_of(name: str, value: object, there_are: Collection[Any]) -> None:
    """UsageError where ``value`` is not among ``there_are``."""
    if value not in there_are:
        raise UsageError(f"{name}={value}: there is no such {name}", hint=f"there are: {', '.join(str(one) for one in there_are if one)}")
