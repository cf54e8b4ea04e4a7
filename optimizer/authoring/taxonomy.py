"""What the prompts of a set are about, and how they differ: categories, levels of vagueness, skills; and who gets which of them.

Plain data and a seeded draw. The words for the model that writes are in optimizer/prompts/author-prompts.md, under the same names.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from random import Random

from data.identity import derived_random


@dataclass(frozen=True, slots=True)
class Category:
    """A tenth of what people want pictures of, in words for whoever names its subjects."""

    name: str
    description: str
    subcategories: tuple[str, ...]


CATEGORIES: tuple[Category, ...] = (
    Category(
        "people",
        "one person or several, and what they do",
        ("at work", "in the family", "children", "old age", "sport", "dancing and music", "everyday moments", "clothes and costumes"),
    ),
    Category(
        "animals",
        "an animal or several, tame or wild",
        ("pets", "on the farm", "birds", "in the sea", "insects and spiders", "in the forest", "in hot countries", "young animals"),
    ),
    Category(
        "food",
        "something to eat or to drink, and how it is served",
        ("breakfast", "baking", "fruit and vegetables", "street food", "drinks", "festive meals", "sweets", "dishes of the world"),
    ),
    Category(
        "places",
        "a place, indoors or outdoors, with its light and weather",
        ("cities", "villages", "mountains and forests", "coasts and water", "rooms", "public buildings", "gardens", "places of the past"),
    ),
    Category(
        "objects",
        "a thing, made by hand or in a factory",
        ("tools", "toys", "furniture", "clothing and jewelry", "instruments", "kitchen things", "devices", "things left lying about"),
    ),
    Category(
        "vehicles",
        "something that carries people or goods, standing or on its way",
        ("cars", "bicycles and motorcycles", "trains and trams", "boats and ships", "aircraft", "lorries and machines", "carts and sledges",
         "spacecraft"),
    ),
    Category(
        "design",
        "something designed, that carries words as a rule",
        ("posters", "signs", "book covers", "labels and packages", "logos", "invitations and cards", "screens of apps and pages", "menus"),
    ),
    Category(
        "fantasy",
        "what has never been: beings, worlds, machines",
        ("dragons and beasts", "magic", "other planets", "cities of the future", "robots", "ghosts", "talking animals", "tiny worlds"),
    ),
    Category(
        "ideas",
        "what has no shape of its own: feelings, occasions, notions",
        ("feelings", "celebrations", "seasons", "beginnings and endings", "time", "home and being away", "work and rest", "weather"),
    ),
    Category(
        "gatherings",
        "several things or beings together, each with its place",
        ("on a table", "in a window", "on a shelf", "at a party", "in a market", "on a beach", "in the street", "in a garden"),
    ),
)  # fmt: skip
"""Ten categories of eight. A set has as many prompts of each as of any other."""


class Level(StrEnum):
    """How much of the picture a text says."""

    WORD = "word"
    PHRASE = "phrase"
    SENTENCE = "sentence"
    WISH = "wish"


class Skill(StrEnum):
    """What a text asks of the picture beside its subject."""

    BINDING = "binding"
    COUNTING = "counting"
    RELATION = "relation"
    TEXT = "text"
    NEGATION = "negation"
    STYLE = "style"
    ACTION = "action"


LEVELS: Mapping[Level, float] = {Level.WORD: 0.1, Level.PHRASE: 0.35, Level.SENTENCE: 0.35, Level.WISH: 0.2}
"""Which share of a category's prompts says how much. Most of what people type is short."""
LENGTHS: Mapping[Level, tuple[int, int]] = {Level.WORD: (1, 3), Level.PHRASE: (2, 9), Level.SENTENCE: (5, 32), Level.WISH: (16, 90)}
"""Words that a text of a level has at least and at most: a little beyond what the writer is told."""
SKILLS: Mapping[Level, tuple[int, int]] = {Level.WORD: (0, 0), Level.PHRASE: (0, 1), Level.SENTENCE: (1, 2), Level.WISH: (2, 3)}
"""How many skills a text of a level tries, at least and at most."""
WITH_TEXT = ("design",)
"""Categories whose prompts ask for words wherever they have room for them."""


@dataclass(frozen=True, slots=True)
class Slot:
    """A prompt that is to be written."""

    id: str
    category: str
    item: str
    level: Level
    skills: tuple[Skill, ...]
    language: str


@dataclass(frozen=True, slots=True)
class Plan:
    """A set that is to be written: ``count`` prompts, all of them ``about`` one thing where that is not "", in ``languages``."""

    count: int
    seed: int
    about: str = ""
    languages: tuple[str, ...] = ("en",)


def slots_of(plan: Plan, items: Mapping[str, Sequence[str]]) -> list[Slot]:
    """The prompts of a plan, shared out evenly over the categories that have ``items``. Depends on its arguments alone."""
    categories = [category.name for category in CATEGORIES if items.get(category.name)]
    shares = (
        [plan.count // len(categories) + (place < plan.count % len(categories)) for place in range(len(categories))] if categories else []
    )
    slots: list[Slot] = []
    for category, share in zip(categories, shares, strict=True):
        random = derived_random("prompt slots", plan.seed, category)
        levels = _shared_out(share, random)
        names = items[category]
        for place, level in enumerate(levels):
            identifier = f"{category}-{place + 1}"
            language = plan.languages[len(slots) % len(plan.languages)]
            slots.append(Slot(identifier, category, names[place % len(names)], level, _skills(category, level, random), language))
    return slots


def moved_on(slot: Slot, refusals: int, items: Sequence[str], taken: int) -> Slot:
    """A slot whose texts were refused ``refusals`` times: another item, the ``taken``-th; and from the second time on more room."""
    level = slot.level
    if refusals >= 2 and level in (Level.WORD, Level.PHRASE):
        level = Level.PHRASE if level is Level.WORD else Level.SENTENCE
    return replace(slot, item=items[taken % len(items)], level=level)


def _shared_out(count: int, random: Random) -> list[Level]:
    """A level for each of ``count`` prompts, in the shares of LEVELS, shuffled."""
    exact = {level: share * count for level, share in LEVELS.items()}
    counts = {level: math.floor(value) for level, value in exact.items()}
    for level in sorted(LEVELS, key=lambda level: (counts[level] - exact[level], random.random()))[: count - sum(counts.values())]:
        counts[level] += 1
    levels = [level for level, number in counts.items() for _ in range(number)]
    random.shuffle(levels)
    return levels


def _skills(category: str, level: Level, random: Random) -> tuple[Skill, ...]:
    least, most = SKILLS[level]
    wanted = random.sample(list(Skill), random.randint(least, most))
    if category in WITH_TEXT and most and Skill.TEXT not in wanted:
        wanted = [Skill.TEXT, *wanted[1:]]
    return tuple(skill for skill in Skill if skill in wanted)
