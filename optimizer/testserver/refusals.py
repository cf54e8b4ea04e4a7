"""What servers of vision models refuse before the model looks: images, large ones, and what a judge asks for beside an answer."""

from collections.abc import Callable
from typing import TypeAlias

from optimizer.testserver.asking import images as images_of
from optimizer.testserver.sight import look
from reasoner.testserver.behaviors import BEHAVIORS, Error
from reasoner.testserver.shapes import Question, error_body

LARGEST = 300
"""Pixels along the longer side of an image that is not too large."""

Refusal: TypeAlias = Callable[[Question], Error | None]


def nothing(question: Question) -> Error | None:
    """Takes all."""
    return None


def images(question: Question) -> Error | None:
    """Takes none, as vLLM says it."""
    return Error(400, error_body(f"{question.model} is not a multimodal model", kind="BadRequestError")) if question.images else None


def large_images(question: Question) -> Error | None:
    """Takes small ones."""
    for content in images_of(question):
        sight = look(content)
        if sight and max(sight.size) > LARGEST:
            width, height = sight.size
            message = f"The image of {width}x{height} is too large: at most {LARGEST}x{LARGEST} pixels are read."
            return Error(400, error_body(message, code="invalid_image", param="messages"))
    return None


def log_probabilities(question: Question) -> Error | None:
    """Has none."""
    if "logprobs" in question.body:
        return Error(400, error_body("This model does not support logprobs.", code="unsupported_parameter", param="logprobs"))
    return None


def schema(question: Question) -> Error | None:
    """Takes none, as the ordinary model does."""
    return _as("no-schema", question)


def temperature(question: Question) -> Error | None:
    """Takes none but its own, as the ordinary model does."""
    return _as("bad-temperature", question)


def _as(name: str, question: Question) -> Error | None:
    reply = BEHAVIORS[name].reply(question)
    return reply if isinstance(reply, Error) else None
