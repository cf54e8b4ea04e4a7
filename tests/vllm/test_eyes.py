"""Judges with eyes on a real vLLM that serves a tiny vision model. What it says is worth nothing; how it comes is the real way."""

from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from data.errors import FailureKind
from data.records import Judgment
from optimizer.judges.pairwise import PairRequest, Preference
from tests.optimizer.judges import contract
from tests.optimizer.judges.contract import Traits
from tests.vllm.conftest import Served, run, serving
from ui.engines import Building, build_judge, build_pairwise
from ui.settings import resolve

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def eyes(tiny_eyes: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serving(tiny_eyes, cwd=tmp_path_factory.mktemp("eyes")) as running:
        yield running


@asynccontextmanager
async def opened(judge: str) -> AsyncGenerator[Any]:
    building = Building(resolve("embedded", {"judge.engine": judge, "judge.timeout": 240.0, "judge.max_tokens": 1024}).settings)
    async with building.closing:
        yield build_pairwise(judge, building) if judge.startswith("pairwise:") else build_judge(building)


@pytest.mark.parametrize(
    ("kind", "traits"),
    [
        ("checklist:{}?per_item=true&format=png&side=128&global_weight=0", Traits(repeats=False, tells=False, many=4)),
        ("vqa:{}?side=128", Traits(needs_checklist=False, repeats=False, tells=False, many=8)),
    ],
)
async def test_a_judge_fulfils_the_contract(eyes: Served, kind: str, traits: Traits) -> None:
    """All but for what the model would have to see for."""
    async with opened(kind.format(eyes.spec)) as judge:
        await contract.check(judge, traits)


async def test_a_list_of_statements_is_answered_or_fails(eyes: Served) -> None:
    """The model loses its place in long lists. What it answers is a judgment, or a failure that is paid for; never a made-up score."""
    async with opened(f"checklist:{eyes.spec}?side=256") as judge:
        outcomes = await judge([contract.request(number) for number in range(4)])
    for outcome in outcomes:
        assert outcome.usage.input_tokens > 200, "instructions, statements and an image"
        assert isinstance(outcome, Judgment) or outcome.kind in (FailureKind.MALFORMED, FailureKind.TOO_LONG), outcome


async def test_a_yes_comes_with_its_probability(eyes: Served) -> None:
    async with opened(f"vqa:{eyes.spec}?side=128") as judge:
        (judgment,) = contract.judgments(await judge([contract.request(0)]))
    assert 0 < judgment.value < 1


async def test_two_pictures_are_compared_in_both_orders(eyes: Served) -> None:
    async with opened(f"pairwise:{eyes.spec}?side=128") as judge:
        pairs = [
            PairRequest(contract.prompts()[number], contract.request(number).image, contract.request(0).image) for number in range(1, 5)
        ]
        outcomes = await judge(pairs)
    assert all(isinstance(outcome, Preference) and outcome.value in (0.0, 0.5, 1.0) for outcome in outcomes), outcomes


def test_that_it_sees_nothing_is_found_out(eyes: Served, tmp_path: Path) -> None:
    record = run("judge", "calibrate", f"vqa:{eyes.spec}?side=128", "--images", 150, cwd=tmp_path)
    assert record["verdict"] == "poor"
