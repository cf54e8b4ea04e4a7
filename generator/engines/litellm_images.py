# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false, reportPrivateImportUsage=false
"""Images from every provider that litellm knows: Gemini and Imagen, Bedrock, Azure, Stability, Black Forest Labs, Recraft and others.

What comes back is checked as generator/engines/images.py does it, and that engine is what speaks with providers of OpenAI's shape: litellm
would try failed calls again on its own there. Importing this imports litellm, which takes seconds.
"""

import logging
import re
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from data.errors import FailureKind, StageError
from data.records import GeneratedImage
from data.remote.balance import Endpoint
from data.remote.errors import Json, Target
from data.remote.providers import NO_KEY, Provider, litellm, openai_shaped, status_of
from data.usage import Usage
from generator import ImageRequest
from generator.engines.images import (
    SPARE,
    WORDING,
    ImagesEndpoint,
    RemoteImages,
    asked_size,
    drawn_image,
    identity,
    model_sizes,
    sent_parameters,
    size_parameter,
    tokens_of,
)
from generator.local import Size

log = logging.getLogger(__name__)


class LiteLLMImagesEndpoint:
    """A data.remote.balance.Endpoint: a provider with a way of its own.

    ``parameters`` go into every call: one that the model refuses is a failure that names it, while a seed or the wish for base64 that it
    refuses is left out.
    """

    def __init__(
        self,
        provider: Provider,
        *,
        parameters: Mapping[str, Any],
        size: Size | None,
        sizes: Mapping[str, Size],
        timeout: float,
    ) -> None:
        self._provider = provider
        key = None if provider.key == NO_KEY else provider.key
        self._to = Target(provider.name, provider.model, key, tuple(parameters), at_openai=False, wording=WORDING)
        self._own = dict(parameters)
        self._size = size
        self._sizes = sizes
        self._timeout = timeout
        self._left_out = _unsupported(provider.model, provider.provider) if provider.url is None else set[str]()
        for name in sorted(self._left_out):
            self._say(name)

    @property
    def name(self) -> str:
        """The provider, or the address."""
        return self._provider.name

    async def ready(self) -> None:
        """Always: nothing is started here."""

    async def aclose(self) -> None:
        """Ends litellm's connections, once nobody uses them any more."""
        await self._provider.aclose()

    async def answer(self, request: ImageRequest) -> GeneratedImage:
        """Draws one image; raises StageError."""
        began = time.perf_counter()
        asked = asked_size(request, self._size, self._sizes)
        while True:
            added = {"seed": request.seed, "response_format": "b64_json"}
            options = {name: value for name, value in added.items() if name not in self._left_out} | size_parameter(asked) | self._own
            try:
                response = await self._send(request.text, options)
                break
            except Exception as error:  # litellm lets through whatever a provider's code raises
                if not self._adapts(error, options):
                    raise self._stage_error(error) from None
        answer: Json = response.model_dump()
        usage = self._usage(answer, response)
        return await drawn_image(answer, request, self._to, usage=usage, asked=asked, seed_taken="seed" in options, began=began)

    async def _send(self, text: str, options: dict[str, Any]) -> Any:
        # The package's own retries, caches and logging would all act behind the stage's back.
        return await litellm.aimage_generation(
            model=self._provider.model,
            prompt=text,
            api_base=self._provider.url,
            api_key=self._provider.key,
            timeout=self._timeout,
            num_retries=0,
            max_retries=0,
            caching=False,
            drop_params=False,
            **{"no-log": True},
            **options,
        )

    def _adapts(self, error: Exception, options: Mapping[str, Any]) -> bool:
        """Whether ``error`` refuses something that we added: it is left out from now on, and said once."""
        if not isinstance(error, litellm.exceptions.UnsupportedParamsError) and status_of(error) not in (400, 422):
            return False
        for name in SPARE:
            if name in options and re.search(rf"\b{name}\b", str(error)):
                if name not in self._left_out:
                    self._left_out.add(name)
                    self._say(name)
                return True
        return False

    def _say(self, name: str) -> None:
        if SPARE[name]:
            log.info("%s of %s %s", self._provider.model, self.name, SPARE[name])

    def _stage_error(self, error: Exception) -> StageError:
        failed = self._provider.stage_error(error)
        if failed.kind is FailureKind.REFUSED:
            return StageError(FailureKind.BLOCKED, str(failed), hint=failed.hint)
        return failed

    def _usage(self, answer: Json, response: Any) -> Usage:
        usage = tokens_of(answer.get("usage"))
        return Usage(usage.input_tokens, usage.output_tokens, self._cost(response))

    def _cost(self, response: Any) -> float | None:
        """In dollars, by the table in the package. What an endpoint of one's own costs is unknown, and so is a price of 0."""
        if self._provider.url is not None:
            return None
        try:
            return (
                float(litellm.completion_cost(completion_response=response, model=self._provider.model, call_type="image_generation"))
                or None
            )
        except Exception:  # it raises plain Exception for a model without a price
            return None


def _unsupported(model: str, provider: str) -> set[str]:
    """What of ours the provider does not take, as far as litellm says."""
    names = {member.value: member for member in litellm.LlmProviders}
    if provider not in names:
        return set()
    bare = litellm.get_llm_provider(model)[0]
    config = litellm.utils.ProviderConfigManager.get_provider_image_generation_config(model=bare, provider=names[provider])
    return set() if config is None else {name for name in SPARE if name not in config.get_supported_openai_params(model=bare)}


def _endpoint(
    model: str,
    url: str | None,
    secret: Callable[[str], str | None],
    own: Mapping[str, Any],
    size: Size | None,
    sizes: Mapping[str, Size],
    timeout: float,
) -> Endpoint[ImageRequest, GeneratedImage]:
    shaped = openai_shaped(model, url, secret)
    if shaped is not None:
        return ImagesEndpoint(shaped.model, url=shaped.url, api_key=shaped.key, parameters=own, size=size, sizes=sizes, timeout=timeout)
    provider = Provider(model, url=url, secret=secret, parameters=tuple(own), wording=WORDING)
    return LiteLLMImagesEndpoint(provider, parameters=own, size=size, sizes=sizes, timeout=timeout)


def litellm_images(
    model: str,
    *,
    urls: Sequence[str] = (),
    secret: Callable[[str], str | None],
    parameters: Mapping[str, Any],
    size: str | None = None,
    most: int,
    timeout: float,
) -> RemoteImages:
    """An ImageGenerator for ``model`` (PROVIDER/MODEL), at the provider's own address or at ``urls``. At most ``most`` calls at once, each
    of at most ``timeout`` seconds. ``parameters`` and ``size`` as in :func:`generator.engines.images.images_generator`.

    UsageError: no such provider, no key, or parameters that can't be meant.
    """
    own = sent_parameters(parameters)
    default, sizes = model_sizes(model, size)
    endpoints = [_endpoint(model, url, secret, own, default, sizes, timeout) for url in (list(urls) or [None])]
    return RemoteImages(identity("litellm", model, own, default), endpoints, ratios=tuple(sizes), most=most, timeout=timeout)
