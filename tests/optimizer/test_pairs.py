"""The row of pairs: every prompt once per turn, seeds of its own per purpose, and prompts that tell more come sooner."""

from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from data.records import Prompt, SystemPrompt
from optimizer.pairs import Pairs, select_pair

PROMPTS = [Prompt(f"prompt {number}") for number in range(20)]
SYSTEM = SystemPrompt("Be vivid.")


def test_each_turn_meets_every_prompt_once_with_new_seeds():
    pairs = Pairs(PROMPTS, 1, "search")
    turns = [[pairs.request(turn * 20 + place, SYSTEM) for place in range(20)] for turn in range(3)]
    assert all({request.prompt for request in turn} == set(PROMPTS) for turn in turns)
    assert len({request.seed for turn in turns for request in turn}) == 60
    assert [len({request.sample for request in turn}) for turn in turns] == [1, 1, 1]
    assert len({turn[0].sample for turn in turns}) == 3
    assert all(0 <= request.seed < 2**32 for turn in turns for request in turn)


def test_purposes_and_seeds_share_no_image():
    rows = [Pairs(PROMPTS, seed, purpose) for seed in (1, 2) for purpose in ("search", "select")]
    seeds = [{row.request(pair, SYSTEM).seed for pair in range(40)} for row in rows]
    assert not any(one & other for index, one in enumerate(seeds) for other in seeds[:index])
    again = Pairs(PROMPTS, 1, "search")
    assert [again.request(pair, SYSTEM) for pair in range(40)] == [rows[0].request(pair, SYSTEM) for pair in range(40)]


def test_the_prompt_of_a_pair_is_the_one_that_is_asked_for():
    pairs = Pairs(PROMPTS, 1, "search")
    for pair in (0, 7, 25, 400):
        assert pairs.request(pair, SYSTEM).prompt == pairs.prompts[pairs.prompt_of(pair)]


@given(st.sets(st.integers(0, 70)), st.integers(0, 50), st.dictionaries(st.integers(0, 19), st.floats(0, 5)))
@settings(max_examples=100, deadline=None)
def test_fresh_pairs_are_new_and_of_the_earliest_turn(planned: set[int], count: int, spread: dict[int, float]):
    pairs = Pairs(PROMPTS, 1, "search")
    found = pairs.fresh(planned, count, spread, 3, len(planned))
    assert len(found) == count == len(set(found))
    assert not set(found) & planned
    assert found == pairs.fresh(planned, count, spread, 3, len(planned))
    assert [pair // 20 for pair in found] == sorted(pair // 20 for pair in found)
    if found:
        skipped = set(range(found[-1] // 20 * 20)) - planned - set(found)
        assert not skipped


def test_prompts_that_tell_more_come_sooner():
    pairs = Pairs(PROMPTS, 1, "search")
    spread = {**dict.fromkeys(range(10), 0.0), 19: 3.0}
    met = Counter(pair for name in range(600) for pair in pairs.fresh((), 3, spread, name))
    usual = sum(met[pair] for pair in range(10, 19)) / 9
    ceiling = sum(met[pair] for pair in range(10)) / 10
    assert 0.0 < ceiling < usual / 5  # a tenth, but more once the others are met
    assert met[19] > 2 * usual


def test_selection_has_numbers_of_its_own():
    assert [select_pair(place) for place in range(3)] == [-1, -2, -3]
