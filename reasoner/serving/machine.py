"""What a group of processes takes of this machine, and who has a port.

Reads /proc and nvidia-smi. Where there is neither, the answer is None: not known.
"""

import os
import socket
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

_PROC = Path("/proc")
_LISTENING = "0A"
_MIB = 1024**2


def has_gpu() -> bool:
    """Whether there is a GPU that vLLM may use: NVIDIA's, or AMD's."""
    return bool(gpu_names()) or Path("/dev/kfd").exists()


def gpu_names() -> list[str]:
    """The NVIDIA GPUs with their memory: ``NVIDIA H200, 4 of 140 GiB used``."""
    found: list[str] = []
    for name, used, total in _nvidia("--query-gpu=name,memory.used,memory.total"):
        found.append(f"{name}, {int(used) / 1024:.0f} of {int(total) / 1024:.0f} GiB used")
    return found


def gpu_bytes(group: int) -> int | None:
    """What the processes of ``group`` hold of GPU memory; None where none of them holds any, or it can't be told."""
    members = set(members_of(group))
    held = [int(used) for pid, used in _nvidia("--query-compute-apps=pid,used_memory") if int(pid) in members and used.isdigit()]
    return sum(held) * _MIB if held else None


def _nvidia(query: str) -> list[list[str]]:
    try:
        done = subprocess.run(
            ["nvidia-smi", query, "--format=csv,noheader,nounits"], capture_output=True, text=True, timeout=20, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return []
    if done.returncode != 0:
        return []
    return [[field.strip() for field in line.split(",")] for line in done.stdout.splitlines() if line.strip()]


def resident_bytes(group: int) -> int | None:
    """The memory that the processes of ``group`` occupy; pages that they share count for each."""
    sizes: list[int] = []
    for pid in members_of(group):
        with suppress(OSError, ValueError, IndexError):
            sizes.append(int((_PROC / str(pid) / "statm").read_text().split()[1]))
    return sum(sizes) * os.sysconf("SC_PAGE_SIZE") if sizes else None


def members_of(group: int) -> Iterator[int]:
    """The processes of a process group; none where there is no /proc."""
    for pid in _pids():
        with suppress(OSError, ValueError, IndexError):
            # The name before the last bracket may hold spaces and brackets itself.
            fields = (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
            if int(fields[2]) == group and fields[0] != "Z":
                yield pid


def _pids() -> Iterator[int]:
    with suppress(OSError):
        yield from (int(entry) for entry in os.listdir(_PROC) if entry.isdigit())


def free_port(host: str) -> int:
    """A port of ``host`` that nobody listens at; it may be taken the next moment."""
    with socket.socket() as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])


def port_trouble(host: str, port: int) -> str | None:
    """Why ``port`` of ``host`` can't be listened at, and who has it, as far as can be told; None where it is free."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            holder = port_holder(port)
            return f"{error.strerror}{f', by {holder}' if holder else ''}"
    return None


def port_holder(port: int) -> str | None:
    """The program that listens at ``port``, with its process id; None where that can't be told."""
    sockets = {f"socket:[{inode}]" for inode in _listening(port)}
    for pid in _pids() if sockets else ():
        with suppress(OSError):
            if any(os.readlink(link) in sockets for link in (_PROC / str(pid) / "fd").iterdir()):
                return f"{(_PROC / str(pid) / 'comm').read_text().strip()} (process {pid})"
    return None


def _listening(port: int) -> Iterator[str]:
    """The inodes of the sockets that listen at ``port``."""
    for table in ("tcp", "tcp6"):
        with suppress(OSError):
            for line in (_PROC / "net" / table).read_text().splitlines()[1:]:
                fields = line.split()
                if fields[3] == _LISTENING and int(fields[1].rpartition(":")[2], 16) == port:
                    yield fields[9]
