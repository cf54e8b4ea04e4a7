"""Lists in what language models answer: the JSON that was asked for, and what they make of it."""

import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optimizer.authoring.answers import Unreadable, listed, text_of

ITEMS = ["a night bus", "lentil soup"]


@pytest.mark.parametrize(
    "answer",
    [
        '{"items": ["a night bus", "lentil soup"]}',
        '```json\n{"items": ["a night bus", "lentil soup"]}\n```',
        'Sure! Here they are: {"items": ["a night bus", "lentil soup"]} Enjoy!',
        '["a night bus", "lentil soup"]',
        '{"Items": ["a night bus", "lentil soup"], "note": "two"}',
        '{"results": ["a night bus", "lentil soup"]}',
        '{"items": []}\nOn second thought:\n{"items": ["a night bus", "lentil soup"]}',
        'I write {"items": [...]} as you wish: {"items": ["a night bus",\n "lentil soup"]}',
    ],
)
def test_a_list_is_found(answer: str) -> None:
    assert listed(answer, ("items", "subjects")) == ITEMS


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ("", "no JSON object"),
        ("I'm sorry, but I can't help with that.", "I'm sorry"),
        ('{"items": ["a night bus", "lentil', "no JSON object"),
        ('{"items": []}', "is empty"),
        ('{"a": [1], "b": [2]}', "no JSON object with a list of items"),
        ('{"category": "food", "subcategories": ["soups"], "count": 3}', "no JSON object with a list of items"),
        ('{"items": "a night bus"}', "no JSON object"),
    ],
)
def test_no_list_is_said(answer: str, said: str) -> None:
    with pytest.raises(Unreadable, match=said):
        listed(answer, ("items",))


def test_texts_come_in_one_line() -> None:
    assert text_of(" a\n night  bus ", ()) == "a night bus"
    assert text_of({"name": "a bus", "text": 3}, ("text", "name")) == "a bus"
    assert text_of({"id": 1}, ("text",)) == text_of(None, ("text",)) == ""


@given(st.text(max_size=300))
def test_any_text_has_a_list_or_none(answer: str) -> None:
    with suppress(Unreadable):
        assert isinstance(listed(answer, ("items",)), list)


@given(st.text(alphabet="Sure, here: .!\n", max_size=30), st.lists(st.text(), min_size=1, max_size=5), st.booleans())
def test_what_was_asked_for_is_read_back(talk: str, items: list[str], ascii_only: bool) -> None:
    assert listed(talk + json.dumps({"items": items}, ensure_ascii=ascii_only) + talk, ("items",)) == items
