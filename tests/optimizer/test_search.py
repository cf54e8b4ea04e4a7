"""The search finds what helps, keeps to its budget, survives interruption unchanged, and does not depend on who finished first."""

import asyncio
import random
from collections.abc import Sequence
from dataclasses import replace

import pytest

from benchmarks.worlds import (
    SyntheticGenerator,
    SyntheticReasoner,
    population_mean,
    prompts_of,
    synthetic_world,
    system_prompt_of,
)
from data.errors import FailureKind, FatalError, StageError, UsageError
from data.records import Failure, GeneratedImage, Rewrite, Split, Trial, TrialRequest, Usage
from generator import ImageRequest
from optimizer.budget import Limits
from optimizer.evaluate import Evaluator
from optimizer.events import Born, Confirmed, Event, Phase, ProposalDone, RoundSealed, Selected, TrialDone
from optimizer.proposers import Proposal, ProposalRequest
from optimizer.search import History
from reasoner import RewriteRequest
from tests.optimizer.worlds import Naughty, Play, Prudish, synthetic_pipeline


def decisions(events: Sequence[Event]) -> list[Event]:
    """Everything but the trials, whose order is free."""
    return [event for event in events if not isinstance(event, TrialDone)]


def trials(events: Sequence[Event], phase: Phase | None = None) -> list[Trial]:
    return [event.trial for event in events if isinstance(event, TrialDone) and phase in (None, event.phase)]


def last(events: Sequence[Event], kind: type) -> Event:
    return [event for event in events if isinstance(event, kind)][-1]


async def test_finds_a_better_system_prompt_and_reports_it_near_the_truth():
    world = synthetic_world(3)
    events = await Play(world, images=1200).run()
    selected, confirmed = last(events, Selected), last(events, Confirmed)
    assert isinstance(selected, Selected)
    assert isinstance(confirmed, Confirmed)
    texts = {event.derivation.child.id: event.derivation.child for event in events if isinstance(event, Born)}
    truth = population_mean(world, texts[selected.winner].text) - population_mean(world, system_prompt_of([0]).text)
    gain = next(entry for entry in confirmed.comparison.to_best if entry.reference == "general")
    assert truth > 0.1
    assert gain.claimed
    assert gain.interval.low is not None
    assert gain.interval.high is not None
    assert gain.interval.low - 0.02 < truth < gain.interval.high + 0.02


async def test_keeps_the_splits_apart_and_spends_no_image_too_many():
    events = await Play(synthetic_world(1), images=333).run()
    assert len(trials(events)) <= 333
    expected = {Phase.SEARCH: Split.SEARCH, Phase.SELECT: Split.SELECT, Phase.CONFIRM: Split.TEST}
    for phase, split in expected.items():
        assert {trial.request.prompt.split for trial in trials(events, phase)} == {split}
    seeds = {phase: {trial.request.seed for trial in trials(events, phase)} for phase in expected}
    assert not seeds[Phase.CONFIRM] & (seeds[Phase.SEARCH] | seeds[Phase.SELECT])


async def test_does_not_depend_on_who_finished_first():
    world = synthetic_world(2)

    class Unpunctual(SyntheticGenerator):
        async def __call__(self, requests: Sequence[ImageRequest]) -> Sequence[GeneratedImage | Exception]:
            await asyncio.sleep(random.random() / 200)
            return await super().__call__(requests)

    plain = await Play(world).run()
    late = await Play(world, pipeline=synthetic_pipeline(world, generator=Unpunctual(world))).run()
    assert decisions(late) == decisions(plain)
    assert [trial.id for trial in trials(late)] != [trial.id for trial in trials(plain)]


@pytest.mark.parametrize("stop", [1, 7, 30, 90, 170, 300])
async def test_interrupted_and_resumed_it_ends_the_same(stop: int):
    world = synthetic_world(4)
    whole = await Play(world).run()
    begun = await Play(world).run(stop_after=stop)
    history = History(
        {trial.id: trial for trial in trials(begun)}, {event.key: event.outcome for event in begun if isinstance(event, ProposalDone)}
    )
    resumed = await Play(world, history=history).run()
    assert decisions(resumed) == decisions(whole)
    assert {trial.id for trial in trials(resumed)} == {trial.id for trial in trials(whole)}


class Flaky(SyntheticGenerator):
    """Fails for good on every tenth seed."""

    async def __call__(self, requests: Sequence[ImageRequest]) -> Sequence[GeneratedImage | Exception]:
        images = await super().__call__(requests)
        lost = StageError(FailureKind.REFUSED, "moderated")
        return [lost if request.seed % 10 == 0 else image for request, image in zip(requests, images, strict=True)]


async def test_failures_are_on_record_and_never_scores():
    world = synthetic_world(5)
    events = await Play(world, images=400, pipeline=synthetic_pipeline(world, generator=Flaky(world))).run()
    failed = [trial for trial in trials(events) if trial.failure is not None]
    assert failed
    assert all(trial.score is None and trial.rewrite is not None and trial.image is None for trial in failed)
    confirmed = last(events, Confirmed)
    assert isinstance(confirmed, Confirmed)
    general = next(arm for arm in confirmed.comparison.arms if arm.name == "general")
    assert general.failed > 0
    assert general.prompts == general.trials - general.failed
    sealed = {trial_id for event in events if isinstance(event, RoundSealed) for trial_id in event.failed}
    assert sealed == {trial.id for trial in failed if trial.request.prompt.split is not Split.TEST}


async def test_an_outage_ends_the_run_and_says_why():
    world = synthetic_world(6)

    class Down(SyntheticGenerator):
        async def __call__(self, requests: Sequence[ImageRequest]) -> Sequence[GeneratedImage | Exception]:
            raise StageError(FailureKind.UNREACHABLE, "no connection to http://x", hint="start it")

    play = Play(world, pipeline=synthetic_pipeline(world, generator=Down(world)))
    with pytest.raises(FatalError, match=r"all 4 trials .* generate: no connection") as error:
        await play.run()
    assert error.value.hint == "start it"
    assert not [event for event in play.events if isinstance(event, RoundSealed)]


async def test_nothing_but_refusals_ends_the_run_too():
    world = synthetic_world(14)

    class Prude(SyntheticReasoner):
        async def __call__(self, requests: Sequence[RewriteRequest]) -> Sequence[Rewrite | Exception]:
            return [StageError(FailureKind.REFUSED, "I'd rather not") for _ in requests]

    with pytest.raises(FatalError, match="the last 24 trials all failed, 4 of the last at rewrite: I'd rather not"):
        await Play(world, pipeline=synthetic_pipeline(world, reasoner=Prude())).run()


async def test_a_system_prompt_that_only_fails_is_left_alone_and_does_not_end_the_run():
    world = synthetic_world(13)

    play = Play(world, images=600, pipeline=synthetic_pipeline(world, reasoner=Prudish("7")), proposer=Naughty(world, "7", every=4))
    events = await play.run()
    assert isinstance(last(events, Confirmed), Confirmed)
    failed = [trial.request.system_prompt.id for trial in trials(events, Phase.SEARCH) if trial.failure is not None]
    assert failed
    # The bar falls at eight; trials that were under way by then are in as well.
    assert max(failed.count(one) for one in set(failed)) <= 8 + 4 * 3


async def test_a_full_disk_ends_the_run_but_what_is_done_is_delivered():
    world = synthetic_world(7)

    class FullDisk(SyntheticGenerator):
        drawn = 0

        async def __call__(self, requests: Sequence[ImageRequest]) -> Sequence[GeneratedImage | Exception]:
            FullDisk.drawn += len(requests)
            if FullDisk.drawn > 60:
                raise FatalError("no space left on the disk")
            return await super().__call__(requests)

    play = Play(world, pipeline=synthetic_pipeline(world, generator=FullDisk(world)))
    with pytest.raises(FatalError, match="no space"):
        await play.run()
    assert 30 <= len(trials(play.events)) <= 60


class Silent:
    """A proposer that never has an idea."""

    identity = "silent"

    async def __call__(self, request: ProposalRequest) -> Proposal:
        raise StageError(FailureKind.MALFORMED, "prose", hint="another model")


async def test_a_proposer_without_ideas_ends_the_run():
    with pytest.raises(FatalError, match="no usable system prompt; the last: prose"):
        await Play(synthetic_world(8), images=2000, proposer=Silent()).run()


async def test_a_proposer_that_repeats_itself_costs_requests_only():
    class Stubborn(Silent):
        async def __call__(self, request: ProposalRequest) -> Proposal:
            return Proposal(request.parents[0].system_prompt.text, "the same")

    play = Play(synthetic_world(8), images=220, proposer=Stubborn())
    events = await play.run()
    failures = [event.outcome for event in events if isinstance(event, ProposalDone)]
    assert failures
    assert all(isinstance(failure, Failure) and "tried already" in failure.message for failure in failures)


async def test_too_small_a_budget_is_refused_before_anything_is_spent():
    play = Play(synthetic_world(9), images=150)
    with pytest.raises(UsageError, match="150 images are too few") as error:
        await play.run()
    assert "--images 200" in error.value.hint
    assert play.events == []


async def test_a_token_limit_stops_the_search_and_leaves_enough_to_confirm():
    world = synthetic_world(10)

    class Talkative(SyntheticReasoner):
        async def __call__(self, requests: Sequence[RewriteRequest]) -> Sequence[Rewrite | Exception]:
            rewrites = await super().__call__(requests)
            return [replace(rewrite, usage=Usage(50, 50)) for rewrite in rewrites if isinstance(rewrite, Rewrite)]

    play = Play(world, limits=Limits(600, tokens=42_000), pipeline=synthetic_pipeline(world, reasoner=Talkative()))
    events = await play.run()
    assert len(trials(events)) * 100 <= 42_000
    assert isinstance(last(events, Confirmed), Confirmed)


async def test_closing_the_run_early_leaves_no_task_behind():
    before = asyncio.all_tasks()
    await Play(synthetic_world(11)).run(stop_after=20)
    await asyncio.sleep(0)
    assert asyncio.all_tasks() == before


async def test_stream_draws_lazily_from_an_endless_source():
    world = synthetic_world(12)
    pipeline = synthetic_pipeline(world)
    prompt = prompts_of(world)[0]
    drawn = 0

    def endless():
        nonlocal drawn
        while True:
            drawn += 1
            yield TrialRequest(system_prompt_of([2]), prompt, sample=drawn, seed=drawn)

    async with Evaluator(pipeline) as evaluator:
        stream = evaluator.stream(endless())
        for _ in range(10):
            await anext(stream)
        await stream.aclose()
    assert drawn < 10 + 3 * pipeline.in_flight
