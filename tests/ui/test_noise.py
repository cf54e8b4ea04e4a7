"""The variance panel's words and figures: shares that add up, what is not measured said, and advice that follows from the variances."""

from dataclasses import replace
from pathlib import Path

import pytest

from data.errors import UsageError
from data.runs import RunRecord
from data.store import open_store
from optimizer.noise import Component, Components
from optimizer.stats import Interval
from tests.optimizer.test_difference_noise import trial
from ui.noise import PARTS, Noise, noise_of, sources
from ui.noise_advice import advice, cancelled, found_from, noise_to_json, prompts_for
from ui.views import run_view
from ui.web.noise import panel


def part(variance: float, *, known: bool = True) -> Component:
    bounds = (variance / 2, variance * 2) if known else (None, None)
    return Component(Interval(variance, *bounds), 40, floored=False)


def components(prompt: Component | None = None, interaction: Component | None = None, **inner: Component | None) -> Components:
    found = {"look": None, "seed": None, "sample": None, **inner}
    return Components(**found, prompt=prompt, interaction=interaction, prompts=90, system_prompts=9, trials=500, unscored=2)


def noise(**changes: object) -> Noise:
    usual = Noise(
        "b2:0123456789abcdef0123456789abcdef",
        "checklist:<openai>",
        components(part(0.03), part(0.0), sample=part(0.05)),
        components(None, part(0.01), sample=part(0.02)),
        judge_sd=None,
        gain=0.05,
        prompts=60,
        search_sd=0.15,
    )
    return replace(usual, **changes)  # pyright: ignore[reportArgumentType]


def test_every_source_has_a_row_and_the_whole_ones_add_up() -> None:
    rows = sources(noise())
    assert [row.name for row in rows] == list(PARTS)
    assert sum(row.share or 0.0 for row in rows if not row.part) == pytest.approx(1.0)
    by_name = {row.name: row for row in rows}
    assert by_name["sample"].label == "rewrite, image and judge"
    assert by_name["seed"].note == by_name["look"].note == "not measured apart: it is in rewrite, image and judge"
    assert by_name["interaction"].share == pytest.approx(0.125)
    assert by_name["interaction"].within == "prompt"


def test_second_looks_stand_for_themselves_and_a_calibration_inside_another_source() -> None:
    measured = {row.name: row for row in sources(noise(components=components(part(0.03), sample=part(0.03), look=part(0.02))))}
    assert (measured["look"].within, measured["look"].repetitions) == ("", 40)
    assert measured["sample"].label == "rewrite and image"
    calibrated = {row.name: row for row in sources(noise(judge_sd=0.1))}
    assert calibrated["look"].part
    assert (calibrated["look"].within, calibrated["look"].sd, calibrated["look"].repetitions) == ("sample", pytest.approx(0.1), 0)


def test_a_comparison_is_reckoned_by_differences() -> None:
    found = noise()
    assert cancelled(found) == pytest.approx(1 - 0.03 / 0.08)
    table = dict(prompts_for(found))
    assert list(table) == [1, 2, 4]
    assert table[1] > table[2] > table[4]
    # 7.85 squared standard errors are 80% power, all but what Student's t adds.
    assert table[1][1] == pytest.approx(7.85 * 0.06 / 0.05**2, rel=0.02)
    least = found_from(found)
    assert least == pytest.approx(2.8 * (0.06 / 60) ** 0.5, abs=0.015)
    assert cancelled(noise(compared=None)) is None


def test_nothing_is_said_of_repetitions_that_were_not_made() -> None:
    found = noise(compared=components(None, part(0.03)))
    assert [images for images, _ in prompts_for(found)] == [1]
    assert "How much less is not known" in advice(found)[0]
    assert "not measured" in sources(found)[1].note
    few = noise(compared=components(None, part(0.01), sample=part(0.02, known=False)))
    assert [images for images, _ in prompts_for(few)] == [1]


@pytest.mark.parametrize(
    ("interaction", "inner", "said"),
    [
        (0.0, {"sample": 0.04}, "is worth as much as another prompt"),
        (0.005, {"sample": 0.03}, "nearly as good (intervals 7% wider"),
        (0.04, {"sample": 0.001}, "buys little (intervals 41% wider"),
        (0.001, {"sample": 0.001, "look": 0.2}, "looks of the judge at each image"),
    ],
)
def test_what_to_buy_follows_from_the_variances(interaction: float, inner: dict[str, float], said: str) -> None:
    found = noise(compared=components(None, part(interaction), **{name: part(value) for name, value in inner.items()}))
    assert said in advice(found)[0]


def test_a_noisy_judge_is_told_against_the_gain() -> None:
    assert "judge calibrate 'checklist:<openai>'" in advice(noise())[-1]
    assert "70% of what a comparison sees, and 2.9 times the gain" in advice(noise(judge_sd=0.1449))[-1]
    assert "times the gain" not in advice(noise(judge_sd=0.1449, gain=None))[-1]
    assert "judge" not in " ".join(advice(noise(judge_sd=0.01)))


def test_prompts_that_tell_nothing_are_named_where_there_are_many() -> None:
    said = advice(noise(silent=("a long request", "a cat"), often_met=9))[1]
    assert said.startswith("2 of 9 prompts that were met often score the same whatever the system prompt says, such as “a cat”")
    assert not any("“" in sentence for sentence in advice(noise(silent=("a cat",), often_met=90)))
    assert noise_to_json(noise(silent=("a cat",), often_met=90))["silent"] == {"prompts": ["a cat"], "of": 90}


def test_silent_prompts_are_found_in_the_ledger(tmp_path: Path) -> None:
    with open_store(f"sqlite:///{tmp_path / 'ledger.db'}") as store:
        run_id = "b2:" + 32 * "0"
        store.add_run(RunRecord(run_id, "optimize", {}, "2031-01-01T00:00:00+00:00"))
        scores = [*([1.0] * 4 for _ in range(8)), *([0.2, 0.5, 0.4 + number / 40, 0.9] for number in range(12))]
        store.add_trials(run_id, [trial(score, arm, prompt) for prompt, row in enumerate(scores) for arm, score in enumerate(row)])
        found = noise_of(store, run_view(store, "0"))
    assert (len(found.silent), found.often_met) == (8, 20)


def test_the_json_says_what_is_not_known_as_null() -> None:
    found = noise_to_json(noise(compared=None, prompts=None))
    assert found["cancels"] is found["confirmation"] is None
    look = found["sources"][-1]
    assert (look["source"], look["share"], look["repetitions"]) == ("look", None, 0)
    assert found["unscored"] == 2


def test_the_panel_draws_shares_and_escapes() -> None:
    shown = panel(noise(judge_sd=0.08))
    for said in ("ph-of-prompt", "flex:0.6250", "of it judge 8%", "2 images of each", "gain of 0.05", "as calibrated"):
        assert said in shown
    assert "<openai>" not in panel(noise())


def test_scores_that_never_differ_are_no_error() -> None:
    nothing = noise(components=components(part(0.0), sample=part(0.0)), compared=components(None, part(0.0), sample=part(0.0)))
    assert sources(nothing)[0].share == 0.0
    assert found_from(nothing) == 0.01
    assert "ph-noise" in panel(nothing)


def test_too_few_scores_are_an_error_with_a_hint(tmp_path: Path) -> None:
    with open_store(f"sqlite:///{tmp_path / 'ledger.db'}") as store:
        store.add_run(RunRecord("b2:" + 32 * "0", "optimize", {}, "2031-01-01T00:00:00+00:00"))
        with pytest.raises(UsageError, match="scores on no prompt") as raised:
            noise_of(store, run_view(store, "0"))
        assert "phoropter runs" in raised.value.hint
        store.add_trials("b2:" + 32 * "0", [trial(0.5, 0, 0)])
        with pytest.raises(UsageError, match="scores on one prompt"):
            noise_of(store, run_view(store, "0"))
