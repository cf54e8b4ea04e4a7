"""What stands beside a claim on its page: three figures, the placebo run, transfers, categories; and nothing where a run kept none."""

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from data.identity import short
from data.runs import RunRecord
from data.store import open_store
from ui.claiming import cost_words
from ui.eventlog import CONFIRMED, SELECTED
from ui.placebo import placebo_run
from ui.views import RunView, run_view
from ui.web.figures import figures

INTERVAL = {"estimate": 0.1, "low": 0.05, "high": 0.15}


def view_of(home: Path) -> RunView:
    with open_store(f"sqlite:///{home / 'ledger.db'}") as store:
        return run_view(store, next(run.id for run in store.runs() if run.kind == "optimize"))


def reported(view: RunView, **fields: Any) -> RunView:
    return replace(view, comparison={**(view.comparison or {}), **fields})


def test_a_gain_is_shown_three_times_and_beside_its_placebo(toy_home: Path) -> None:
    view = view_of(toy_home)
    shown = figures(view, None)
    for said in ("search score", "shrunk", "held out", "gain over general"):
        assert said in shown
    assert "placebo" not in shown
    placebo = replace(reported(view, claims=["plain"]), search_gain={"reference": "general", "search": 0.071, "shrunk": None})
    beside = figures(view, placebo)
    assert "placebo run" in beside
    assert "+0.071" in beside
    assert "claims a gain over plain, which is false" in beside


def test_a_run_of_an_earlier_version_shows_what_it_has(toy_home: Path) -> None:
    view = view_of(toy_home)
    kept = {name: value for name, value in (view.comparison or {}).items() if name not in ("categories", "transfers")}
    old = replace(view, comparison=kept, search_gain=None, rewrite_seconds=None)
    shown = figures(old, None)
    assert shown.count("–</td>") == 2
    assert "held out" in shown
    assert figures(replace(view, comparison=None), None) == ""


def test_transfers_and_categories_are_escaped_and_never_claims(toy_home: Path) -> None:
    arms = [{"name": name, "failed": 1, "trials": 20} for name in ("general", "best")]
    difference = {**INTERVAL, "p_value": 0.004, "prompts": 20, "claimed": True}
    transfers = [
        {"exchanged": "judge", "arms": arms, "difference": difference},
        {"exchanged": "generator", "arms": arms, "difference": {**difference, "estimate": -0.1}},
        {"exchanged": "generator", "arms": arms, "difference": None},
    ]
    categories = [{"name": name, "prompts": 9, "own": 0.2, **INTERVAL} for name in ("<b>count</b>", "")]
    view = reported(view_of(toy_home), transfers=transfers, categories=categories)
    shown = figures(replace(view, config={**view.config, "transfer": {"judge": "checklist:<i>", "generator": "lens:x"}}), None)
    assert "judged by checklist:&lt;i&gt;" in shown
    assert "drawn by lens:x" in shown
    for said in ("the gain transfers", "turned around: worse", "no prompt was scored in both arms", "&lt;b&gt;count", "(none)"):
        assert said in shown
    assert "no claim is made of any" in shown


def test_costs_are_told_where_there_are_any(toy_home: Path) -> None:
    view = view_of(toy_home)
    cost = {"tokens": {"estimate": 120.0, "low": 110.0, "high": 130.0}, "dollars": {"estimate": 0.0004, "low": None, "high": None}}
    against = [{"arm": "best", "reference": "general", **INTERVAL, "p_value": 0.1, "prompts": 20, "claimed": False, "cost": cost}]
    slow = {"arms": {}, "best_against": {"general": {"estimate": 1.24, "low": 1.1, "high": 1.4}}}
    told = replace(reported(view, best_against=against), rewrite_seconds=slow)
    assert cost_words(told) == ["+120 tokens [+110, +130], $+0.40 per thousand, +1.2 s [+1.1, +1.4] against general"]
    nothing = {"tokens": {"estimate": 0.0, "low": 0.0, "high": 0.0}, "dollars": {"estimate": 0.0, "low": 0.0, "high": 0.0}}
    assert cost_words(replace(reported(view, best_against=[{**against[0], "cost": nothing}]), rewrite_seconds=None)) == []
    assert cost_words(replace(view, comparison=None)) == []


@pytest.fixture
def with_placebo(toy_home: Path, tmp_path: Path) -> Path:
    """The toy home with a placebo run, begun later, that has come to the same as the run."""
    home = tmp_path / "copy"
    shutil.copytree(toy_home, home)
    with open_store(f"sqlite:///{home / 'ledger.db'}") as store:
        run = store.runs()[0]
        identifier = placebo_run(run.id)
        store.add_run(RunRecord(identifier, "placebo", {**run.config, "placebo_of": run.id}, "2031-01-01T00:00:00+00:00"))
        store.add_derivations(identifier, list(enumerate(store.lineage(run.id))))
        for event in store.events(run.id):
            if event.kind in (SELECTED, CONFIRMED):
                store.add_event(identifier, event.ordinal, event.kind, event.payload)
    return home


def test_the_page_opens_on_the_run_and_says_what_a_placebo_is(open_page, with_placebo: Path) -> None:
    view = view_of(with_placebo)
    page = open_page(with_placebo)
    shown = "\n".join(element.proto.body for element in page.get("html"))
    assert page.query_params["run"] == short(view.id)
    assert "placebo run" in shown
    assert "every claim here is false" not in shown
    options = page.sidebar.radio[0].options
    assert len(options) == 2
    page = open_page(with_placebo, run=short(placebo_run(view.id)))
    shown = "\n".join(element.proto.body for element in page.get("html"))
    assert "every claim here is false" in shown
    assert f"belongs to run {short(view.id)}" in shown
