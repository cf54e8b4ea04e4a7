"""What scores say, kept up to date one at a time, is what all of them say at once, effects of pairs and prompts integrated out."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from optimizer.scores import Floats, Ints, Rows, Scale, ScoreSums

NODES = 5
Cells = list[tuple[int, int, float]]


@st.composite
def cells(draw: st.DrawFn) -> Cells:
    """(node, pair, value); a pair's prompt is its number modulo 3."""
    places = draw(st.lists(st.tuples(st.integers(0, NODES - 1), st.integers(0, 7)), min_size=1, max_size=25, unique=True))
    return [(node, pair, draw(st.floats(-1, 2))) for node, pair in places]


scales = st.builds(Scale, st.floats(0.05, 0.5), st.floats(0.02, 0.5), st.floats(0.02, 0.5))


def summed(cells: Cells, scale: Scale) -> ScoreSums:
    sums = ScoreSums(scale)
    for _ in range(NODES):
        sums.add_node()
    for node, pair, value in cells:
        sums.add(node, pair, pair % 3, value)
    return sums


def textbook(cells: Cells, scale: Scale) -> tuple[Floats, Floats]:
    """Precision and shift from the scores' full covariance, in units of 1 / noise²."""
    nodes, pairs, values = (np.array(column) for column in zip(*cells, strict=True))
    picks = (nodes[:, None] == np.arange(NODES)).astype(float)
    cov = np.diag(np.full(len(cells), scale.noise**2)) + scale.pair**2 * (pairs[:, None] == pairs)
    cov += scale.prompt**2 * (pairs[:, None] % 3 == pairs % 3)
    inverse = np.linalg.inv(cov) * scale.noise**2
    return picks.T @ inverse @ picks, picks.T @ inverse @ values


@given(cells(), scales)
@settings(max_examples=100, deadline=None)
def test_sums_are_those_of_the_full_covariance(cells: Cells, scale: Scale):
    sums = summed(cells, scale)
    precision, shift = textbook(cells, scale)
    assert sums.together()[0] == pytest.approx(precision, abs=1e-7)
    assert sums.together()[1] == pytest.approx(shift, abs=1e-7)


@given(cells(), scales, scales, st.data())
@settings(max_examples=100, deadline=None)
def test_sums_anew_with_another_scale(cells: Cells, first: Scale, second: Scale, data: st.DataObject):
    kept = data.draw(st.integers(0, len(cells)))
    sums = summed(cells[:kept], first)
    sums.rescale(second)
    told, value_told = sums.together()
    for node, pair, value in cells[kept:]:
        reading = sums.add(node, pair, pair % 3, value)
        told = told + np.outer(reading.told, reading.told)
        value_told = value_told + reading.told * reading.value
    # What each further score says by itself adds up to the same.
    assert told == pytest.approx(sums.together()[0], abs=1e-7)
    assert value_told == pytest.approx(sums.together()[1], abs=1e-7)
    precision, shift = textbook(cells, second)
    assert sums.together()[0] == pytest.approx(precision, abs=1e-7)
    assert sums.together()[1] == pytest.approx(shift, abs=1e-7)


@given(cells(), scales, st.sets(st.integers(0, NODES - 1), min_size=1))
@settings(max_examples=50, deadline=None)
def test_some_nodes_alone(cells: Cells, scale: Scale, chosen: set[int]):
    nodes: Ints = np.array(sorted(chosen))
    precision, shift = summed(cells, scale).of_nodes(nodes)
    alone = summed([cell for cell in cells if cell[0] in chosen], scale)
    assert precision == pytest.approx(alone.together()[0][np.ix_(nodes, nodes)], abs=1e-8)
    assert shift == pytest.approx(alone.together()[1][nodes], abs=1e-8)


def test_a_node_that_came_later_is_counted_with_the_rest():
    late, early = ScoreSums(Scale()), ScoreSums(Scale())
    late.add_node()
    late.add(0, "a", "p", 0.3)
    late.add_node()
    late.add(1, "a", "p", 0.7)
    for _ in range(2):
        early.add_node()
    early.add(0, "a", "p", 0.3)
    early.add(1, "a", "p", 0.7)
    assert late.together()[0] == pytest.approx(early.together()[0])
    assert late.together()[1] == pytest.approx(early.together()[1])


def test_rows_number_everything_in_order_of_appearance():
    sums = summed([(2, 7, 0.1), (0, 4, 0.2), (2, 4, 0.3), (1, 5, 0.4)], Scale())
    nodes, pairs, prompts, values = (column.tolist() for column in sums.rows())
    assert (nodes, pairs, prompts) == ([2, 0, 2, 1], [0, 1, 1, 2], [0, 0, 0, 1])  # 7 and 4 are pairs of prompt 1, 5 of prompt 2
    assert values == [0.1, 0.2, 0.3, 0.4]
    assert sums.prompts == [1, 2]
    assert len(sums) == 4
    assert isinstance(sums.rows(), Rows)
