"""Lines: whoever came first goes first, mates are of one size, nobody is lost, and a full line holds up whoever fills it."""

import threading
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from generator.local import Size
from generator.local import line as line_module
from generator.local.line import Line

SIZES = tuple(Size(16 * n, 16) for n in range(1, 4))


@dataclass(eq=False)
class Someone:
    size: Size
    abandoned: bool = False


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(line_module, "LINGER", 0.0)


@given(st.lists(st.tuples(st.sampled_from(SIZES), st.booleans())), st.integers(1, 5))
def test_the_first_takes_along_the_next_of_its_size(arriving: list[tuple[Size, bool]], most: int) -> None:
    everyone = [Someone(size, abandoned) for size, abandoned in arriving]
    line = Line[Someone]()
    line.put(everyone)
    left = [one for one in everyone if not one.abandoned]
    while left:
        taken = line.take(lambda size: most)
        assert taken == [one for one in left if one.size == left[0].size][:most]
        left = [one for one in left if one not in taken]


def test_a_full_line_lets_the_next_in_when_there_is_room() -> None:
    line = Line[Someone](room=2)
    line.put([Someone(SIZES[0]), Someone(SIZES[0])])
    late = Someone(SIZES[0])
    putting = threading.Thread(target=line.put, args=([late],))
    putting.start()
    putting.join(0.05)
    assert putting.is_alive()
    assert len(line.take(lambda size: 2)) == 2
    assert line.take(lambda size: 2) == [late]
    putting.join(10)
    assert not putting.is_alive()


def test_closing_lets_everyone_go() -> None:
    full, empty = Line[Someone](room=1), Line[Someone]()
    full.put([Someone(SIZES[0])])
    taken: list[list[Someone]] = []
    waiting = [
        threading.Thread(target=full.put, args=([Someone(SIZES[0])],)),
        threading.Thread(target=lambda: taken.append(empty.take(lambda size: 1))),
    ]
    for thread in waiting:
        thread.start()
    full.close()
    empty.close()
    for thread in waiting:
        thread.join(10)
        assert not thread.is_alive()
    assert taken == [[]]
    assert full.take(lambda size: 1) == []
