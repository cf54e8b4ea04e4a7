"""Engine specs: ``kind:model@endpoint?parameters``, or ``package.module:factory`` for one's own. Parsing only; ui/engines/ builds
engines.

Several endpoints that serve the same model are separated by commas. A spec ends up in the ledger, so it may carry no secret; the parameter
``key_env`` names the environment variable or keyring entry that holds one.
"""

import difflib
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, urlsplit

from data.errors import UsageError

KEY_ENV = "key_env"
KEY_ENV_FORM = re.compile(r"[A-Z][A-Z0-9_]*")
SECRET_WORDS = frozenset(("apikey", "password", "passwd", "secret", "authorization", "bearer", "credential", "credentials"))
"""Words in a parameter's name that say that its value is a secret."""
SECRET_ENDINGS = frozenset(("key", "token"))
"""Words that say so at the name's end: stop_token_ids holds none."""
NO_SECRETS = frozenset(("prompt_cache_key",))
SECRET_VALUE = re.compile(
    r"(sk|pk|rk|gsk|hf|ghp|xai)[-_][A-Za-z0-9_-]{16,}|Bearer\b.*|AIza[A-Za-z0-9_-]{20,}|eyJ[A-Za-z0-9_-]{10,}\..*", re.DOTALL
)
"""Keys of providers, and tokens, are known by how they begin."""
HOW_TO_GIVE_KEYS = "set it in the environment as OPENAI_API_KEY, or under another name and write key_env=NAME"


@dataclass(frozen=True, slots=True)
class Spec:
    """A parsed spec. ``kind`` with a dot is a module, and ``model`` then names the factory in it. Empty: not given.

    ``endpoints`` are all the places that serve the model, without repetition.
    """

    text: str
    kind: str
    model: str = ""
    endpoints: tuple[str, ...] = ()
    parameters: Mapping[str, str | int | float | bool] = field(default_factory=dict[str, "str | int | float | bool"])

    @property
    def endpoint(self) -> str:
        """The first endpoint, or ""."""
        return self.endpoints[0] if self.endpoints else ""


def parse_spec(text: str) -> Spec:
    """Reads a spec; UsageError says what is wrong with it, and never repeats a secret."""
    head, _, query = text.strip().partition("?")
    pairs = [(name.strip(), value.strip()) for name, value in parse_qsl(query, keep_blank_values=True)]
    for name, value in pairs:
        _check_parameter(name, value)
    head, at, places = head.partition("@")
    kind, _, model = head.partition(":")
    if any(SECRET_VALUE.fullmatch(part.strip()) for part in (kind, model, *places.split(","))):
        raise UsageError("the engine spec has a secret where its kind, model or endpoint belongs", hint=HOW_TO_GIVE_KEYS)
    if not kind.strip():
        raise UsageError(
            f"the engine spec {text.strip()!r} names no kind",
            hint="write kind:model@endpoint?parameter=value, for example openai:gpt-5.5",
        )
    return Spec(text.strip(), kind.strip(), model.strip(), _endpoints(places) if at else (), {name: _value(value) for name, value in pairs})


def _endpoints(places: str) -> tuple[str, ...]:
    endpoints = tuple(place.strip() for place in places.split(","))
    for endpoint in endpoints:
        _check_endpoint(endpoint)
    seen: set[str] = set()
    for endpoint in endpoints:
        if endpoint.rstrip("/") in seen:
            raise UsageError(f"the engine spec names the endpoint {endpoint} twice", hint="name each once, separated by commas")
        seen.add(endpoint.rstrip("/"))
    return endpoints


def _check_endpoint(endpoint: str) -> None:
    if "@" in endpoint:
        # Not repeated: what stands before the @ may be a password.
        raise UsageError("an endpoint may not carry a user name or password, since specs end up in the ledger", hint=HOW_TO_GIVE_KEYS)
    try:
        parts = urlsplit(endpoint)
        is_one = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_one = False
    if not is_one or any(character.isspace() for character in endpoint):
        raise UsageError(
            f"{endpoint!r} is no endpoint",
            hint="write it with http:// or https://, for example @http://localhost:8000/v1; several are separated by commas",
        )


def _check_parameter(name: str, value: str) -> None:
    if name == KEY_ENV:
        if not KEY_ENV_FORM.fullmatch(value):
            raise UsageError(
                f"{KEY_ENV} takes the name of an environment variable, in capitals; what it has is none, and is not repeated here",
                hint=f"write for example {KEY_ENV}=OPENROUTER_API_KEY, and keep the key itself in that variable",
            )
    elif _names_secret(name) or SECRET_VALUE.fullmatch(value) or SECRET_VALUE.fullmatch(name):
        shown = "a parameter" if SECRET_VALUE.fullmatch(name) else repr(name)
        raise UsageError(f"the engine spec carries a secret in {shown}, and specs end up in the ledger", hint=HOW_TO_GIVE_KEYS)


def _names_secret(name: str) -> bool:
    words = re.findall(r"[a-z0-9]+", re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower())
    return name not in NO_SECRETS and bool(words) and (words[-1] in SECRET_ENDINGS or not SECRET_WORDS.isdisjoint(words))


def _value(text: str) -> str | int | float | bool:
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    for kind in (int, float):
        try:
            number = kind(text)
            # "nan" and "inf" are words as well as numbers, and no parameter means the number.
            return number if math.isfinite(number) else text
        except (ValueError, OverflowError):
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
