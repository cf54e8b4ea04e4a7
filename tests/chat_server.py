"""A real HTTP server on loopback that speaks the chat completions protocol, and misbehaves on request, by the model's name."""

import json
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class ChatServer(ThreadingHTTPServer):
    """Remembers every request's body; ``url`` is its base URL."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.bodies: list[dict[str, Any]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/v1"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: object) -> None:
        pass

    def do_POST(self) -> None:
        assert isinstance(self.server, ChatServer)
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.server.bodies.append(body)
        seen = sum(other["model"] == body["model"] for other in self.server.bodies)
        match body["model"]:
            case "busy":
                self._send(429, {"error": {"message": "slow down"}}, {"retry-after": "0.01"})
            case "busy-once" if seen == 1:
                self._send(429, {"error": {"message": "slow down"}}, {"retry-after": "0.01"})
            case "broken":
                self._send(500, {"error": {"message": "out of memory"}})
            case "locked":
                self._send(401, {"error": {"message": f"bad key {self.headers['authorization']}"}})
            case "unknown":
                self._send(404, {"error": {"message": "no such model"}})
            case "junk":
                self._raw(200, b"<html>welcome</html>", "text/html")
            case "half":
                self._raw(200, b'{"choices": [', "application/json")
            case "no-choices":
                self._send(200, {"id": "x", "object": "chat.completion", "choices": []})
            case "slow":
                time.sleep(5)
                self._send(200, answer("late"))
            case "old" if "max_completion_tokens" in body:
                self._send(400, {"error": {"message": "Unsupported parameter: max_completion_tokens"}})
            case "empty":
                self._send(200, answer("  "))
            case "endless":
                self._send(200, answer("more and more", finish="length"))
            case "thinking":
                self._send(200, answer("A cat.", reasoning="The user wants a cat."))
            case _:
                self._send(200, answer(f"A picture of {body['messages'][-1]['content']}."))

    def _send(self, status: int, body: dict[str, Any], headers: dict[str, str] | None = None) -> None:
        self._raw(status, json.dumps(body).encode(), "application/json", headers)

    def _raw(self, status: int, body: bytes, content_type: str, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {"content-type": content_type, "content-length": str(len(body)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)


def answer(text: str, *, finish: str = "stop", **extra: str) -> dict[str, Any]:
    """A chat completion as servers send it."""
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": "m",
        "choices": [{"index": 0, "finish_reason": finish, "message": {"role": "assistant", "content": text, **extra}}],
        "usage": {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18},
    }


@contextmanager
def chat_server() -> Generator[ChatServer]:
    """A running server, stopped at the end."""
    server = ChatServer()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
