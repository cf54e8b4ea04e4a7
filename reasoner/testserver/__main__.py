"""``python -m reasoner.testserver``: the test server by hand, for people who write engines. Ends with Ctrl-C or SIGTERM."""

import argparse
import signal
import threading
from contextlib import suppress

from reasoner.testserver import BEHAVIORS, IMAGES, VERDICTS, serving


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m reasoner.testserver", description="A model server that misbehaves by the model's name."
    )
    parser.add_argument("--port", type=int, default=0, help="default: a free one")
    parser.add_argument("--latency", type=float, default=0.0, help="seconds that each answer takes")
    parser.add_argument("--capacity", type=int, help="requests worked on at once; the others wait")
    parser.add_argument("--drown", type=int, help="requests that may wait; the next gets HTTP 429")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with serving(**vars(options)) as server:
        print(server.url, flush=True)
        for title, behaviors in (("", BEHAVIORS), ("asked for images", IMAGES), ("asked for a verdict", VERDICTS)):
            if title:
                print(f"{title}:", flush=True)
            for name, behavior in behaviors.items():
                print(f"  {name:<21} {behavior.description}", flush=True)
        with suppress(KeyboardInterrupt):
            threading.Event().wait()


if __name__ == "__main__":
    main()
