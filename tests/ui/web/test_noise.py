"""The noise of a run on its page."""

from pathlib import Path


def shown(page) -> str:
    return "\n".join(element.proto.body for element in page.get("html"))


def test_a_finished_run_shows_where_its_noise_is(open_page, toy_home: Path) -> None:
    said = shown(open_page(toy_home))
    assert 'class="ph-noise"' in said
    assert "By source, and prompts needed" in said


def test_an_unfinished_run_shows_none(open_page, stopped_home: Path) -> None:
    assert 'class="ph-noise"' not in shown(open_page(stopped_home))
