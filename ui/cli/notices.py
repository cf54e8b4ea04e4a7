"""What engines have to say beside their results (a server started, a seed that an endpoint does not take), as lines on stderr.

Engines speak through ``logging``, so that a program around them can do as it likes; this is what the command line does.
"""

import logging

from ui.cli.output import say

SPEAKERS = ("reasoner", "generator", "optimizer")


class _Notices(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        say(f"note: {record.getMessage()}")


def print_notices() -> None:
    """From now on, notices of our packages are printed."""
    for name in SPEAKERS:
        logger = logging.getLogger(name)
        logger.setLevel(logging.INFO)
        logger.propagate = False
        logger.addHandler(_Notices())
