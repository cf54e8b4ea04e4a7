# pyright: reportMissingImports=false, reportAttributeAccessIssue=false, reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
"""A model in this process, through ``vllm.LLM.chat``: whole batches at once, for offline work. Needs vLLM in this environment.

Calls that come while a batch is under way wait, and make up the next one. A batch can't be broken off, so calls have no time limit. GPT-OSS
answers in plain text here: a schema would hold its reasoning to JSON, too.
"""

import asyncio
import importlib.util
import time
from collections.abc import Mapping, Sequence
from typing import Any

from data.chat import Chat, Completion
from data.errors import FailureKind, FatalError, StageError, UsageError
from data.identity import canonical_json
from data.usage import Usage
from reasoner.apis.chat import messages
from reasoner.channels import final_answer
from reasoner.serving.launch import CONTEXT, HARMONY_DATE, INSTALL, MEMORY_SHARE, Serving
from reasoner.serving.machine import has_gpu
from reasoner.serving.weights import longest_context, model_folder, model_identity, reasoning_parser

GPT_OSS = "openai_gptoss"
TEMPLATE_PARAMETERS = ("reasoning_effort", "enable_thinking")
"""Parameters that shape the prompt rather than the sampling."""


class VllmInProcess:
    """A ChatEngine. ``parameters``: those of sampling (temperature, top_p ...), and ``reasoning_effort``; loaded with the first call.

    ``memory_share``: of the GPU's memory, in (0, 1]. ``max_model_len``: tokens of question, reasoning and answer together.
    """

    times_itself = True

    def __init__(
        self, model: str, *, parameters: Mapping[str, Any], memory_share: float = MEMORY_SHARE, max_model_len: int = CONTEXT
    ) -> None:
        if importlib.util.find_spec("vllm") is None:
            raise UsageError(
                "vLLM is not in this environment, and in_process needs it there", hint=f"leave in_process out, with: {INSTALL}"
            )
        self.identity = f"vllm-in-process:{model_identity(model)}?{canonical_json(dict(parameters))}"
        self._serving = Serving(model, memory_share=memory_share, context=max_model_len, gpu=has_gpu())
        self._is_gpt_oss = reasoning_parser(model) == GPT_OSS
        self._template = {name: value for name, value in parameters.items() if name in TEMPLATE_PARAMETERS}
        self._sampling = {name: value for name, value in parameters.items() if name not in TEMPLATE_PARAMETERS}
        self._model: Any = None
        self._refusals: tuple[type[Exception], ...] = (ValueError,)
        self._waiting: list[tuple[Chat, asyncio.Future[Completion | Exception]]] = []
        self._worker: asyncio.Task[None] | None = None

    async def __call__(self, chats: Sequence[Chat]) -> Sequence[Completion | Exception]:
        loop = asyncio.get_running_loop()
        asked = [(chat, loop.create_future()) for chat in chats]
        self._waiting += asked
        if self._worker is None or self._worker.done():
            self._worker = asyncio.create_task(self._work())
        return await asyncio.gather(*(future for _, future in asked))

    async def aclose(self) -> None:
        """Unloads the model, when the batch under way is done."""
        self._waiting.clear()
        if self._worker is not None:
            await asyncio.wait([self._worker])
        model, self._model = self._model, None
        if model is not None:
            await asyncio.to_thread(model.llm_engine.engine_core.shutdown)

    async def _work(self) -> None:
        while self._waiting:
            # Calls that were made at the same time have the chance to come along.
            await asyncio.sleep(0)
            batch = [(chat, future) for chat, future in self._waiting if not future.done()]
            self._waiting.clear()
            if not batch:
                return
            try:
                outcomes: Sequence[Completion | Exception] = await asyncio.to_thread(self._answers, [chat for chat, _ in batch])
            except Exception as error:
                for _, future in batch:
                    if not future.done():
                        future.set_exception(error)
                continue
            for (_, future), outcome in zip(batch, outcomes, strict=True):
                if not future.done():
                    future.set_result(outcome)

    # -- in a thread

    def _answers(self, chats: Sequence[Chat]) -> Sequence[Completion | Exception]:
        if self._model is None:
            self._model = self._load()
        sampling = [self._sampling_of(chat) for chat in chats]
        began = time.perf_counter()
        try:
            outputs = self._model.chat(
                [messages(chat) for chat in chats],
                sampling,
                use_tqdm=False,
                # The template of GPT-OSS tells today's date; see HARMONY_DATE.
                chat_template_kwargs={**self._template, "strftime_now": _fixed_date},
            )
        except self._refusals as error:
            if len(chats) > 1:
                # One that can't be asked fails its whole batch: find out which.
                return [outcome for chat in chats for outcome in self._answers([chat])]
            return [_refused(error)]
        seconds = time.perf_counter() - began
        return [_outcome(chat, output, seconds) for chat, output in zip(chats, outputs, strict=True)]

    def _load(self) -> Any:
        import vllm.exceptions
        from vllm import LLM

        # Older ones raise ValueError for what a request may not ask.
        self._refusals = (ValueError, getattr(vllm.exceptions, "VLLMClientError", ValueError))
        folder = model_folder(self._serving.model)
        context = min(self._serving.context, longest_context(self._serving.model) or self._serving.context)
        try:
            return LLM(
                model=self._serving.model if folder is None else str(folder),
                max_model_len=context,
                gpu_memory_utilization=self._serving.memory_share,
                enable_prefix_caching=True,
                enforce_eager=not self._serving.gpu,
            )
        except (RuntimeError, ValueError, OSError) as error:
            first_line = str(error).strip().partition("\n")[0]
            raise FatalError(f"vLLM can't load {self._serving.model}: {first_line}", hint="what it printed above says more") from error

    def _sampling_of(self, chat: Chat) -> Any:
        """The model's own sampling, with the parameters, and what this chat asks for."""
        from vllm.sampling_params import SamplingParams, StructuredOutputsParams

        default = self._model.get_default_sampling_params()
        own = {name: getattr(default, name) for name in default.__struct_fields__ if not name.startswith("_")}
        asked: dict[str, Any] = {**self._sampling, "seed": chat.seed, "max_tokens": chat.max_tokens}
        if self._is_gpt_oss:
            # The channels are told apart by them.
            asked["skip_special_tokens"] = False
        elif chat.schema is not None:
            asked["structured_outputs"] = StructuredOutputsParams(json=dict(chat.schema))
        try:
            return SamplingParams(**{**own, **asked})
        except (TypeError, *self._refusals) as error:
            raise FatalError(f"vLLM does not take these parameters: {error}", hint="they stand behind the ? of the engine's spec") from None


def _fixed_date(form: str) -> str:
    """Stands in for the templates' clock."""
    return HARMONY_DATE


def _outcome(chat: Chat, output: Any, seconds: float) -> Completion | Exception:
    answer = output.outputs[0]
    usage = Usage(len(output.prompt_token_ids), len(answer.token_ids), cost=None, cached_tokens=output.num_cached_tokens or 0)
    try:
        text, reasoning = final_answer(answer.text, finish=answer.finish_reason, usage=usage)
    except StageError as error:
        return error
    return Completion(text, reasoning, usage, seconds, chat.seed)


def _refused(error: Exception) -> StageError:
    message = " ".join(str(error).split())[:300]
    if "maximum context length" in message or "longer than the maximum" in message:
        return StageError(FailureKind.CONTEXT_TOO_LONG, f"vLLM: {message}", hint="raise max_model_len in the engine's spec")
    return StageError(FailureKind.REJECTED, f"vLLM: {message}")
