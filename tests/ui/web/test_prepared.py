"""What the pages prepare before anything is drawn: places, colours, pairs, findings, HTML."""

import shutil
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from data.errors import FailureKind, Stage
from data.records import (
    Criterion,
    CriterionKind,
    CriterionScore,
    Failure,
    GeneratedImage,
    Judgment,
    Need,
    Opinion,
    Prompt,
    Rewrite,
    SystemPrompt,
    Trial,
    TrialRequest,
)
from data.store import open_store
from ui.settings import Settings
from ui.views import DiffPart, Node, RunView, run_view, word_diff
from ui.web import claim, graph, header, lineage, pictures, verdicts
from ui.web.ledger import Ledger, Pulse
from ui.web.markup import box, clipped, diff_html, escaped, signed
from ui.web.pictures import Order, Pair
from ui.web.serving import OPTIONS, command

NASTY = "<img src=x onerror=\"alert(1)\">{b} & 'so'"


def node(text: str, *parents: Node, gain: float | None = 0.0, trials: int = 6, name: str = "") -> Node:
    measured = gain is not None
    return Node(
        SystemPrompt(text, name),
        tuple(parent.id for parent in parents),
        "reflect" if parents else "root",
        "because",
        0.5 + gain if measured else None,
        0.02 if measured else None,
        0.1 if measured else None,
        gain,
        trials,
    )


def view(*nodes: Node, winner: str | None = None, **changes: object) -> RunView:
    made = RunView("b2:ab", "optimize", "2026-01-05T10:00:00+00:00", {}, "searching", nodes, winner, (), None, 1, 9, 0.1, 0, 3.0, 9, "")
    return replace(made, **changes)  # pyright: ignore[reportArgumentType]


CHECKLIST = (
    Criterion("one", "a red ball", CriterionKind.ENTITY),
    Criterion("two", "exactly three balls", CriterionKind.COUNT),
    Criterion("not", "a dog", CriterionKind.NEGATION, Need.MUST_NOT),
)


def trial(
    text: str, score: float | None, seed: int = 1, scores: tuple[float | None, ...] = (1.0, 1.0, 0.0), prompt: str = "balls"
) -> Trial:
    request = TrialRequest(SystemPrompt(text), Prompt(prompt, CHECKLIST), 0, seed)
    failure = None if score is not None else Failure(Stage.JUDGE, FailureKind.TIMEOUT, f"too slow {NASTY}")
    judged = tuple(CriterionScore(entry.id, value, f"saw {NASTY}") for entry, value in zip(CHECKLIST, scores, strict=True))
    return Trial(
        f"{text} {prompt} {seed}",
        request,
        Rewrite(f"three red balls {NASTY}", drift=("lost a quote",)),
        GeneratedImage("a" * 64, 4, 3),
        Judgment(score, judged) if score is not None else None,
        failure,
    )


# -- the lineage


def test_places_put_roots_left_and_children_to_the_right_of_all_parents() -> None:
    root, other = node("root"), node("other")
    child = node("child", root)
    merged = node("merged", other, child)
    spots = graph.places([root, other, child, merged])
    assert [spots[entry.id].column for entry in (root, other, child, merged)] == [0, 0, 1, 2]


def test_places_never_overlap() -> None:
    nodes = [node("a"), node("b")]
    for count in range(80):
        nodes.append(node(f"child {count}", nodes[count * 7 % len(nodes)], *([nodes[count % 3]] if count % 5 == 0 else [])))
    spots = graph.places(nodes)
    columns: dict[int, list[float]] = {}
    for spot in spots.values():
        columns.setdefault(spot.column, []).append(spot.row)
    for rows in columns.values():
        rows.sort()
        assert all(after - before >= 1 - 1e-9 for before, after in pairwise(rows))


def test_places_of_nothing_and_of_an_unknown_parent() -> None:
    assert graph.places([]) == {}
    orphan = replace(node("orphan"), parents=("b2:gone",))
    assert graph.places([orphan])[orphan.id].column == 0


@pytest.mark.parametrize(("gain", "color"), [(None, "#ffffff"), (0.0, graph.NEUTRAL), (0.4, graph.GAIN[-1]), (-9.0, graph.LOSS[0])])
def test_gain_colors(gain: float | None, color: str) -> None:
    assert graph.gain_color(gain, 0.4) == color


def test_chart_has_a_dot_per_node_and_marks_winner_and_selected() -> None:
    root = node("root", name="plain", trials=20)
    child = node("child", root, gain=0.1)
    merged = node("merged", root, child, gain=None, trials=0)
    option = graph.chart(view(root, child, merged, winner=child.id), merged.id)
    (series,) = option["series"]
    assert [dot["id"] for dot in series["data"]] == [root.id, child.id, merged.id]
    assert series["data"][0]["label"]["formatter"] == "plain"
    assert series["data"][1]["label"]["formatter"].startswith("★")
    assert series["data"][1]["itemStyle"]["borderColor"] == graph.WINNER
    assert series["data"][2]["itemStyle"]["borderColor"] == graph.INK
    assert [(link["source"], link["target"], link["lineStyle"]["type"]) for link in series["links"]] == [
        (0, 1, "solid"),
        (0, 2, "solid"),
        (1, 2, "dashed"),
    ]
    assert series["data"][0]["symbolSize"] > series["data"][2]["symbolSize"]


def test_gains_are_counted_from_the_root_that_the_claim_refers_to() -> None:
    plain, general = node("a", name="plain", gain=0.0), node("b", name="general", gain=0.3)
    child, fresh = node("c", general, gain=0.4), node("d", general, gain=None)
    shown = graph.rebased(view(plain, general, child, fresh, config={"run": {"reference": "general"}}))
    assert [entry.gain for entry in shown.nodes] == [pytest.approx(-0.3), 0.0, pytest.approx(0.1), None]
    assert graph.reference(view(plain, general)).id == plain.id
    assert graph.rebased(view()).nodes == ()


def test_tooltip_escapes_the_text_and_its_braces() -> None:
    said = graph.tooltip(node(NASTY))
    assert "<img" not in said
    assert "{" not in said
    assert "&lt;img" in said


def test_clicked_index_ignores_lines() -> None:
    assert lineage.clicked_index([{"data_type": "edge", "data_indices": [3]}, {"data_type": "node", "data_indices": [2]}]) == 2
    assert lineage.clicked_index([{"data_type": "edge", "data_indices": [3]}]) is None
    assert lineage.clicked_index([]) is None


def test_comparable_are_parents_then_roots_then_the_winner() -> None:
    root, other = node("root"), node("other")
    child = node("child", other)
    best = node("best", child, root)
    shown = view(root, other, child, best, winner=best.id)
    assert [(entry.id, word) for entry, word in lineage.comparable(shown, best)] == [
        (child.id, "parent"),
        (root.id, "parent"),
        (other.id, "root"),
    ]
    assert [word for _, word in lineage.comparable(shown, root)] == ["root", "winner"]
    assert lineage.comparable(view(root), root) == []


def test_run_state() -> None:
    assert header.run_state(view(), None) == "searching"
    assert header.run_state(view(), Pulse(False, "")) == "searching"
    assert header.run_state(view(), Pulse(True, "")) == "stopped"


def test_a_run_that_goes_on_after_a_stop_is_not_stopped(stopped_home: Path, tmp_path: Path) -> None:
    home = tmp_path / "copy"
    shutil.copytree(stopped_home, home)
    ledger = Ledger(Settings(home=home))
    shown = ledger.view(ledger.runs()[0].id)
    assert ledger.pulse(shown).stopped
    with open_store(f"sqlite:///{home / 'ledger.db'}") as store:
        store.add_event(shown.id, 9_999, "proposal", {"key": "new", "failure": {}})
    assert not ledger.pulse(shown).stopped


def test_run_began_is_in_this_time_zone_and_names_other_years() -> None:
    assert header.run_began(view(created_at="2019-03-04T12:00:00+00:00")).startswith("4 Mar 2019, ")


@pytest.mark.parametrize(("seconds", "said"), [(3, "3 s"), (600, "10 min"), (7200, "2.0 h")])
def test_duration(seconds: float, said: str) -> None:
    assert header.duration(seconds) == said


# -- pictures


def test_paired_takes_what_both_tried() -> None:
    ours = [trial("new", 0.9, seed) for seed in (1, 2, 3)]
    theirs = [trial("old", 0.5, seed) for seed in (2, 3, 4)]
    pairs = pictures.paired(ours, theirs)
    assert [pair.ours.request.seed for pair in pairs] == [2, 3]
    assert [pair.change for pair in pairs] == [pytest.approx(0.4)] * 2


def test_orders() -> None:
    pairs = [Pair(trial("new", mine, seed), trial("old", 0.5, seed)) for seed, mine in enumerate((0.6, 0.1, 0.9, None, 0.5))]

    def seeds(order: Order) -> list[int]:
        return [pair.ours.request.seed for pair in pictures.ordered(pairs, order)]

    assert seeds(Order.CHANGE) == [1, 2, 0, 4, 3]  # |-.4| and |.4| tie: by seed
    assert seeds(Order.GAIN) == [2, 0, 4, 1, 3]
    assert seeds(Order.LOSS) == [1, 4, 0, 2, 3]
    assert seeds(Order.PROMPT) == [0, 1, 2, 3, 4]
    assert seeds(Order.LOWEST) == [1, 4, 0, 2, 3]
    assert seeds(Order.HIGHEST) == [2, 0, 4, 1, 3]


def test_pages() -> None:
    pairs = [Pair(trial("new", 0.5, seed)) for seed in range(13)]
    assert pictures.page_count(pairs) == 3
    assert [len(pictures.page_of(pairs, number)) for number in (1, 2, 3)] == [6, 6, 1]
    assert pictures.page_count([]) == 1


def test_balance_counts_and_leaves_out_the_unscored() -> None:
    pairs = [Pair(trial("new", mine), trial("old", 0.5)) for mine in (0.6, 0.4, 0.5, None)]
    counts = pictures.balance(pairs)
    assert (counts.better, counts.worse, counts.equal, counts.unscored) == (1, 1, 1, 1)
    assert counts.mean == pytest.approx(0.0)
    assert pictures.balance([]).mean is None


def test_findings_put_what_went_wrong_first_and_turn_must_nots_around() -> None:
    before = trial("old", 0.3, scores=(0.0, 1.0, 0.0))
    now = trial("new", 0.3, scores=(1.0, None, 1.0))
    assert [(finding.verdict, finding.text) for finding in verdicts.findings(now, before)] == [
        ("violated", "a dog"),
        ("fixed", "a red ball"),
        ("unjudged", "exactly three balls"),
    ]
    assert [finding.verdict for finding in verdicts.findings(before)] == ["failed", "passed", "passed"]
    assert verdicts.findings(trial("new", None)) == []


def test_card_escapes_everything_that_people_and_models_wrote() -> None:
    pair = Pair(trial("new", 0.2, scores=(0.0, 0.0, 1.0), prompt=NASTY), trial("old", None, prompt=NASTY))
    card = pictures.card_html(pair, NASTY, NASTY, lambda sha256: f"missing {NASTY}")
    assert "<img" not in card
    assert "onerror=&quot;" in card
    for said in ("✗", "violated: ", "unscored", "judge failed: too slow", "drift: lost a quote", "rewrite, "):
        assert said in card


def test_picture_is_part_of_the_page_and_a_missing_one_is_said_in_place() -> None:
    shown = pictures.picture_html(trial("new", 1.0), lambda sha256: b"webp")
    assert 'src="data:image/webp;base64,d2VicA=="' in shown
    assert "aspect-ratio:4/3" in shown
    assert "gone" in pictures.picture_html(trial("new", 1.0), lambda sha256: "the file is gone")
    failed = replace(trial("new", None), image=None, failure=Failure(Stage.GENERATE, FailureKind.REFUSED, "declined"))
    assert "generate failed: declined" in pictures.picture_html(failed, lambda sha256: b"")


# -- texts and figures


def test_diff_keeps_lines_and_escapes() -> None:
    old, new = "Be brief.\nName <b>colours</b>.", "Be brief.\nName <i>all</i> colours.\nCount."
    shown = diff_html(word_diff(old, new))
    assert "Be brief.\nName " in shown
    assert "<del>&lt;b&gt;colours&lt;/b&gt;.</del>" in shown
    assert "<ins>Count.</ins>" in shown
    assert "<b>" not in shown
    assert diff_html([DiffPart("removed", "\n")]) == '<div class="ph-diff"></div>'


def test_diff_cuts_long_unchanged_stretches_short() -> None:
    words = [f"w{number}" for number in range(100)]
    shown = diff_html(word_diff(" ".join(words), " ".join([*words[:50], "new", *words[50:]])))
    assert shown.count("… 34 words …") == 2
    assert "w34 w35" in shown
    assert "w33" not in shown
    assert "<ins>new</ins>" in shown
    assert "100 words" in diff_html(word_diff(" ".join(words), " ".join(words)))


def test_must_nots_are_told_the_right_way_round() -> None:
    avoided = verdicts.findings_html(verdicts.findings(trial("new", 1.0)), everything=True)
    assert "avoided: a dog" in avoided
    better = verdicts.findings(trial("new", 1.0), trial("old", 0.5, scores=(1.0, 1.0, 1.0)))
    assert "no longer so: a dog" in verdicts.findings_html(better)


def test_the_scale_reaches_to_the_best_gain() -> None:
    assert graph.gain_range([node("a", gain=-0.5), node("b", gain=0.2), node("c", gain=None)]) == 0.2
    assert graph.gain_range([node("a", gain=-0.5), node("b", gain=0.0)]) == 0.5
    assert graph.gain_range([node("a", gain=-0.5), node("b", gain=0.01)]) == graph.LEAST_RANGE
    assert graph.gain_range([]) == graph.LEAST_RANGE


def test_small_words() -> None:
    assert [signed(value) for value in (0.0712, -0.5, -0.0001, 0.0)] == ["+0.071", "−0.500", "0.000", "0.000"]
    assert clipped("one two three", 9) == "one two…"
    assert clipped("one", 9) == "one"
    assert escaped("\"<&>'") == "&quot;&lt;&amp;&gt;&#x27;"
    assert "<script>" not in box("error", "<script>", "<script>", "<script>")
    assert [graph.percent(share) for share in (0.0, 0.004, 0.114, 1.0)] == ["0 %", "under 1 %", "11 %", "100 %"]


def difference(reference: str, estimate: float, claimed: bool) -> dict[str, object]:
    interval = {"estimate": estimate, "low": estimate - 0.05, "high": estimate + 0.05}
    return {"arm": "best", "reference": reference, **interval, "p_value": 0.01, "prompts": 40, "claimed": claimed}


def comparison(estimate: float = 0.1, claimed: bool = True) -> dict[str, Any]:
    def arm(name: str, mean: dict[str, float | None] | None) -> dict[str, object]:
        counts = {"prompts": 40, "trials": 40, "failed": 2, "drop_rate": 0.05, "mean_words": 30.0, "drift_rate": 0.0}
        return {"name": name, "system_prompt": f"b2:{name}", "mean": mean, "difference_to_reference": None, **counts}

    best = {"estimate": 0.7, "low": 0.62, "high": 0.78}
    return {
        "confidence": 0.95,
        "reference": "general",
        "arms": [arm("none", None), arm("general", {"estimate": 0.6, "low": None, "high": None}), arm("best", dict(best))],
        "best_against": [difference("general", estimate, claimed)],
        "same_against_itself": difference("best again", 0.01, False),
        "claims": ["general"],
    }


@pytest.mark.parametrize(
    ("estimate", "claimed", "said"),
    [(0.1, True, "Better than general by 0.100"), (-0.1, True, "Worse than general by 0.100"), (0.1, False, "No difference from general")],
)
def test_headline_says_what_may_be_said(estimate: float, claimed: bool, said: str) -> None:
    assert claim.headline(comparison(estimate, claimed)).startswith(said)


def test_a_root_that_stays_the_best_is_no_gain_of_nothing() -> None:
    report = comparison(0.0, False)
    arms = [{**arm, "system_prompt": "b2:one"} if arm["name"] in ("general", "best") else arm for arm in report["arms"]]
    assert claim.headline({**report, "arms": arms}) == "The search found nothing better than general."
    assert "the same text as best" in claim.table({**report, "arms": arms})


def test_headline_without_a_single_common_prompt() -> None:
    assert "Nothing could be compared" in claim.headline({**comparison(), "best_against": []})


def test_claim_table_shows_arms_losses_and_the_control() -> None:
    shown = claim.table(comparison())
    for said in ("general", "0.600", "+0.100", "+0.050 to +0.150", "claimed", "5% of trials lost", "claims nothing, as it should"):
        assert said in shown
    assert claim.bounds(comparison()) == pytest.approx((0.55, 0.8))
    assert "claims a difference" in claim.table({**comparison(), "same_against_itself": difference("best again", 0.2, True)})


def test_a_real_report_can_be_shown(toy_home: Path) -> None:
    with open_store(f"sqlite:///{toy_home / 'ledger.db'}") as store:
        shown = run_view(store, store.runs()[0].id)
    assert shown.comparison is not None
    assert claim.headline(shown.comparison).startswith("Better than general")
    assert claim.table(shown.comparison).count("<tr") == 6


# -- the server


def test_the_server_stays_on_this_machine_and_tells_nobody() -> None:
    line = " ".join(command(8501))
    assert "--server.address 127.0.0.1" in line
    assert "--browser.gatherUsageStats false" in line
    assert Path(command(8501)[4]).name == "app.py"
    assert all(value for value in OPTIONS.values())


def test_a_missing_ledger_is_not_made_by_looking(tmp_path: Path) -> None:
    assert not Ledger(Settings(home=tmp_path)).exists
    assert list(tmp_path.iterdir()) == []


# -- how a picture was made


def test_what_may_spoil_a_comparison_stands_under_the_picture() -> None:
    made = trial("a", 1.0)
    assert pictures.image_notes_html(made) == ""
    spoiled = replace(made, image=GeneratedImage("a" * 64, 4, 3, (f"no seed {NASTY}",), f"another text {NASTY}"))
    found = pictures.image_notes_html(spoiled)
    assert "no seed" in found
    assert "another text" in found
    assert NASTY not in found


def test_what_was_blocked_is_told_apart_from_what_broke() -> None:
    failure = Failure(Stage.GENERATE, FailureKind.BLOCKED, f"the guard {NASTY}")
    blocked = replace(trial("a", None), image=None, failure=failure)
    found = pictures.picture_html(blocked, lambda sha256: "")
    assert "blocked: the guard" in found
    assert "failed" not in found
    assert NASTY not in found


def test_what_rests_on_something_that_failed_says_so() -> None:
    checklist = (
        Criterion("cat", "There is a cat", CriterionKind.ENTITY),
        Criterion("black", "The cat is black", CriterionKind.ATTRIBUTE, parents=("cat",)),
    )
    request = TrialRequest(SystemPrompt("Be good."), Prompt("a black cat", checklist), 0, 1)
    scores = (CriterionScore("cat", 0.0), CriterionScore("black", 0.0), CriterionScore("global-collage", 1.0, "four panels"))
    found = verdicts.findings(Trial("t", request, judgment=Judgment(0.0, scores)))
    assert [(finding.verdict, finding.without) for finding in found] == [
        ("failed", ()),
        ("failed", ("There is a cat",)),
        ("violated", ()),
    ]
    assert "rests on: There is a cat" in verdicts.findings_html(found)


def test_a_panel_shows_how_far_its_judges_are_apart() -> None:
    opinions = (Opinion("checklist:<a>", 0.9, 1.0), Opinion("checklist:b", 0.4, 1.0), Opinion("text", None, 1.0, note="asks for no text"))
    request = TrialRequest(SystemPrompt("Be good."), Prompt("a cat"), 0, 1)
    html = verdicts.opinions_html(Trial("t", request, judgment=Judgment(0.65, opinions=opinions)))
    assert "0.50 apart" in html
    assert "checklist:&lt;a&gt;" in html
    assert "asks for no text" in html
    assert verdicts.opinions_html(Trial("t", request, judgment=Judgment(0.65))) == ""
