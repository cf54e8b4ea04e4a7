"""Answers in the shapes of the two APIs for texts: chat completions and Responses, whole and streamed, and the errors of both.

Field names are those of OpenAI's API. Reasoning stands in ``message.reasoning``, as with vLLM, or in ``reasoning_content``, as with others.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from data.chat import Token

Api: TypeAlias = Literal["chat", "responses", "images", "moderations"]
Json: TypeAlias = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Question:
    """A request as behaviors read it. ``count``: how many came for this model so far, this one included; ``index``: which of its n."""

    api: Api
    model: str
    body: Json
    key: str
    count: int
    index: int = 0

    @property
    def system(self) -> str:
        if self.api == "responses" and self.body.get("instructions"):
            return str(self.body["instructions"])
        return _text_of(self._messages(), "system", "developer")

    @property
    def user(self) -> str:
        return str(self.body.get("prompt")) if self.api == "images" else _text_of(self._messages(), "user")

    def _messages(self) -> Any:
        if self.api == "images":
            return []
        said: Any = self.body.get("messages" if self.api == "chat" else "input") or []
        return [{"role": "user", "content": said}] if isinstance(said, str) else said

    @property
    def images(self) -> list[str]:
        """The images in the messages of a chat or of a Responses input, or in the input of a moderation, as data URIs."""
        said: Any = self.body.get("messages" if self.api == "chat" else "input") or []
        entries: list[Json] = [] if isinstance(said, str) else said
        contents: list[Any] = [entries] if self.api == "moderations" else [entry.get("content") for entry in entries]
        parts: list[Json] = [part for content in contents if isinstance(content, list) for part in content]  # pyright: ignore[reportUnknownVariableType]
        return [uri for part in parts if (uri := _image_in(part))]

    @property
    def schema(self) -> Json | None:
        """The JSON schema that the answer should follow."""
        path = ("response_format", "json_schema") if self.api == "chat" else ("text", "format")
        found: Json = self.body
        for name in (*path, "schema"):
            found = found.get(name) or {}
        return found or None


def _text_of(messages: Any, *roles: str) -> str:
    """The last message of one of ``roles``; content parts are joined."""
    content: Any = next((message.get("content") for message in reversed(messages) if message.get("role") in roles), "")
    return content if isinstance(content, str) else " ".join(part.get("text", "") for part in content)


def _image_in(part: Json) -> str | None:
    """The image in a part of a message, in either API's shape."""
    match part:
        case {"type": "image_url", "image_url": {"url": str(uri)}} | {"type": "input_image", "image_url": str(uri)}:
            return uri
        case _:
            return None


@dataclass(frozen=True, slots=True)
class Answer:
    """What a model said. ``finish`` is a chat completion's finish_reason; ``call`` is the arguments of a tool call in place of a text.

    ``tokens`` make up the text. They go into a whole chat completion that was asked for log-probabilities; () is a model that has none.
    """

    text: str | None
    reasoning: str = ""
    finish: Literal["stop", "length", "content_filter", "tool_calls"] = "stop"
    refusal: str | None = None
    call: Json | None = None
    reasoning_name: Literal["reasoning", "reasoning_content"] = "reasoning"
    tokens: tuple[Token, ...] = ()


# -- chat completions


def chat_completion(question: Question, answers: list[Answer]) -> Json:
    """The body of a chat completion; no choices where there are no answers."""
    return {
        "id": "chatcmpl-test",
        "object": "chat.completion",
        "created": 1,
        "model": question.model,
        "choices": [
            {"index": index, "finish_reason": answer.finish, "logprobs": _logprobs(question, answer), "message": _message(answer)}
            for index, answer in enumerate(answers)
        ],
        "usage": _chat_usage(question, answers),
    }


def _logprobs(question: Question, answer: Answer) -> Json | None:
    if not question.body.get("logprobs") or not answer.tokens:
        return None
    most = question.body.get("top_logprobs") or 0
    return {"content": [_token(token, most) for token in answer.tokens], "refusal": None}


def _token(token: Token, most: int) -> Json:
    """A token and the likeliest ones in its place, itself among them, at most ``most``."""

    def one(text: str, logprob: float) -> Json:
        return {"token": text, "logprob": logprob, "bytes": list(text.encode())}

    likeliest = sorted(token.alternatives.items(), key=lambda entry: -entry[1])[:most]
    return one(token.text, token.alternatives[token.text]) | {"top_logprobs": [one(*entry) for entry in likeliest]}


def _message(answer: Answer) -> Json:
    message: Json = {"role": "assistant", "content": answer.text, "refusal": answer.refusal}
    if answer.reasoning:
        message[answer.reasoning_name] = answer.reasoning
    if answer.call is not None:
        function = {"name": "draw", "arguments": json.dumps(answer.call)}
        message["tool_calls"] = [{"id": "call_test", "type": "function", "function": function}]
    return message


def chat_chunks(question: Question, answers: list[Answer]) -> Iterator[str]:
    """The same, streamed word by word; usage comes in a last chunk if the request asks for it."""

    def chunk(choices: list[Json], **more: Any) -> str:
        body = {"id": "chatcmpl-test", "object": "chat.completion.chunk", "created": 1, "model": question.model, "choices": choices}
        return f"data: {json.dumps(body | more)}\n\n"

    for index, answer in enumerate(answers):
        message = _message(answer)
        text, reasoning = message.pop("content"), message.pop(answer.reasoning_name, "")
        deltas: list[Json] = [message | {"content": ""}]
        deltas += [{answer.reasoning_name: word} for word in reasoning.split(" ") if reasoning]
        deltas += [{"content": word} for word in _pieces(text or "")]
        for delta in deltas:
            yield chunk([{"index": index, "delta": delta, "finish_reason": None}])
        yield chunk([{"index": index, "delta": {}, "finish_reason": answer.finish}])
    options: Json = question.body.get("stream_options") or {}
    if options.get("include_usage"):
        yield chunk([], usage=_chat_usage(question, answers))
    yield "data: [DONE]\n\n"


def _chat_usage(question: Question, answers: list[Answer]) -> Json:
    usage = _usage(question, answers)
    return {
        "prompt_tokens": usage.sent,
        "completion_tokens": usage.received,
        "total_tokens": usage.sent + usage.received,
        "prompt_tokens_details": {"cached_tokens": usage.cached},
        "completion_tokens_details": {"reasoning_tokens": usage.reasoning},
    }


# -- Responses


def response(question: Question, answers: list[Answer]) -> Json:
    """The body of a Responses answer; no output where there are no answers. This API has no n: all answers come as items."""
    finish = answers[0].finish if answers else "stop"
    reason = {"length": "max_output_tokens", "content_filter": "content_filter"}.get(finish)
    return {
        "id": "resp_test",
        "object": "response",
        "created_at": 1,
        "model": question.model,
        "status": "incomplete" if reason else "completed",
        "incomplete_details": {"reason": reason} if reason else None,
        "error": None,
        "output": [item for answer in answers for item in _items(answer)],
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
        "usage": _response_usage(question, answers),
    }


def _items(answer: Answer) -> Iterator[Json]:
    if answer.reasoning:
        content = [{"type": "reasoning_text", "text": answer.reasoning}]
        yield {"id": "rs_test", "type": "reasoning", "summary": [], "content": content}
    if answer.call is not None:
        yield {"id": "fc_test", "type": "function_call", "call_id": "call_test", "name": "draw", "arguments": json.dumps(answer.call)}
    parts: list[Json] = []
    if answer.text is not None:
        parts.append({"type": "output_text", "text": answer.text, "annotations": []})
    if answer.refusal is not None:
        parts.append({"type": "refusal", "refusal": answer.refusal})
    if parts or not (answer.reasoning or answer.call):
        status = "completed" if answer.finish == "stop" else "incomplete"
        yield {"id": "msg_test", "type": "message", "role": "assistant", "status": status, "content": parts}


def response_events(question: Question, answers: list[Answer]) -> Iterator[str]:
    """The same, streamed: the text word by word, then the whole."""
    whole = response(question, answers)
    number = 0

    def event(kind: str, **fields: Any) -> str:
        nonlocal number
        number += 1
        return f"event: {kind}\ndata: {json.dumps({'type': kind, 'sequence_number': number} | fields)}\n\n"

    yield event("response.created", response=whole | {"status": "in_progress", "output": [], "usage": None})
    for place, item in enumerate(whole["output"]):
        yield event("response.output_item.added", output_index=place, item=item | {"content": [], "status": "in_progress"})
        for index, part in enumerate(item.get("content", [])):
            if part["type"] == "output_text":
                where = {"item_id": item["id"], "output_index": place, "content_index": index}
                yield event("response.content_part.added", **where, part=part | {"text": ""})
                for word in _pieces(part["text"]):
                    yield event("response.output_text.delta", **where, delta=word, logprobs=[])
                yield event("response.output_text.done", **where, text=part["text"], logprobs=[])
                yield event("response.content_part.done", **where, part=part)
        yield event("response.output_item.done", output_index=place, item=item)
    yield event(f"response.{whole['status']}", response=whole)


def _response_usage(question: Question, answers: list[Answer]) -> Json:
    usage = _usage(question, answers)
    return {
        "input_tokens": usage.sent,
        "input_tokens_details": {"cached_tokens": usage.cached, "cache_write_tokens": 0},
        "output_tokens": usage.received,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning},
        "total_tokens": usage.sent + usage.received,
    }


# -- both


@dataclass(frozen=True, slots=True)
class _Usage:
    """Tokens, a word each. The system prompt counts as cached always: what really was depends on who else asked before."""

    sent: int
    cached: int
    received: int
    reasoning: int


def _usage(question: Question, answers: list[Answer]) -> _Usage:
    system, user = len(question.system.split()), len(question.user.split())
    reasoning = sum(len(answer.reasoning.split()) for answer in answers)
    texts = sum(len((answer.text or answer.refusal or "").split()) for answer in answers)
    return _Usage(system + user, system, reasoning + texts, reasoning)


def _pieces(text: str) -> list[str]:
    """``text`` in pieces as a stream sends them; joined they are ``text``."""
    words = text.split(" ")
    return [*(f"{word} " for word in words[:-1]), words[-1]] if text else []


def error_body(message: str, *, kind: str = "invalid_request_error", code: str | None = None, param: str | None = None) -> Json:
    """An error as OpenAI-shaped servers send it."""
    return {"error": {"message": message, "type": kind, "param": param, "code": code}}


def filled(schema: Json, text: str) -> Any:
    """The smallest value that follows ``schema``; its first free string is ``text``."""
    spare = [text]

    def value(of: Json) -> Any:
        for name in ("const", "default"):
            if name in of:
                return of[name]
        if options := of.get("enum") or of.get("examples"):
            return options[0]
        if "anyOf" in of:
            return value(of["anyOf"][0])
        match _first(of.get("type")):
            case "object":
                properties = of.get("properties", {})
                return {name: value(properties[name]) for name in properties if name in of.get("required", properties)}
            case "array":
                return [value(of.get("items", {})) for _ in range(of.get("minItems", 0))]
            case "string":
                return spare.pop() if spare else ""
            case "integer" | "number":
                return of.get("minimum", 0)
            case "boolean":
                return False
            case _:
                return None

    return value(schema)


def _first(kinds: str | list[str] | None) -> str | None:
    """A schema's "type", the first where it names several."""
    return kinds[0] if isinstance(kinds, list) else kinds
