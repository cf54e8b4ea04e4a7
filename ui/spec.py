"""Engine specs: ``kind:model@endpoint?parameters``, or ``package.module:factory`` for one's own. Parsing only; ui/wiring.py builds
engines."""

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, urlsplit

from data.errors import UsageError

SECRET_NAMES = ("key", "api_key", "apikey", "token", "password", "secret", "authorization")


@dataclass(frozen=True, slots=True)
class Spec:
    """A parsed spec. ``kind`` with a dot is a module, and ``model`` then names the factory in it. Empty strings: not given."""

    text: str
    kind: str
    model: str = ""
    endpoint: str = ""
    parameters: Mapping[str, str | int | float | bool] = field(default_factory=dict[str, "str | int | float | bool"])


def parse_spec(text: str) -> Spec:
    """Reads a spec; UsageError says what is wrong with it."""
    head, _, query = text.strip().partition("?")
    head, _, endpoint = head.partition("@")
    kind, _, model = head.partition(":")
    if not kind:
        raise UsageError(
            f"the engine spec {text!r} names no kind", hint="write kind:model@endpoint?parameter=value, for example openai:gpt-5.5"
        )
    if endpoint:
        _check_endpoint(endpoint)
    pairs = parse_qsl(query, keep_blank_values=True)
    for name, _ in pairs:
        if name.lower() in SECRET_NAMES:
            raise UsageError(
                f"the engine spec carries a secret in {name!r}, and specs end up in the ledger",
                hint="set it in the environment: OPENAI_API_KEY",
            )
    return Spec(text.strip(), kind.strip(), model.strip(), endpoint.strip(), {name: _value(value) for name, value in pairs})


def _check_endpoint(endpoint: str) -> None:
    parts = urlsplit(endpoint)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise UsageError(f"{endpoint!r} is no endpoint", hint="write it with http:// or https://, for example @http://localhost:8000/v1")
    if parts.username or parts.password:
        raise UsageError(
            "an endpoint may not carry a user name or password, since specs end up in the ledger", hint="set OPENAI_API_KEY instead"
        )


def _value(text: str) -> str | int | float | bool:
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def nearest(wanted: str, there_are: Iterable[str]) -> list[str]:
    """The names there are, the one nearest to ``wanted`` first, the rest in their own order."""
    names = list(there_are)
    close = difflib.get_close_matches(wanted, names, n=3, cutoff=0.4)
    return close + [name for name in names if name not in close]


def unknown(what: str, wanted: str, there_are: Iterable[str]) -> UsageError:
    """The error for a name that does not exist: what there is, nearest first."""
    return UsageError(f"unknown {what} {wanted!r}", hint=f"there are: {', '.join(nearest(wanted, there_are))}")
