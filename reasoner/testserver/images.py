"""What the test server does when it is asked for images, for a moderation or for a guard's verdict, by the model's name.

Only what is about these: everything else that a server can do wrong stands in behaviors.py, and happens here as well. Where a chat model
would answer well, an image is drawn, or a verdict given.
"""

import base64
import hashlib
import io
import json
from collections.abc import Callable
from typing import Any

from PIL import Image

from reasoner.testserver.behaviors import Behavior, Error, Raw, Reply
from reasoner.testserver.shapes import Answer, Json, Question, error_body

FORBIDDEN = "forbidden"
"""The word for which moderations and guards let a text not pass."""
RED = (255, 0, 0)
"""The color of an image's first pixel for which they let an image not pass. Images of texts with "red" begin with it."""

IMAGES: dict[str, Behavior] = {}
"""By the model's name: what is answered to a request for an image."""
VERDICTS: dict[str, Behavior] = {}
"""By the model's name: what is answered where a chat model is asked to judge a text or an image."""


def _image_behavior(name: str, description: str) -> Callable[[Callable[[Question], Reply]], Callable[[Question], Reply]]:
    return _adding(IMAGES, name, description)


def _verdict(name: str, description: str) -> Callable[[Callable[[Question], Reply]], Callable[[Question], Reply]]:
    return _adding(VERDICTS, name, description)


def _adding(
    table: dict[str, Behavior], name: str, description: str
) -> Callable[[Callable[[Question], Reply]], Callable[[Question], Reply]]:
    def add(reply: Callable[[Question], Reply]) -> Callable[[Question], Reply]:
        table[name] = Behavior(description, reply)
        return reply

    return add


# -- good images


def drawn(question: Question, *, kind: str = "PNG", size: tuple[int, int] | None = None) -> bytes:
    """A small pattern as a file: the same for the same text, seed and size, and another one for others. ``kind``: a format's name."""
    body = question.body
    width, height = size or _size(body)
    digest = hashlib.sha256(f"{body.get('prompt')}/{body.get('seed')}".encode()).digest()
    tile = Image.frombytes("RGB", (3, 3), digest[:27])
    image = tile.resize((width, height), Image.Resampling.NEAREST)
    if "red" in str(body.get("prompt")).split():
        image.putpixel((0, 0), RED)
    file = io.BytesIO()
    image.save(file, kind)
    return file.getvalue()


def _size(body: Json) -> tuple[int, int]:
    width, _, height = str(body.get("size") or "256x256").partition("x")
    return int(width), int(height)


def images_body(question: Question, *items: Json, **more: Any) -> Json:
    """The body of an answer with ``items`` as its images."""
    return {"created": 1, "data": list(items), **more}


def image_body(question: Question, content: bytes | None = None, **more: Any) -> Json:
    """The body of an answer with one image, ``content`` or a good one; ``more`` stands beside it."""
    item = {"b64_json": base64.b64encode(drawn(question) if content is None else content).decode(), **more}
    return images_body(question, item)


def _sent(body: Json) -> Raw:
    return Raw(json.dumps(body).encode())


@_image_behavior("gpt-image", "draws as OpenAI's GPT Image does: takes neither a seed nor `response_format`, and counts tokens")
def _gpt_image(question: Question) -> Reply:
    for name in ("response_format", "seed"):
        if name in question.body:
            return Error(400, error_body(f"Unknown parameter: '{name}'.", code="unknown_parameter", param=name))
    details = {"text_tokens": 9, "image_tokens": 0}
    usage = {"input_tokens": 9, "output_tokens": 1056, "total_tokens": 1065, "input_tokens_details": details}
    return _sent(image_body(question) | {"usage": usage})


@_image_behavior("wants-base64", "sends an address unless it is asked for base64")
def _wants_base64(question: Question) -> Reply:
    return _sent(image_body(question)) if question.body.get("response_format") == "b64_json" else _url_only(question)


@_image_behavior("strict", "refuses fields that it does not know, a seed among them (HTTP 422), as FastAPI does")
def _strict(question: Question) -> Reply:
    known = ("model", "prompt", "n", "size", "response_format")
    unknown = [name for name in question.body if name not in known]
    detail = [{"type": "extra_forbidden", "loc": ["body", name], "msg": "Extra inputs are not permitted"} for name in unknown]
    return Error(422, {"detail": detail}) if unknown else _sent(image_body(question))


@_image_behavior("small-seeds", "takes no seed above 65535 (HTTP 400)")
def _small_seeds(question: Question) -> Reply:
    if question.body.get("seed", 0) > 65535:
        return Error(400, error_body("Invalid 'seed': must be less than or equal to 65535.", code="invalid_value", param="seed"))
    return _sent(image_body(question))


@_image_behavior("no-size", "takes no size (HTTP 400)")
def _no_size(question: Question) -> Reply:
    if "size" in question.body:
        return Error(400, error_body("Argument not supported on this model: size"))
    return _sent(image_body(question))


@_image_behavior("revised", "rewrites the text again, and says so")
def _revised(question: Question) -> Reply:
    return _sent(image_body(question, revised_prompt=f"A breathtaking, vivid depiction of {question.user}"))


@_image_behavior("unrevised", "says which text it drew, which is the one that it was sent")
def _unrevised(question: Question) -> Reply:
    return _sent(image_body(question, revised_prompt=f" {question.user}\n"))


@_image_behavior("other-size", "draws another size than it was asked for")
def _other_size(question: Question) -> Reply:
    return _sent(image_body(question, drawn(question, size=(96, 64))))


@_image_behavior("jpeg", "sends a JPEG")
def _jpeg(question: Question) -> Reply:
    return _sent(image_body(question, drawn(question, kind="JPEG")))


@_image_behavior("webp", "sends a WebP")
def _webp(question: Question) -> Reply:
    return _sent(image_body(question, drawn(question, kind="WEBP")))


@_image_behavior("transparent", "sends an image without a ground")
def _transparent(question: Question) -> Reply:
    file = io.BytesIO()
    Image.new("RGBA", _size(question.body), (0, 0, 0, 0)).save(file, "PNG")
    return _sent(image_body(question, file.getvalue()))


@_image_behavior("data-uri", "sends its base64 as a data URI, in lines")
def _data_uri(question: Question) -> Reply:
    encoded = base64.encodebytes(drawn(question)).decode()
    return _sent(images_body(question, {"b64_json": f"data:image/png;base64,{encoded}"}))


# -- images that are none


@_image_behavior("url-only", "sends an address in place of an image")
def _url_only(question: Question) -> Reply:
    return _sent(images_body(question, {"url": "http://127.0.0.1:9/image.png"}))


@_image_behavior("no-image", "answers with an empty list of images")
def _no_image(question: Question) -> Reply:
    return _sent(images_body(question))


@_image_behavior("null-image", "answers with an image whose content is null")
def _null_image(question: Question) -> Reply:
    return _sent(images_body(question, {"b64_json": None}))


@_image_behavior("bad-base64", "sends base64 that is broken")
def _bad_base64(question: Question) -> Reply:
    return _sent(images_body(question, {"b64_json": "iVBORw0KGgo*not*base64*"}))


@_image_behavior("not-an-image", "sends a text as base64")
def _not_an_image(question: Question) -> Reply:
    return _sent(image_body(question, b"this is no image at all"))


@_image_behavior("svg", "sends an SVG, which is a program more than an image")
def _svg(question: Question) -> Reply:
    return _sent(image_body(question, b"<svg xmlns='http://www.w3.org/2000/svg' width='8' height='8'/>"))


@_image_behavior("half-an-image", "sends the first half of a PNG")
def _half_an_image(question: Question) -> Reply:
    whole = drawn(question)
    return _sent(image_body(question, whole[: len(whole) // 2]))


@_image_behavior("bomb", "sends a PNG of some kilobytes that unpacks to 81 megapixels")
def _bomb(question: Question) -> Reply:
    file = io.BytesIO()
    Image.new("1", (9000, 9000)).save(file, "PNG")
    return _sent(image_body(question, file.getvalue()))


@_image_behavior("endless", "sends 70 MB")
def _endless(question: Question) -> Reply:
    return Raw(b'{"created": 1, "data": [{"b64_json": "' + b"A" * 70_000_000 + b'"}]}', chunked=True)


# -- moderation


@_image_behavior("moderation-blocked", "blocks the text, as OpenAI says it (`moderation_blocked`)")
def _moderation_blocked(question: Question) -> Reply:
    message = "Your request was rejected by the safety system. safety_violations=[violence]."
    body = error_body(message, kind="image_generation_user_error", code="moderation_blocked")
    body["error"]["moderation_details"] = {"moderation_stage": "output", "categories": ["violence"]}
    return Error(400, body)


@_image_behavior("azure-filtered", "blocks the text, as Azure says it (`content_policy_violation`)")
def _azure_filtered(question: Question) -> Reply:
    results = {"hate": {"filtered": False, "severity": "safe"}, "violence": {"filtered": True, "severity": "high"}}
    body = error_body("Your request was rejected as a result of our safety system.", code="content_policy_violation")
    body["error"]["inner_error"] = {"code": "ResponsibleAIPolicyViolation", "content_filter_results": results}
    return Error(400, body)


@_image_behavior("content-filtered-code", "blocks the text, as Azure said it before (`contentFilter`)")
def _content_filtered_code(question: Question) -> Reply:
    return Error(400, error_body("Your task failed.", code="contentFilter"))


@_image_behavior("nsfw", "draws an image, and finds that it may not be shown (HTTP 422)")
def _nsfw(question: Question) -> Reply:
    return Error(422, {"detail": "NSFW content detected in the generated image."})


@_image_behavior("blocked-politely", "blocks the text, and answers with HTTP 200")
def _blocked_politely(question: Question) -> Reply:
    return _sent(error_body("Your request was blocked by our moderation.", code="moderation_blocked"))


@_image_behavior("withheld", "answers with HTTP 200 and an image that it keeps back")
def _withheld(question: Question) -> Reply:
    return _sent(images_body(question, {"b64_json": None, "finish_reason": "CONTENT_FILTERED"}))


# -- verdicts


def is_bad(question: Question) -> bool:
    """Whether the text or the image in a question is one of those that may not pass."""
    return FORBIDDEN in question.user.lower() or any(_begins_red(url) for url in question.images)


def _begins_red(url: str) -> bool:
    with Image.open(io.BytesIO(base64.b64decode(url.partition(",")[2]))) as image:
        pixel = image.convert("RGB").getpixel((0, 0))
    return pixel == RED


def moderation(question: Question) -> Json:
    """The body of OpenAI's moderations: one verdict for all of the input."""
    bad = is_bad(question)
    categories = {"violence": bad, "violence/graphic": bad, "sexual": False}
    result = {"flagged": bad, "categories": categories, "category_scores": {name: 0.9 * said for name, said in categories.items()}}
    return {"id": "modr-test", "model": question.model, "results": [result]}


def _verdict_text(question: Question) -> str:
    bad = is_bad(question)
    return json.dumps({"allowed": not bad, "reason": "it is about something forbidden" if bad else "nothing is wrong with it"})


@_verdict("guard", "gives a verdict as JSON")
def _guard(question: Question) -> Reply:
    return Answer(_verdict_text(question))


@_verdict("guard-talkative", "gives its verdict after some talk, in a code fence")
def _guard_talkative(question: Question) -> Reply:
    return Answer(f'I weigh {{"allowed": true}} against the policy.\n\n```json\n{_verdict_text(question)}\n```\nThat is all.')


@_verdict("guard-stringly", "gives its verdict with a string in place of true or false")
def _guard_stringly(question: Question) -> Reply:
    return Answer(json.dumps({"allowed": "false" if is_bad(question) else "True"}))


@_verdict("guard-vague", "gives a verdict that is neither yes nor no")
def _guard_vague(question: Question) -> Reply:
    return Answer(json.dumps({"allowed": "perhaps", "reason": "hard to say"}))


@_verdict("guard-cut", "is cut off by its token limit, after a JSON object that is not its verdict")
def _guard_cut(question: Question) -> Reply:
    return Answer('If it were {"allowed": true}, then', finish="length")


@_verdict("guard-blind", "gives verdicts on texts, and takes no images (HTTP 400)")
def _guard_blind(question: Question) -> Reply:
    if question.images:
        return Error(400, error_body(f"{question.model} is not a multimodal model", kind="BadRequestError"))
    return _guard(question)


@_verdict("guard-cold", "gives a verdict as JSON, and takes no temperature but its own")
def _guard_cold(question: Question) -> Reply:
    if question.body.get("temperature", 1) != 1:
        message = "Unsupported value: 'temperature' does not support 0 with this model."
        return Error(400, error_body(message, code="unsupported_value", param="temperature"))
    return _guard(question)
