"""Asks an OpenAI-shaped endpoint what it is and which models it has, for `phoropter doctor`. Costs nothing: no model is called."""

import http.client
import json
import urllib.error
import urllib.request
from dataclasses import dataclass

from data.errors import UsageError
from data.remote.client import OPENAI
from ui.engines import OPENAI_KEY, OWN_KEY, api_key
from ui.spec import KEY_ENV, Spec, nearest

ANSWER_SECONDS = 5.0
"""How long an endpoint may take to say which models it has."""
MOST_BYTES = 4_000_000
SHOWN = 60
"""Characters of an unexpected answer that are shown."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What was seen at an endpoint; ``ok`` False where the spec can't work there. ``hint``: what to do about it."""

    ok: bool
    detail: str
    hint: str = ""


def probe(spec: Spec) -> list[Seen]:
    """What each endpoint of an openai ``spec`` says of itself."""
    try:
        key = api_key(spec)
    except UsageError as error:
        return [Seen(False, str(error), error.hint)]
    return [_seen(spec, endpoint.rstrip("/"), key) for endpoint in spec.endpoints or (OPENAI,)]


def _seen(spec: Spec, endpoint: str, key: str | None) -> Seen:
    try:
        body = _read(f"{endpoint}/models", key)
    except urllib.error.HTTPError as error:
        with error:
            return _refused(spec, endpoint, error.code, key)
    except http.client.HTTPException:
        return Seen(False, f"{endpoint} answers, but not in HTTP", "is the port right?")
    except (OSError, TimeoutError) as error:
        return Seen(False, f"no connection to {endpoint} ({getattr(error, 'reason', error)})", "is the server up, and the address right?")
    try:
        models = [str(entry["id"]) for entry in json.loads(body)["data"]]
    except (ValueError, KeyError, TypeError):
        shown = " ".join(body[:2000].decode("utf-8", "replace").split())[:SHOWN]
        return Seen(False, f"{endpoint} is no LLM endpoint: asked for its models, it answers {shown!r}", _other_address(endpoint, key))
    if spec.model in models:
        return Seen(True, f"{endpoint} answers and has the model")
    has = f"it has: {', '.join(nearest(spec.model, models)[:8])}" if models else "it has no models at all"
    return Seen(False, f"{endpoint} has no model {spec.model!r}", has)


def _refused(spec: Spec, endpoint: str, code: int, key: str | None) -> Seen:
    if code in (401, 403):
        name = str(spec.parameters.get(KEY_ENV) or (OWN_KEY if spec.endpoints else OPENAI_KEY))
        return Seen(False, f"{endpoint} {'refuses the key' if key else 'wants a key'} ({code})", f"set {name}")
    if code == 404 and (elsewhere := _other_address(endpoint, key)):
        return Seen(False, f"{endpoint} answers, but has no list of models (404)", elsewhere)
    return Seen(True, f"{endpoint} answers, but does not list its models ({code})")


def _other_address(endpoint: str, key: str | None) -> str:
    """A hint where the address is right but for its /v1; "" else."""
    if endpoint.endswith("/v1"):
        return ""
    try:
        json.loads(_read(f"{endpoint}/v1/models", key))["data"]
    except (OSError, ValueError, KeyError, TypeError, http.client.HTTPException):
        return ""
    return f"write it with /v1: @{endpoint}/v1"


def _read(url: str, key: str | None) -> bytes:
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {key}"} if key else {})
    with urllib.request.urlopen(request, timeout=ANSWER_SECONDS) as answer:
        return answer.read(MOST_BYTES)
