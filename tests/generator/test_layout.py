"""Where figures go: nothing overlaps, relations and sizes hold where there is room, and everything finds a place where there is none."""

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.scene import BACKGROUNDS, COLORS, KINDS, Direction, Size
from data.silhouettes import size_class
from generator.embedded.layout import GAP, SIDE, Layout, Rect, arrange, holds
from generator.embedded.picture import LONGEST_TEXT, Group, Picture

SIZES = st.sampled_from((None, Size.SMALL, Size.LARGE))
GROUPS = st.builds(Group, st.sampled_from(KINDS), st.sampled_from(tuple(COLORS)), st.integers(1, 8), SIZES)
TEXTS = st.none() | st.text("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 ", max_size=LONGEST_TEXT)


@st.composite
def pictures(draw: st.DrawFn) -> Picture:
    groups = tuple(draw(st.lists(GROUPS, max_size=5)))
    pairs = list(itertools.permutations(range(len(groups)), 2))
    relation = (
        st.tuples(st.sampled_from(pairs), st.sampled_from(Direction)).map(lambda found: (found[0][0], found[1], found[0][1]))
        if pairs
        else None
    )
    relations = draw(st.lists(relation, max_size=3)) if relation is not None else []
    return Picture(groups, draw(st.sampled_from(BACKGROUNDS)), tuple(relations), draw(TEXTS), draw(st.integers(0, 2**40)))


def boxes(layout: Layout) -> list[Rect]:
    return [placed.box for placed in layout.figures] + ([layout.sign.box] if layout.sign else [])


def apart(box: Rect, other: Rect) -> float:
    """The gap between two boxes, negative where they overlap."""
    (x, y), (other_x, other_y) = box.center, other.center
    return max(abs(x - other_x) - (box.width + other.width) / 2, abs(y - other_y) - (box.height + other.height) / 2)


@settings(max_examples=150, deadline=None)
@given(pictures())
def test_whatever_is_asked_for_is_inside_and_apart(picture: Picture) -> None:
    layout = arrange(picture)
    assert sorted(placed.group for placed in layout.figures) == [
        index for index, group in enumerate(picture.groups) for _ in range(group.count)
    ]
    assert (layout.sign is not None) == bool(picture.lettering)
    for box in boxes(layout):
        assert box.x >= 0
        assert box.y >= 0
        assert box.x + box.width <= SIDE
        assert box.bottom <= SIDE
    for box, other in itertools.combinations(boxes(layout), 2):
        assert apart(box, other) >= GAP - 0.01


@settings(max_examples=150, deadline=None)
@given(pictures())
def test_a_faithful_layout_keeps_relations_and_sizes(picture: Picture) -> None:
    layout = arrange(picture)
    if not layout.faithful:
        return
    for subject, direction, other in picture.relations:
        for placed, reference in itertools.product(layout.figures, repeat=2):
            if placed.group == subject and reference.group == other:
                assert holds(direction, placed.box, reference.box)
    for placed in layout.figures:
        assert size_class(placed.size, picture.figures) == picture.groups[placed.group].size


@pytest.mark.parametrize("direction", Direction)
@pytest.mark.parametrize("seed", range(12))
def test_pairs_always_find_room_for_their_relation(direction: Direction, seed: int) -> None:
    groups = (Group(KINDS[seed], "red", 1 + seed % 3), Group(KINDS[seed + 12], "blue", 1 + seed % 2))
    layout = arrange(Picture(groups, "meadow", ((0, direction, 1),), seed=seed))
    assert layout.faithful
    assert all(
        holds(direction, placed.box, other.box)
        for placed in layout.figures
        for other in layout.figures
        if (placed.group, other.group) == (0, 1)
    )


def test_relations_that_contradict_each_other_are_given_up_and_said_so() -> None:
    groups = (Group("cat", "red"), Group("car", "blue"))
    layout = arrange(Picture(groups, "city", ((0, Direction.LEFT, 1), (0, Direction.RIGHT, 1)), seed=3))
    assert not layout.faithful
    cat, car = (next(placed.box for placed in layout.figures if placed.group == group) for group in (0, 1))
    assert holds(Direction.LEFT, cat, car)


def test_forty_figures_still_fit() -> None:
    layout = arrange(Picture(tuple(Group(kind, "red", 8, Size.LARGE) for kind in KINDS[:5]), "sea", text="TOO MANY", seed=1))
    assert len(layout.figures) == 40
    assert not layout.faithful


def test_only_the_seed_moves_things() -> None:
    picture = Picture((Group("cat", "red", 3), Group("star", "blue", 2)), "night", text="HI", seed=5)
    assert arrange(picture) == arrange(picture)
    assert arrange(picture) != arrange(Picture(picture.groups, "night", text="HI", seed=6))


def test_what_flies_is_above_what_stands() -> None:
    higher = 0
    for seed in range(20):
        layout = arrange(Picture((Group("balloon", "red"), Group("house", "blue")), "meadow", seed=seed))
        heights = {placed.group: placed.box.center[1] for placed in layout.figures}
        higher += heights[0] < heights[1]
    assert higher == 20


def test_genevals_rule_needs_distance_and_a_clear_direction() -> None:
    left, right, near, diagonal = Rect(0, 200, 100, 100), Rect(300, 200, 100, 100), Rect(15, 200, 100, 100), Rect(100, 400, 100, 100)
    assert holds(Direction.LEFT, left, right)
    assert holds(Direction.RIGHT, right, left)
    assert not holds(Direction.ABOVE, left, right)
    assert not holds(Direction.LEFT, left, near)
    assert holds(Direction.ABOVE, left, diagonal)
    assert not holds(Direction.LEFT, left, diagonal)
