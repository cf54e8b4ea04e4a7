"""Who gets which prompt: even shares of the categories, fixed shares of the levels, skills that fit."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optimizer.authoring.taxonomy import CATEGORIES, LEVELS, SKILLS, Level, Plan, Skill, moved_on, slots_of

ITEMS = {category.name: [f"{category.name} {number}" for number in range(7)] for category in CATEGORIES}


def test_there_are_ten_categories_of_eight() -> None:
    assert len({category.name for category in CATEGORIES}) == 10
    assert all(len(set(category.subcategories)) == 8 for category in CATEGORIES)


@given(st.integers(1, 500), st.integers(0, 5), st.sets(st.sampled_from(sorted(ITEMS)), min_size=1))
def test_slots_are_shared_out_evenly(count: int, seed: int, names: set[str]) -> None:
    slots = slots_of(Plan(count, seed), {name: ITEMS[name] for name in names})
    assert len(slots) == count
    assert len({slot.id for slot in slots}) == count
    shares = Counter(slot.category for slot in slots)
    assert set(shares) <= names
    assert max(shares.values()) - min(shares.get(name, 0) for name in names) <= 1
    for slot in slots:
        least, most = SKILLS[slot.level]
        assert least <= len(slot.skills) <= most
        assert slot.item.startswith(slot.category)


def test_levels_have_their_shares_in_each_category() -> None:
    slots = slots_of(Plan(1000, 1), ITEMS)
    for category in ITEMS:
        levels = Counter(slot.level for slot in slots if slot.category == category)
        assert {level: round(levels[level] / 100, 2) for level in Level} == LEVELS


def test_designed_things_carry_words_where_there_is_room() -> None:
    slots = [slot for slot in slots_of(Plan(200, 1), ITEMS) if slot.category == "design"]
    assert all(Skill.TEXT in slot.skills for slot in slots if slot.level is not Level.WORD)


def test_slots_depend_on_plan_and_items_alone() -> None:
    assert slots_of(Plan(60, 1), ITEMS) == slots_of(Plan(60, 1), ITEMS)
    assert slots_of(Plan(60, 1), ITEMS) != slots_of(Plan(60, 2), ITEMS)
    assert slots_of(Plan(60, 1), {}) == []


def test_languages_take_turns() -> None:
    languages = Counter(slot.language for slot in slots_of(Plan(60, 1, languages=("en", "de", "ja")), ITEMS))
    assert languages == {"en": 20, "de": 20, "ja": 20}


@pytest.mark.parametrize(
    ("level", "refusals", "then"),
    [
        (Level.WORD, 1, Level.WORD),
        (Level.WORD, 2, Level.PHRASE),
        (Level.PHRASE, 2, Level.SENTENCE),
        (Level.WISH, 3, Level.WISH),
    ],
)
def test_a_refused_slot_gets_another_item_and_later_more_room(level: Level, refusals: int, then: Level) -> None:
    slot = next(slot for slot in slots_of(Plan(200, 1), ITEMS) if slot.level is level)
    moved = moved_on(slot, refusals, ["x", "y"], 3)
    assert (moved.id, moved.item, moved.level, moved.skills) == (slot.id, "y", then, slot.skills)
