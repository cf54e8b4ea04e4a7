"""Chat completions: the request, and what an answer says."""

from collections.abc import Mapping, Sequence
from typing import Any, cast

from data.chat import Chat, Token
from data.errors import FailureKind, StageError
from data.remote.errors import Json
from data.usage import Usage
from reasoner.apis.abilities import Abilities
from reasoner.apis.wire import Said, read_usage, schema_name

PATH = "/chat/completions"
_LIMITS = ("max_completion_tokens", "max_tokens")


def own_parameters(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """The spec's parameters under the names of this API."""
    return dict(parameters)


def request(model: str, chat: Chat, can: Abilities, own: Mapping[str, Any]) -> dict[str, Any]:
    """The body of a request. What the user wrote (``own``) stands in for what we would have sent."""
    body: dict[str, Any] = {
        "model": model,
        "messages": messages(chat),
    }
    if not any(name in own for name in _LIMITS):
        body[can.limit] = chat.max_tokens
    if can.seed:
        body["seed"] = chat.seed
    if can.temperature and chat.temperature is not None:
        body["temperature"] = chat.temperature
    if can.alternatives and chat.alternatives:
        body |= {"logprobs": True, "top_logprobs": chat.alternatives}
    if can.schema and chat.schema is not None:
        format = {"name": schema_name(chat.schema), "schema": chat.schema, "strict": True}
        body["response_format"] = {"type": "json_schema", "json_schema": format}
    return {**body, **own}


def messages(chat: Chat) -> list[dict[str, Any]]:
    """The chat as messages; images follow the user's text as parts of its message."""
    user: Any = chat.user
    if chat.images:
        shown = [{"type": "image_url", "image_url": {"url": image.data_uri}} for image in chat.images]
        user = [{"type": "text", "text": chat.user}, *shown]
    return [{"role": "system", "content": chat.system}, {"role": "user", "content": user}]


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
        tokens_of(choice.get("logprobs")),
    )


def tokens_of(logprobs: object) -> tuple[Token, ...]:
    """The answer's tokens; none where the endpoint hands out none, or in a shape of its own."""
    content = cast(Json, logprobs).get("content") if isinstance(logprobs, Mapping) else None
    try:
        return tuple(
            Token(entry["token"], {top["token"]: float(top["logprob"]) for top in entry["top_logprobs"]})
            for entry in cast(Sequence[Json], content or ())
        )
    except (LookupError, TypeError, ValueError, AttributeError):
        return ()


def _parts(content: object) -> tuple[str, str]:
    """Text and reasoning of a message's content, which some servers send in parts."""
    if not isinstance(content, list):
        return (content, "") if isinstance(content, str) else ("", "")
    parts = cast(Sequence[Json], content)
    thoughts = [_parts(part.get("thinking"))[0] for part in parts if part.get("type") == "thinking"]
    return "".join(part["text"] for part in parts if part.get("type") == "text"), "\n\n".join(thoughts)


def usage_of(answer: Json) -> Usage:
    return read_usage(answer, "prompt_tokens", "completion_tokens")
