"""How texts are compared: by letters and by words, as people read signs."""

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from optimizer.judges.lettering import character_errors, closest, distance, letters, right_words, word_errors, words
from optimizer.judges.ocr import Line
from optimizer.judges.ocr.order import sequences

SIGNS = st.text("abcABC01 '-.!é中文", max_size=12)
ANYTHING = st.text(max_size=12)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Open 24 HOURS!", ["open", "24", "hours"]),
        ("“Don’t  panic”", ["don't", "panic"]),
        ("Rock & Roll", ["rock", "&", "roll"]),
        ("#1, 50% off.", ["#1", "5o%", "off"]),
        ("ＯＰＥＮ ﬁsh", ["open", "fish"]),
        ("Straße", ["strasse"]),
        ("生日快乐 TOM", ["生", "日", "快", "乐", "tom"]),
        ("ラーメン", ["ラ", "ー", "メ", "ン"]),
        ("?!", ["?!"]),
        ("... --", ["...", "--"]),
        ("   ", []),
    ],
)
def test_words_are_compared_as_people_read_them(text: str, expected: list[str]) -> None:
    assert words(text) == expected


def test_punctuation_alone_is_kept() -> None:
    assert words("wait ...") == ["wait"]
    assert words("-") == ["-"]


@given(ANYTHING)
def test_words_do_not_change_when_compared_again(text: str) -> None:
    once = words(text)
    assert words(" ".join(once)) == once
    assert bool(once) == bool(text.strip())


@pytest.mark.parametrize(
    ("read", "wanted", "by_letters", "by_words"),
    [
        ("OPEN", "open", 0, 0),
        ("OPNE", "OPEN", 0.5, 1),
        ("OPE", "OPEN", 0.25, 1),
        ("", "OPEN", 1, 1),
        ("HAPPYBIRTHDAY", "HAPPY BIRTHDAY", 0, 1),
        ("HAPPY BRTHDAY", "HAPPY BIRTHDAY", 1 / 13, 0.5),
        ("OPEN OPEN OPEN", "OPEN", 2, 2),
        ("Z00", "ZOO", 0, 0),
    ],
)
def test_error_rates(read: str, wanted: str, by_letters: float, by_words: float) -> None:
    assert character_errors(read, wanted) == pytest.approx(by_letters)
    assert word_errors(read, wanted) == pytest.approx(by_words)


@given(ANYTHING, ANYTHING, ANYTHING)
def test_the_distance_is_a_metric(one: str, two: str, three: str) -> None:
    assert (distance(one, two) == 0) == (one == two)
    assert distance(one, two) == distance(two, one)
    assert distance(one, three) <= distance(one, two) + distance(two, three)
    assert abs(len(one) - len(two)) <= distance(one, two) <= max(len(one), len(two))


@given(SIGNS, SIGNS.filter(str.strip))
def test_no_errors_means_the_same_text(read: str, wanted: str) -> None:
    assert (character_errors(read, wanted) == 0) == (letters(read) == letters(wanted))
    assert (word_errors(read, wanted) == 0) == (words(read) == words(wanted))
    assert 0 <= character_errors(read, wanted) <= max(len(letters(read)), len(letters(wanted))) / len(letters(wanted))


@given(SIGNS, SIGNS)
def test_right_words_are_a_multiset(read: str, wanted: str) -> None:
    assert 0 <= right_words(read, wanted) <= min(len(words(read)), len(words(wanted)))
    assert right_words(wanted, wanted) == len(words(wanted))
    assert right_words("a a b", "a a a c") == 2


@settings(deadline=None)
@given(st.text("abc", min_size=1, max_size=6), st.lists(st.text("abc", min_size=1, max_size=4), max_size=5))
def test_the_closest_words_are_found_as_by_trying_all(wanted: str, read: list[str]) -> None:
    found = closest(wanted, read)
    tried = [
        (distance("".join(read[start:end]), wanted), end - start) for start in range(len(read)) for end in range(start + 1, len(read) + 1)
    ]
    assert (found.errors, found.end - found.start) == min([(len(wanted), 0), *tried])
    assert distance("".join(read[found.start : found.end]), wanted) == found.errors


def test_a_longer_word_does_not_hold_a_shorter_one() -> None:
    assert closest("open", ["reopened"]).errors == 4
    assert closest("open", ["we", "are", "open", "now"]) == (2, 3, 0)
    assert closest("openn", ["op", "en", "x"]) == (0, 2, 1)


# -- in which order


def line(text: str, left: float, top: float, width: float = 100, height: float = 20) -> Line:
    return Line(text, left, top, width, height, 0.9)


def read_as(*lines: Line) -> list[str]:
    return [" ".join(lines[index].text for index in order) for order in sequences(lines)]


def test_rows_are_read_from_the_left() -> None:
    assert read_as(line("WORLD", 150, 12), line("HELLO", 10, 10)) == ["HELLO WORLD"]


def test_a_sign_of_two_lines_is_read_down_although_something_stands_beside_it() -> None:
    read = read_as(line("HAPPY", 10, 10), line("TAXI", 300, 14), line("BIRTHDAY", 0, 35, 130))
    assert read == ["HAPPY TAXI BIRTHDAY", "HAPPY BIRTHDAY"]


def test_lines_far_apart_are_no_sign_of_two() -> None:
    assert read_as(line("EXIT", 10, 400), line("OPEN", 10, 10)) == ["OPEN EXIT"]


@given(st.lists(st.tuples(st.floats(0, 500), st.floats(0, 500), st.floats(1, 200), st.floats(1, 60)), max_size=6))
def test_every_line_is_read_once_in_each_order_that_has_it(places: list[tuple[float, float, float, float]]) -> None:
    found = sequences([Line("x", *place, 0.9) for place in places])
    assert sorted(found[0]) == list(range(len(places)))
    for order in found:
        assert len(set(order)) == len(order)
    assert all(one != other for one, other in pairwise(found))
