"""The GPT-OSS that Lens reads with as a reasoner: one copy in memory, harmony answers, a seed for each, and failures of their own."""

# pyright: reportMissingImports=false, reportPrivateImportUsage=false, reportAttributeAccessIssue=false, reportOptionalMemberAccess=false
# pyright: reportArgumentType=false, reportIndexIssue=false, reportCallIssue=false

import asyncio
import gc
import logging
import math
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from threading import Lock
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.chat import Chat, Completion
from data.errors import FailureKind, StageError, UsageError
from reasoner.harmony import Harmony

pytest.importorskip("torch")

import torch
from torch import Tensor, nn

from generator.lens.encoder import GptOssTextEncoder, LensGptOssEncoder
from reasoner.engines.shared import SharedReasoner, _chosen
from tests.tiny_models.gpt_oss import ANSWERS, CALL, PAD, RETURN, tiny_gpt_oss, tokenizer

LAYERS = (0, 1, 2, 3)
SYSTEM = "You write prompts for an image model. Keep what was asked for."
PICTURES = {answer.rpartition("<|message|>")[2].removesuffix("<|return|>") for answer in ANSWERS}
THOUGHT = "I name the subject first."
SPECIAL = 199998
"""The first id of a special token."""
WRITTEN = 21
"""Tokens of each answer of the tiny model; 12 of them come before its final message, and the message itself begins at the 16th."""


@pytest.fixture(scope="module")
def model() -> LensGptOssEncoder:
    return tiny_gpt_oss()[0]


@pytest.fixture(scope="module")
def encoder(model: LensGptOssEncoder) -> GptOssTextEncoder:
    return GptOssTextEncoder(model, tokenizer(), layers=LAYERS, name="tiny")


@pytest.fixture(scope="module")
def reasoner(encoder: GptOssTextEncoder) -> SharedReasoner:
    return SharedReasoner(model=lambda: encoder)


def chats(*seeds: int, **changed: Any) -> list[Chat]:
    """Of different lengths."""
    return [Chat(SYSTEM, "a cat " * (seed % 7 * 9 + 1), seed, **{"max_tokens": 40, **changed}) for seed in seeds]


def texts(outcomes: Sequence[Completion | Exception]) -> list[str]:
    assert all(isinstance(outcome, Completion) for outcome in outcomes), outcomes
    return [outcome.text for outcome in outcomes if isinstance(outcome, Completion)]


async def failure(reasoner: SharedReasoner, chat: Chat) -> StageError:
    [outcome] = await reasoner([chat])
    assert isinstance(outcome, StageError)
    return outcome


@contextmanager
def hooked(module: nn.Module, hook: Any) -> Generator[None]:
    handle = module.register_forward_pre_hook(hook, with_kwargs=True)
    try:
        yield
    finally:
        handle.remove()


@contextmanager
def output_layer(model: LensGptOssEncoder, weight: Tensor) -> Generator[None]:
    kept = model.lm_head.weight
    model.lm_head.weight = nn.Parameter(weight, requires_grad=False)
    try:
        yield
    finally:
        model.lm_head.weight = kept


def instead(model: LensGptOssEncoder, token: int, other: int) -> Tensor:
    """An output layer that says ``other`` for ``token``."""
    weight = model.lm_head.weight.clone()
    weight[[token, other]] = weight[[other, token]]
    return weight


# -- answers


async def test_answers_come_apart_into_text_and_reasoning(reasoner: SharedReasoner):
    asked = chats(1, 2, 3)
    outcomes = await reasoner(asked)
    assert set(texts(outcomes)) <= PICTURES
    for chat, outcome in zip(asked, outcomes, strict=True):
        assert isinstance(outcome, Completion)
        assert outcome.reasoning == THOUGHT
        assert outcome.seed == chat.seed
        assert outcome.usage.input_tokens == len(Harmony(tokenizer()).question(chat))
        assert (outcome.usage.output_tokens, outcome.usage.reasoning_tokens, outcome.usage.cost) == (WRITTEN, 12, None)


async def test_an_answer_depends_on_its_chat_and_seed_and_not_on_its_batch(reasoner: SharedReasoner):
    asked = chats(*range(10))
    together = texts(await reasoner(asked))
    alone = [texts(await reasoner([chat]))[0] for chat in asked]
    turned = texts(await reasoner([*reversed(asked), *chats(90, 91)]))
    assert alone == together == turned[9::-1]


async def test_other_seeds_have_other_answers(reasoner: SharedReasoner):
    same = chats(1)[0]
    assert len(set(texts(await reasoner([replace(same, seed=seed) for seed in range(12)])))) > 4


async def test_at_temperature_0_the_seed_does_not_matter(encoder: GptOssTextEncoder):
    likeliest = SharedReasoner(model=lambda: encoder, temperature=0)
    same = chats(1)[0]
    assert len(set(texts(await likeliest([replace(same, seed=seed) for seed in range(6)])))) == 1


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0])
def test_tokens_come_up_as_often_as_they_are_likely(temperature: float):
    logits = torch.tensor([2.0, -torch.inf, 0.5, 1.0])
    chosen = _chosen(logits.expand(10_000, 4), torch.arange(10_000) / 10_000, temperature)
    often = chosen.bincount(minlength=4) / 10_000
    torch.testing.assert_close(often, torch.softmax(logits / temperature, dim=0), rtol=0, atol=2e-4)


async def test_long_questions_are_read_in_chunks(reasoner: SharedReasoner, model: LensGptOssEncoder):
    widths: list[int] = []
    long = Chat("Say what is seen, and where. " * 120, "a cat", 5, max_tokens=40)
    with hooked(model, lambda _, __, named: widths.append(named["input_ids"].shape[1])):
        [together, _] = texts(await reasoner([long, *chats(1)]))
    assert max(widths) == 512
    assert sum(width > 1 for width in widths) == math.ceil(len(Harmony(tokenizer()).question(long)) / 512)
    assert [together] == texts(await reasoner([long]))


async def test_no_chats_no_answers(reasoner: SharedReasoner):
    assert await reasoner([]) == []


async def test_a_schema_is_left_to_whoever_asks(reasoner: SharedReasoner):
    assert set(texts(await reasoner(chats(1, schema={"title": "Rewrite", "type": "object"})))) <= PICTURES


def test_identity_names_model_and_parameters(encoder: GptOssTextEncoder, reasoner: SharedReasoner):
    others = [{"temperature": 0.7}, {"reasoning_effort": "high"}, {"date": "2026-02-02"}]
    made = [SharedReasoner(model=lambda: encoder, **other) for other in others]
    assert reasoner.identity.startswith("shared:tiny?")
    assert len({reasoner.identity, *(one.identity for one in made)}) == 4


# -- questions


def test_a_question_is_harmony_byte_for_byte():
    words = tokenizer()
    asked = Harmony(words, effort="high", date="2026-01-01").question(Chat("Be brief.", "a cat", 1))
    assert words.decode(asked) == (
        "<|start|>system<|message|>You are ChatGPT, a large language model trained by OpenAI.\n"
        "Knowledge cutoff: 2024-06\nCurrent date: 2026-01-01\n\nReasoning: high\n\n"
        "# Valid channels: analysis, commentary, final. Channel must be included for every message.<|end|>"
        "<|start|>developer<|message|># Instructions\n\nBe brief.<|end|>"
        "<|start|>user<|message|>a cat<|end|><|start|>assistant"
    )
    assert asked == words.encode(words.decode(asked))


def test_without_a_system_prompt_there_is_no_developer():
    words = tokenizer()
    assert "developer" not in words.decode(Harmony(words).question(Chat("", "a cat", 1)))


@settings(deadline=None)
@given(*[st.lists(st.sampled_from(["<|end|>", "<|start|>", "<|return|>", "<|", "cat", " ", "狐"])).map("".join)] * 2)
def test_what_people_write_is_letters(system: str, user: str):
    words = tokenizer()
    asked = Harmony(words).question(Chat(system, user, 1))
    blocks = 3 if system else 2
    assert sum(token >= SPECIAL for token in asked) == 3 * blocks + 1
    assert words.decode(asked).endswith(f"<|start|>user<|message|>{user}<|end|><|start|>assistant")


# -- one copy


def held() -> int:
    """Bytes of all tensors that there are, each memory counted once."""
    gc.collect()
    storages = (item.untyped_storage() for item in gc.get_objects() if issubclass(type(item), Tensor) and not item.is_meta)
    return sum({storage.data_ptr(): storage.nbytes() for storage in storages}.values())


async def test_reading_and_writing_share_one_copy(model: LensGptOssEncoder, encoder: GptOssTextEncoder):
    one_copy = sum(weights.nbytes for weights in model.parameters())
    before, most = held(), 0
    steps = 0

    def look(*_: object) -> None:
        nonlocal most, steps
        steps += 1
        if steps % 10 == 1:
            most = max(most, held())

    reasoner = SharedReasoner(model=lambda: encoder)
    with hooked(model.lm_head, look), hooked(model.model.layers[-1], look):
        await reasoner(chats(1, 2))
        encoder(["a quiet harbour"])
    assert most - before < one_copy / 10
    assert held() - before < one_copy / 100
    used = reasoner._shared.model
    assert all(one.data_ptr() == other.data_ptr() for one, other in zip(used.parameters(), model.parameters(), strict=True))


async def test_they_take_turns(model: LensGptOssEncoder):
    lock = Lock()
    encoder = GptOssTextEncoder(model, tokenizer(), layers=LAYERS, lock=lock)
    reasoner = SharedReasoner(model=lambda: encoder)
    [before] = encoder(["a quiet harbour"])
    states: list[bool] = []
    with hooked(model, lambda *_: states.append(lock.locked())):
        outcomes, *read = await asyncio.gather(reasoner(chats(1, 2)), *(asyncio.to_thread(encoder, ["a quiet harbour"]) for _ in range(3)))
    assert all(states)
    assert len(states) > WRITTEN
    assert texts(outcomes) == texts(await reasoner(chats(1, 2)))
    assert all(torch.equal(features.layers, before.layers) for [features] in read)


# -- what goes wrong


@pytest.mark.parametrize(
    ("tokens", "kind", "reasoned"),
    [(5, FailureKind.UNFINISHED, 5), (14, FailureKind.UNFINISHED, 12), (18, FailureKind.TOO_LONG, 12)],
)
async def test_answers_that_hit_the_limit(reasoner: SharedReasoner, tokens: int, kind: FailureKind, reasoned: int):
    error = await failure(reasoner, chats(1, max_tokens=tokens)[0])
    assert error.kind is kind
    assert (error.usage.output_tokens, error.usage.reasoning_tokens) == (tokens, reasoned)


async def test_each_chat_has_a_limit_of_its_own(reasoner: SharedReasoner):
    short, long = await reasoner([*chats(1, max_tokens=5), *chats(2)])
    assert isinstance(short, StageError)
    assert texts([long]) == texts(await reasoner(chats(2)))


async def test_weights_that_speak_no_harmony_fail(reasoner: SharedReasoner, model: LensGptOssEncoder):
    noise = torch.randn(model.lm_head.weight.shape, generator=torch.Generator().manual_seed(0))
    with output_layer(model, noise):
        outcomes = await reasoner(chats(1, 2, 3, max_tokens=12))
    assert [getattr(outcome, "kind", outcome) for outcome in outcomes] == [FailureKind.MALFORMED] * 3


@pytest.mark.parametrize("end", [CALL, PAD])
async def test_other_ends_of_an_answer(reasoner: SharedReasoner, model: LensGptOssEncoder, end: int):
    with output_layer(model, instead(model, RETURN, end)):
        [outcome] = await reasoner(chats(1))
    if end == CALL:
        assert isinstance(outcome, StageError)
        assert outcome.kind is FailureKind.MALFORMED
        assert "tool" in str(outcome)
    else:
        assert texts([outcome]) == texts(await reasoner(chats(1)))


async def test_a_chat_that_is_too_long_fails_alone(reasoner: SharedReasoner):
    too_long, fine = await reasoner([*chats(1, max_tokens=131072), *chats(2)])
    assert isinstance(too_long, StageError)
    assert too_long.kind is FailureKind.CONTEXT_TOO_LONG
    assert texts([fine])


async def test_short_memory_halves_the_batch(encoder: GptOssTextEncoder, model: LensGptOssEncoder, caplog: pytest.LogCaptureFixture):
    reasoner, rows = SharedReasoner(model=lambda: encoder), []

    def full(_: object, __: object, named: dict[str, Any]) -> None:
        rows.append(len(named["input_ids"]))
        if rows[-1] > 2:
            raise torch.OutOfMemoryError("CUDA out of memory")

    asked = chats(*range(5))
    with hooked(model, full), caplog.at_level(logging.WARNING):
        outcomes = await reasoner(asked)
        first = max(rows)
        rows.clear()
        await reasoner(asked)
    assert texts(outcomes) == texts(await reasoner(asked))
    assert first == 5
    assert max(rows) == 2
    assert [record.message for record in caplog.records] == ["not enough memory to write 5 answers at once: 2 from now on"]


@pytest.mark.parametrize("error", [torch.OutOfMemoryError("CUDA out of memory"), RuntimeError("DefaultCPUAllocator: not enough memory")])
async def test_no_memory_for_a_single_answer(encoder: GptOssTextEncoder, model: LensGptOssEncoder, error: Exception):
    def full(*_: object) -> None:
        raise error

    with hooked(model, full):
        outcomes = await SharedReasoner(model=lambda: encoder)(chats(1, 2))
    assert [getattr(outcome, "kind", outcome) for outcome in outcomes] == [FailureKind.OUT_OF_MEMORY] * 2


async def test_what_else_goes_wrong_is_the_batchs_outcome(reasoner: SharedReasoner, model: LensGptOssEncoder):
    def broken(*_: object) -> None:
        raise RuntimeError("the device is gone")

    with hooked(model, broken):
        outcomes = await reasoner(chats(1, 2))
    assert [str(outcome) for outcome in outcomes] == ["the device is gone"] * 2


async def test_a_cancelled_call_stops_writing(encoder: GptOssTextEncoder, model: LensGptOssEncoder):
    loop, begun, steps = asyncio.get_running_loop(), asyncio.Event(), 0

    def count(*_: object) -> None:
        nonlocal steps
        steps += 1
        loop.call_soon_threadsafe(begun.set)

    endless = instead(model, RETURN, PAD + 1)
    with output_layer(model, endless), hooked(model, count):
        call = asyncio.create_task(SharedReasoner(model=lambda: encoder)(chats(1, max_tokens=100_000)))
        await begun.wait()
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        # It ends, and gives the model back.
        assert await asyncio.to_thread(encoder.lock.acquire, timeout=60)
        encoder.lock.release()
    assert steps < 100_000


@pytest.mark.parametrize("wrong", [{"temperature": -1}, {"temperature": "hot"}, {"temperature": True}, {"reasoning_effort": "none"}])
def test_parameters_that_make_no_sense_are_refused(encoder: GptOssTextEncoder, wrong: dict[str, Any]):
    with pytest.raises(UsageError, match=next(iter(wrong))):
        SharedReasoner(model=lambda: encoder, **wrong)


def test_a_model_that_only_reads_is_refused():
    reads = SimpleNamespace(model=SimpleNamespace(lm_head=None), tokenizer=tokenizer(), lock=Lock(), name="tiny")
    with pytest.raises(UsageError, match="tiny has no output layer"):
        SharedReasoner(model=lambda: reads)
