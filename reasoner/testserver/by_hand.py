"""A test server by hand, for people who write engines: what its command lines have in common."""

import argparse
import signal
import threading
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, suppress
from typing import Protocol

from reasoner.testserver.app import ChatServer


class Described(Protocol):
    """A behavior, or anything else that says what a model does."""

    @property
    def description(self) -> str: ...


def run(
    module: str, description: str, serve: Callable[..., AbstractContextManager[ChatServer]], tables: Mapping[str, Mapping[str, Described]]
) -> None:
    """Serves until Ctrl-C or SIGTERM; prints the address first, then the models by name, under the titles of ``tables``.

    ``serve`` takes what ``serving`` takes of the command line's options.
    """
    parser = argparse.ArgumentParser(prog=f"python -m {module}", description=description)
    parser.add_argument("--port", type=int, default=0, help="default: a free one")
    parser.add_argument("--latency", type=float, default=0.0, help="seconds that each answer takes")
    parser.add_argument("--capacity", type=int, help="requests worked on at once; the others wait")
    parser.add_argument("--drown", type=int, help="requests that may wait; the next gets HTTP 429")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with serve(**vars(options)) as server:
        print(server.url, flush=True)
        for title, models in tables.items():
            if title:
                print(f"{title}:", flush=True)
            for name, model in models.items():
                print(f"  {name:<21} {model.description}", flush=True)
        with suppress(KeyboardInterrupt):
            threading.Event().wait()
