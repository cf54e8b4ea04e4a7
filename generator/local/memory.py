"""Whether a model fits, said before it is loaded, from the headers of its files alone.

An estimate: the weights as they will lie in memory, and a share to work in. Whether the files are whole and the right ones is
checking.py's affair.
"""
# pyright: reportMissingImports=false, reportMissingModuleSource=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from data.errors import UsageError
from generator.local.weights import components, header, weight_files

GB = 10**9

WORKING = 2 * GB
"""Bytes of room beside the weights, where these take more: an image of 1024x1024 on its way through a denoiser and a decoder."""

BYTES = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2}
"""What safetensors calls the types that are converted when loading; others, such as those of FP8, stay as they are."""

DTYPES = {"fp32": 4, "fp16": 2, "bf16": 2}
"""Bytes per weight."""


@dataclass(frozen=True, slots=True)
class Free:
    """Bytes that are free on the device, and on the host; the same where the device is the CPU."""

    device: int
    host: int


def check_memory(
    folder: str | Path,
    *,
    dtype: str,
    device: str,
    offload: str = "none",
    leave_out: Collection[str] = (),
    unpacked: bool = False,
    elsewhere: Mapping[str, str] | None = None,
    free: Free | None = None,
) -> None:
    """UsageError where the pipeline in ``folder`` can't fit, naming what would.

    ``dtype``: "bf16", "fp16" or "fp32". ``device``: as torch names it. ``offload``: "none"; "model", where one component at a time is on
    the device; or "sequential", where one layer is.
    ``leave_out``: components that are not loaded. ``unpacked``: weights in MXFP4 are converted. ``elsewhere``: by component, what
    to do to have it elsewhere. ``free``: asked of the device where it is not given.
    """
    needs = weights(Path(folder), DTYPES[dtype], leave_out=leave_out, unpacked=unpacked)
    free = free or free_on(device)
    on_host = device == "cpu" or offload != "none"
    short_of_host = on_host and sum(needs.values()) > free.host
    if not short_of_host and on_device(needs, "none" if device == "cpu" else offload) <= free.device:
        return
    parts = ", ".join(f"{name} {_gb(size)}" for name, size in sorted(needs.items(), key=lambda need: -need[1]))
    there = "of memory" if short_of_host or device == "cpu" else f"on {device}"
    wanted = sum(needs.values()) if short_of_host else on_device(needs, offload)
    raise UsageError(
        f"{Path(folder).name} needs {_gb(wanted)} {there} in {dtype} ({parts}; and room to work in),"
        f" and {_gb(free.host if short_of_host else free.device)} are free",
        hint=_what_would_fit(needs, dtype, device, offload, elsewhere or {}, free),
    )


def weights(folder: Path, width: int, *, leave_out: Collection[str] = (), unpacked: bool = False) -> dict[str, int]:
    """Bytes that each component of the pipeline in ``folder`` takes where a weight takes ``width`` bytes; those without weights are not
    named."""
    needs = {
        name: sum(_in_memory(tensor, entry, width, unpacked) for file in weight_files(path) for tensor, entry in header(file).items())
        for name, path in components(folder)
        if name not in leave_out
    }
    return {name: size for name, size in needs.items() if size}


def on_device(needs: Mapping[str, int], offload: str) -> int:
    """Bytes that the device must have free."""
    total = sum(needs.values())
    resident = {"none": total, "model": max(needs.values(), default=0), "sequential": 0}[offload]
    return resident + min(WORKING, total)


def free_on(device: str) -> Free:
    """What is free now."""
    import psutil

    host = int(psutil.virtual_memory().available)
    if not device.startswith("cuda"):
        return Free(host, host)
    import torch

    return Free(int(torch.cuda.mem_get_info(device)[0]), host)


def _what_would_fit(needs: Mapping[str, int], dtype: str, device: str, offload: str, elsewhere: Mapping[str, str], free: Free) -> str:
    total = sum(needs.values())
    ways: list[tuple[str, int, int]] = []
    if dtype == "fp32":
        halved = {name: size // 2 for name, size in needs.items()}
        ways.append(("dtype=bf16", on_device(halved, offload), total // 2))
    if device != "cpu" and offload == "none":
        ways.append(("offload=model", on_device(needs, "model"), total))
    if device != "cpu" and offload != "sequential":
        ways.append(("offload=sequential, which is slow", on_device(needs, "sequential"), total))
    for name, how in elsewhere.items():
        rest = {other: size for other, size in needs.items() if other != name}
        if name in needs:
            ways.append((how, on_device(rest, offload), sum(rest.values())))
    on_host = device == "cpu" or offload != "none"
    fitting = [
        f"{way} ({_gb(wanted)})"
        for way, wanted, host in ways
        if wanted <= free.device and (host <= free.host or not (on_host or way.startswith("offload")))
    ]
    return f"what would fit: {'; or '.join(fitting)}" if fitting else "it needs a device with more memory, or a smaller model"


def _in_memory(name: str, entry: Mapping[str, Any], width: int, unpacked: bool) -> int:
    start, end = entry["data_offsets"]
    stored: int = end - start
    if unpacked and name.endswith("_blocks"):
        return stored * 2 * width  # two weights to a byte
    if unpacked and name.endswith("_scales"):
        return 0
    return stored // BYTES[entry["dtype"]] * width if entry["dtype"] in BYTES else stored


def _gb(size: int) -> str:
    return f"{size / GB:.1f} GB"
