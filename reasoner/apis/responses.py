"""The Responses API: the request, and what an answer says. It has no seed, and log-probabilities are not asked for:
the models that speak it reason, and have none."""

from collections.abc import Mapping
from typing import Any

from data.chat import Chat
from data.errors import FailureKind, StageError
from data.remote.errors import Json
from data.usage import Usage
from reasoner.apis.abilities import Abilities
from reasoner.apis.wire import Said, read_usage, schema_name

PATH = "/responses"
_NAMES = {
    "max_tokens": ("max_output_tokens",),
    "max_completion_tokens": ("max_output_tokens",),
    "reasoning_effort": ("reasoning", "effort"),
    "reasoning_summary": ("reasoning", "summary"),
    "verbosity": ("text", "verbosity"),
}
"""Where parameters stand here that chat completions have at the top, under the names that people know."""
_FINISH = {"max_output_tokens": "length", "content_filter": "content_filter"}


def own_parameters(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """The spec's parameters under the names of this API."""
    own: dict[str, Any] = {}
    for name, value in parameters.items():
        outer, *inner = _NAMES.get(name, (name,))
        if inner:
            own[outer] = {**own.get(outer, {}), inner[0]: value}
        else:
            own[outer] = value
    return own


def request(model: str, chat: Chat, can: Abilities, own: Mapping[str, Any]) -> dict[str, Any]:
    """The body of a request. What the user wrote (``own``) stands in for what we would have sent."""
    # `store`: otherwise OpenAI keeps the answer for a month, for follow-ups that never come.
    body: dict[str, Any] = {"model": model, "instructions": chat.system, "input": _input(chat), "store": False}
    if can.temperature and chat.temperature is not None:
        body["temperature"] = chat.temperature
    body |= {"max_output_tokens": chat.max_tokens, **own}
    if can.schema and chat.schema is not None:
        format = {"type": "json_schema", "name": schema_name(chat.schema), "schema": chat.schema, "strict": True}
        body["text"] = {"format": format, **own.get("text", {})}
    return body


def _input(chat: Chat) -> Any:
    if not chat.images:
        return chat.user
    shown = [{"type": "input_image", "image_url": image.data_uri} for image in chat.images]
    return [{"role": "user", "content": [{"type": "input_text", "text": chat.user}, *shown]}]


def read_answer(answer: Json) -> Said:
    """What the output items say. StageError MALFORMED where there are none; errors of Python's own where the shape is another."""
    details: Json = answer.get("incomplete_details") or {}
    reason: str | None = details.get("reason")
    if not answer["output"] and not reason:
        raise StageError(
            FailureKind.MALFORMED, "the endpoint answered without output items", retryable=True, hint="look at the server's own log"
        )
    thoughts, refusals = list[str](), list[str]()
    texts: dict[str, list[str]] = {"": [], "final_answer": [], "commentary": []}
    tool_called = False
    for item in answer["output"]:
        kind = item["type"]
        if kind == "reasoning":
            thoughts += [part["text"] for part in [*(item.get("summary") or ()), *(item.get("content") or ())]]
        elif kind == "message":
            refusals += [part["refusal"] for part in item["content"] if part["type"] == "refusal"]
            said = [part["text"] for part in item["content"] if part["type"] == "output_text"]
            # Newer models mark which of their messages is only commentary.
            texts.setdefault(item.get("phase") or "", []).extend(said)
        else:
            tool_called |= kind.endswith("_call")
    finals = texts["final_answer"] or texts[""]
    thoughts += texts["commentary"]
    finish = _FINISH.get(reason, "stop") if reason else "stop"
    return Said("".join(finals), "\n\n".join(thoughts), finish, "\n".join(refusals), tool_called)


def usage_of(answer: Json) -> Usage:
    return read_usage(answer, "input_tokens", "output_tokens")
