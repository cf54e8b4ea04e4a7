"""Sizes are read, checked and laid out by aspect ratio."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.errors import UsageError
from generator.local import Size
from generator.sizes import RATIOS, buckets, checked, parse_size

SIDES = st.integers(1, 9999)
MULTIPLES = st.sampled_from((8, 16, 32, 64))


@given(SIDES, SIDES)
def test_a_size_is_read_as_it_is_written(width: int, height: int) -> None:
    assert parse_size(str(Size(width, height))) == Size(width, height)


@pytest.mark.parametrize("text", ["", "1024", "1024x", "x1024", "0x64", "-64x64", "64x64x64", "64.5x64", "a lot", "99999999x64"])
def test_what_is_no_size_is_said_with_an_example(text: str) -> None:
    with pytest.raises(UsageError) as raised:
        parse_size(text)
    assert "size=1024x1024" in raised.value.hint


@given(SIDES, SIDES, MULTIPLES)
def test_a_size_passes_or_the_nearest_that_do_are_named(width: int, height: int, multiple: int) -> None:
    size = Size(width, height)
    if width % multiple == 0 and height % multiple == 0:
        assert checked(size, multiple) is size
        return
    with pytest.raises(UsageError, match=f"multiples of {multiple}") as raised:
        checked(size, multiple)
    named = [parse_size(text) for text in raised.value.hint.removeprefix("the nearest are size=").split(" or size=")]
    for near in named:
        assert checked(near, multiple) == near
        assert all(abs(side - wanted) < multiple for side, wanted in zip(near, size, strict=True))


def test_the_nearest_sizes_are_the_one_below_and_the_one_above() -> None:
    with pytest.raises(UsageError) as raised:
        checked(Size(1000, 1024), 16)
    assert raised.value.hint == "the nearest are size=992x1024 or size=1008x1024"


@given(st.integers(256, 2048), MULTIPLES)
def test_buckets_hold_the_area_and_the_ratio(side: int, multiple: int) -> None:
    laid_out = buckets(side * side, multiple)
    assert tuple(laid_out) == RATIOS
    for ratio, size in laid_out.items():
        wide, high = (int(part) for part in ratio.split(":"))
        assert checked(size, multiple) == size
        assert abs(size.width - side * math.sqrt(wide / high)) <= multiple / 2 + 1e-6
        assert abs(size.height - side * math.sqrt(high / wide)) <= multiple / 2 + 1e-6


def test_buckets_of_a_megapixel_are_known_ones() -> None:
    found = buckets(1024 * 1024, 16, ("1:1", "4:3", "16:9"))
    assert dict(found) == {"1:1": Size(1024, 1024), "4:3": Size(1184, 880), "16:9": Size(1360, 768)}
