"""Judges by their specs, and what is found out about one before anything is spent."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from data.errors import FailureKind, StageError, UsageError
from data.records import Criterion, CriterionKind, Judgment, Prompt
from data.scene import Check
from data.scene import Test as Trait
from optimizer.judges import JudgeRequest
from ui.engines import Building, build_judge, build_pairwise, judge_specs
from ui.judging import TRIED, check_eyes, check_judgeable, writer_family
from ui.settings import EngineSettings, Settings, resolve

URL = "http://127.0.0.1:9/v1"
EYES = f"checklist:openai:eyes@{URL}"
SEEN = Criterion("c1", "There is a cat", CriterionKind.ENTITY)
MEASURED = Criterion("c1", "There is one cat", CriterionKind.COUNT, check=Check(Trait.COUNT, ("cat",), most=1))
READ = Criterion("c1", "The word 'OPEN' can be read", CriterionKind.TEXT, check=Check(Trait.TEXT, value="OPEN"))


def settings(judge: str, **more: Any) -> Settings:
    flags = {"judge.engine": judge, **{name.replace("__", "."): value for name, value in more.items()}}
    return resolve("embedded", flags).settings


def built(judge: str) -> Any:
    return build_judge(Building(settings(judge)))


# -- specs


def test_a_judge_is_named_with_its_model() -> None:
    (judge,) = judge_specs(f"{EYES}?side=512&temperature=0.5&family=mine&weight=2")
    assert (judge.spec.kind, judge.family, judge.weight) == ("checklist", "mine", 2)
    assert dict(judge.spec.parameters) == {"side": 512, "temperature": 0.5}
    assert judge.model is not None
    assert (judge.model.kind, judge.model.model) == ("openai", "eyes")


@pytest.mark.parametrize(
    ("judge", "family"),
    [
        ("checklist:openai:gpt-4.1-mini", "openai"),
        ("vqa:openai:Qwen/Qwen3-VL-8B@http://localhost:1/v1", "qwen"),
        ("text", ""),
        ("scene", ""),
    ],
)
def test_whose_model_a_judge_asks(judge: str, family: str) -> None:
    assert judge_specs(judge)[0].family == family


def test_a_panel_names_its_judges() -> None:
    named = judge_specs(f"panel: {EYES}?weight=2 + text +  preference:some/clip")
    assert [judge.spec.kind for judge in named] == ["checklist", "text", "preference"]
    assert [judge.weight for judge in named] == [2, None, None]


async def test_a_judge_keeps_its_own_parameters_from_the_model() -> None:
    building = Building(settings(f"{EYES}?side=256&format=png&top_k=5"))
    judge = build_judge(building)
    assert '"top_k":5' in judge.identity
    assert "top_k" not in judge.identity.partition("openai:")[0]
    assert "256" in judge.identity.partition("openai:")[0]
    assert [name for name, _ in building.eyes] == ["checklist:eyes"]
    await building.closing.aclose()


@pytest.mark.parametrize(
    ("judge", "said", "hint"),
    [
        ("cheklist:openai:eyes", "unknown judge engine 'cheklist'", "there are: checklist"),
        ("checklist", "names no vision model", "checklist:openai:gpt-4.1-mini"),
        ("checklist:embedded", "embedded has no eyes", "checklist:openai:"),
        ("vqa:shared", "shared has no eyes", "vqa:openai:"),
        ("checklist:opnai:eyes", "unknown way to a vision model 'opnai'", "checklist:openai:"),
        (f"{EYES}?weight=-1", "weight is a number above 0", "leave it out"),
        (f"{EYES}?format=gif", "format is png or jpeg, not 'gif'", "format=png"),
        (f"{EYES}?side=10", "side is a whole number of pixels from 64", "side=1024"),
        (f"{EYES}?global_weight=1", "global_weight is a number from 0 to below 1", "global_weight=0.3"),
        (f"{EYES}?per_item=1", "per_item is true or false", "per_item=true"),
        ("panel: text", "names no panel", " + "),
        ("panel: text + panel: scene + text", "a panel in a panel", "in one"),
        (f"pairwise:openai:eyes@{URL}", "can't score one", f"checklist:openai:eyes@{URL}"),
        ("scene:detector", "names no detector", "scene:package.module:factory"),
        ("preference", "names no model", "preference:"),
        ("text:teseract", "teseract", "tesseract"),
    ],
)
def test_what_can_not_be_meant(judge: str, said: str, hint: str) -> None:
    with pytest.raises(UsageError) as caught:
        built(judge)
    assert said in str(caught.value)
    assert hint in caught.value.hint


async def test_a_judge_of_pairs() -> None:
    building = Building(settings("scene"))
    judge = build_pairwise(f"pairwise:openai:eyes@{URL}?side=256", building)
    assert judge.identity.startswith("pairwise:")
    await building.closing.aclose()


# -- prompts


@pytest.mark.parametrize(
    ("judge", "prompt", "said"),
    [
        (EYES, Prompt("a cat"), "have no checklist to judge by"),
        (EYES, Prompt("a cat", (SEEN,)), ""),
        (f"vqa:openai:eyes@{URL}", Prompt("a cat"), ""),
        ("scene", Prompt("a cat", (SEEN,)), "no criterion that pixels can answer"),
        ("scene", Prompt("a cat", (MEASURED,)), ""),
        ("text", Prompt("a cat", (SEEN,)), "ask for no words that could be read"),
        ("text", Prompt("a sign that says 'OPEN'"), ""),
        ("text", Prompt("an open sign", (READ,)), ""),
        (f"panel: {EYES} + text", Prompt("a cat", (SEEN,)), ""),
        (f"panel: {EYES} + text", Prompt("a cat"), "have no checklist to judge by and ask for no words"),
        ("preference:some/clip", Prompt("a cat", (SEEN,)), "a preference model is a monitor"),
        ("my.judges:Own", Prompt("a cat"), "have no checklist to judge by"),
        (EYES, Prompt("a cat", (SEEN,), checklist_from="a fluffy cat on a red velvet sofa"), "was written from another text"),
        (EYES, Prompt("a  cat", (SEEN,), checklist_from="a cat"), ""),
    ],
)
def test_what_a_judge_needs(judge: str, prompt: Prompt, said: str) -> None:
    if not said:
        check_judgeable(settings(judge), [prompt])
        return
    with pytest.raises(UsageError, match=said) as caught:
        check_judgeable(settings(judge), [prompt])
    assert caught.value.hint


def test_pixels_measure_no_photographs() -> None:
    with pytest.raises(UsageError, match="draws other pictures"):
        check_judgeable(settings(f"panel: {EYES} + scene", generator__engine="diffusers:some/model"), [Prompt("a cat", (MEASURED,))])
    check_judgeable(settings("scene:my.own:detector", generator__engine="diffusers:some/model"), [Prompt("a cat", (MEASURED,))])


# -- eyes


class Told:
    """A judge that answers by the number of the request: the even ones show what is asked for."""

    identity = "told"

    def __init__(self, values: Sequence[float | StageError]) -> None:
        self._values = values

    async def __call__(self, requests: Sequence[JudgeRequest]) -> Sequence[Judgment | Exception]:
        assert len(requests) == 2 * len(TRIED)
        assert all(request.image.content for request in requests)
        return [value if isinstance(value, StageError) else Judgment(value) for value in self._values]


async def test_a_judge_that_sees_may_judge() -> None:
    await check_eyes([("a", Told([1.0, 0.0] * 4)), ("b", Told([0.9, 0.2, 0.6, 0.5, 0.5, 0.5, 1.0, 0.0]))])


@pytest.mark.parametrize("values", [[1.0] * 8, [0.0] * 8, [1.0, 0.0, 0.0, 1.0, 1.0, 1.0, 1.0, 0.0]])
async def test_a_blind_judge_is_found_out(values: list[float]) -> None:
    with pytest.raises(UsageError, match="b does not seem to see"):
        await check_eyes([("a", Told([1.0, 0.0] * 4)), ("b", Told(values))])


async def test_a_judge_without_vision_says_why() -> None:
    blind = StageError(FailureKind.UNSUPPORTED, "gpt-oss at http://… takes no images", hint="name a model with vision")
    with pytest.raises(UsageError, match="can't look at pictures: gpt-oss at") as caught:
        await check_eyes([("checklist:gpt-oss", Told([blind] * 8))])
    assert caught.value.hint == "name a model with vision"


# -- kin


@pytest.mark.parametrize(
    ("engine", "family"),
    [
        ("embedded", ""),
        ("openai:gpt-5.5", "openai"),
        ("vllm:openai/gpt-oss-20b", "openai"),
        ("shared", "openai"),
        ("litellm:anthropic/claude-sonnet-5", "anthropic"),
        ("dspy:my.program:make@http://localhost:1/v1?lm=Qwen/Qwen3-8B", "qwen"),
        ("my.reasoner:Own", ""),
    ],
)
def test_who_made_the_writer(engine: str, family: str) -> None:
    assert writer_family(EngineSettings(engine=engine)) == family


def test_the_shipped_profiles_judges_are_no_kin_of_their_writers(tmp_path: Path) -> None:
    for profile in ("lens", "lens-turbo", "lens-shared", "qwen-image", "laptop", "cluster"):
        found = resolve(profile).settings
        (judge,) = judge_specs(found.judge.engine)
        assert judge.family not in ("", writer_family(found.reasoner), writer_family(found.proposer))
