"""`phoropter doctor` and the keys: what is missing, what an endpoint is, and no key shown or sent to where it does not belong."""

import http.server
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from data.errors import UsageError
from reasoner.testserver import ChatServer, serving
from tests.ui.cli.conftest import Phoropter, record
from ui.engines import api_key
from ui.spec import parse_spec

OPENAI = "sk-for-openai-alone-0123456789"
OWN = "for-my-own-servers-0123456789"


@pytest.fixture(scope="module")
def server() -> Iterator[ChatServer]:
    with serving() as running:
        yield running


@pytest.fixture(scope="module")
def web_page() -> Iterator[str]:
    """The address of a server that has a page for everything, and no model."""

    class Page(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("content-type", "text/html")
            self.end_headers()
            self.wfile.write(b"<html><title>My router</title></html>")

        def log_message(self, format: str, *args: object) -> None:
            pass

    running = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Page)
    thread = threading.Thread(target=running.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{running.server_port}"
    running.shutdown()
    running.server_close()
    thread.join()


def failed(output: str) -> dict[str, dict[str, Any]]:
    return {check["name"]: check for check in record(output)["checks"] if check["ok"] is False}


def test_all_is_well_with_what_is_built_in(phoropter: Phoropter) -> None:
    done = phoropter("doctor", "--home", "elsewhere")
    assert done.exit_code == 0, done.stdout
    assert "test picture" in done.stdout
    assert "elsewhere   (command line)" in done.stdout
    assert not Path("elsewhere").exists(), "looking makes nothing"
    found = record(phoropter("doctor", "--json").stdout)
    assert found["ok"]
    assert {check["name"] for check in found["checks"]} >= {"reasoner", "generator", "judge", "ledger", "images", "OPENAI_API_KEY"}


def test_a_missing_key_is_named(phoropter: Phoropter) -> None:
    done = phoropter("doctor", "--reasoner", "openai:gpt-5.5", "--json")
    assert done.exit_code == 1
    check = failed(done.stdout)["reasoner"]
    assert "OPENAI_API_KEY is not set" in check["detail"]
    assert "export OPENAI_API_KEY=" in check["hint"]
    assert set(failed(phoropter("doctor", "--profile", "openai", "--json").stdout)) == {"reasoner", "proposer", "writer"}


def test_an_endpoint_with_the_model(phoropter: Phoropter, server: ChatServer) -> None:
    done = phoropter("doctor", "--reasoner", f"openai:good@{server.url}")
    assert done.exit_code == 0, done.stdout
    assert f"{server.url} answers and has the model" in done.stdout


def test_an_endpoint_without_the_model_says_what_it_has(phoropter: Phoropter, server: ChatServer) -> None:
    done = phoropter("doctor", "--reasoner", f"openai:thinkin@{server.url}", "--json")
    check = failed(done.stdout)["reasoner"]
    assert "has no model 'thinkin'" in check["detail"]
    assert check["hint"].startswith("it has: thinking")


def test_nobody_there(phoropter: Phoropter) -> None:
    done = phoropter("doctor", "--reasoner", "openai:x@http://127.0.0.1:9/v1")
    assert done.exit_code == 1
    assert "no connection to http://127.0.0.1:9/v1" in done.stdout


def test_a_page_is_no_endpoint_and_is_shown(phoropter: Phoropter, web_page: str) -> None:
    check = failed(phoropter("doctor", "--reasoner", f"openai:x@{web_page}/v1", "--json").stdout)["reasoner"]
    assert "is no LLM endpoint" in check["detail"]
    assert "My router" in check["detail"]


def test_an_address_without_v1_is_put_right(phoropter: Phoropter, server: ChatServer) -> None:
    address = server.url.removesuffix("/v1")
    check = failed(phoropter("doctor", "--reasoner", f"openai:good@{address}", "--json").stdout)["reasoner"]
    assert check["hint"] == f"write it with /v1: @{server.url}"


def test_each_of_several_endpoints_is_asked(phoropter: Phoropter, server: ChatServer) -> None:
    done = phoropter("doctor", "--reasoner", f"openai:good@{server.url},http://127.0.0.1:9/v1", "--json")
    details = [check["detail"] for check in record(done.stdout)["checks"] if check["name"] == "reasoner"]
    assert len(details) == 2
    assert done.exit_code == 1


def test_a_refused_key_is_not_shown_and_the_right_variable_named(phoropter: Phoropter, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", OPENAI)
    monkeypatch.setenv("PHOROPTER_API_KEY", OWN)
    with serving(api_key="another") as locked:
        own = phoropter("doctor", "--reasoner", f"openai:good@{locked.url}")
        named = phoropter("doctor", "--reasoner", f"openai:good@{locked.url}?key_env=OPENAI_API_KEY")
        rewrite = phoropter("rewrite", "a cat", "--reasoner", f"openai:good@{locked.url}")
    assert "set PHOROPTER_API_KEY" in own.stdout
    assert "set OPENAI_API_KEY" in named.stdout
    assert rewrite.exit_code == 1
    for done in (own, named, rewrite):
        assert OPENAI not in done.output + done.stderr
        assert OWN not in done.output + done.stderr


def test_keys_go_where_they_belong(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", OPENAI)
    assert api_key(parse_spec("openai:gpt-5.5")) == OPENAI
    assert api_key(parse_spec("openai:x@http://localhost:8000/v1")) is None
    monkeypatch.setenv("PHOROPTER_API_KEY", OWN)
    assert api_key(parse_spec("openai:x@http://localhost:8000/v1")) == OWN
    monkeypatch.setenv("GPU_TOKEN", "third")
    assert api_key(parse_spec("openai:x@http://localhost:8000/v1?key_env=GPU_TOKEN")) == "third"
    monkeypatch.delenv("GPU_TOKEN")
    with pytest.raises(UsageError, match="GPU_TOKEN is not set"):
        api_key(parse_spec("openai:x@http://localhost:8000/v1?key_env=GPU_TOKEN"))


def test_a_key_pasted_into_a_spec_is_not_repeated(phoropter: Phoropter) -> None:
    spec = f"openai:x@http://127.0.0.1:9/v1?api_key={OPENAI}"
    for command in (("doctor",), ("doctor", "--json"), ("rewrite", "a cat"), ("rewrite", "a cat", "--json")):
        done = phoropter(*command, "--reasoner", spec)
        assert done.exit_code != 0
        assert "secret" in done.output
        assert OPENAI not in done.output
