"""A gain is measured again with another judge or generator: on the same pictures or rewrites, within the budget, and to the same end when
it was interrupted."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pytest

from benchmarks.search.worlds import SyntheticWorld
from benchmarks.worlds import SyntheticGenerator, SyntheticJudge, SyntheticReasoner, synthetic_world
from data.errors import FailureKind, FatalError, StageError
from data.records import GeneratedImage, Judgment, Rewrite, Trial
from generator import ImageRequest
from optimizer.budget import Budget, Limits, share_out
from optimizer.compare import Comparison, Exchanged
from optimizer.evaluate import Pipeline
from optimizer.events import Confirmed, Event, Phase, TrialDone
from optimizer.judges import JudgeRequest
from optimizer.search import History
from reasoner import RewriteRequest
from tests.optimizer.worlds import Play, synthetic_pipeline

IMAGES = 500


@dataclass
class Counted:
    """Engines that count what they are asked."""

    world: SyntheticWorld
    rewrites: list[str] = field(default_factory=list)
    images: list[ImageRequest] = field(default_factory=list)

    def pipeline(self) -> Pipeline:
        counted = self

        class Reasoner(SyntheticReasoner):
            async def __call__(self, requests: Sequence[RewriteRequest]) -> Sequence[Rewrite | Exception]:
                counted.rewrites += [request.prompt.id for request in requests]
                return await super().__call__(requests)

        class Generator(SyntheticGenerator):
            async def __call__(self, requests: Sequence[ImageRequest]) -> Sequence[GeneratedImage | Exception]:
                counted.images += requests
                return await super().__call__(requests)

        return synthetic_pipeline(self.world, reasoner=Reasoner(), generator=Generator(self.world))


class OtherJudge(SyntheticJudge):
    """Of the same mind, under another name; or it is away."""

    def __init__(self, world: SyntheticWorld, *, away: bool = False) -> None:
        super().__init__(world)
        self.identity = "other judge"
        self.away = away

    async def __call__(self, requests: Sequence[JudgeRequest]) -> Sequence[Judgment | Exception]:
        if self.away:
            return [StageError(FailureKind.UNREACHABLE, "nobody there")] * len(requests)
        return await super().__call__(requests)


class OtherGenerator(SyntheticGenerator):
    def __init__(self, world: SyntheticWorld) -> None:
        super().__init__(world)
        self.identity = "other generator"
        self.asked: list[ImageRequest] = []

    async def __call__(self, requests: Sequence[ImageRequest]) -> Sequence[GeneratedImage | Exception]:
        self.asked += requests
        return await super().__call__(requests)


def of_phase(events: Sequence[Event], phase: Phase) -> list[Trial]:
    return [event.trial for event in events if isinstance(event, TrialDone) and event.phase is phase]


def comparison(events: Sequence[Event]) -> Comparison:
    confirmed = events[-1]
    assert isinstance(confirmed, Confirmed)
    return confirmed.comparison


def exchanged(world: SyntheticWorld, engines: Counted, **changes: object) -> Mapping[Exchanged, Pipeline]:
    """Another judge, or another generator, before the engines of ``engines``."""
    own = engines.pipeline()
    parts = {"reasoner": own.reasoner, "generator": own.generator}
    return {Exchanged(name): synthetic_pipeline(world, **{**parts, name: engine}) for name, engine in changes.items()}


async def test_another_judge_looks_at_the_same_pictures_and_nothing_is_drawn_again():
    world = synthetic_world(3)
    engines = Counted(world)
    play = Play(world, IMAGES, pipeline=engines.pipeline(), others=exchanged(world, engines, judge=OtherJudge(world)))
    events = await play.run()
    again, confirmed = of_phase(events, Phase.OTHER_JUDGE), of_phase(events, Phase.CONFIRM)
    report = comparison(events)
    tested = next(arm.trials for arm in report.arms if arm.name == "best")
    assert len(again) == 2 * tested
    assert {trial.image for trial in again} <= {trial.image for trial in confirmed}
    assert {trial.id for trial in again}.isdisjoint(trial.id for trial in confirmed)
    keys = [(request.text, request.seed) for request in engines.images]
    assert len(keys) == len(set(keys))
    (told,) = report.transfers
    assert told.exchanged is Exchanged.JUDGE
    # Of the same mind, but for what it sees by chance.
    gain = next(entry for entry in report.to_best if entry.reference == "general")
    assert told.difference is not None
    assert told.difference.prompts == gain.prompts
    assert told.difference.interval.estimate == pytest.approx(gain.interval.estimate, abs=0.08)
    plain = await Play(world, IMAGES).run()
    assert [arm.mean for arm in comparison(plain).arms] == [arm.mean for arm in report.arms]  # The run itself is the same with it.


async def test_another_generator_draws_the_same_rewrites_on_images_that_were_put_by():
    world = synthetic_world(3)
    engines, other = Counted(world), OtherGenerator(world)
    play = Play(world, IMAGES, pipeline=engines.pipeline(), others=exchanged(world, engines, generator=other))
    events = await play.run()
    report = comparison(events)
    again = of_phase(events, Phase.OTHER_GENERATOR)
    assert len(other.asked) == len(again) == 2 * report.arms[-1].trials
    spent = sum(isinstance(event, TrialDone) for event in events)
    assert IMAGES - 8 <= spent <= IMAGES
    drawn = {(request.text, request.seed) for request in engines.images}
    assert {(request.text, request.seed) for request in other.asked} <= drawn
    (told,) = report.transfers
    assert told.exchanged is Exchanged.GENERATOR
    assert told.best.trials == told.reference.trials == report.arms[-1].trials


async def test_an_interrupted_transfer_comes_to_the_same_end():
    world = synthetic_world(4)

    async def run(history: History, stop_after: int | None = None) -> list[Event]:
        engines = Counted(world)
        others = exchanged(world, engines, judge=OtherJudge(world), generator=OtherGenerator(world))
        return await Play(world, IMAGES, pipeline=engines.pipeline(), history=history, others=others).run(stop_after)

    whole = await run(History())
    cut = next(n for n, event in enumerate(whole) if isinstance(event, TrialDone) and event.phase is Phase.OTHER_GENERATOR) + 20
    first = await run(History(), cut)
    known = {event.trial.id: event.trial for event in first if isinstance(event, TrialDone)}
    assert comparison(await run(History(trials=known))) == comparison(whole)
    assert [entry.exchanged for entry in comparison(whole).transfers] == [Exchanged.JUDGE, Exchanged.GENERATOR]


async def test_a_judge_that_is_away_ends_the_run_and_is_no_score():
    world = synthetic_world(3)
    engines = Counted(world)
    play = Play(world, IMAGES, pipeline=engines.pipeline(), others=exchanged(world, engines, judge=OtherJudge(world, away=True)))
    with pytest.raises(FatalError, match="nobody there"):
        await play.run()
    assert not any(isinstance(event, Confirmed) for event in play.events)


def test_images_for_another_generator_are_put_by_before_the_search():
    without = share_out(600, arms=5, shortlist=3, select_prompts=30, test_prompts=80)
    with_it = share_out(600, arms=7, shortlist=3, select_prompts=30, test_prompts=80)
    assert with_it.test_prompts < without.test_prompts
    assert 7 * with_it.test_prompts * with_it.test_seeds <= 300


def test_only_what_is_done_anew_is_counted():
    budget = Budget(Limits(10))
    trial = Trial("a", None, image=GeneratedImage("x", 1, 1), judgment=Judgment(1.0))  # pyright: ignore[reportArgumentType]
    budget.charge_again(trial, drawn=False)
    assert budget.images == 0
    budget.charge_again(trial, drawn=True)
    assert budget.images == 1
