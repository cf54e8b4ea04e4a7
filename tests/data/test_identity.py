"""Ids are part of the ledger's format: the same for ever, so they are spelt out here."""

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.identity import canonical_json, content_id, derived_random, derived_seed, short

ROOT = Path(__file__).resolve().parents[2]
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(st.characters(codec="utf-8")),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(st.characters(codec="utf-8")), inner, max_size=4),
    max_leaves=10,
)


def test_ids_are_what_they_always_were() -> None:
    assert content_id("prompt", ["a", 1, None]) == GOLDEN_ID
    assert derived_seed("run", 7) == GOLDEN_SEED
    assert canonical_json({"b": [1, 2.5, "é"], "a": None}) == '{"a":null,"b":[1,2.5,"é"]}'


def test_short_ids_are_eight_digits() -> None:
    assert short(GOLDEN_ID) == GOLDEN_ID[3:11]


@given(values)
def test_an_id_depends_on_content_and_noun(value: object) -> None:
    assert content_id("noun", value) == content_id("noun", value)
    assert content_id("noun", value) != content_id("other", value)
    assert content_id("noun", value) != content_id("noun", [value])


@given(st.dictionaries(st.text(st.characters(codec="utf-8")), st.integers(), min_size=2))
def test_an_id_does_not_depend_on_the_order_of_keys(value: dict[str, int]) -> None:
    assert content_id("noun", value) == content_id("noun", dict(reversed(value.items())))


@pytest.mark.parametrize("value", [float("nan"), float("inf"), [-float("inf")]])
def test_what_json_cannot_hold_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        content_id("noun", value)


@given(st.lists(st.text(st.characters(codec="utf-8")) | st.integers()))
def test_seeds_fit_a_database(names: list[object]) -> None:
    assert 0 <= derived_seed(*names) < 2**63


def test_names_are_kept_apart() -> None:
    assert derived_seed("ab", "c") != derived_seed("a", "bc")
    assert derived_random("a").random() == derived_random("a").random()
    assert derived_random("a").random() != derived_random("b").random()


def test_ids_are_the_same_in_another_process() -> None:
    script = "from data.identity import content_id, derived_seed; print(content_id('prompt', ['a', 1, None]), derived_seed('run', 7))"
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONHASHSEED": "7", "PYTHONPATH": str(ROOT)},
    )
    assert done.stdout.split() == [GOLDEN_ID, str(GOLDEN_SEED)]


GOLDEN_ID = "b2:6b2cd4c8c0ca2acaa62033b9e37e273c"
GOLDEN_SEED = 9154750910566906287
