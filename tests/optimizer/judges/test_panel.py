"""The panel: how several judges' values become one, who may be missing, and what a further try pays for."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.errors import FailureKind, FatalError, StageError, UsageError
from data.records import Criterion, CriterionKind, CriterionScore, GeneratedImage, Judgment, Need, Opinion, Prompt
from data.usage import Usage
from generator.embedded.painter import paint, to_png
from generator.embedded.picture import Group, Picture
from optimizer.judges import Judge, JudgeRequest
from optimizer.judges.panel import MONITOR_WEIGHT, Member, Panel, disagreement
from optimizer.judges.scene import SceneJudge

CHECKLIST = (
    Criterion("cat", "There is a cat", CriterionKind.ENTITY),
    Criterion("dog", "A dog is visible", CriterionKind.NEGATION, Need.MUST_NOT),
)
REQUEST = JudgeRequest(Prompt("a cat and no dog", CHECKLIST), GeneratedImage("abc", 1, 1))
ABSTAINS = StageError(FailureKind.UNSUPPORTED, "no text was asked for")
DOWN = StageError(FailureKind.UNREACHABLE, "server down", retryable=True, hint="start it", usage=Usage(1, 0))


@dataclass
class Told:
    """A Judge that says what it is told to, one outcome per call, the last one for ever; and counts what it is asked."""

    name: str
    outcomes: list[float | Judgment | Exception]
    asked: list[JudgeRequest] = field(default_factory=list)

    @property
    def identity(self) -> str:
        return f"told:{self.name}"

    async def __call__(self, requests: Sequence[JudgeRequest]) -> Sequence[Judgment | Exception]:
        self.asked += requests
        outcome = self.outcomes.pop(0) if len(self.outcomes) > 1 else self.outcomes[0]
        said = Judgment(outcome, usage=Usage(10, 1)) if isinstance(outcome, int | float) else outcome
        return [said] * len(requests)


def told(*outcomes: float | Judgment | Exception, name: str = "told") -> Told:
    return Told(name, list(outcomes))


def member(name: str, *outcomes: float | Judgment | Exception, weight: float | None = None, monitor: bool = False) -> Member:
    return Member(told(*outcomes, name=name), name, weight, "", monitor)


def scored(cat: float | None, dog: float | None, evidence: str = "") -> Judgment:
    return Judgment(0.5, (CriterionScore("cat", cat, f"cat {evidence}"), CriterionScore("dog", dog, f"dog {evidence}")))


async def judged(*members: Member) -> Judgment:
    (outcome,) = await Panel(members)([REQUEST])
    assert isinstance(outcome, Judgment), outcome
    return outcome


async def failed(*members: Member) -> StageError:
    (outcome,) = await Panel(members)([REQUEST])
    assert isinstance(outcome, StageError), outcome
    return outcome


# -- the value


@settings(deadline=None)
@given(st.lists(st.tuples(st.none() | st.floats(0, 1), st.floats(0.01, 100), st.booleans()), min_size=1, max_size=5))
def test_weights_are_shared_among_those_who_speak_and_monitors_never_rule(entries: list[tuple[float | None, float, bool]]) -> None:
    members = [member(str(n), ABSTAINS if value is None else value, weight=w, monitor=m) for n, (value, w, m) in enumerate(entries)]
    if all(monitor for *_, monitor in entries):
        with pytest.raises(UsageError):
            Panel(members)
        return
    (outcome,) = asyncio.run(Panel(members)([REQUEST]))
    if not any(value is not None and not monitor for value, _, monitor in entries):
        assert isinstance(outcome, StageError)
        assert outcome.kind is FailureKind.UNSUPPORTED
        return
    assert isinstance(outcome, Judgment)
    said = [opinion for opinion in outcome.opinions if opinion.value is not None]
    assert sum(opinion.weight for opinion in said) == pytest.approx(1)
    assert all(opinion.weight == 0 for opinion in outcome.opinions if opinion.value is None)
    watching = sum(opinion.weight for opinion, (*_, monitor) in zip(outcome.opinions, entries, strict=True) if monitor)
    assert watching <= MONITOR_WEIGHT + 1e-12
    values = [opinion.value or 0 for opinion in said]
    assert min(values) - 1e-9 <= outcome.value <= max(values) + 1e-9
    judges = [(value, weight) for value, weight, monitor in entries if not monitor and value is not None]
    if len(judges) == len(said):
        mean = sum(value * weight for value, weight in judges) / sum(weight for _, weight in judges)
        assert outcome.value == pytest.approx(mean)


async def test_a_monitor_is_shown_and_counts_nothing_unless_it_is_given_a_weight() -> None:
    shown = await judged(member("judge", 0.4), member("monitor", 1.0, monitor=True))
    assert shown.value == 0.4
    assert shown.opinions[1] == Opinion("monitor", 1.0, 0.0)
    assert disagreement(shown) is None
    counting = await judged(member("judge", 0.4), member("monitor", 1.0, weight=0.1, monitor=True))
    assert counting.value == pytest.approx((0.4 + 0.1) / 1.1)
    capped = await judged(member("judge", 0.4), member("monitor", 1.0, weight=50, monitor=True))
    assert capped.value == pytest.approx(0.8 * 0.4 + 0.2 * 1.0)


async def test_an_abstention_is_noted_and_drops_out() -> None:
    judgment = await judged(member("eyes", 0.5, weight=3), member("text", ABSTAINS), member("scene", 1.0))
    assert judgment.value == pytest.approx((3 * 0.5 + 1.0) / 4)
    assert judgment.opinions[1] == Opinion("text", None, 0.0, note="no text was asked for")
    assert disagreement(judgment) == 0.5


async def test_where_all_abstain_there_is_no_score() -> None:
    error = await failed(member("text", ABSTAINS), member("scene", ABSTAINS), member("monitor", 0.9, monitor=True, weight=1))
    assert error.kind is FailureKind.UNSUPPORTED
    assert "text: no text was asked for" in str(error)
    assert "monitor: only watches" in str(error)
    assert error.usage == Usage(10, 1)


async def test_usage_is_summed_and_the_slowest_sets_the_time() -> None:
    slow = Judgment(0.5, usage=Usage(5, 5, cost=None), latency=3.0)
    judgment = await judged(member("a", slow), member("b", 0.5))
    assert judgment.usage == Usage(15, 6, cost=None)
    assert judgment.latency == 3.0


# -- criteria


async def test_criteria_are_averaged_with_the_evidence_of_who_finds_most_fault() -> None:
    judgment = await judged(member("a", scored(0.9, 0.1, "by a"), weight=3), member("b", scored(0.7, 0.3, "by b")))
    assert [(score.id, score.evidence) for score in judgment.scores] == [("cat", "cat by b"), ("dog", "dog by b")]
    assert [score.score for score in judgment.scores] == pytest.approx([0.85, 0.15])


async def test_judges_that_contradict_each_other_are_named() -> None:
    judgment = await judged(member("a", scored(1, 0, "by a")), member("b", scored(0.5, 1, "by b")))
    assert judgment.scores[0].evidence == "disagree: b 0.50 (cat by b); a 1.00 (cat by a)"
    assert judgment.scores[1].evidence == "disagree: b 1.00 (dog by b); a 0.00 (dog by a)"


async def test_an_abstention_from_a_criterion_leaves_it_to_the_others() -> None:
    judgment = await judged(member("a", scored(None, None, "by a")), member("b", scored(0.0, None, "by b")))
    assert judgment.scores == (CriterionScore("cat", 0.0, "cat by b"), CriterionScore("dog", None, "dog by a"))


async def test_what_only_a_monitor_scores_stays_its_opinion() -> None:
    liked = Judgment(0.9, (CriterionScore("preference", 0.9),))
    judgment = await judged(member("a", scored(1, 0)), member("monitor", liked, monitor=True))
    assert [score.id for score in judgment.scores] == ["cat", "dog"]
    assert judgment.opinions[1].scores == liked.scores


async def test_criteria_keep_the_order_of_the_checklist() -> None:
    odd = Judgment(0.5, (CriterionScore("global-text", 0.0), CriterionScore("dog", 0.0)))
    judgment = await judged(member("a", odd), member("b", scored(1, 0)))
    assert [score.id for score in judgment.scores] == ["cat", "dog", "global-text"]


# -- failures


async def test_a_panel_without_one_member_is_another_instrument() -> None:
    panel = Panel([member("a", 1.0), member("b", DOWN)])
    (error,) = await panel([REQUEST])
    assert isinstance(error, StageError)
    assert (error.kind, str(error), error.retryable, error.hint) == (FailureKind.UNREACHABLE, "b: server down", True, "start it")
    assert error.usage == Usage(11, 1)


async def test_a_further_try_pays_only_for_the_missing_one() -> None:
    a, b, c = told(0.2, name="a"), told(DOWN, DOWN, 0.4, name="b"), told(ABSTAINS, name="c")
    panel = Panel([Member(a, "a"), Member(b, "b"), Member(c, "c")])
    used = []
    for _ in range(2):
        (error,) = await panel([REQUEST])
        assert isinstance(error, StageError)
        used.append(error.usage)
    (judgment,) = await panel([REQUEST])
    assert isinstance(judgment, Judgment)
    assert judgment.value == pytest.approx(0.3)
    assert [len(judge.asked) for judge in (a, b, c)] == [1, 3, 1]
    # What a failure carried away is not charged again.
    assert [*used, judgment.usage] == [Usage(11, 1), Usage(1, 0), Usage(10, 1)]
    await panel([REQUEST])
    assert len(a.asked) == 2  # Nothing is kept of what was delivered: the ledger has it.


async def test_what_is_kept_belongs_to_its_request() -> None:
    a = told(0.2, name="a")
    panel = Panel([Member(a, "a"), member("b", DOWN, 0.4)])
    again = replace(REQUEST, look=1)
    await panel([REQUEST])
    await panel([again, REQUEST])
    assert a.asked == [REQUEST, again]


async def test_what_was_delivered_before_a_call_is_cut_short_is_kept_and_charged_once() -> None:
    class Hangs:
        identity = "hangs"
        hangs = True

        async def __call__(self, requests: Sequence[JudgeRequest]) -> Sequence[Judgment | Exception]:
            if self.hangs:
                self.hangs = False
                await asyncio.sleep(3600)
            return [Judgment(1.0)] * len(requests)

    quick = told(0.5, name="quick")
    panel = Panel([Member(quick, "quick"), Member(Hangs(), "hangs")])
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await panel([REQUEST])
    (judgment,) = await panel([REQUEST])
    assert isinstance(judgment, Judgment)
    assert (judgment.value, judgment.usage, len(quick.asked)) == (0.75, Usage(10, 1), 1)


async def test_an_error_that_no_further_try_heals_goes_before_the_others() -> None:
    refused = StageError(FailureKind.REFUSED, "declined")
    error = await failed(member("a", DOWN), member("b", refused))
    assert (error.kind, error.retryable) == (FailureKind.REFUSED, False)
    waits = [StageError(FailureKind.RATE_LIMITED, "slow down", retryable=True, retry_after=wait) for wait in (2.0, 7.0)]
    error = await failed(member("a", waits[0]), member("b", waits[1]), member("c", DOWN))
    assert (error.retryable, error.retry_after) == (True, 7.0)


async def test_a_monitor_that_counts_nothing_may_fail() -> None:
    judgment = await judged(member("judge", 0.4), member("monitor", DOWN, monitor=True))
    assert judgment.value == 0.4
    assert judgment.opinions[1].note == "failed: server down"
    assert judgment.usage == Usage(11, 1)
    error = await failed(member("judge", 0.4), member("monitor", DOWN, weight=0.1, monitor=True))
    assert error.kind is FailureKind.UNREACHABLE


async def test_a_value_that_is_none_does_not_pass_into_the_mean() -> None:
    for value in (float("nan"), 1.5, -0.1):
        error = await failed(member("a", 0.5), member("b", Judgment(value, usage=Usage(7, 0))))
        assert error.kind is FailureKind.MALFORMED
        assert str(error).startswith("b: the value ")
        assert error.usage == Usage(17, 1)


async def test_what_a_judge_raises_is_the_outcome_of_all_its_requests_and_a_fatal_error_ends_them() -> None:
    class Raises:
        identity = "raises"

        def __init__(self, error: Exception) -> None:
            self.error = error

        async def __call__(self, requests: Sequence[JudgeRequest]) -> Sequence[Judgment | Exception]:
            raise self.error

    bug = ValueError("a bug")
    assert await Panel([member("a", 0.5), Member(Raises(bug), "b")])([REQUEST, REQUEST]) == [bug, bug]
    error = await failed(member("a", 0.5), Member(Raises(DOWN), "b"))
    assert error.kind is FailureKind.UNREACHABLE
    with pytest.raises(FatalError):
        await Panel([member("a", 0.5), Member(Raises(FatalError("keys refused")), "b", monitor=True)])([REQUEST])


async def test_a_judge_that_loses_count_fails_what_it_was_asked() -> None:
    class Short:
        identity = "short"

        async def __call__(self, requests: Sequence[JudgeRequest]) -> Sequence[Judgment | Exception]:
            return []

    assert (await failed(Member(Short(), "short"))).kind is FailureKind.MALFORMED


# -- what it is


@pytest.mark.parametrize(
    "members",
    [
        [],
        [member("a", 1.0, monitor=True)],
        [member("a", 1.0), member("a", 0.0)],
        [member("a", 1.0, weight=0)],
        [member("a", 1.0, weight=-1)],
        [member("a", 1.0, weight=float("nan"))],
        [member("a", 1.0, weight=float("inf"))],
        [member("a", 1.0), member("b", 1.0, weight=-1, monitor=True)],
    ],
)
def test_what_makes_no_panel_is_refused(members: list[Member]) -> None:
    with pytest.raises(UsageError) as caught:
        Panel(members)
    assert caught.value.hint


def test_its_identity_is_that_of_its_members_and_their_weights() -> None:
    def identity(*members: Member) -> str:
        return Panel(members).identity

    plain = identity(member("a", 1.0), member("b", 1.0))
    assert plain == identity(member("a", 0.3), member("b", 1.0, weight=1))
    others = (
        identity(member("a", 1.0)),
        identity(member("a", 1.0), member("b", 1.0, weight=2)),
        identity(member("a", 1.0), member("b", 1.0, monitor=True)),
        identity(member("a", 1.0), Member(told(1.0, name="c"), "b")),
    )
    assert len({plain, *others}) == 5


async def test_members_are_asked_at_the_same_time_and_closed() -> None:
    meeting = asyncio.Barrier(2)
    closed: list[str] = []

    class Meets:
        times_itself = True

        def __init__(self, name: str) -> None:
            self.identity = name

        async def __call__(self, requests: Sequence[JudgeRequest]) -> Sequence[Judgment | Exception]:
            async with asyncio.timeout(5):
                await meeting.wait()
            return [Judgment(1.0)] * len(requests)

        async def aclose(self) -> None:
            closed.append(self.identity)

    one, other = Meets("a"), Meets("b")
    panel = Panel([Member(one, "a"), Member(other, "b"), member("c", 1.0)])
    assert panel.times_itself
    assert not Panel([member("c", 1.0)]).times_itself
    assert isinstance((await panel([REQUEST]))[0], Judgment)
    await panel.aclose()
    assert sorted(closed) == ["a", "b"]


async def test_outcomes_come_one_per_request_in_order() -> None:
    panel = Panel([member("a", 0.5), Member(SceneJudge(), "scene")])
    assert await panel([]) == []
    prompts = [Prompt(f"{count} cats", _count(count)) for count in (1, 2, 3, 1, 5)]
    png = to_png(paint(Picture((Group("cat", "red", 1),), "snow", seed=1)))
    requests = [JudgeRequest(prompt, GeneratedImage("png", 512, 512, content=png)) for prompt in prompts]
    values = [outcome.value for outcome in await panel(requests) if isinstance(outcome, Judgment)]
    assert values == [0.75, 0.25, 0.25, 0.75, 0.25]


def _count(count: int) -> tuple[Criterion, ...]:
    from data.scene import Check
    from data.scene import Test as Trait

    return (Criterion("cats", f"{count} cats", CriterionKind.COUNT, check=Check(Trait.COUNT, ("cat",), least=count, most=count)),)


def test_it_is_a_judge() -> None:
    judge: Judge = Panel([member("a", 1.0)])
    assert judge.identity.startswith("panel:")
