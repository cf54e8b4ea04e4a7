"""Text features from a server: what is read, what is refused, and what each trouble is called. A stand-in writes the files; the real vLLM
is met in tests/vllm/test_features.py."""

# pyright: reportMissingImports=false

import fcntl
import json
import os
import re
import socket
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from safetensors.torch import save_file  # noqa: E402  (torch first)
from torch import Tensor  # noqa: E402

from data.errors import FailureKind, StageError  # noqa: E402
from data.identity import canonical_json  # noqa: E402
from generator.lens.served import ServedEncoder  # noqa: E402
from generator.limits import lens_limit, lens_template  # noqa: E402

HIDDEN = 8
LAYERS = (5, 11, 17, 23)
KEY = "sk-not-to-be-told"
Reply = tuple[int, dict[str, Any]]


def features(ids: list[int]) -> Tensor:
    """Each number tells of token, layer and dimension."""
    tokens = torch.tensor(ids, dtype=torch.float32)[:, None, None]
    return tokens + torch.arange(len(LAYERS))[:, None] * 0.25 + torch.arange(HIDDEN) * 0.01


class StandIn:
    """Does what vLLM and our connector do, unless ``reply`` does something else."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.asked: list[dict[str, Any]] = []
        self.keys: list[str | None] = []
        self.reply: Callable[[dict[str, Any]], Reply] = self.good
        self._count = 0
        stand_in = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                stand_in.asked.append(body)
                stand_in.keys.append(self.headers["Authorization"])
                status, answer = stand_in.reply(body)
                sent = json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(sent)))
                self.end_headers()
                self.wfile.write(sent)

            def log_message(self, format: str, *args: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}/v1"

    def path(self) -> Path:
        self._count += 1
        return self.folder / f"{self._count}.safetensors"

    def good(self, body: dict[str, Any]) -> Reply:
        return self.told(self.written(body["prompt"]))

    def written(self, ids: list[int], *, path: Path | None = None, states: Tensor | None = None) -> Path:
        path = path or self.path()
        save_file({"hidden_states": features(ids) if states is None else states, "token_ids": torch.tensor(ids)}, path)
        path.with_name(f"{path.name}.lock").touch()
        return path

    def told(self, path: object, **more: Any) -> Reply:
        told = {"hidden_states_path": str(path), "layers": list(LAYERS), **more}
        return 200, {"model": "gpt-oss", "choices": [{"text": "x"}], "kv_transfer_params": told}

    def left(self) -> list[str]:
        return sorted(path.name for path in self.folder.iterdir())


@pytest.fixture
def server(tmp_path: Path) -> Iterator[StandIn]:
    folder = tmp_path / "features"
    folder.mkdir(mode=0o700)
    stand_in = StandIn(folder)
    thread = threading.Thread(target=stand_in.server.serve_forever, args=(0.01,))
    thread.start()
    yield stand_in
    stand_in.server.shutdown()
    stand_in.server.server_close()
    thread.join()


def failure(server: StandIn, **options: Any) -> StageError:
    with pytest.raises(StageError) as caught:
        ServedEncoder(server.url, api_key=KEY, **options)(["a cat"])
    assert KEY not in str(caught.value) + caught.value.hint
    assert server.url.removesuffix("/v1") in str(caught.value)
    return caught.value


def test_features_are_those_of_the_words_and_what_follows(server: StandIn) -> None:
    texts = ["a cat", "two dogs by the sea <|end|>", "ein Käse " * 400]
    encoder = ServedEncoder(server.url)
    read = encoder(texts)
    for text, one in zip(texts, read, strict=True):
        rendered = lens_template()(text)
        assert torch.equal(one.layers, features(list(rendered.ids[97:])).transpose(0, 1))
        assert one.layers.is_contiguous()
        assert one.cut == rendered.cut
    assert [one.cut > 0 for one in read] == [False, False, True]
    assert server.left() == [], "what was read is removed"
    assert encoder.text_limit.tokens == lens_limit().tokens


def test_the_request_asks_for_one_token_and_says_what_it_wants(server: StandIn) -> None:
    ServedEncoder(server.url, model="gpt-oss", api_key=KEY, date="2026-01-01")(["a cat"])
    (asked,) = server.asked
    wanted = {"prompt": list(lens_template("2026-01-01")("a cat").ids), "max_tokens": 1, "temperature": 0, "model": "gpt-oss"}
    assert asked == {**wanted, "kv_transfer_params": {"hidden_states": True}}
    assert server.keys == [f"Bearer {KEY}"]


def test_without_a_model_the_server_takes_what_it_has(server: StandIn) -> None:
    ServedEncoder(server.url)(["a cat"])
    assert "model" not in server.asked[0]


def test_the_identity_names_what_determines_features() -> None:
    def named(url: str = "http://127.0.0.1:8000/v1", **options: Any) -> str:
        return ServedEncoder(url, **options).identity

    asked = canonical_json({"layers": LAYERS, "date": "2026-05-26", "max_tokens": 512})
    assert named(model="gpt-oss", api_key=KEY) == f"gpt-oss?{asked}"
    assert named("http://me:secret@127.0.0.1:8000/v1") == f"http://127.0.0.1:8000/v1?{asked}"
    others = [named(model="gpt-oss"), named(), named(layers=(1,)), named(date="2026-01-01"), named(max_tokens=300)]
    assert len(set(others)) == 5


def test_it_waits_until_a_file_is_complete(server: StandIn) -> None:
    done = threading.Event()

    def slow(body: dict[str, Any]) -> Reply:
        path = server.path()
        lock = path.with_name(f"{path.name}.lock").open("w")
        fcntl.flock(lock, fcntl.LOCK_EX)

        def finish() -> None:
            done.wait()
            server.written(body["prompt"], path=path)
            lock.close()

        threading.Thread(target=finish).start()
        threading.Timer(0.1, done.set).start()
        return server.told(path)

    server.reply = slow
    assert len(ServedEncoder(server.url)(["a cat"])) == 1
    assert done.is_set()


def test_a_file_that_is_never_complete_is_a_timeout(server: StandIn) -> None:
    path = server.path()
    with path.with_name(f"{path.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        server.reply = lambda body: server.told(path)
        error = failure(server, timeout=0.2)
    assert (error.kind, error.retryable) == (FailureKind.TIMEOUT, True)


def test_a_server_without_features_is_told_how_to_be_started(server: StandIn) -> None:
    for answer in ({"choices": []}, {"kv_transfer_params": None}, {"kv_transfer_params": {"hidden_states_path": "/tmp/x.safetensors"}}):
        server.reply = lambda body, answer=answer: (200, answer)
        error = failure(server)
        assert error.kind == FailureKind.UNSUPPORTED
        assert "phoropter reasoner serve MODEL --features" in error.hint


def test_other_layers_are_refused(server: StandIn) -> None:
    server.reply = lambda body: server.told(server.written(body["prompt"]), layers=[0, 1])
    error = failure(server)
    assert error.kind == FailureKind.UNSUPPORTED
    assert "--feature-layers 5,11,17,23" in error.hint


def test_features_of_another_text_are_refused_and_left_alone(server: StandIn) -> None:
    server.reply = lambda body: server.told(server.written([*body["prompt"][:-1], 1]))
    error = failure(server)
    assert (error.kind, error.retryable) == (FailureKind.MALFORMED, False)
    assert len(server.left()) == 2


def test_features_of_another_shape_are_refused(server: StandIn) -> None:
    for cut in (lambda states: states[:, :2], lambda states: states[:-1], lambda states: states[..., 0]):
        server.reply = lambda body, cut=cut: server.told(server.written(body["prompt"], states=cut(features(body["prompt"])).clone()))
        assert failure(server).kind == FailureKind.MALFORMED


def test_features_that_are_not_finite_are_refused(server: StandIn) -> None:
    server.reply = lambda body: server.told(server.written(body["prompt"], states=features(body["prompt"]).log() * float("inf")))
    assert "not finite" in str(failure(server))


@pytest.mark.parametrize("content", [b"", b"\xff" * 100, b"\x10\0\0\0\0\0\0\0{}              "])
def test_a_broken_file_is_refused_and_left_alone(server: StandIn, content: bytes) -> None:
    def broken(body: dict[str, Any]) -> Reply:
        path = server.written(body["prompt"])
        path.write_bytes(content)
        return server.told(path)

    server.reply = broken
    error = failure(server)
    assert (error.kind, error.retryable) == (FailureKind.MALFORMED, True)
    assert len(server.left()) == 2


def test_a_cut_file_is_refused(server: StandIn) -> None:
    def cut(body: dict[str, Any]) -> Reply:
        path = server.written(body["prompt"])
        os.truncate(path, path.stat().st_size - 100)
        return server.told(path)

    server.reply = cut
    assert failure(server).kind == FailureKind.MALFORMED


def test_a_file_that_was_not_written_may_be_tried_again(server: StandIn) -> None:
    def unwritten(body: dict[str, Any]) -> Reply:
        path = server.written(body["prompt"])
        path.unlink()
        return server.told(path)

    server.reply = unwritten
    error = failure(server)
    assert (error.kind, error.retryable) == (FailureKind.SERVER_ERROR, True)


def test_a_server_on_another_machine_is_told_so(server: StandIn, tmp_path: Path) -> None:
    server.reply = lambda body: server.told(tmp_path / "elsewhere" / "1.safetensors")
    error = failure(server)
    assert error.kind == FailureKind.UNSUPPORTED
    assert "not on this machine" in str(error)


def test_a_folder_that_others_can_look_into_is_refused(server: StandIn) -> None:
    server.folder.chmod(0o755)
    error = failure(server)
    assert error.kind == FailureKind.UNSUPPORTED
    assert "private" in str(error)
    assert len(server.left()) == 2


def test_links_are_not_followed(server: StandIn, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    ids = list(lens_template()("a cat").ids)
    server.written(ids, path=outside / "1.safetensors")
    linked = server.path()
    linked.symlink_to(outside / "1.safetensors")
    linked.with_name(f"{linked.name}.lock").touch()
    to_folder = server.folder / "link"
    to_folder.symlink_to(outside)
    lock_linked = server.written(ids)
    lock = lock_linked.with_name(f"{lock_linked.name}.lock")
    lock.unlink()
    lock.symlink_to(outside / "1.safetensors")
    for path in (linked, to_folder / "1.safetensors", lock_linked):
        server.reply = lambda body, path=path: server.told(path)
        assert failure(server).kind in (FailureKind.MALFORMED, FailureKind.UNSUPPORTED)
    assert (outside / "1.safetensors").is_file()


@pytest.mark.parametrize(
    "path", ["1.safetensors", "{folder}/../outside/1.safetensors", "{folder}/1.txt", "{folder}", "", "{folder}/\0.safetensors"]
)
def test_a_path_that_is_no_features_file_is_refused(server: StandIn, path: str) -> None:
    server.reply = lambda body: server.told(path.format(folder=server.folder))
    assert failure(server).kind in (FailureKind.MALFORMED, FailureKind.UNSUPPORTED)


@pytest.mark.parametrize(
    ("status", "kind", "retryable"),
    [
        (500, FailureKind.SERVER_ERROR, True),
        (503, FailureKind.SERVER_ERROR, True),
        (401, FailureKind.UNAUTHORIZED, False),
        (404, FailureKind.REJECTED, False),
        (429, FailureKind.RATE_LIMITED, True),
    ],
)
def test_refusals_are_called_as_elsewhere(server: StandIn, status: int, kind: FailureKind, retryable: bool) -> None:
    server.reply = lambda body: (status, {"error": {"message": f"no, {KEY}"}})
    error = failure(server)
    assert (error.kind, error.retryable) == (kind, retryable)


def test_nobody_there_is_unreachable() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with pytest.raises(StageError) as caught:
        ServedEncoder(f"http://127.0.0.1:{port}/v1").probe()
    assert (caught.value.kind, caught.value.retryable) == (FailureKind.UNREACHABLE, True)


def test_one_failure_leaves_no_file_of_the_others_behind(server: StandIn) -> None:
    bad = list(lens_template()("b").ids)
    server.reply = lambda body: (500, {"error": {"message": "no"}}) if body["prompt"] == bad else server.good(body)
    with pytest.raises(StageError, match=re.escape("500")):
        ServedEncoder(server.url)(["a", "b", "c", "d"])
    assert server.left() == []


def test_probing_a_good_server_returns(server: StandIn) -> None:
    ServedEncoder(server.url).probe()
    assert len(server.asked) == 1
