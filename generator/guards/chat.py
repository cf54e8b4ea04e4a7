"""Any chat model as a guard: it is given a policy (policy.md unless told otherwise) and what to check, and answers yes or no.

For example gpt-oss-safeguard on vLLM, which reads texts only, or a model with vision. A model can be talked into things: this keeps
ordinary users from ordinary harm, and is no lock. An answer that can't be read lets nothing pass.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any, cast

from data.errors import FailureKind, StageError, UsageError
from data.identity import canonical_json, content_id, short
from data.remote.client import Client, parameter_value
from data.remote.errors import Json, takes_no_images
from data.remote.prices import cost_of
from data.usage import Usage
from generator.guard import Verdict
from generator.guards.remote import WORDING, Material, RemoteGuard

SPARE = {"temperature": "takes no temperature: its verdicts may differ from one time to the next"}
OURS = ("model", "messages", "stream", "n")
"""Parameters that a spec can't set."""
MOST_READ = 20_000
"""Characters of an answer, its last ones, in which the verdict is looked for."""


def shipped_policy() -> str:
    """The policy that comes with the package."""
    return resources.files("generator.guards").joinpath("policy.md").read_text(encoding="utf-8")


class ChatGuardEndpoint:
    """A data.remote.balance.Endpoint: one address and model. ``url`` None is OpenAI's own. ``parameters`` go into every call."""

    def __init__(
        self, model: str, *, url: str | None, api_key: str | None, parameters: Mapping[str, Any], policy: str, timeout: float
    ) -> None:
        self._model = model
        self._own = {name: parameter_value(value) for name, value in parameters.items()}
        self._policy = policy
        self._client = Client(model, url=url, api_key=api_key, own=tuple(self._own), timeout=timeout, wording=WORDING)

    @property
    def name(self) -> str:
        """The address, without what it may hold of secrets."""
        return self._client.name

    async def ready(self) -> None:
        """Always is: a server that is down shows at the call."""

    async def aclose(self) -> None:
        """Ends the connections that are kept open between calls."""
        await self._client.aclose()

    async def answer(self, material: Material) -> Verdict:
        """Judges a text or an image; raises StageError."""
        messages = [{"role": "system", "content": self._policy}, {"role": "user", "content": _shown(material)}]
        body = {"model": self._model, "messages": messages, "temperature": 0} | self._own
        try:
            answer, _ = await self._client.ask("/chat/completions", body, SPARE)
        except StageError as error:
            if not material.image or not takes_no_images(str(error)):
                raise
            raise StageError(
                FailureKind.UNSUPPORTED,
                f"{self._model} takes no images, so it can't check them: {error}",
                hint="write ?images=false in the guard's spec to check texts only, or use a model with vision",
            ) from None
        return self._verdict(answer)

    def _verdict(self, answer: Json) -> Verdict:
        usage = self._usage(answer.get("usage"))
        choices: Any = answer.get("choices")
        choice = _mapping(cast("list[Any]", choices)[0] if isinstance(choices, list) and choices else None)
        content = _mapping(choice.get("message")).get("content")
        said = _last_verdict(content) if isinstance(content, str) and choice.get("finish_reason") != "length" else None
        if said is None:
            seen = f": {self._client.to.hidden(content, 60)!r}" if isinstance(content, str) else ""
            message = f"{self._model} at {self.name} gave no verdict that can be read{seen}"
            raise StageError(FailureKind.MALFORMED, message, retryable=True, hint="use another model as the guard", usage=usage)
        allowed, reason = said
        return Verdict(not allowed, self._client.to.hidden(reason), usage)

    def _usage(self, used: object) -> Usage:
        counted = _mapping(used)
        sent, received = (value if isinstance(value := counted.get(name), int) else 0 for name in ("prompt_tokens", "completion_tokens"))
        usage = Usage(sent, received, cost=None)
        cost = cost_of(self._model, usage, region=self._client.region) if sent and self._client.region is not None else None
        return Usage(sent, received, cost)


def _shown(material: Material) -> str | list[dict[str, Any]]:
    if not material.image:
        # As JSON, so that the text can't look like the end of itself.
        return f"The text to check, as a JSON string:\n{json.dumps(material.text, ensure_ascii=False)}"
    return [{"type": "text", "text": "The image to check:"}, {"type": "image_url", "image_url": {"url": material.image}}]


def _last_verdict(content: str) -> tuple[bool, str] | None:
    """Whether it is allowed, and why, by the last JSON object that says so; models talk before it, and some after it."""
    found: tuple[bool, str] | None = None
    for said in _objects(content[-MOST_READ:]):
        if "allowed" in said:
            word = str(said["allowed"]).strip().lower()
            found = (word == "true", str(said.get("reason") or "")) if word in ("true", "false") else None
    return found


def _objects(text: str) -> Iterator[Json]:
    """The JSON objects in a text, outermost only."""
    decoder = json.JSONDecoder()
    start = text.find("{")
    while start >= 0:
        end = start + 1
        try:
            value, end = decoder.raw_decode(text, start)
            yield value
        except (ValueError, RecursionError):
            pass
        start = text.find("{", end)


def _policy_in(file: Path) -> str:
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise UsageError(f"the guard's policy can't be read: {error}", hint="name a text file: ?policy=FILE") from None
    if not text.strip():
        raise UsageError(f"the guard's policy {file} is empty", hint="leave ?policy= out for the shipped one")
    return text


def _mapping(value: object) -> Json:
    return cast(Json, value) if isinstance(value, Mapping) else {}


def chat_guard(
    model: str,
    *,
    urls: Sequence[str] = (),
    api_key: str | None,
    policy: str = "",
    images: bool = True,
    most: int,
    timeout: float,
    **parameters: Any,
) -> RemoteGuard:
    """A Guard over ``urls``, which all serve ``model``; none is OpenAI's own. At most ``most`` calls at once, each of at most ``timeout``
    seconds. ``policy``: the file of the system prompt to judge by; "": the shipped one. ``images`` False: texts only. ``parameters``
    (reasoning_effort, temperature ...) go into every call.

    UsageError where policy, parameters or key can't be meant.
    """
    if wrong := [name for name in OURS if name in parameters]:
        raise UsageError(f"{wrong[0]} can't be set in the guard's spec", hint=f"leave {wrong[0]} out")
    rules = _policy_in(Path(policy)) if policy else shipped_policy()
    endpoints = [
        ChatGuardEndpoint(model, url=url, api_key=api_key, parameters=parameters, policy=rules, timeout=timeout) for url in urls or (None,)
    ]
    settings = {**parameters, "images": images, "policy": short(content_id("policy", rules))}
    return RemoteGuard(f"chat:{model}?{canonical_json(settings)}", endpoints, images=images, most=most, timeout=timeout)
