"""Runs with other optimizers' own code: each score a trial, each system prompt born, the budget hard, the end the same after a kill."""

import asyncio
import random
import threading
from collections.abc import Sequence
from dataclasses import replace

import pytest

from benchmarks.worlds import SyntheticGenerator, SyntheticProposer, SyntheticReasoner, synthetic_world
from data.errors import FailureKind, FatalError, StageError
from data.records import Failure, GeneratedImage, Operation, Rewrite, Split, Trial, Usage
from generator import ImageRequest
from optimizer.budget import Limits
from optimizer.events import Born, Confirmed, Event, Phase, ProposalDone, RoundSealed, Selected, TrialDone
from optimizer.methods import METHODS
from optimizer.proposers import Proposal, ProposalRequest
from optimizer.search import History
from reasoner import RewriteRequest
from tests.optimizer.worlds import Naughty, Play, Prudish, synthetic_pipeline

methods = pytest.mark.parametrize("method", METHODS)
SEARCHED = 150
"""Of 300 images, those that are not for the confirmation."""


def decisions(events: Sequence[Event]) -> list[Event]:
    """Everything but the trials, whose order is free."""
    return [event for event in events if not isinstance(event, TrialDone)]


def trials(events: Sequence[Event], phase: Phase) -> list[Trial]:
    return [event.trial for event in events if isinstance(event, TrialDone) and event.phase is phase]


def only(events: Sequence[Event], kind: type) -> Event:
    (found,) = [event for event in events if isinstance(event, kind)]
    return found


def of(events: Sequence[Event], kind: type) -> list:
    return [event for event in events if isinstance(event, kind)]


@methods
async def test_the_events_are_those_of_our_own_search(method: str):
    events = await Play(synthetic_world(3), method=method).run()
    born = of(events, Born)
    assert [event.ordinal for event in born] == list(range(len(born)))
    root, *children = [event.derivation for event in born]
    assert root.operation is Operation.ROOT
    assert root.child.name == "general"
    known = {root.child.id}
    for child in children:
        assert child.parents
        assert known.issuperset(child.parents)
        known.add(child.child.id)
    assert children
    assert len(of(events, ProposalDone)) >= len(children)
    searched = trials(events, Phase.SEARCH)
    assert {trial.request.system_prompt.id for trial in searched} <= known
    assert len(searched) <= SEARCHED
    assert {trial.request.prompt.split for trial in searched} <= {Split.SEARCH, Split.SELECT}
    selected, confirmed = only(events, Selected), only(events, Confirmed)
    assert isinstance(selected, Selected)
    assert isinstance(confirmed, Confirmed)
    assert selected.winner == selected.shortlist[0]
    assert METHODS[method].title in selected.reason
    assert confirmed.comparison.arms[-1].system_prompt_id == selected.winner
    last = of(events, RoundSealed)[-1]
    assert [standing.system_prompt_id for standing in last.standings if standing.p_best == 1.0] == [selected.winner]
    for standing in last.standings:
        scores = [trial.score or 0.0 for trial in searched if trial.request.system_prompt.id == standing.system_prompt_id]
        assert standing.trials == len(scores)
        assert standing.mean == pytest.approx(sum(scores) / len(scores))


@methods
async def test_system_prompts_are_compared_on_the_same_seeds(method: str):
    events = await Play(synthetic_world(3), method=method).run()
    looks: dict[str, dict[str, list[int]]] = {}
    for trial in trials(events, Phase.SEARCH):
        request = trial.request
        looks.setdefault(request.prompt.id, {}).setdefault(request.system_prompt.id, []).append(request.seed)
    shared = [by for by in looks.values() if len(by) > 1]
    assert shared
    for by in shared:
        most = max(map(len, by.values()))
        assert len({seed for seeds in by.values() for seed in seeds}) <= most + 6, (
            "a seed belongs to a prompt and a look, not to a system prompt"
        )


@methods
async def test_the_same_run_again_is_the_same(method: str):
    first, second = [await Play(synthetic_world(2), method=method).run() for _ in range(2)]
    assert decisions(first) == decisions(second)
    other = await Play(synthetic_world(2), method=method, seed=2).run()
    assert decisions(other) != decisions(first)


@methods
async def test_it_does_not_depend_on_who_finished_first(method: str):
    world = synthetic_world(2)

    class Unpunctual(SyntheticGenerator):
        async def __call__(self, requests: Sequence[ImageRequest]) -> Sequence[GeneratedImage | Exception]:
            await asyncio.sleep(random.random() / 500)
            return await super().__call__(requests)

    plain = await Play(world, method=method).run()
    late = await Play(world, method=method, pipeline=synthetic_pipeline(world, generator=Unpunctual(world))).run()
    assert decisions(late) == decisions(plain)


def remembered(events: Sequence[Event]) -> History:
    return History(
        {event.trial.id: event.trial for event in of(events, TrialDone)},
        {event.key: event.outcome for event in of(events, ProposalDone)},
    )


@methods
@pytest.mark.parametrize("stop", [2, 40, 110, 170])
async def test_interrupted_and_resumed_it_ends_the_same(method: str, stop: int):
    world = synthetic_world(4)
    whole = await Play(world, method=method).run()
    begun = await Play(world, method=method).run(stop_after=stop)

    class Silent(SyntheticProposer):
        async def __call__(self, request: ProposalRequest) -> Proposal:
            assert request.key(self.identity) not in history.proposals, "an answer that is on record is not asked for again"
            return await super().__call__(request)

    history = remembered(begun)
    resumed = await Play(world, method=method, history=history, proposer=Silent(world)).run()
    assert decisions(resumed) == decisions(whole)
    assert {event.trial.id for event in of(resumed, TrialDone)} == {event.trial.id for event in of(whole, TrialDone)}


@methods
async def test_closing_it_early_leaves_no_task_and_no_thread_behind(method: str):
    tasks, threads = asyncio.all_tasks(), threading.active_count()
    await Play(synthetic_world(4), method=method).run(stop_after=30)
    await asyncio.sleep(0)
    assert asyncio.all_tasks() == tasks
    assert not [thread for thread in threading.enumerate() if thread.name == "phoropter-method"]
    for _ in range(200):  # Threads of a pool that dspy does not wait for end by themselves.
        if threading.active_count() <= threads + 1:
            break
        await asyncio.sleep(0.01)
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("ThreadPoolExecutor")]


class Flaky(SyntheticGenerator):
    """Fails for good on every eighth seed."""

    async def __call__(self, requests: Sequence[ImageRequest]) -> Sequence[GeneratedImage | Exception]:
        images = await super().__call__(requests)
        lost = StageError(FailureKind.REFUSED, "moderated")
        return [lost if request.seed % 8 == 0 else image for request, image in zip(requests, images, strict=True)]


@methods
async def test_failures_are_on_record_and_never_scores(method: str):
    world = synthetic_world(5)
    events = await Play(world, images=400, method=method, pipeline=synthetic_pipeline(world, generator=Flaky(world))).run()
    searched = trials(events, Phase.SEARCH)
    failed = {trial.id for trial in searched if trial.failure is not None}
    assert failed
    assert {identifier for event in of(events, RoundSealed) for identifier in event.failed} == failed
    last = of(events, RoundSealed)[-1]
    assert sum(standing.trials for standing in last.standings) == len(searched) - len(failed)
    selected = only(events, Selected)
    assert isinstance(selected, Selected)
    assert f"{len(failed)} trials failed" in selected.reason
    assert decisions(await Play(world, 400, method=method, pipeline=synthetic_pipeline(world, generator=Flaky(world))).run()) == decisions(
        events
    )


@methods
async def test_a_system_prompt_that_always_fails_is_not_chosen(method: str):
    world = synthetic_world(13)

    events = await Play(
        world, images=500, method=method, pipeline=synthetic_pipeline(world, reasoner=Prudish("59")), proposer=Naughty(world, "59", every=3)
    ).run()
    selected = only(events, Selected)
    assert isinstance(selected, Selected)
    refused = {event.derivation.child.id for event in of(events, Born) if "59" in event.derivation.child.text.split()}
    assert refused
    assert selected.winner not in refused


@methods
async def test_an_outage_ends_the_run_and_says_why(method: str):
    world = synthetic_world(6)

    class Down(SyntheticGenerator):
        async def __call__(self, requests: Sequence[ImageRequest]) -> Sequence[GeneratedImage | Exception]:
            raise StageError(FailureKind.UNREACHABLE, "no connection to http://x", hint="start it")

    play = Play(world, method=method, pipeline=synthetic_pipeline(world, generator=Down(world)))
    with pytest.raises(FatalError, match=r"trials .* generate: no connection") as error:
        await play.run()
    assert error.value.hint == "start it"
    assert not of(play.events, Selected)


@methods
async def test_a_full_disk_ends_the_run_and_what_is_done_is_delivered(method: str):
    world = synthetic_world(7)

    class FullDisk(SyntheticGenerator):
        drawn = 0

        async def __call__(self, requests: Sequence[ImageRequest]) -> Sequence[GeneratedImage | Exception]:
            self.drawn += len(requests)
            if self.drawn > 60:
                raise FatalError("no space left on the disk")
            return await super().__call__(requests)

    play = Play(world, method=method, pipeline=synthetic_pipeline(world, generator=FullDisk(world)))
    with pytest.raises(FatalError, match="no space"):
        await play.run()
    assert 20 <= len(trials(play.events, Phase.SEARCH)) <= 60


@methods
async def test_a_proposer_without_ideas_ends_the_run(method: str):
    class Silent:
        identity = "silent"

        async def __call__(self, request: ProposalRequest) -> Proposal:
            raise StageError(FailureKind.MALFORMED, "prose", hint="another model")

    with pytest.raises(FatalError, match=r"no usable system prompt; the last: prose|none of the proposals could be used"):
        await Play(synthetic_world(8), images=2000, method=method, proposer=Silent()).run()


@pytest.mark.parametrize("method", ["gepa", "simba"])
async def test_a_proposer_that_repeats_itself_costs_requests_only(method: str):
    class Stubborn:
        identity = "stubborn"

        async def __call__(self, request: ProposalRequest) -> Proposal:
            return Proposal(request.parents[0].system_prompt.text, "the same")

    events = await Play(synthetic_world(8), images=220, method=method, proposer=Stubborn()).run()
    refused = [event.outcome for event in of(events, ProposalDone)]
    assert refused
    assert all(isinstance(outcome, Failure) and "tried already" in outcome.message for outcome in refused)
    assert len(of(events, Born)) == 1


@methods
async def test_a_token_limit_stops_it_and_leaves_enough_to_confirm(method: str):
    world = synthetic_world(10)

    class Talkative(SyntheticReasoner):
        async def __call__(self, requests: Sequence[RewriteRequest]) -> Sequence[Rewrite | Exception]:
            rewrites = await super().__call__(requests)
            return [replace(rewrite, usage=Usage(50, 50)) for rewrite in rewrites if isinstance(rewrite, Rewrite)]

    play = Play(world, method=method, limits=Limits(600, tokens=42_000), pipeline=synthetic_pipeline(world, reasoner=Talkative()))
    events = await play.run()
    selected = only(events, Selected)
    assert isinstance(selected, Selected)
    assert "a limit ended the search: tokens" in selected.reason
    assert len(of(events, TrialDone)) * 100 <= 42_000
    assert of(events, Confirmed)


@methods
async def test_nothing_is_printed(method: str, capsys: pytest.CaptureFixture[str]):
    await Play(synthetic_world(4), method=method).run()
    assert capsys.readouterr() == ("", "")
