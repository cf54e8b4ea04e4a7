"""The contact sheet: which rows it shows, and that every cell says what became of it."""

from dataclasses import replace
from pathlib import Path

import pytest

from data.blobs import ImageFiles
from data.errors import UsageError
from data.records import Judgment, Prompt, SystemPrompt, Trial, TrialRequest
from data.runs import RunRecord
from data.store import open_store
from ui.contact_sheet import ROWS, chosen_rows, contact_sheet, wrapped


def trials(arm: str, prompts: list[Prompt], seeds: tuple[int, ...] = (5, 9), score: float = 0.5) -> list[Trial]:
    return [
        Trial(f"{arm} {prompt.text} {seed}", TrialRequest(SystemPrompt(arm), prompt, 0, seed), judgment=Judgment(score))
        for prompt in prompts
        for seed in seeds
    ]


def prompts(**counts: int) -> list[Prompt]:
    return [Prompt(f"{category} {number}", category=category) for category, count in counts.items() for number in range(count)]


def test_every_category_comes_first_then_the_next_ones() -> None:
    chosen = chosen_rows({arm: trials(arm, prompts(a=9, b=2, c=1)) for arm in ("none", "best")})
    categories = [row.prompt.category for row in chosen]
    assert len(chosen) == ROWS
    assert (categories.count("a"), categories.count("b"), categories.count("c")) == (5, 2, 1)
    assert categories == sorted(categories)


def test_all_arms_of_a_row_have_its_prompt_and_seed() -> None:
    some = prompts(a=3)
    again = trials("best", some, (1, 2))
    for row in chosen_rows({"none": trials("none", some), "best": [*trials("best", some), *again]}):
        assert {trial.request.seed for trial in row.trials.values()} == {5}
        assert {trial.request.prompt for trial in row.trials.values()} == {row.prompt}
        assert [trial.request.system_prompt.text for trial in row.trials.values()] == ["none", "best"]


def test_no_score_is_looked_at() -> None:
    some = prompts(a=6, b=6)
    bad, good = (chosen_rows({arm: trials(arm, some, score=score) for arm in ("none", "best")}) for score in (0.0, 1.0))
    assert [row.prompt for row in bad] == [row.prompt for row in good]
    shuffled = {arm: list(reversed(trials(arm, some))) for arm in ("none", "best")}
    assert [row.prompt for row in chosen_rows(shuffled)] == [row.prompt for row in good]


def test_a_prompt_that_an_arm_lacks_is_not_shown() -> None:
    some = prompts(a=3)
    chosen = chosen_rows({"none": trials("none", some[1:]), "best": trials("best", some)})
    assert {row.prompt for row in chosen} == set(some[1:])
    assert chosen_rows({"none": [], "best": trials("best", some)}) == []


def test_an_unscored_trial_is_shown_as_such() -> None:
    some = prompts(a=1)
    failed = [replace(trial, judgment=None) for trial in trials("none", some)]
    (row,) = chosen_rows({"none": failed, "best": trials("best", some)})
    assert row.trials["none"].score is None


def test_long_texts_are_wrapped_and_cut() -> None:
    assert wrapped("a cat", 200, 20, 3) == ["a cat"]
    lines = wrapped("one two three four five six seven eight nine ten " * 5, 120, 20, 3)
    assert len(lines) == 3
    assert lines[-1].endswith("…")
    assert "".join(wrapped("x" * 60, 100, 20, 20)) == "x" * 60
    assert wrapped("", 100, 20, 3) == [""]


def test_a_run_without_a_confirmation_has_none(tmp_path: Path) -> None:
    with open_store(f"sqlite:///{tmp_path / 'ledger.db'}") as store:
        store.add_run(RunRecord("b2:abcd", "optimize", {}, "2026-01-01T00:00:00+00:00"))
        with pytest.raises(UsageError, match="has not confirmed anything yet"):
            contact_sheet(store, ImageFiles(str(tmp_path)), "b2:abcd", tmp_path / "sheet.png")
