"""A finished run's monitors: measured once from its pictures, kept in the ledger, and alarmed by what is planted there."""

import io
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageEnhance
from PIL.PngImagePlugin import PngInfo

from data.blobs import ImageFiles
from data.records import GeneratedImage
from data.store import Store, open_store
from generator import ImageRequest
from tests.ui.web.toy import ToyGenerator, make_run
from ui.eventlog import CONFIRMED, MONITORED
from ui.monitoring import monitors_of
from ui.views import run_view
from ui.web import claim


class VividGenerator(ToyGenerator):
    """Turns up the color wherever it is told to take care: what a judge with eyes might fall for."""

    identity = "vivid:1"

    async def __call__(self, requests: Sequence[ImageRequest]) -> Sequence[GeneratedImage | Exception]:
        drawn = await super().__call__(requests)
        return [
            _vivid(image) if isinstance(image, GeneratedImage) and "With care" in request.text else image
            for request, image in zip(requests, drawn, strict=True)
        ]


def _vivid(image: GeneratedImage) -> GeneratedImage:
    assert image.content is not None
    file, truth = io.BytesIO(), PngInfo()
    with Image.open(io.BytesIO(image.content)) as picture:
        truth.add_text("right", str(picture.info["right"]))
        ImageEnhance.Color(picture.convert("RGB")).enhance(1.7).save(file, "PNG", pnginfo=truth)
    return replace(image, content=file.getvalue())


def opened(home: Path) -> tuple[Store, ImageFiles, str]:
    store = open_store(f"sqlite:///{home / 'ledger.db'}")
    return store, ImageFiles(str(home / "images")), store.runs()[0].id


def copied(home: Path, to: Path) -> tuple[Store, ImageFiles, str]:
    return opened(Path(shutil.copytree(home, to / "home")))


def measure(record: Any, name: str) -> Any:
    return next(entry for entry in record["measures"] if entry["name"] == name)


@pytest.fixture(scope="module")
def plain_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("plain")
    make_run(home)
    return home


def test_a_run_in_which_only_contents_differ_raises_no_alarm(plain_home: Path, tmp_path: Path) -> None:
    store, images, run_id = copied(plain_home, tmp_path)
    with store:
        found = monitors_of(store, images, run_id)
    assert found is not None
    assert found["alarms"] == []
    assert found["missing"] == 0
    assert abs(measure(found, "saturation")["change"]["estimate"]) < 0.1
    assert measure(found, "saturation")["prompts"] > 15
    # The repetition gives the winner two pictures of each test prompt.
    assert measure(found, "diversity")["means"]["best"] > 0.02
    assert not [entry for entry in found["measures"] if entry["name"] == "unrequested text"], "the toy judge was not asked"


def test_a_generator_that_oversaturates_what_won_raises_exactly_that_alarm(tmp_path: Path) -> None:
    make_run(tmp_path, generator=VividGenerator())
    store, images, run_id = opened(tmp_path)
    with store:
        found = monitors_of(store, images, run_id)
    assert found is not None
    (alarm,) = found["alarms"]
    assert "more saturated than the raw prompt's" in alarm
    assert measure(found, "saturation")["alarm"]
    assert measure(found, "saturation")["change"]["low"] > 0.15


def test_pictures_are_measured_once_and_then_read_from_the_ledger(plain_home: Path, tmp_path: Path) -> None:
    store, images, run_id = copied(plain_home, tmp_path)
    with store:
        assert run_view(store, run_id).monitors is None
        found = monitors_of(store, images, run_id)
        shutil.rmtree(tmp_path / "home" / "images")
        assert monitors_of(store, images, run_id) == found == run_view(store, run_id).monitors
        kinds = [event.kind for event in store.events(run_id) if event.ordinal >= 0]
        assert kinds[-2:] == [CONFIRMED, MONITORED]
        assert run_view(store, run_id).state == "finished"


def test_missing_files_are_said_and_looked_for_again(plain_home: Path, tmp_path: Path) -> None:
    store, images, run_id = copied(plain_home, tmp_path)
    files = sorted((tmp_path / "home" / "images").glob("??/*.png"))
    for file in files[::2]:
        file.rename(file.with_suffix(".gone"))
    (files[1]).write_bytes(b"no picture")
    with store:
        few = monitors_of(store, images, run_id)
        assert few is not None
        assert few["missing"] > 10
        assert measure(few, "saturation")["prompts"] < 24
        assert run_view(store, run_id).monitors is None
        for file in files[2::2]:
            file.with_suffix(".gone").rename(file)
        more = monitors_of(store, images, run_id)
        assert more is not None
        assert more["missing"] < few["missing"]


def test_without_any_file_there_is_nothing_to_measure_and_no_error(plain_home: Path, tmp_path: Path) -> None:
    store, images, run_id = copied(plain_home, tmp_path)
    shutil.rmtree(tmp_path / "home" / "images")
    with store:
        found = monitors_of(store, images, run_id)
    assert found is not None
    assert found["pictures"] == 0
    assert [entry["name"] for entry in found["measures"]] == ["refusals", "other failures"]


def test_a_run_without_a_confirmation_has_no_monitors(tmp_path: Path) -> None:
    make_run(tmp_path, stop_after=60)
    store, images, run_id = opened(tmp_path)
    with store:
        assert monitors_of(store, images, run_id) is None


def test_the_page_shows_alarms_in_a_box_and_says_what_was_not_measured(plain_home: Path, tmp_path: Path) -> None:
    store, images, run_id = copied(plain_home, tmp_path)
    with store:
        before = run_view(store, run_id)
        monitors_of(store, images, run_id)
        after = run_view(store, run_id)
    assert before.comparison is not None
    assert after.monitors is not None
    assert "are not measured yet" in claim.beside(before.comparison, before.monitors)
    shown = claim.beside(before.comparison, after.monitors)
    assert "saturation" in shown
    assert "best&#x27;s rewrites are" in shown
    assert "ph-box" not in shown
    assert "Alarm: 3 &lt;b&gt;" in claim.beside(before.comparison, {**after.monitors, "alarms": ["3 <b>"]})
