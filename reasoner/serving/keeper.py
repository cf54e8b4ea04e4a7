"""Runs a program for as long as someone holds this one's input open, and takes all that it started along. Standard library only.

vLLM's workers outlive a server that was killed, and hold on to the GPU's memory. So the server is not our child but this program's:
whatever ends us, `kill -9` included, closes the pipe that it reads, and whatever ends the server, its process group goes, too.

``python keeper.py GRACE COMMAND ...``: prints the process id, which is the group's, too. Ends as the command does.
"""

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import threading
import time

CHECK_SECONDS = 0.05
PR_SET_CHILD_SUBREAPER = 36
"""A constant of Linux's prctl."""
LEFT_BEHIND_SECONDS = 2.0
"""What workers get to tidy up after a server that is gone."""


def main() -> int:
    grace, command = float(sys.argv[1]), sys.argv[2:]
    _adopt_orphans()
    for unwanted in (signal.SIGINT, signal.SIGHUP):
        signal.signal(unwanted, signal.SIG_IGN)
    try:
        child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=2, stderr=2, start_new_session=True, preexec_fn=_hear_signals)
    except OSError as error:
        print(f"{command[0]}: {error.strerror}", file=sys.stderr, flush=True)
        return 127

    def end(number: int, frame: object) -> None:
        threading.Thread(target=_end, args=(child, grace), daemon=True).start()

    signal.signal(signal.SIGTERM, end)
    print(child.pid, flush=True)
    threading.Thread(target=_end_with_input, args=(child, grace), daemon=True).start()
    code = child.wait()
    _sweep(child.pid, LEFT_BEHIND_SECONDS)
    return code if code >= 0 else 128 - code


def _adopt_orphans() -> None:
    """Workers whose server is gone become this program's children: it sees them end. In a container often nobody else would."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def _hear_signals() -> None:
    """What is ignored here would be ignored by the child, too."""
    for wanted in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM):
        signal.signal(wanted, signal.SIG_DFL)


def _end_with_input(child: "subprocess.Popen[bytes]", grace: float) -> None:
    while os.read(0, 1):
        pass
    _end(child, grace)


def _end(child: "subprocess.Popen[bytes]", grace: float) -> None:
    _signal(child.pid, signal.SIGTERM)
    with contextlib.suppress(subprocess.TimeoutExpired):
        child.wait(grace)
        return
    _signal(child.pid, signal.SIGKILL)


def _sweep(group: int, grace: float) -> None:
    """Ends what is left of a process group: asks, waits, kills."""
    until = time.monotonic() + grace
    left = _signal(group, signal.SIGTERM)
    while left and time.monotonic() < until:
        time.sleep(CHECK_SECONDS)
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-group, os.WNOHANG)[0]:
                pass
        left = _signal(group, 0)
    if left:
        _signal(group, signal.SIGKILL)


def _signal(group: int, number: int) -> bool:
    """Whether there was anyone to signal."""
    try:
        os.killpg(group, number)
    except (ProcessLookupError, PermissionError):
        return False
    return True


if __name__ == "__main__":
    sys.exit(main())
