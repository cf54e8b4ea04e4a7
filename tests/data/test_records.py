"""The nouns: through JSON and back, and what their ids depend on."""

import json
import pickle
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data import scene as scene_module
from data.errors import FailureKind, StageError
from data.records import Criterion, CriterionKind, Need, Prompt, Split, SystemPrompt, Trial, TrialRequest
from data.scene import BACKGROUNDS, COLORS, KINDS, MAX_COUNT, Check, Direction, Relation, Scene, Size, Thing
from data.usage import Usage

texts = st.text(st.characters(codec="utf-8"), max_size=20)
kinds = st.lists(st.sampled_from(KINDS), min_size=1, max_size=3, unique=True).map(tuple)
colors = st.none() | st.sampled_from(sorted(COLORS))


@st.composite
def things(draw: st.DrawFn, index: int, total: int) -> Thing:
    least = draw(st.integers(1, MAX_COUNT))
    most = draw(st.none() | st.integers(least, MAX_COUNT))
    others = [other for other in range(total) if other != index]
    relation = draw(st.none() | st.builds(Relation, st.sampled_from(Direction), st.sampled_from(others))) if others else None
    return Thing(draw(kinds), least, most, draw(colors), draw(st.none() | st.sampled_from(Size)), relation)


@st.composite
def scenes(draw: st.DrawFn) -> Scene:
    total = draw(st.integers(0, 3))
    return Scene(
        tuple(draw(things(index, total)) for index in range(total)),
        tuple(draw(st.lists(st.sampled_from(KINDS), max_size=2))),
        draw(st.none() | texts),
        draw(st.none() | st.sampled_from(BACKGROUNDS)),
        draw(st.booleans()),
    )


checks = st.builds(
    Check,
    st.sampled_from(scene_module.Test),
    kinds,
    colors,
    st.integers(1, 6),
    st.none() | st.integers(1, 6),
    st.none() | texts,
    kinds,
    colors,
)
criteria = st.builds(Criterion, texts, texts, st.sampled_from(CriterionKind), st.sampled_from(Need), st.floats(0.1, 10), st.none() | checks)
prompts = st.builds(
    Prompt,
    texts,
    st.lists(criteria, max_size=3).map(tuple),
    texts,
    texts,
    st.sampled_from(Split),
    st.lists(texts, max_size=2).map(tuple),
    st.none() | scenes(),
)


@given(prompts)
def test_a_prompt_survives_json(prompt: Prompt) -> None:
    again = Prompt.from_json(json.loads(json.dumps(prompt.to_json())))
    assert again == prompt
    assert again.id == prompt.id


@given(scenes())
def test_a_scene_survives_json(scene: Scene) -> None:
    assert Scene.from_json(json.loads(json.dumps(scene.to_json()))) == scene


@given(checks)
def test_a_check_survives_json(check: Check) -> None:
    assert Check.from_json(json.loads(json.dumps(check.to_json()))) == check


def test_a_prompt_is_its_text_language_and_checklist() -> None:
    prompt = Prompt("a cat", (Criterion("c", "A cat is visible", CriterionKind.ENTITY),))
    assert prompt.id == replace(prompt, category="x", split=Split.TEST, tags=("t",), scene=Scene()).id
    others = [replace(prompt, text="a dog"), replace(prompt, language="de"), replace(prompt, checklist=())]
    assert len({prompt.id, *(other.id for other in others)}) == 4


def test_a_system_prompt_is_its_text() -> None:
    assert SystemPrompt("Draw.", "one").id == SystemPrompt("Draw.", "two").id != SystemPrompt("Draw").id


def test_a_trial_is_its_request_under_a_pipeline() -> None:
    request = TrialRequest(SystemPrompt("Draw."), Prompt("a cat"), 0, 1)
    others = [replace(request, sample=1), replace(request, seed=2), replace(request, prompt=Prompt("a dog"))]
    assert len({request.id("p"), request.id("q"), *(other.id("p") for other in others)}) == 5
    assert Trial("id", request).score is None


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: Thing(("dragon",)), "unknown kind"),
        (lambda: Thing(()), "unknown kind"),
        (lambda: Thing(("cat",), color="mauve"), "unknown color"),
        (lambda: Thing(("cat",), 3, 2), "from 1 to 6"),
        (lambda: Thing(("cat",), 7), "from 1 to 6"),
        (lambda: Scene(background="moon"), "unknown background"),
        (lambda: Scene(absent=("dragon",)), "unknown kind"),
        (lambda: Scene((Thing(("cat",), relation=Relation(Direction.ABOVE, 0)),)), "not another one"),
        (lambda: Scene((Thing(("cat",), relation=Relation(Direction.ABOVE, 3)),)), "not another one"),
    ],
)
def test_what_cannot_be_painted_is_refused(make, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        make()


def test_a_stage_error_travels_between_processes() -> None:
    error = StageError(FailureKind.BLOCKED, "no", retryable=True, hint="reword", retry_after=2.0, usage=Usage(1, 2, 0.5))
    found = pickle.loads(pickle.dumps(error))
    assert (type(found), str(found), vars(found)) == (StageError, "no", vars(error))
