"""Stands where vLLM would, so that its life can be tested without it: called alike, a server on loopback, and a worker process of its own.

``python stand_in.py serve MODEL --host H --port N ...``; the model's name says how it behaves.
"""

import json
import os
import signal
import subprocess
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

WORKER = "import time; time.sleep(600)"
STUBBORN_WORKER = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {WORKER}"


BRITTLE = "brittle"
"""Where a file of this name lies in its folder, a server does not live long."""


class Handler(BaseHTTPRequestHandler):
    asked = 0

    def do_GET(self) -> None:
        self._answer(200 if self.path == "/health" else 404, {})

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        key = os.environ.get("VLLM_API_KEY")
        if key and self.headers.get("Authorization") != f"Bearer {key}":
            return self._answer(401, {"error": {"message": "Unauthorized"}})
        Handler.asked += 1
        if Handler.asked > 6 and os.path.exists(BRITTLE):
            os.kill(os.getpid(), signal.SIGKILL)
        if "die" in asked["messages"][-1]["content"] and MODEL == "stand-in/mortal":
            os.kill(os.getpid(), signal.SIGKILL)
        message = {"role": "assistant", "content": f"A red cat on a beach, seen by {os.getpid()}"}
        usage = {"prompt_tokens": 5, "completion_tokens": asked.get("max_tokens") or 5, "total_tokens": 10}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        shared = {"id": "1", "object": "chat.completion", "created": 1, "model": asked["model"]}
        return self._answer(200, {**shared, "choices": [choice], "usage": usage})

    def _answer(self, status: int, body: dict) -> None:
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *arguments: object) -> None:
        pass


def option(name: str) -> str:
    return sys.argv[sys.argv.index(name) + 1]


def main() -> None:
    print(f"(APIServer pid={os.getpid()}) INFO 11-24 00:00:00 [entry.py:1] stand-in for {MODEL}", file=sys.stderr, flush=True)
    subprocess.Popen([sys.executable, "-c", STUBBORN_WORKER if MODEL == "stand-in/stubborn" else WORKER])
    if MODEL == "stand-in/crashing":
        raise RuntimeError("the weights are made of cheese")
    if MODEL == "stand-in/stubborn":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if MODEL == "stand-in/hanging":
        time.sleep(600)
    ThreadingHTTPServer((option("--host"), int(option("--port"))), Handler).serve_forever()


if __name__ == "__main__":
    MODEL = sys.argv[sys.argv.index("serve") + 1]
    main()
