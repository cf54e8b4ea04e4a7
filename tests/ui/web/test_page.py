"""The page as Streamlit runs it, without a browser."""

import shutil
from pathlib import Path

from streamlit.testing.v1 import AppTest

from data.identity import short
from data.runs import RunRecord
from data.store import open_store
from ui.views import RunView, run_view


def texts(page: AppTest) -> str:
    """All HTML of the page, sidebar included."""
    return "\n".join(element.proto.body for element in [*page.get("html"), *page.sidebar.get("html")])


def the_run(home: Path) -> RunView:
    with open_store(f"sqlite:///{home / 'ledger.db'}") as store:
        return run_view(store, store.runs()[0].id)


def test_without_a_ledger_it_says_what_to_type(open_page, tmp_path: Path) -> None:
    page = open_page(tmp_path / "none")
    assert "make demo" in texts(page)
    assert "phoropter optimize" in texts(page)
    assert not (tmp_path / "none").exists()


def test_an_empty_ledger_says_what_to_type(open_page, tmp_path: Path) -> None:
    open_store(f"sqlite:///{tmp_path / 'ledger.db'}").close()
    assert "No run yet" in texts(open_page(tmp_path))


def test_a_damaged_ledger_is_a_box_with_a_hint(open_page, tmp_path: Path) -> None:
    (tmp_path / "ledger.db").write_bytes(b"not a database at all" * 200)
    shown = texts(open_page(tmp_path))
    assert "ph-error" in shown
    assert "damaged" in shown


def test_a_finished_run_shows_its_claim_and_its_winner(open_page, toy_home: Path) -> None:
    run = the_run(toy_home)
    page = open_page(toy_home)
    shown = texts(page)
    assert "Better than general" in shown
    assert "claims nothing, as it should" in shown
    assert page.sidebar.radio[0].options == [f"**{short(run.id)}** · finished"]
    assert page.selectbox(key="node").value == run.winner
    assert page.query_params == {"run": short(run.id), "node": short(run.winner or "")}
    assert shown.count('class="ph-card"') == 6
    assert "data:image/webp;base64," in shown


def test_a_link_selects_run_and_node_and_a_bad_one_falls_back(open_page, toy_home: Path) -> None:
    run = the_run(toy_home)
    wanted = next(node for node in run.nodes if node.parents and node.id != run.winner)
    page = open_page(toy_home, run=short(run.id), node=short(wanted.id))
    assert page.selectbox(key="node").value == wanted.id
    page = open_page(toy_home, run="deadbeef", node="deadbeef")
    assert "There is no run deadbeef here" in texts(page)
    assert page.selectbox(key="node").value == run.winner


def test_choosing_a_node_changes_text_pictures_and_url(open_page, toy_home: Path) -> None:
    run = the_run(toy_home)
    root = run.nodes[1]
    page = open_page(toy_home)
    page.selectbox(key="node").set_value(root.id).run()
    assert not page.exception
    assert page.query_params["node"] == short(root.id)
    assert page.code[0].value == root.system_prompt.text
    assert "where the search began" in texts(page)
    assert 'class="ph-diff"' not in texts(page)
    assert texts(page).count("<figure>") == 6


def test_a_merged_node_can_be_compared_with_each_parent(open_page, toy_home: Path) -> None:
    run = the_run(toy_home)
    merged = next(node for node in run.nodes if len(node.parents) > 1)
    page = open_page(toy_home, node=short(merged.id))
    for place in (0, 1):
        picker = page.segmented_control(key=f"other-{merged.id}")
        picker.set_value(merged.parents[place]).run()
        assert not page.exception
        assert 'class="ph-diff"' in texts(page)


def test_many_runs_fold_into_a_list_and_a_fresh_one_has_no_lineage_yet(open_page, toy_home: Path, tmp_path: Path) -> None:
    home = tmp_path / "copy"
    shutil.copytree(toy_home, home)
    begun = the_run(home).id
    with open_store(f"sqlite:///{home / 'ledger.db'}") as store:
        for number in range(12):
            store.add_run(RunRecord(f"b2:{number:032x}", "optimize", {"run": {"images": 300}}, f"2031-01-{number + 1:02}T00:00:00+00:00"))
    page = open_page(home)
    assert len(page.sidebar.selectbox(key="run").options) == 13
    assert "Not started yet" in texts(page)
    assert "0 of 300 images" in texts(page)
    page.sidebar.selectbox(key="run").set_value(begun).run()
    assert not page.exception
    assert 'class="ph-card"' in texts(page)


def test_a_missing_image_is_said_in_place(open_page, toy_home: Path, tmp_path: Path) -> None:
    home = tmp_path / "copy"
    shutil.copytree(toy_home, home)
    shutil.rmtree(home / "images")
    shown = texts(open_page(home))
    assert "is missing" in shown
    assert shown.count('class="ph-hole"') == 12


def test_a_stopped_run_shows_how_far_it_came_and_how_to_go_on(open_page, stopped_home: Path) -> None:
    run = the_run(stopped_home)
    page = open_page(stopped_home)
    shown = texts(page)
    assert run.state == "searching"
    assert "The run ended early: StoppedError: the test stops here" in shown
    assert f"phoropter resume {short(run.id)}" in shown
    assert "of 420 images" in shown
    assert page.selectbox(key="node").value is not None


def test_user_text_is_never_markup(open_page, toy_home: Path) -> None:
    run = the_run(toy_home)
    shown = "".join(texts(open_page(toy_home, node=short(node.id))) for node in run.nodes)
    assert "&lt;b&gt;many&lt;/b&gt;" in shown
    assert "<b>many</b>" not in shown
    assert "clouds &lt;at" in shown
    assert "clouds <at" not in shown
