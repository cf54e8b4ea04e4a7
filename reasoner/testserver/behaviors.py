"""What the test server does, by the model's name: one table, from which docs/failures.md is made as well.

A behavior is a function from a question to a reply: what a model said, an error, bytes, or something done to the connection itself.
"""

import json
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from data.errors import StageError
from reasoner.embedded.author import written
from reasoner.testserver.shapes import Answer, Json, Question, chat_completion, error_body, filled, response


@dataclass(frozen=True, slots=True)
class Error:
    """A status with a JSON body."""

    status: int
    body: Json
    headers: dict[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True, slots=True)
class Raw:
    """A body that is sent as it is; ``chunked``: without saying its length first."""

    body: bytes
    content_type: str = "application/json"
    status: int = 200
    chunked: bool = False


@dataclass(frozen=True, slots=True)
class Broken:
    """Something done to the connection: ``reset`` in the middle of a body, ``cut`` before any, ``drip`` for ever, ``hang`` for ever."""

    how: Literal["reset", "cut", "drip", "hang"]


Reply: TypeAlias = Answer | Error | Raw | Broken


@dataclass(frozen=True, slots=True)
class Behavior:
    """``description``: what happens, as a server's owner would say it, without the model's name."""

    description: str
    reply: Callable[[Question], Reply]


@dataclass(frozen=True, slots=True)
class Models:
    """Further models of a server. ``names``: those that it lists; ``find``: what the model of a name does, None where there is none."""

    names: Sequence[str]
    find: Callable[[str], Behavior | None]


NO_MORE = Models((), lambda _: None)


BEHAVIORS: dict[str, Behavior] = {}
"""By the model's name, in the order in which people want to read them. Any other name is an unknown model."""


def _behavior(name: str, description: str) -> Callable[[Callable[[Question], Reply]], Callable[[Question], Reply]]:
    def add(reply: Callable[[Question], Reply]) -> Callable[[Question], Reply]:
        BEHAVIORS[name] = Behavior(description, reply)
        return reply

    return add


def _always(name: str, description: str, reply: Reply) -> None:
    _behavior(name, description)(lambda _: reply)


# -- good answers

_LIGHTS = ("soft morning light", "warm evening light", "clear noon light", "cool window light", "low golden light", "bright overcast light")
_VIEWS = ("at eye level", "from slightly above", "from a low angle", "in a wide view", "in a close view", "from three quarters")
_STYLES = ("a detailed photograph", "a crisp studio photograph", "a fine oil painting", "a clean digital illustration", "a film still")
_THOUGHTS = ("The user wants a picture of this.", "I keep every detail that is named.", "I add light, view and material.")


def rewritten(question: Question) -> str:
    """A plausible rewrite: the user's words, and details by chance. The same for equal questions with equal seeds."""
    body = question.body
    chance = random.Random(f"{body.get('seed')}/{question.index}/{question.system}/{question.user}")
    wish = " ".join(question.user.split()).rstrip(".!?")
    return (
        f"{wish}, shown as {chance.choice(_STYLES)} {chance.choice(_VIEWS)}, in {chance.choice(_LIGHTS)}, every part in sharp focus "
        "with natural textures, balanced colors, and a calm composition with open space around the subject."
    )


@_behavior("good", "answers well")
def _good(question: Question) -> Reply:
    return Answer(rewritten(question))


@_behavior("thinking", "answers well, with its reasoning in `message.reasoning`")
def _thinking(question: Question) -> Reply:
    return Answer(rewritten(question), reasoning=" ".join(_THOUGHTS))


@_behavior("thinking-content", "answers well, with its reasoning in `message.reasoning_content`")
def _thinking_content(question: Question) -> Reply:
    return Answer(rewritten(question), reasoning=" ".join(_THOUGHTS), reasoning_name="reasoning_content")


@_behavior("schema", "follows the JSON schema that it is sent")
def _schema(question: Question) -> Reply:
    text = rewritten(question)
    return Answer(json.dumps(filled(question.schema, text)) if question.schema else text)


@_behavior("author", "answers well, and writes prompt sets and checklists as the embedded writer does")
def _author(question: Question) -> Reply:
    if not question.user.startswith("{"):
        return _good(question)
    seed = question.body.get("seed")
    try:
        return Answer(written(question.user, seed if isinstance(seed, int) else 0))
    except StageError as error:
        return Answer(None, refusal=str(error))


# -- what not every server takes


@_behavior("old", "knows only `max_tokens`, not `max_completion_tokens`, and has no Responses API")
def _old(question: Question) -> Reply:
    if question.api == "responses":
        return Error(404, {"detail": "Not Found"})
    if "max_completion_tokens" in question.body:
        return Error(400, error_body("Unrecognized request argument supplied: max_completion_tokens"))
    return _good(question)


@_behavior("no-seed", "takes no seed")
def _no_seed(question: Question) -> Reply:
    if "seed" in question.body:
        return Error(400, error_body("Unknown parameter: 'seed'.", code="unknown_parameter", param="seed"))
    return _good(question)


@_behavior("bad-temperature", "takes no temperature but its own")
def _bad_temperature(question: Question) -> Reply:
    if question.body.get("temperature", 1) != 1:
        message = (
            "Unsupported value: 'temperature' does not support the value sent with this model. Only the default (1) value is supported."
        )
        return Error(400, error_body(message, code="unsupported_value", param="temperature"))
    return _good(question)


@_behavior("no-schema", "takes no JSON schema")
def _no_schema(question: Question) -> Reply:
    if question.schema:
        param = "response_format" if question.api == "chat" else "text.format"
        message = f"Invalid parameter: '{param}' of type 'json_schema' is not supported with this model."
        return Error(400, error_body(message, param=param))
    return _good(question)


@_behavior("schema-crash", "breaks (HTTP 500) when it is sent a JSON schema")
def _schema_crash(question: Question) -> Reply:
    if question.schema:
        return Error(
            500, error_body("[{'type': 'literal_error', 'loc': ('body', 'response_format', 'type')}]", kind="internal_server_error")
        )
    return _good(question)


@_behavior("responses-only", "speaks only the Responses API")
def _responses_only(question: Question) -> Reply:
    if question.api == "chat":
        message = "This model is only supported in v1/responses and not in v1/chat/completions."
        return Error(404, error_body(message, param="model"))
    return _good(question)


@_behavior("chat-only", "speaks only chat completions")
def _chat_only(question: Question) -> Reply:
    return Error(404, {"detail": "Not Found"}) if question.api == "responses" else _good(question)


# -- refused: who asks, for what, how often


def unauthorized(key: str) -> Error:
    """HTTP 401, with the key in the message as some servers do."""
    message = f"Incorrect API key provided: {key}. You can find your API key in your account's settings."
    return Error(401, error_body(message, code="invalid_api_key"))


def unknown_model(name: str) -> Error:
    """HTTP 404 for a model that is not there."""
    return Error(404, error_body(f"The model `{name}` does not exist or you do not have access to it.", code="model_not_found"))


@_behavior("unauthorized", "refuses the key (HTTP 401), and quotes it in its message")
def _unauthorized(question: Question) -> Reply:
    return unauthorized(question.key)


_always(
    "forbidden",
    "refuses to let this key use the model (HTTP 403)",
    Error(403, error_body("Project does not have access to this model.", code="model_not_found")),
)


@_behavior("unknown", "has no model of this name (HTTP 404), and lists those it has")
def _unknown(question: Question) -> Reply:
    return unknown_model(question.model)


_SLOW_DOWN = error_body("Rate limit reached for requests.", kind="requests", code="rate_limit_exceeded")
_BUSY = error_body("The engine is currently overloaded, please try again later.", kind="server_error")
_QUOTA = "You exceeded your current quota, please check your plan and billing details."

_always("rate-limited", "asks to slow down (HTTP 429), and says for how many seconds", Error(429, _SLOW_DOWN, {"retry-after": "2"}))
_always("rate-limited-bare", "asks to slow down (HTTP 429), and says no more", Error(429, _SLOW_DOWN))
_always(
    "rate-limited-date",
    "asks to slow down (HTTP 429) until a date that has passed",
    Error(429, _SLOW_DOWN, {"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}),
)
_always(
    "quota",
    "says that the account has no credit left (HTTP 429, `insufficient_quota`)",
    Error(429, error_body(_QUOTA, kind="insufficient_quota", code="insufficient_quota")),
)
_always("payment", "asks for payment (HTTP 402)", Error(402, error_body("Insufficient credits. Add more in your account's settings.")))
_always(
    "context",
    "says that the request is longer than the model's context (HTTP 400)",
    Error(
        400,
        error_body(
            "This model's maximum context length is 4096 tokens. However, your messages resulted in 5120 tokens. "
            "Please reduce the length of the messages.",
            code="context_length_exceeded",
            param="messages",
        ),
    ),
)
_always(
    "content-filter",
    "refuses the request for its content (HTTP 400)",
    Error(400, error_body("Your request was rejected by our safety system.", code="content_policy_violation")),
)
_always("bad-request", "finds something else wrong with the request (HTTP 400)", Error(400, error_body("Invalid value for 'messages'.")))


# -- broken servers

_always("server-error", "breaks (HTTP 500)", Error(500, error_body("The server had an error.", kind="server_error")))
_always(
    "bad-gateway",
    "is down behind a proxy, which sends an HTML page (HTTP 502)",
    Raw(b"<html><head><title>502 Bad Gateway</title></head><body>nginx</body></html>", "text/html", status=502),
)
_always("overloaded", "is overloaded (HTTP 503), and says for how long", Error(503, _BUSY, {"retry-after": "3"}))
_always("reset", "resets the connection in the middle of its answer", Broken("reset"))
_always("drip", "sends its answer byte by byte, and never ends", Broken("drip"))
_always("hang", "takes the request, and never answers", Broken("hang"))


@_behavior("busy-once", "asks to slow down (HTTP 429) the first time")
def _busy_once(question: Question) -> Reply:
    return Error(429, _SLOW_DOWN, {"retry-after": "0.01"}) if question.count == 1 else _good(question)


@_behavior("server-error-once", "breaks (HTTP 500) the first time")
def _server_error_once(question: Question) -> Reply:
    return Error(500, error_body("The server had an error.", kind="server_error")) if question.count == 1 else _good(question)


@_behavior("dead-after-one", "answers once, and from then on drops every connection")
def _dead_after_one(question: Question) -> Reply:
    return _good(question) if question.count == 1 else Broken("cut")


# -- answers that are none


def _body(question: Question, answers: list[Answer]) -> bytes:
    return json.dumps((chat_completion if question.api == "chat" else response)(question, answers)).encode()


@_behavior("no-choices", "answers with an empty list of answers")
def _no_choices(question: Question) -> Reply:
    return Raw(_body(question, []))


_always("null-content", "answers with a message whose content is null", Answer(None))
_always("blank", "answers with spaces only", Answer("  \n "))


@_behavior("truncated-json", "sends half of a JSON body")
def _truncated_json(question: Question) -> Reply:
    return Raw(_body(question, [Answer(rewritten(question))])[:60])


_always("array", "sends valid JSON of another shape", Raw(b'[{"generated_text": "a cat"}]'))
_always("error-body", "sends an error with HTTP 200", Raw(json.dumps(error_body("Provider returned error")).encode()))
_always("html", "sends an HTML page with HTTP 200", Raw(b"<!doctype html><html><title>Welcome</title><p>It works!</html>", "text/html"))


@_behavior("wrong-type", "sends its answer as text/plain")
def _wrong_type(question: Question) -> Reply:
    return Raw(_body(question, [Answer(rewritten(question))]), "text/plain")


def _ten_megabytes() -> Answer:
    return Answer("more and more " * 750_000)


@_behavior("huge", "sends 10 MB")
def _huge(question: Question) -> Reply:
    return Raw(_body(question, [_ten_megabytes()]))


@_behavior("huge-chunked", "sends 10 MB without saying so first")
def _huge_chunked(question: Question) -> Reply:
    return Raw(_body(question, [_ten_megabytes()]), chunked=True)


_always("tool-call", "calls a tool in place of an answer", Answer(None, finish="tool_calls", call={"prompt": "a cat"}))
_always("reasoning-only", "reasons, stops, and says nothing", Answer(None, reasoning=" ".join(_THOUGHTS)))
_always("unfinished", "reasons until it hits the token limit", Answer(None, reasoning=" ".join(_THOUGHTS * 20), finish="length"))
_always("too-long", "hits the token limit in the middle of its answer", Answer("A wide view of a calm place with a great", finish="length"))
_always("refusal", "declines, in the field made for it", Answer(None, refusal="I'm sorry, but I can't assist with that request."))
_always("polite-refusal", "declines, in an ordinary answer", Answer("I'm sorry, but I can't help with that."))
_always("content-filtered", "stops in mid-answer for its content", Answer("A calm pl", finish="content_filter"))


# -- answers that are not only the rewrite


@_behavior("harmony-raw", "sends raw harmony: channels and their markers")
def _harmony_raw(question: Question) -> Reply:
    thoughts = f"<|channel|>analysis<|message|>{' '.join(_THOUGHTS)}<|end|>"
    return Answer(f"{thoughts}<|start|>assistant<|channel|>final<|message|>{rewritten(question)}<|return|>")


@_behavior("harmony-stripped", "sends harmony without its markers (`analysis…assistantfinal…`)")
def _harmony_stripped(question: Question) -> Reply:
    return Answer(f"analysis{' '.join(_THOUGHTS)}assistantfinal{rewritten(question)}")


_always(
    "harmony-unfinished",
    "sends raw harmony that hits the token limit before the final channel",
    Answer(f"<|channel|>analysis<|message|>{' '.join(_THOUGHTS * 20)}", finish="length"),
)


@_behavior("think-tags", "sends its reasoning in `<think>` tags before its answer")
def _think_tags(question: Question) -> Reply:
    return Answer(f"<think>\n{' '.join(_THOUGHTS)}\n</think>\n\n{rewritten(question)}")


@_behavior("fenced", "puts its answer into a code fence")
def _fenced(question: Question) -> Reply:
    return Answer(f"```text\n{rewritten(question)}\n```")


@_behavior("markdown", "answers in Markdown: a bold title and a list")
def _markdown(question: Question) -> Reply:
    return Answer("\n".join(["**Enhanced prompt**", "", *(f"- {part}" for part in rewritten(question).split(", "))]))


@_behavior("chatter", "wraps its answer in talk")
def _chatter(question: Question) -> Reply:
    return Answer(f'Sure! Here is the prompt:\n\n"{rewritten(question)}"\n\nLet me know if you would like any changes!')


_always(
    "other-language",
    "answers in Chinese, whatever it is asked in",
    Answer("一幅细腻的摄影作品，主体清晰地位于画面中央，清晨柔和的光线从左侧洒下，背景干净，色彩自然，质感真实，构图平衡而宁静。"),
)


@_behavior("echo", "sends the system prompt back")
def _echo(question: Question) -> Reply:
    return Answer(question.system)
