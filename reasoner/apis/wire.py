"""What the two protocols have in common: what an answer holds, and the reading of usage."""

from typing import NamedTuple

from data.chat import Token
from data.remote.errors import Json
from data.usage import Usage


class Said(NamedTuple):
    """An answer as it came, in the words of chat completions: what reasoner.channels.final_answer reads."""

    content: str
    reasoning: str
    finish: str
    refusal: str
    tool_called: bool
    tokens: tuple[Token, ...] = ()


def read_usage(answer: Json, sent: str, received: str) -> Usage:
    """An answer's usage, whose parts are called ``sent`` and ``received``. What is not said is 0; the cost is not known here."""
    usage: Json = answer.get("usage") or {}
    details: Json = usage.get(f"{sent}_details") or {}
    output_details: Json = usage.get(f"{received}_details") or {}
    return Usage(
        usage.get(sent) or 0,
        usage.get(received) or 0,
        None,
        details.get("cached_tokens") or 0,
        output_details.get("reasoning_tokens") or 0,
    )


def schema_name(schema: Json) -> str:
    """The name under which a schema is sent."""
    return str(schema.get("title") or "answer")
