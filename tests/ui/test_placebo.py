"""A placebo run is the same procedure where nothing differs: a run of its own, resumed like any other, and told beside the real one."""

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from data.errors import UsageError
from data.records import Prompt, Rewrite, SystemPrompt
from optimizer.events import TrialDone
from optimizer.placebo import DeafReasoner
from reasoner import RewriteRequest
from tests.ui.cli import cheap
from tests.ui.test_running import StoppedError, opened, outcome, quiet, stop_after
from ui.claiming import placebo_to_json, placebo_words, worth_comparing
from ui.placebo import placebo_of, placebo_run, placebo_view
from ui.running import carry_out, plan_run, resumed_settings
from ui.settings import Settings
from ui.views import RunView, run_view

ENGINES = {"generator.engine": cheap.GENERATOR, "judge.engine": cheap.JUDGE}


class Echo:
    """Says what it was given."""

    identity = "echo"

    async def __call__(self, requests: list[RewriteRequest]) -> list[Rewrite]:
        return [Rewrite(f"{request.system_prompt.text}|{request.prompt.text}|{request.sample}") for request in requests]


async def test_a_deaf_reasoner_hears_one_system_prompt_and_samples_by_the_given_one() -> None:
    deaf = DeafReasoner(Echo(), SystemPrompt("the only one"))  # pyright: ignore[reportArgumentType]
    asked = [RewriteRequest(SystemPrompt(text), Prompt("a cat"), sample) for text in ("", "be brief") for sample in (0, 1)]
    said = [rewrite.text for rewrite in await deaf(asked) if isinstance(rewrite, Rewrite)]
    assert len(set(said)) == 4
    assert all(text.startswith("the only one|a cat|") for text in said)
    assert said == [rewrite.text for rewrite in await deaf(asked) if isinstance(rewrite, Rewrite)]
    other = DeafReasoner(Echo(), SystemPrompt("another"))  # pyright: ignore[reportArgumentType]
    assert other.identity != deaf.identity


def both(home: Path, listen: Any = quiet) -> tuple[RunView, RunView | None]:
    """A run and its placebo, carried out in one home."""
    with opened(home) as parts:
        planned = plan_run(parts.settings, parts)
        asyncio.run(carry_out(planned, parts, quiet))
        assert placebo_view(parts.store, planned.id) is None
    with opened(home) as parts:
        placebo, deaf = placebo_of(planned, parts)
        asyncio.run(carry_out(placebo, deaf, listen))
        return run_view(parts.store, planned.id), placebo_view(parts.store, planned.id)


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> tuple[RunView, RunView, Path]:
    home = tmp_path_factory.mktemp("placebo")
    run, placebo = both(home)
    assert placebo is not None
    return run, placebo, home


def test_it_is_a_run_of_its_own_on_as_many_images(pair: tuple[RunView, RunView, Path]) -> None:
    run, placebo, _ = pair
    assert (placebo.kind, placebo.state, placebo.placebo_of) == ("placebo", "finished", run.id)
    assert placebo.id == placebo_run(run.id) != run.id
    assert run.placebo_of is None
    assert placebo.comparison is not None
    assert run.comparison is not None
    assert [arm["trials"] for arm in placebo.comparison["arms"]] == [arm["trials"] for arm in run.comparison["arms"]]
    assert run.comparison != placebo.comparison


def test_all_its_arms_were_rewritten_alike(pair: tuple[RunView, RunView, Path]) -> None:
    _, placebo, home = pair
    with opened(home) as parts:
        raw = [trial for trial in parts.store.trials(placebo.id, system_prompt_id=SystemPrompt("").id) if trial.rewrite]
        assert raw
        # The raw prompt, too, is rewritten as the reference would.
        assert all(trial.rewrite is not None and trial.rewrite.text != trial.request.prompt.text for trial in raw)
        assert not list(parts.store.verify(parts.images))


def test_it_is_told_beside_the_run(pair: tuple[RunView, RunView, Path]) -> None:
    run, placebo, _ = pair
    told = placebo_to_json(placebo)
    assert told is not None
    assert (told["run"], told["state"], told["claims"]) == (placebo.id, "finished", placebo.comparison and placebo.comparison["claims"])
    assert set(told["gain"]) == {"reference", "search", "shrunk", "held_out"}
    assert told["gain"]["reference"] == "general"
    assert "where all system prompts do what general does" in placebo_words(placebo)
    assert placebo_to_json(None) is None
    assert placebo_words(None) == ""
    claiming = replace(placebo, comparison={**(placebo.comparison or {}), "claims": ["plain"]})
    assert "claims a gain over plain, which is false" in placebo_words(claiming)
    unfinished = replace(placebo, comparison=None)
    assert "phoropter resume" in placebo_words(unfinished)
    assert not worth_comparing(replace(run, comparison=None))


def test_stopped_and_resumed_it_comes_to_the_same_end(tmp_path: Path, pair: tuple[RunView, RunView, Path]) -> None:
    _, placebo, home = pair
    with pytest.raises(StoppedError):
        both(tmp_path, stop_after(TrialDone, 130))
    with opened(tmp_path) as parts:
        record = parts.store.run(placebo.id)
        settings = resumed_settings(parts.store, placebo.id, Settings(home=tmp_path))
        assert settings.run == parts.settings.run
        assert record.kind == "placebo"
        plan, deaf = placebo_of(plan_run(settings, parts), parts)
        assert plan.id == placebo.id
        asyncio.run(carry_out(plan, deaf, quiet))
        ended = outcome(parts, placebo.id)
    with opened(home) as parts:
        assert outcome(parts, placebo.id) == ended


def test_there_is_none_of_an_unknown_run(tmp_path: Path) -> None:
    with opened(tmp_path) as parts:
        assert placebo_view(parts.store, "b2:" + "0" * 32) is None
        with pytest.raises(UsageError):
            run_view(parts.store, "b2:" + "0" * 32)
