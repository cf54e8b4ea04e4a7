"""What is painted: the same bytes for the same picture, and scenery that stays within the muted band."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import cast

import cv2
import numpy as np
import pytest

from data.palette import BACKDROPS, MUTED, classify, is_muted, to_lab
from data.scene import BACKGROUNDS, COLORS, KINDS, Direction, Relation, Scene, Size, Thing
from data.silhouettes import KINDS_DRAWN, bounds, footing, mask, path
from generator import ImageRequest
from generator.embedded.layout import SIDE, arrange
from generator.embedded.painter import paint, to_png
from generator.embedded.picture import Group, Picture, picture_of
from generator.engines.embedded import EmbeddedGenerator

BUSY = Picture(
    (Group("cat", "orange", 2), Group("balloon", "white", 3, Size.SMALL), Group("house", "black")),
    "sunset",
    ((0, Direction.LEFT, 2),),
    "GOOD EVENING",
    seed=7,
)


def test_a_picture_is_512_pixels_of_rgb() -> None:
    image = paint(BUSY)
    assert image.shape == (SIDE, SIDE, 3)
    assert image.dtype == np.uint8


def test_the_png_holds_the_very_pixels() -> None:
    image = paint(BUSY)
    decoded = cv2.imdecode(np.frombuffer(to_png(image), np.uint8), cv2.IMREAD_COLOR_RGB)
    assert decoded is not None
    assert np.array_equal(decoded, image)


def test_the_same_picture_gives_the_same_bytes_in_every_thread() -> None:
    pictures = [Picture((Group(kind, "red", 2),), background, seed=4) for kind, background in zip(KINDS, BACKGROUNDS * 3, strict=False)]
    alone = [to_png(paint(picture)) for picture in pictures]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda picture: to_png(paint(picture)), pictures * 2))
    assert together == alone * 2


def test_another_seed_gives_another_picture() -> None:
    assert to_png(paint(Picture((), "sea", seed=1))) != to_png(paint(Picture((), "sea", seed=2)))


@pytest.mark.parametrize("background", BACKGROUNDS)
def test_backgrounds_stay_within_the_muted_band(background: str) -> None:
    for seed in range(6):
        image = paint(Picture((), background, seed=seed))
        assert is_muted(to_lab(image), slack=0.6).all()
        assert (classify(image) == MUTED).all()


@pytest.mark.parametrize("background", BACKGROUNDS)
def test_shadows_strings_and_posts_stay_within_the_muted_band(background: str) -> None:
    picture = Picture((Group("balloon", "red", 2), Group("car", "blue", 2), Group("kite", "yellow")), background, text="HELLO", seed=11)
    layout = arrange(picture)
    outside = np.ones((SIDE, SIDE), np.bool_)
    for box in [placed.box for placed in layout.figures] + [layout.sign.box for _ in (1,) if layout.sign]:
        outside[max(0, int(box.y) - 2) : int(box.bottom) + 3, max(0, int(box.x) - 2) : int(box.x + box.width) + 3] = False
    assert (classify(paint(picture))[outside] == MUTED).all()


def test_every_figure_stands_out_from_every_background() -> None:
    for index, color in enumerate(COLORS):
        picture = Picture((Group("apple", color),), BACKGROUNDS[index], seed=index)
        (placed,) = arrange(picture).figures
        x, y = (int(value) for value in placed.box.center)
        assert (classify(paint(picture))[y - 8 : y + 8, x - 8 : x + 8] != MUTED).mean() > 0.6


def test_backdrops_are_apart() -> None:
    names = list(BACKDROPS)
    assert tuple(names) == BACKGROUNDS
    for index, name in enumerate(names):
        for other in names[index + 1 :]:
            ends = [np.subtract(getattr(BACKDROPS[name], end), getattr(BACKDROPS[other], end)) for end in ("top", "bottom")]
            assert np.linalg.norm(np.concatenate(ends)) > 18


def test_every_kind_has_an_outline_of_its_own() -> None:
    assert set(KINDS_DRAWN) == set(KINDS)
    grids = {kind: cv2.resize(mask(kind, 200, 200), (40, 40), interpolation=cv2.INTER_AREA) > 127 for kind in KINDS}
    for index, kind in enumerate(KINDS):
        for other in KINDS[index + 1 :]:
            for flipped in (grids[other], grids[other][:, ::-1]):
                assert (grids[kind] & flipped).sum() / (grids[kind] | flipped).sum() < 0.93, (kind, other)


@pytest.mark.parametrize("kind", KINDS)
def test_an_outline_fills_its_box_and_has_no_holes(kind: str) -> None:
    filled = mask(kind, 120, 90)
    assert filled.shape == (90, 120)
    assert filled[:, [0, -1]].any()
    assert filled[[0, -1]].any()
    left, top, right, bottom = bounds(kind)
    assert left == pytest.approx(-right)
    assert top == pytest.approx(-bottom)
    assert left <= footing(kind)[0] <= footing(kind)[1] <= right


def test_a_path_has_to_begin_somewhere() -> None:
    with pytest.raises(ValueError, match="begins with M"):
        path("1 2 3")


def test_the_sign_keeps_letters_digits_and_single_spaces() -> None:
    assert Picture((), "sea", text="  don't  panic! 42 ").lettering == "DONT PANIC 42"
    assert Picture((), "sea", text="!?").lettering == ""
    assert len(Picture((), "sea", text="A" * 40).lettering) == 24


def test_what_can_not_be_painted_is_refused() -> None:
    with pytest.raises(ValueError, match="unknown kind 'dog'"):
        Group("dog", "red")
    with pytest.raises(ValueError, match="unknown color"):
        Group("cat", "teal")
    with pytest.raises(ValueError, match="1 to 8"):
        Group("cat", "red", 9)
    with pytest.raises(ValueError, match="unknown background"):
        Picture((), "moon")
    with pytest.raises(ValueError, match="relation"):
        Picture((Group("cat", "red"),), "sea", ((0, Direction.LEFT, 0),))


def test_a_picture_of_a_scene_shows_what_it_says_and_no_more() -> None:
    scene = Scene(
        things=(
            Thing(("cat",), 2, 2, color="red"),
            Thing(("balloon", "cake"), 1, 3, relation=Relation(Direction.ABOVE, 0)),
            Thing(("cat",), 1, 1, size=Size.LARGE),
        ),
        absent=("cake",),
        text="HI",
    )
    for seed in range(40):
        picture = picture_of(scene, seed)
        first, second, third = picture.groups
        assert (first.kind, first.color, first.count) == ("cat", "red", 2)
        assert second.kind == "balloon"
        assert 1 <= second.count <= 3
        assert third.color != "red"
        assert third.size is Size.LARGE
        assert picture.relations == ((1, Direction.ABOVE, 0),)
        assert picture.text == "HI"
    assert len({picture_of(scene, seed).background for seed in range(40)}) > 5
    assert picture_of(scene, 3) == picture_of(scene, 3)


def test_a_request_that_breaks_leaves_its_batch_mates_alone() -> None:
    broken = ImageRequest(cast(str, None), 1)
    first, error, last = asyncio.run(EmbeddedGenerator()([ImageRequest("a red cat", 1), broken, ImageRequest("a red cat", 1)]))
    assert isinstance(error, Exception)
    assert first == last
