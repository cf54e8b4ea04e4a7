"""Chat completions: the request, and what an answer says."""

from collections.abc import Mapping, Sequence
from typing import Any, cast

from data.errors import FailureKind, StageError
from data.remote.errors import Json
from data.usage import Usage
from reasoner.apis.abilities import Abilities
from reasoner.apis.wire import Said, read_usage, schema_name
from reasoner.chat import Chat

PATH = "/chat/completions"
_LIMITS = ("max_completion_tokens", "max_tokens")


def own_parameters(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """The spec's parameters under the names of this API."""
    return dict(parameters)


def request(model: str, chat: Chat, can: Abilities, own: Mapping[str, Any]) -> dict[str, Any]:
    """The body of a request. What the user wrote (``own``) stands in for what we would have sent."""
    body: dict[str, Any] = {
        "model": model,
        "messages": [{"role": "system", "content": chat.system}, {"role": "user", "content": chat.user}],
    }
    if not any(name in own for name in _LIMITS):
        body[can.limit] = chat.max_tokens
    if can.seed:
        body["seed"] = chat.seed
    if can.schema and chat.schema is not None:
        format = {"name": schema_name(chat.schema), "schema": chat.schema, "strict": True}
        body["response_format"] = {"type": "json_schema", "json_schema": format}
    return {**body, **own}


def read_answer(answer: Json) -> Said:
    """What the first choice says. StageError MALFORMED where there is none; errors of Python's own where the shape is another."""
    if not answer.get("choices"):
        raise StageError(
            FailureKind.MALFORMED, "the endpoint answered without choices", retryable=True, hint="look at the server's own log"
        )
    choice = answer["choices"][0]
    message = choice["message"]
    content, thought = _parts(message.get("content"))
    return Said(
        content,
        # vLLM and OpenRouter call it `reasoning`, others `reasoning_content`.
        str(message.get("reasoning") or message.get("reasoning_content") or thought),
        choice.get("finish_reason") or "stop",
        message.get("refusal") or "",
        bool(message.get("tool_calls") or message.get("function_call")),
    )


def _parts(content: object) -> tuple[str, str]:
    """Text and reasoning of a message's content, which some servers send in parts."""
    if not isinstance(content, list):
        return (content, "") if isinstance(content, str) else ("", "")
    parts = cast(Sequence[Json], content)
    thoughts = [_parts(part.get("thinking"))[0] for part in parts if part.get("type") == "thinking"]
    return "".join(part["text"] for part in parts if part.get("type") == "text"), "\n\n".join(thoughts)


def usage_of(answer: Json) -> Usage:
    return read_usage(answer, "prompt_tokens", "completion_tokens")
