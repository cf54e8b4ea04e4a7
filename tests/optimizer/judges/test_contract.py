"""Every judge there is fulfils the contract."""

import base64
import tempfile
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from data.chat import ChatEngine
from optimizer.judges import Judge
from tests.optimizer.judges import contract
from tests.optimizer.judges.contract import Traits

Open: TypeAlias = Callable[[], AbstractAsyncContextManager[Judge]]


@asynccontextmanager
async def scene() -> AsyncGenerator[Judge]:
    from optimizer.judges.scene import SceneJudge

    yield SceneJudge()


def with_eyes(judge: Callable[[ChatEngine], Judge], model: str = "eyes") -> Open:
    """A judge over a vision model of the test server, by HTTP; at the end, nothing that was sent tells of the rewrite."""

    @asynccontextmanager
    async def opened() -> AsyncGenerator[Judge]:
        from optimizer.testserver import serving_eyes
        from reasoner.engines.openai import openai_engine

        with serving_eyes(api_key=contract.KEY) as server:
            engine = openai_engine(model, urls=[server.url], api_key=contract.KEY, parameters={}, most=8, timeout=30.0)
            yield judge(engine)
            await engine.aclose()
            asked = [request.body for request in server.requests if request.body]
        assert asked
        for body in asked:
            *texts, image = [part for message in body["messages"] for part in parts(message["content"])]
            content = base64.b64decode(image.partition(",")[2])
            assert contract.REWRITE.encode() not in content
            assert not any(contract.REWRITE in text for text in texts)

    return opened


def parts(content: Any) -> list[str]:
    """The texts of a message, and the addresses of its images."""
    if isinstance(content, str):
        return [content]
    return [part["text"] if part["type"] == "text" else part["image_url"]["url"] for part in content]


def checklist(engine: ChatEngine) -> Judge:
    from optimizer.judges.checklist import ChecklistJudge

    return ChecklistJudge(engine)


def per_item(engine: ChatEngine) -> Judge:
    from optimizer.judges.checklist import ChecklistJudge

    return ChecklistJudge(engine, per_item=True, format="png", global_weight=0)


def vqa(engine: ChatEngine) -> Judge:
    from optimizer.judges.vqa import VqaJudge

    return VqaJudge(engine)


@asynccontextmanager
async def detection() -> AsyncGenerator[Judge]:
    from optimizer.judges.detection import DetectionJudge
    from tests.optimizer.judges.painted_detector import PaintedDetector

    yield DetectionJudge(PaintedDetector())


@asynccontextmanager
async def text() -> AsyncGenerator[Judge]:
    from optimizer.judges.text import TextJudge, readers

    yield TextJudge(readers("rapidocr"))


@asynccontextmanager
async def preference() -> AsyncGenerator[Judge]:
    from optimizer.judges.preference import load_preference
    from tests.tiny_models.clip import build

    with tempfile.TemporaryDirectory() as folder:
        build(Path(folder))
        yield load_preference(folder)


@asynccontextmanager
async def panel() -> AsyncGenerator[Judge]:
    from optimizer.judges.panel import Member, Panel

    async with scene() as pixels, with_eyes(checklist)() as eyes, preference() as liking:
        yield Panel([Member(pixels, "scene"), Member(eyes, "eyes", weight=2.0), Member(liking, "liking", monitor=True)])


JUDGES: dict[str, tuple[Open, Traits]] = {
    "scene": (scene, Traits()),
    "checklist": (with_eyes(checklist), Traits()),
    "checklist, per item": (with_eyes(per_item), Traits()),
    "checklist, with probabilities": (with_eyes(checklist, "eyes-probable-90"), Traits()),
    "vqa": (with_eyes(vqa), Traits(needs_checklist=False)),
    "scene, over a detector": (detection, Traits()),
    "text": (text, Traits(many=6, about="text")),
    # Batches of other sizes shift its values by rounding, and its weights are random.
    "preference": (preference, Traits(needs_checklist=False, repeats=False, tells=False)),
    "panel": (panel, Traits(repeats=False)),
}
"""How to open each, and what it is like."""


@pytest.mark.parametrize("name", JUDGES)
async def test_it_fulfils_the_contract(name: str) -> None:
    opened, traits = JUDGES[name]
    async with opened() as judge:
        await contract.check(judge, traits)
