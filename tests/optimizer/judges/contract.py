"""What holds for every Judge (optimizer/judges/__init__.py), whatever it judges by. test_contract.py runs it over all there are."""

import asyncio
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache

from data.errors import FailureKind, StageError
from data.formats import load_prompts
from data.provenance import Provenance, stamped
from data.records import GeneratedImage, Judgment, Prompt
from generator.embedded.painter import paint, to_png
from generator.embedded.picture import picture_of
from optimizer.judges import Judge, JudgeRequest

KEY = "sk-very-secret-0123456789"
"""What an endpoint of a judge is opened with."""
REWRITE = "a rewrite that nobody may see"
"""What the file of each picture says that it was drawn from."""


@dataclass(frozen=True, slots=True)
class Traits:
    """What a judge is like. ``needs_checklist``: without one it has nothing to judge by. ``repeats``: asked the same, it answers the same.
    ``tells``: it gives more to a picture that shows the request than to one that shows another. ``many``: so many requests at once.
    ``about``: the category of the shipped prompts that it can judge."""

    needs_checklist: bool = True
    repeats: bool = True
    tells: bool = True
    many: int = 50
    about: str = "explicit"


@cache
def prompts(about: str = "explicit") -> list[Prompt]:
    """Shipped prompts of scenes, of one category, all of them different."""
    return [prompt for prompt in load_prompts("scenes") if prompt.scene is not None and prompt.category == about][:6]


@cache
def picture(number: int, about: str) -> bytes:
    """A picture that shows the prompt of this number, and says in its file what it was drawn from."""
    prompt = prompts(about)[number]
    assert prompt.scene is not None
    png = to_png(paint(picture_of(prompt.scene, number)))
    return stamped(png, Provenance(prompt.text, rewrite=REWRITE))


def request(number: int, shows: int | None = None, look: int = 0, about: str = "explicit") -> JudgeRequest:
    """The prompt of this number beside its own picture, or beside the one that ``shows`` another's."""
    shown = number if shows is None else shows
    return JudgeRequest(prompts(about)[number], GeneratedImage(f"{shown:064x}", 512, 512, content=picture(shown, about)), look)


async def check(judge: Judge, traits: Traits) -> None:
    """All of it."""
    await an_empty_batch_is_judged(judge)
    await each_request_has_its_outcome_in_order(judge, traits)
    await scores_are_in_range_and_in_the_order_of_the_checklist(judge, traits)
    await an_image_that_can_not_be_judged_fails_alone(judge, traits)
    await a_prompt_without_a_checklist_is_refused_or_judged(judge, traits)
    await a_call_that_is_cancelled_leaves_nothing_behind(judge, traits)
    the_identity_is_one_line_and_stays(judge)
    if traits.repeats:
        await equal_requests_get_equal_judgments(judge, traits)
    if traits.tells:
        await a_picture_of_the_request_is_worth_more_than_another(judge, traits)


async def an_empty_batch_is_judged(judge: Judge) -> None:
    assert list(await judge([])) == []


async def each_request_has_its_outcome_in_order(judge: Judge, traits: Traits) -> None:
    count = len(prompts(traits.about))
    many = [request(number % count, shows=(number * number) % count, about=traits.about) for number in range(traits.many)]
    together = judgments(await judge(many))
    assert len(together) == traits.many
    if traits.repeats:
        alone = [judgments(await judge([one]))[0] for one in many[:count]]
        assert [found.value for found in together[:count]] == [found.value for found in alone]


async def scores_are_in_range_and_in_the_order_of_the_checklist(judge: Judge, traits: Traits) -> None:
    for one in (request(0, about=traits.about), request(1, shows=2, about=traits.about), request(2, look=1, about=traits.about)):
        (found,) = judgments(await judge([one]))
        assert 0 <= found.value <= 1
        assert math.isfinite(found.value)
        assert found.latency >= 0
        for score in found.scores:
            assert score.score is None or (0 <= score.score <= 1 and math.isfinite(score.score))
            assert "\n" not in score.evidence
        if traits.needs_checklist:
            ids = [criterion.id for criterion in one.prompt.checklist]
            assert [score.id for score in found.scores[: len(ids)]] == ids


async def an_image_that_can_not_be_judged_fails_alone(judge: Judge, traits: Traits) -> None:
    good = request(0, about=traits.about)
    assert good.image.content is not None
    broken = [replace(good, image=replace(good.image, content=content)) for content in (None, b"", b"no image", good.image.content[:1500])]
    first, *failed, last = await judge([good, *broken, good])
    assert isinstance(first, Judgment)
    assert isinstance(last, Judgment)
    assert [outcome.kind for outcome in failed if isinstance(outcome, StageError)] == [
        FailureKind.UNSUPPORTED,
        *[FailureKind.MALFORMED] * 3,
    ]


async def a_prompt_without_a_checklist_is_refused_or_judged(judge: Judge, traits: Traits) -> None:
    good = request(0, about=traits.about)
    (outcome,) = await judge([replace(good, prompt=replace(good.prompt, checklist=()))])
    if traits.needs_checklist:
        assert isinstance(outcome, StageError)
        assert outcome.kind is FailureKind.UNSUPPORTED
        assert not outcome.retryable
    else:
        assert isinstance(outcome, Judgment)


async def a_call_that_is_cancelled_leaves_nothing_behind(judge: Judge, traits: Traits) -> None:
    before = asyncio.all_tasks()
    call = asyncio.ensure_future(judge([request(number % 2, about=traits.about) for number in range(traits.many)]))
    await asyncio.sleep(0.05)
    call.cancel()
    await asyncio.wait([call])
    # What was told to end has a moment to do so.
    for _ in range(100):
        if asyncio.all_tasks() <= before:
            break
        await asyncio.sleep(0.02)
    assert asyncio.all_tasks() <= before
    assert isinstance((await judge([request(0, about=traits.about)]))[0], Judgment)


def the_identity_is_one_line_and_stays(judge: Judge) -> None:
    assert judge.identity
    assert judge.identity == judge.identity.strip()
    assert "\n" not in judge.identity
    assert judge.identity == judge.identity
    assert KEY not in judge.identity


async def equal_requests_get_equal_judgments(judge: Judge, traits: Traits) -> None:
    for look in (0, 1):
        first, second = judgments(await judge([request(0, look=look, about=traits.about), request(0, look=look, about=traits.about)]))
        (third,) = judgments(await judge([request(0, look=look, about=traits.about)]))
        assert first == second == third


async def a_picture_of_the_request_is_worth_more_than_another(judge: Judge, traits: Traits) -> None:
    count = len(prompts(traits.about))
    right = judgments(await judge([request(number, about=traits.about) for number in range(count)]))
    wrong = judgments(await judge([request(number, shows=(number + 1) % count, about=traits.about) for number in range(count)]))
    for own, other in zip(right, wrong, strict=True):
        assert own.value > other.value


def judgments(outcomes: Sequence[Judgment | Exception]) -> list[Judgment]:
    found: list[Judgment] = []
    for outcome in outcomes:
        assert isinstance(outcome, Judgment), outcome
        found.append(outcome)
    return found
