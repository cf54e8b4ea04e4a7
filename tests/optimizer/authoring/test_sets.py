"""Prompt sets from nothing: what is asked, what is taken, what is asked again, and that a set is the same however it came about."""

import asyncio
import json
from collections import Counter
from dataclasses import replace
from typing import Any

import pytest

from data.chat import Chat, Completion
from data.errors import FatalError
from data.formats import load_prompts
from data.identity import derived_random
from data.lint import lint_prompts
from data.records import Prompt, Split
from data.splits import near_duplicates
from optimizer.authoring import Author
from optimizer.authoring.sets import BATCH, make_set, problem_of, write_items, write_prompts
from optimizer.authoring.taxonomy import CATEGORIES, Level, Plan, Skill, Slot
from tests.optimizer.authoring.writers import asking, embedded, nobody_listens, refusal

ITEMS = {category.name: [f"{category.name} item {number}" for number in range(3)] for category in CATEGORIES}
WORDS = "amber birch cobalt dune ember fjord garnet heron indigo jasper kelp lotus maple nectar onyx pebble quartz reed slate thyme".split()  # noqa: SIM905


def text_for(request: dict[str, Any], salt: str = "") -> str:
    """A text that is like no other, with all that the request asks for."""
    random = derived_random(request["id"], request["item"], salt)
    length = {"word": 2, "phrase": 4, "sentence": 9, "wish": 30}[request["level"]]
    words = [f"{random.choice(WORDS)}{random.randrange(10**6)}" for _ in range(length)]
    if "counting" in request["skills"]:
        words[0] = "three"
    if "negation" in request["skills"]:
        words[1] = "without"
    if "text" in request["skills"]:
        words[2] = f'"{words[2]}"'
    return " ".join(words)


def answers(asked: dict[str, Any]) -> object:
    return {"prompts": [{"id": request["id"], "text": text_for(request)} for request in asked["requests"]]}


async def written(author: Author, count: int = 60, known: tuple[str, ...] = ()) -> tuple[list[Prompt], list[str]]:
    return await write_prompts(Plan(count, 1), ITEMS, author, known, nobody_listens)


# -- items


async def test_items_are_asked_for_by_category() -> None:
    asked: list[Chat] = []
    author = asking(lambda asked: {"items": [f"{asked['category']} {number}" for number in range(asked["count"])]}, asked)
    items = await write_items(Plan(60, 1), author, nobody_listens)
    assert {name: len(names) for name, names in items.items()} == {category.name: 6 for category in CATEGORIES}
    assert all("about" not in json.loads(chat.user) for chat in asked)


async def test_many_items_are_asked_for_in_parts_that_share_no_subcategory() -> None:
    asked: list[Chat] = []
    author = asking(lambda asked: {"items": [f"{asked['subcategories'][0]} {number}" for number in range(asked["count"])]}, asked)
    items = await write_items(Plan(1000, 1), author, nobody_listens)
    parts = [json.loads(chat.user) for chat in asked if json.loads(chat.user)["category"] == "food"]
    assert len(parts) == 5
    assert sorted(name for part in parts for name in part["subcategories"]) == sorted(CATEGORIES[2].subcategories)
    assert len(items["food"]) == 100


async def test_a_category_that_has_nothing_leaves_its_share_to_the_others() -> None:
    author = asking(lambda asked: {"items": ["a whisk"] if asked["category"] in ("objects", "food") else []})
    items = await write_items(Plan(20, 1, about="kitchens"), author, nobody_listens)
    assert {name: names for name, names in items.items() if names} == {"food": ["a whisk"], "objects": ["a whisk"]}
    prompts, _ = await write_prompts(Plan(20, 1), items, asking(answers), (), nobody_listens)
    assert Counter(prompt.category for prompt in prompts) == {"food": 10, "objects": 10}


async def test_a_writer_that_names_nothing_is_said() -> None:
    with pytest.raises(FatalError, match=r"names nothing for prompts about 'kitchens'.*no JSON object"):
        await write_items(Plan(20, 1, about="kitchens"), asking(lambda _: "Kitchens are nice."), nobody_listens)
    with pytest.raises(FatalError, match="none of them in 'kitchen appliances'"):
        await write_items(Plan(20, 1, about="kitchen appliances"), embedded(), nobody_listens)


# -- prompts


async def test_good_answers_take_one_round() -> None:
    asked: list[Chat] = []
    prompts, lacking = await written(asking(answers, asked))
    assert (len(prompts), lacking) == (60, [])
    assert len(asked) == -(-60 // BATCH)
    assert [prompt.category for prompt in prompts] == sorted((prompt.category for prompt in prompts), key=list(ITEMS).index)
    assert all(any(tag.startswith("level:") for tag in prompt.tags) for prompt in prompts)


async def test_what_is_lacking_is_asked_for_again_with_the_problem() -> None:
    rounds: list[list[dict[str, Any]]] = []

    def answer(asked: dict[str, Any]) -> object:
        rounds.append(asked["requests"])
        first = asked["requests"][0]
        texts = [{"id": request["id"], "text": text_for(request)} for request in asked["requests"][1:]]
        return {"prompts": texts if "problem" not in first else [{"id": first["id"], "text": text_for(first)}, *texts]}

    prompts, lacking = await written(asking(answer), count=8)
    assert (len(prompts), lacking, len(rounds)) == (8, [], 2)
    assert [request["id"] for request in rounds[1]] == [rounds[0][0]["id"]]
    assert rounds[1][0]["problem"] == "no text came"


async def test_repetitions_are_refused_and_in_the_end_lacking() -> None:
    same = "the very same words each time"

    def answer(asked: dict[str, Any]) -> object:
        return {"prompts": [{"id": request["id"], "text": same} for request in asked["requests"]]}

    prompts, lacking = await written(asking(answer))
    assert [prompt.text for prompt in prompts] == [same]
    assert len(lacking) == 59
    assert any("too much like" in line for line in lacking)


async def test_known_texts_are_not_written_again() -> None:
    first, _ = await written(asking(answers))
    known = first[7].text
    salted = asking(lambda asked: {"prompts": [{"id": r["id"], "text": text_for(r, r.get("problem", ""))} for r in asked["requests"]]})
    prompts, lacking = await written(salted, known=(known.upper(),))
    assert (len(prompts), lacking) == (60, [])
    assert known not in [prompt.text for prompt in prompts]


async def test_answers_without_ids_are_taken_in_order_where_none_is_missing() -> None:
    asked: list[Chat] = []
    prompts, lacking = await written(asking(lambda asked: [text_for(request) for request in asked["requests"]], asked))
    assert (len(prompts), lacking, len(asked)) == (60, [], 8)


async def test_a_writer_without_prompts_is_said() -> None:
    with pytest.raises(FatalError, match="the model declined"):
        await written(asking(lambda _: refusal()))


def slot(level: Level, *skills: Skill, language: str = "en") -> Slot:
    return Slot("a", "food", "soup", level, skills, language)


@pytest.mark.parametrize(
    ("text", "of", "problem"),
    [
        ("soup", slot(Level.WORD), ""),
        ("a hot bowl of lentil soup", slot(Level.WORD), "6 words"),
        ("soup", slot(Level.WISH), "1 words; a wish has 16 to 90"),
        ("", slot(Level.WORD), "no text"),
        ("soup " * 80 + "x" * 600, slot(Level.WISH), "characters"),
        ("soup in a pot", slot(Level.PHRASE, Skill.COUNTING), "no number"),
        ("a pair of soups", slot(Level.PHRASE, Skill.COUNTING), ""),
        ("3 soups pls", slot(Level.PHRASE, Skill.COUNTING), ""),
        ("soup in a pot", slot(Level.PHRASE, Skill.TEXT), "no words"),
        ('soup can "TASTY"', slot(Level.PHRASE, Skill.TEXT), ""),
        ("soup can that says tasty", slot(Level.PHRASE, Skill.TEXT), ""),
        ("soup in a pot", slot(Level.PHRASE, Skill.NEGATION), "may not be there"),
        ("soup, no carrots", slot(Level.PHRASE, Skill.NEGATION), ""),
        ("zwei Suppen ohne Brot", slot(Level.PHRASE, Skill.COUNTING, Skill.NEGATION, language="de"), ""),
        ("スープを二つ、パンなしで描いてください", slot(Level.SENTENCE, Skill.COUNTING, language="ja"), ""),
    ],
)
def test_what_a_text_lacks_is_said(text: str, of: Slot, problem: str) -> None:
    found = problem_of(text, of)
    assert bool(found) == bool(problem)
    assert problem in found


# -- all of it, by the embedded writer


@pytest.mark.parametrize(("count", "seed"), [(60, 1), (60, 2), (250, 3)])
async def test_the_embedded_writer_makes_sets_that_lint_likes(count: int, seed: int) -> None:
    known = [prompt.text for name in ("scenes", "vague") for prompt in load_prompts(name)]
    made = await make_set(Plan(count, seed), embedded(), known, nobody_listens)
    assert made.lacking == ()
    assert made.remarks == {}
    prompts = made.prompts
    assert len(prompts) == count
    assert [finding.message for finding in lint_prompts(prompts)] == []
    assert {prompt.split for prompt in prompts} == {Split.SEARCH, Split.SELECT, Split.TEST}
    assert set(Counter(prompt.category for prompt in prompts).values()) == {count // 10}
    assert all(prompt.checklist_from == prompt.text for prompt in prompts)
    assert all(any(criterion.check for criterion in prompt.checklist) for prompt in prompts)
    texts = [*known, *(prompt.text for prompt in prompts)]
    assert [pair for pair in near_duplicates(texts) if pair[1] >= len(known)] == []


async def test_a_set_depends_on_the_plan_and_not_on_which_answer_comes_first() -> None:
    author = embedded()

    async def late(chat: Chat) -> Completion:
        await asyncio.sleep(derived_random(chat.user).random() / 50)
        return await author.ask(chat)

    one = await make_set(Plan(30, 1), author, (), nobody_listens)
    assert await make_set(Plan(30, 1), replace(author, ask=late), (), nobody_listens) == one
    assert await make_set(Plan(30, 2), author, (), nobody_listens) != one
