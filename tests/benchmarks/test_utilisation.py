"""The clock that jumps tells the time that waiting would have taken, and the share of it that the image stage was busy."""

import asyncio

from benchmarks.search.worlds import SEARCH_PROMPTS
from benchmarks.utilisation import BATCH, IMAGES_OF_A_BATCH, Result, Server, Used, clock, gepa, ours
from benchmarks.worlds import SyntheticProposer, prompts_of, synthetic_world, system_prompt_of
from data.records import TrialRequest
from optimizer.evaluate import Evaluator
from optimizer.plan import Policy


def test_waiting_takes_as_long_as_it_says_side_by_side_and_in_turn():
    async def work() -> list[float]:
        loop = asyncio.get_running_loop()
        times = [loop.time()]
        await asyncio.gather(asyncio.sleep(50), asyncio.sleep(100), asyncio.sleep(100))
        times.append(loop.time())
        for _ in range(3):
            await asyncio.sleep(10)
        times.append(loop.time())
        return times

    with clock(wall=False) as runner:
        start, together, in_turn = runner.run(work())
    assert 100 <= together - start < 105
    assert 30 <= in_turn - together < 35


def test_a_stage_that_always_has_work_is_busy_and_full():
    world = synthetic_world(1)
    server = Server.of(world, SyntheticProposer(world))
    prompts = prompts_of(world)[:SEARCH_PROMPTS]

    async def all_at_once() -> None:
        requests = [TrialRequest(system_prompt_of([]), prompt, sample=0, seed=seed) for prompt in prompts for seed in range(4)]
        async with Evaluator(server.pipeline) as evaluator:
            async for _ in evaluator.stream(requests):
                pass

    with clock(wall=False) as runner:
        runner.run(all_at_once())
    used = server.used("all at once")
    assert used.images == 4 * SEARCH_PROMPTS
    assert used.batches <= used.images / BATCH + 2, "the first batch is what is there when it begins"
    assert used.busy >= used.full > 0.9
    assert used.seconds >= used.batches * IMAGES_OF_A_BATCH


def test_rounds_that_fill_a_batch_and_proposals_that_have_time_keep_the_stage_busy():
    hurried = ours(240, False, Policy(round_size=8, ahead=1, thinking=1))
    patient = ours(240, False, Policy(round_size=8, ahead=5, thinking=16))
    assert hurried.images == patient.images == 240
    assert patient.busy > hurried.busy + 0.2


def test_gepa_draws_more_per_second_where_it_proposes_in_parallel():
    serial = gepa("serial", 150, False, (1, 1))
    parallel = gepa("parallel", 150, False, (4, 2))
    assert serial.images >= 150
    assert parallel.full > serial.full


def test_the_goal_is_ours():
    busy, idle = Used("", 1.0, 1, 8, 0.98, 0.9, 1), Used("", 1.0, 1, 8, 0.5, 0.4, 1)
    assert Result(False, (busy, idle)).ok
    assert not Result(False, (idle, busy)).ok
