"""Any OpenAI-shaped /v1/images/generations: vLLM-Omni, SGLang, OpenAI itself and compatible servers. One call per image.

A seed, and the wish for base64, are sent until the endpoint refuses them (data/remote/client.py). A server that takes no seed can't repeat
an image, and one that rewrites the text again draws something else than it was asked: both are recorded on every image.
"""

import asyncio
import re
import time
from collections.abc import Mapping, Sequence
from typing import Any

from data.errors import FailureKind, StageError, UsageError
from data.identity import canonical_json
from data.records import GeneratedImage
from data.remote.balance import Balanced, Endpoint
from data.remote.client import Client, parameter_value
from data.remote.errors import Json, Target, Wording
from data.remote.prices import image_cost_of
from data.textlimit import TextLimit
from data.usage import Usage
from generator import ImageRequest
from generator.local import Size
from generator.received import NO_SEED, flaws_of, image_bytes, only_item, picture, revision
from generator.sizes import buckets, parse_size

MOST_BYTES = 64 << 20
"""Of an answer's body: base64 of the largest PNG that a model of today draws is half of it."""
SQUARE = Size(1024, 1024)
MULTIPLE = 16
"""Sides are multiples of it, in pixels: what GPT Image 2 asks for, and every diffusion model takes."""
AUTO = "auto"
"""A size that is left to the server."""
WORDING = Wording(
    section="generator",
    serves="image model",
    delivers="an image",
    shorten="state a shorter length in the system prompt, or use a model that reads more",
    smaller="ask for a smaller size",
)
SPARE = {"seed": NO_SEED, "response_format": ""}
"""What we add to a request, and what is said where the endpoint does not take it: nothing where base64 comes anyway, or else fails."""
OURS = ("model", "prompt", "n", "size", "seed", "response_format", "stream")
"""What is no parameter of a spec, since each request says it for itself."""
NAMES = {"steps": "num_inference_steps", "guidance": "guidance_scale", "negative": "negative_prompt"}
"""How servers call what specs of other engines call so."""

_FIXED_SIZES: Mapping[str, Mapping[str, Size]] = {
    "dall-e-2": {"1:1": SQUARE},
    "dall-e-3": {"1:1": SQUARE, "16:9": Size(1792, 1024), "9:16": Size(1024, 1792)},
    "gpt-image-1": {"1:1": SQUARE, "3:2": Size(1536, 1024), "2:3": Size(1024, 1536)},
}
"""By the beginning of a model's name, for those that draw a few sizes only (the openai package's documentation of ``size``)."""


class RemoteImages(Balanced[ImageRequest, GeneratedImage]):
    """An ImageGenerator over endpoints that draw one image per call. How much of a text they read is unknown."""

    def __init__(
        self,
        identity: str,
        endpoints: Sequence[Endpoint[ImageRequest, GeneratedImage]],
        *,
        ratios: Sequence[str],
        most: int,
        timeout: float,
    ) -> None:
        super().__init__(identity, endpoints, most=most, timeout=timeout, section=WORDING.section)
        self.text_limit: TextLimit | None = None
        self.ratios = tuple(ratios)

    async def __call__(self, requests: Sequence[ImageRequest]) -> Sequence[GeneratedImage | Exception]:
        """One outcome per request, in order. FatalError, from any of them, ends them all."""
        outcomes = await super().__call__(requests)
        for outcome in outcomes:
            if isinstance(outcome, StageError) and outcome.kind is FailureKind.REJECTED and re.search(r"\bsize\b", str(outcome)):
                outcome.hint = outcome.hint or f"write size={AUTO} to leave the size to the server, or another one that it draws"
        return outcomes


class ImagesEndpoint:
    """A data.remote.balance.Endpoint: one address and model. ``url`` None is OpenAI's own.

    ``parameters`` (quality, steps, guidance_scale ...) go into every call. ``size`` is asked for where a request names no ratio; None: the
    server's own.
    """

    def __init__(
        self,
        model: str,
        *,
        url: str | None,
        api_key: str | None,
        parameters: Mapping[str, Any],
        size: Size | None,
        sizes: Mapping[str, Size],
        timeout: float,
        most_bytes: int = MOST_BYTES,
    ) -> None:
        self._model = model
        self._own = dict(parameters)
        self._size = size
        self._sizes = sizes
        self._client = Client(
            model, url=url, api_key=api_key, own=tuple(self._own), timeout=timeout, wording=WORDING, most_bytes=most_bytes
        )

    @property
    def name(self) -> str:
        """The address, without what it may hold of secrets."""
        return self._client.name

    async def ready(self) -> None:
        """Always is: a server that is down shows at the call."""

    async def aclose(self) -> None:
        """Ends the connections that are kept open between calls."""
        await self._client.aclose()

    async def answer(self, request: ImageRequest) -> GeneratedImage:
        """Draws one image; raises StageError."""
        began = time.perf_counter()
        asked = asked_size(request, self._size, self._sizes)
        body: dict[str, Any] = {"model": self._model, "prompt": request.text, "seed": request.seed, "response_format": "b64_json"}
        answer, sent = await self._client.ask("/images/generations", body | size_parameter(asked) | self._own, SPARE)
        usage = self._usage(answer)
        return await drawn_image(answer, request, self._client.to, usage=usage, asked=asked, seed_taken="seed" in sent, began=began)

    def _usage(self, answer: Json) -> Usage:
        usage = tokens_of(answer.get("usage"))
        cost = image_cost_of(self._model, usage) if self._client.region is not None else None
        return Usage(usage.input_tokens, usage.output_tokens, cost)


async def drawn_image(
    answer: Json, request: ImageRequest, to: Target, *, usage: Usage, asked: Size | None, seed_taken: bool, began: float
) -> GeneratedImage:
    """An OpenAI-shaped answer as an image on record; StageError where it holds none that can be used. ``began``: by time.perf_counter."""
    item = only_item(answer, to, usage)
    content = image_bytes(item, to, usage)
    drawn = await asyncio.to_thread(picture, content, to, usage)
    revised = revision(item, request.text)
    return GeneratedImage(
        drawn.sha256,
        drawn.width,
        drawn.height,
        flaws=flaws_of(drawn, asked_size=str(asked or ""), revised=revised, seed_taken=seed_taken),
        revised_prompt=revised,
        usage=usage,
        latency=time.perf_counter() - began,
        content=drawn.png,
    )


def asked_size(request: ImageRequest, size: Size | None, sizes: Mapping[str, Size]) -> Size | None:
    """The size to ask for; None: the server's own. StageError UNSUPPORTED where there is none for the request's ratio."""
    if not request.aspect_ratio:
        return size
    if request.aspect_ratio not in sizes:
        message = f"there is no size for the aspect ratio {request.aspect_ratio}, only for {', '.join(sizes) or 'none'}"
        raise StageError(FailureKind.UNSUPPORTED, message, hint="leave the ratio out")
    return sizes[request.aspect_ratio]


def size_parameter(asked: Size | None) -> dict[str, str]:
    """What a request says about its size."""
    return {} if asked is None else {"size": str(asked)}


def tokens_of(used: object) -> Usage:
    """The tokens that an answer counts; its cost is unknown."""

    def count(name: str) -> int:
        value: object = used.get(name) if isinstance(used, Mapping) else None  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
        return value if isinstance(value, int) and value > 0 else 0

    return Usage(count("input_tokens"), count("output_tokens"), cost=None)


def model_sizes(model: str, size: str | None) -> tuple[Size | None, Mapping[str, Size]]:
    """What to ask ``model`` for: the size where no ratio is named (None: the server's own), and the sizes by ratio.

    ``size``: "WIDTHxHEIGHT" for that one alone, "auto" for the server's own, None for 1024x1024 unless a ratio is named. UsageError where
    it is none of these.
    """
    if size:
        return (None if size == AUTO else parse_size(size)), {}
    name = model.rpartition("/")[2].lower()
    for beginning, sizes in _FIXED_SIZES.items():
        if name.startswith(beginning):
            return SQUARE, sizes
    return SQUARE, buckets(SQUARE.width * SQUARE.height, MULTIPLE)


def sent_parameters(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """A spec's parameters as they go into every call. UsageError where they hold what each request says for itself."""
    if wrong := [name for name in OURS if name in parameters]:
        raise UsageError(f"{wrong[0]} can't be set in the engine spec", hint=f"leave {wrong[0]} out")
    return {NAMES.get(name, name): parameter_value(value) for name, value in parameters.items()}


def identity(kind: str, model: str, own: Mapping[str, Any], size: Size | None) -> str:
    """The identity of a generator: all that determines an image besides the request."""
    return f"{kind}:{model}?{canonical_json({**own, 'size': str(size or AUTO)})}"


def images_generator(
    model: str,
    *,
    urls: Sequence[str],
    api_key: str | None,
    parameters: Mapping[str, Any],
    size: str | None = None,
    most: int,
    timeout: float,
) -> RemoteImages:
    """An ImageGenerator over ``urls``, which all serve ``model``; none is OpenAI's own. At most ``most`` calls at once, each of at most
    ``timeout`` seconds.

    ``parameters`` (quality, steps, guidance ...) go into every call; ``size`` as in :func:`model_sizes`. UsageError where they, or the key,
    can't be meant. Its identity is model, size and parameters, not the addresses: the same model elsewhere is the same generator.
    """
    own = sent_parameters(parameters)
    default, sizes = model_sizes(model, size)
    endpoints = [
        ImagesEndpoint(model, url=url, api_key=api_key, parameters=own, size=default, sizes=sizes, timeout=timeout)
        for url in urls or (None,)
    ]
    return RemoteImages(identity("images", model, own, default), endpoints, ratios=tuple(sizes), most=most, timeout=timeout)
