"""What counts as busy, and who is busier: with waiting scaled down to milliseconds, where only large differences are certain."""

import asyncio

from benchmarks.search.worlds import SEARCH_PROMPTS
from benchmarks.utilisation import BATCH, Result, Server, Used, gepa, ours
from benchmarks.worlds import SyntheticProposer, prompts_of, synthetic_world, system_prompt_of
from data.records import TrialRequest
from optimizer.evaluate import Evaluator
from optimizer.plan import Policy

SCALE = 0.005


def test_a_stage_that_always_has_work_draws_full_batches():
    world = synthetic_world(1)
    server = Server.of(world, SyntheticProposer(world), SCALE)
    prompts = prompts_of(world)[:SEARCH_PROMPTS]

    async def all_at_once() -> None:
        requests = [TrialRequest(system_prompt_of([]), prompt, sample=0, seed=seed) for prompt in prompts for seed in range(4)]
        async with Evaluator(server.pipeline) as evaluator:
            async for _ in evaluator.stream(requests):
                pass

    asyncio.run(all_at_once())
    used = server.used("all at once")
    assert used.images == 4 * SEARCH_PROMPTS
    assert used.batches <= used.images / BATCH + 2, "the first batch is what is there when it begins"
    assert used.busy >= used.full > 0.0


def test_rounds_that_fill_a_batch_need_few_of_them():
    hurried = ours(120, Policy(), SCALE)
    patient = ours(120, Policy.filling(BATCH, 10_000), SCALE)
    assert hurried.images == patient.images == 120
    assert patient.batches <= 120 / BATCH + 3 < hurried.batches


def test_gepa_asks_for_more_at_once_where_it_proposes_in_parallel():
    serial = gepa("serial", 150, (1, 1), SCALE)
    parallel = gepa("parallel", 150, (4, 2), SCALE)
    assert serial.images >= 150
    assert parallel.images / parallel.batches > serial.images / serial.batches


def test_the_goal_is_ours():
    busy, idle = Used("", 1.0, 1, 8, 0.98, 0.9, 1), Used("", 1.0, 1, 8, 0.5, 0.4, 1)
    assert Result((busy, idle)).ok
    assert not Result((idle, busy)).ok
