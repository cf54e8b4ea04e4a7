"""The pool on a cluster of this machine: what it draws, and what becomes of requests when actors fail, hang and die."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

ray = pytest.importorskip("ray")

from data.errors import FailureKind, FatalError, StageError, UsageError  # noqa: E402
from data.records import GeneratedImage  # noqa: E402
from data.usage import Usage  # noqa: E402
from generator import ImageGenerator, ImageRequest  # noqa: E402
from generator.engines.embedded import EmbeddedGenerator  # noqa: E402
from generator.engines.ray import RayPool, State  # noqa: E402
from tests.generator.ray.scripted import Scripted, changing, dying, makable_once, unmakable  # noqa: E402

CPUS = 4
WITHOUT_GPU: dict[str, Any] = {"gpus": 0}


@pytest.fixture(scope="module", autouse=True)
def _cluster() -> Iterator[None]:
    ray.init(
        address="local",
        num_cpus=CPUS,
        num_gpus=2,
        include_dashboard=False,
        log_to_driver=False,
        object_store_memory=128 << 20,
        logging_level="ERROR",
    )
    yield
    ray.shutdown()


@asynccontextmanager
async def pool_of(make: Callable[[], ImageGenerator] = Scripted, **options: Any) -> AsyncGenerator[RayPool]:
    pool = RayPool.start(make, **WITHOUT_GPU | options)
    try:
        yield pool
    finally:
        await pool.aclose()


def texts(*texts: str) -> list[ImageRequest]:
    return [ImageRequest(text, seed) for seed, text in enumerate(texts)]


async def until(true: Callable[[], object]) -> None:
    while not true():
        await asyncio.sleep(0.01)


async def test_a_pool_draws_what_its_generators_draw_in_process() -> None:
    requests = texts("two red cats left of a blue house", "three balloons over a harbour at night", "a sign that says HELLO")
    alone = EmbeddedGenerator()
    async with pool_of(EmbeddedGenerator, actors=2) as pool:
        assert await pool(requests) == await alone(requests)
        assert pool.identity == alone.identity
        assert pool.ratios == alone.ratios
        assert pool.text_limit is not None
        assert alone.text_limit is not None
        assert (pool.text_limit.name, pool.text_limit.tokens) == (alone.text_limit.name, alone.text_limit.tokens)
        assert pool.text_limit.count("three red cats") == 3


async def test_all_actors_draw_and_pictures_come_back_whole() -> None:
    async with pool_of(actors=2, at_once=4) as pool:
        assert pool.ratios == ("1:1", "16:9")
        await pool(texts("the first call"))
        await until(lambda: all(actor.state is State.UP for actor in pool.standing()))
        drawn = await pool(texts(*(f"number {number}" for number in range(60))))
        assert [image.content for image in drawn if isinstance(image, GeneratedImage)] == [b"number %d" % number for number in range(60)]
        standing = pool.standing()
        assert sum(actor.images for actor in standing) == 61
        assert all(actor.images and actor.state is State.UP and actor.node and not actor.in_flight for actor in standing)


async def test_there_is_an_actor_for_each_gpu() -> None:
    async with pool_of(gpus=None) as pool:
        await pool(texts("the first call"))
        await until(lambda: all(actor.state is State.UP for actor in pool.standing()))
        assert sorted(actor.gpus for actor in pool.standing()) == [("0",), ("1",)]


async def test_an_actor_that_dies_is_replaced_and_its_requests_drawn_elsewhere(tmp_path: Path) -> None:
    async with pool_of(actors=2, at_once=4) as pool:
        requests = texts(
            *(f"number {number}" for number in range(20)), f"kills-once {tmp_path}", *(f"later {number}" for number in range(20))
        )
        drawn = await pool(requests)
        assert [image.sha256 for image in drawn if isinstance(image, GeneratedImage)] == [request.text for request in requests]
        await until(lambda: all(actor.state is State.UP for actor in pool.standing()))
        assert sum(actor.restarts for actor in pool.standing()) == 1


async def test_a_request_that_kills_fails_and_takes_nobody_with_it() -> None:
    async with pool_of(actors=1, at_once=8) as pool:
        *drawn, killer = await pool(texts(*(f"number {number}" for number in range(8)), "kills"))
        assert all(isinstance(image, GeneratedImage) for image in drawn)
        assert isinstance(killer, StageError)
        assert (killer.kind, killer.retryable) == (FailureKind.CRASHED, False)
        assert "3 actors" in str(killer)
        assert isinstance((await pool(texts("and on")))[0], GeneratedImage)


async def test_an_idle_actor_that_dies_costs_nothing(tmp_path: Path) -> None:
    async with pool_of(actors=1) as pool:
        await pool(texts("number 1"))
        ray.kill(pool._members[0].actor)
        await until(lambda: pool.standing()[0].restarts == 1)
        (image,) = await pool(texts("number 2"))
        assert isinstance(image, GeneratedImage)


@pytest.mark.parametrize("word", ["fails", "raises"])
async def test_failures_of_an_item_come_back_as_themselves(word: str) -> None:
    async with pool_of(actors=1) as pool:
        image, error = await pool(texts("number 1", word))
        assert isinstance(image, GeneratedImage)
        assert isinstance(error, StageError)
        assert (error.kind, str(error), error.hint) == (FailureKind.BLOCKED, "not that", "ask for something else")
        assert (error.retryable, error.retry_after, error.usage) == (True, 2.5, Usage(3, 4, 0.5))


async def test_what_nobody_expected_becomes_a_failure_of_its_item() -> None:
    async with pool_of(actors=1) as pool:
        error, image = await pool(texts("stumbles here", "number 1"))
        assert isinstance(error, StageError)
        assert (error.kind, str(error)) == (FailureKind.CRASHED, "KeyError: 'here'")
        assert isinstance(image, GeneratedImage)


async def test_a_fatal_error_ends_the_call_with_all_that_is_in_it(tmp_path: Path) -> None:
    async with pool_of(actors=1) as pool:
        with pytest.raises(FatalError, match="the disk is full") as caught:
            await pool(texts(f"hangs {tmp_path}", "is-fatal"))
        assert caught.value.hint == "make room"
        await until((tmp_path / "cancelled").exists)


async def test_no_actor_gets_more_than_it_may_have_at_once(tmp_path: Path) -> None:
    async with pool_of(actors=2, at_once=3) as pool:
        drawing = asyncio.create_task(pool(texts(*[f"waits {tmp_path}"] * 20)))
        await until(lambda: len(list(tmp_path.iterdir())) == 6)
        assert [actor.in_flight for actor in pool.standing()] == [3, 3]
        (tmp_path / "open").touch()
        assert len(await drawing) == 20
        traces = [path.name.split("-of-") for path in tmp_path.iterdir() if path.name != "open"]
        assert len(traces) == 20
        assert max(int(at_work) for _, at_work in traces) == 3


async def test_who_goes_away_leaves_the_place_to_others(tmp_path: Path) -> None:
    async with pool_of(actors=1, at_once=1) as pool:
        first = asyncio.create_task(pool(texts(f"hangs {tmp_path}")))
        await until((tmp_path / "began").exists)
        second = asyncio.create_task(pool(texts("waits in vain")))
        third = asyncio.create_task(pool(texts("number 3")))
        await asyncio.sleep(0)
        for gone in (second, first):
            gone.cancel()
            with pytest.raises(asyncio.CancelledError):
                await gone
        assert isinstance((await third)[0], GeneratedImage)
        await until((tmp_path / "cancelled").exists)


async def test_an_actor_that_answers_nothing_is_replaced() -> None:
    async with pool_of(actors=1, at_once=2, timeout=1) as pool:
        (error,) = await pool(texts("blocks"))
        assert isinstance(error, StageError)
        assert (error.kind, error.retryable) == (FailureKind.TIMEOUT, True)
        assert "generator.timeout" in error.hint
        assert isinstance((await pool(texts("number 1")))[0], GeneratedImage)
        assert pool.standing()[0].restarts == 1


async def test_waiting_behind_others_is_no_silence() -> None:
    async with pool_of(actors=1, at_once=1, timeout=0.5) as pool:
        drawn = await pool(texts(*(f"number {number}" for number in range(150))))
        assert all(isinstance(image, GeneratedImage) for image in drawn)


@pytest.mark.parametrize(
    ("make", "reason"), [(makable_once, "the model is gone"), (changing, "it draws as scripted:2, the pool as scripted:1")]
)
async def test_a_pool_whose_actors_start_no_more_ends_the_run(make: Callable[[str], Scripted], reason: str, tmp_path: Path) -> None:
    async with pool_of(partial(make, str(tmp_path)), actors=1) as pool:
        with pytest.raises(FatalError, match=reason):
            await pool(texts("kills"))
        assert pool.standing()[0].state is State.GIVEN_UP


def test_a_generator_that_cant_be_made_is_said_at_the_start() -> None:
    with pytest.raises(UsageError, match="there is no such model") as caught:
        RayPool.start(unmakable, gpus=0, actors=2)
    assert caught.value.hint == "look at the list"
    with pytest.raises(UsageError, match="ended while it made its generator"):
        RayPool.start(dying, gpus=0, actors=1)


@pytest.mark.parametrize(
    ("asked", "said", "hint"),
    [
        ({"gpus": 3}, "no actor of 3 GPU and 1 CPU each, not for 1; free are 2 of 2 GPU, 4 of 4 CPU", "ray start"),
        ({"actors": 5}, "room for 4 actors of 1 CPU each, not for 5", "actors=4"),
        ({"actors": 2, "cpus": 3}, "room for 1 actor of 3 CPU each", "actors=1"),
        ({"memory": 2**50}, "1048576.0 GiB of memory", "memory="),
        ({"actors": 0}, "at least one", "leave actors out"),
        ({"cpus": -1}, "cpus=-1", "leave cpus out"),
        ({"gpus": 1.5}, "whole ones", "gpus=1"),
    ],
)
async def test_what_the_cluster_has_no_room_for_is_said_at_the_start(asked: dict[str, Any], said: str, hint: str) -> None:
    await until(lambda: ray.available_resources().get("CPU") == CPUS)
    with pytest.raises(UsageError, match=said) as caught:
        RayPool.start(Scripted, **WITHOUT_GPU | asked)
    assert hint in caught.value.hint


async def test_closing_ends_the_actors_and_those_who_wait(tmp_path: Path) -> None:
    pool = RayPool.start(Scripted, gpus=0, actors=1, at_once=1)
    drawing = asyncio.create_task(pool(texts(f"hangs {tmp_path}", "number 2")))
    await until((tmp_path / "began").exists)
    await pool.aclose()
    await pool.aclose()
    outcomes = await drawing
    assert [outcome.kind for outcome in outcomes if isinstance(outcome, StageError)] == [FailureKind.UNREACHABLE] * 2
    await until(lambda: ray.available_resources().get("CPU") == CPUS)
    assert ray.is_initialized(), "the cluster was there before the pool, and stays"
