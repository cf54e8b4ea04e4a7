"""Painted scenes with known truth: what calibrations are made of. The same seed gives the same pictures and checklists, everywhere.

Of three pictures one is faithful, one has a single planted error, one has many. Each number is painted by itself; the checklists are then
thinned, block by block, so that every skill is tried on as many true statements as false ones: always saying yes is worth nothing.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from functools import lru_cache
from itertools import islice

from data.checklists import GLOBAL_CRITERIA, WHOLE
from data.identity import derived_random
from data.records import Criterion, Need, Prompt
from generator.embedded.layout import arrange
from generator.embedded.painter import paint, to_png
from optimizer.calibration import alterations
from optimizer.calibration.plants import planted
from optimizer.calibration.skills import TRIES, Plant, Skill, skill_of
from optimizer.calibration.truths import Shown, truths
from optimizer.calibration.wishes import Wish, drawn

VERSION = 1
"""Raised whenever the same seed would give other pictures, prompts or truths."""
FIRST_PAIR = 1_000_000
"""From this number on, every picture has one planted error: they are held beside their faithful twins."""
BLOCK = 50
"""Checklists are balanced within so many pictures."""
LEAST_WANTED = 2
"""Things wanted in a checklist, at least: it is thinned no further."""
MANY_CHANCE = 0.8
"""How likely each possible error is in a picture with many."""
_SINGLE = (*Plant, Plant.MISSING, Plant.SIZE, Plant.COLLAGE, Plant.BROKEN)
"""Single errors, in turn; more often those that few pictures with many have, or none."""
EVERYWHERE = (*GLOBAL_CRITERIA, WHOLE)
"""Asked of every picture, by judges that ask it."""
_TRIES = 200


class Copy(IntEnum):
    """Which picture of a number: as planned, or a canary's. It is part of the seed that a trial carries."""

    PLAIN = 0
    TWIN = 1
    """What was asked for, without the errors."""
    GREY = 2
    FLATTERED = 3
    VIVID = 4


@dataclass(frozen=True, slots=True)
class Example:
    """A number's wish, the picture for it with its ``plants``, and its ``twin`` without."""

    number: int
    wish: Wish
    shown: Shown
    plants: tuple[Plant, ...]
    twin: Shown


@dataclass(frozen=True, slots=True)
class Painting:
    """One picture of a calibration. ``truth``: by criterion id whether the statement holds; what is not clear, or asked often enough, is
    left out. ``seed`` names the picture among all of its set."""

    number: int
    prompt: Prompt
    truth: Mapping[str, bool]
    plants: tuple[Plant, ...]

    @property
    def seed(self) -> int:
        return seed_of(self.number, Copy.PLAIN)


def paintings(count: int, seed: int) -> Iterator[Painting]:
    """The first ``count`` paintings of the set; they do not depend on how many follow."""
    for start in range(0, count, BLOCK):
        yield from islice(_balanced([example_at(seed, number) for number in range(start, start + BLOCK)], seed), count - start)


def _balanced(examples: Sequence[Example], seed: int) -> Iterator[Painting]:
    """The examples of a block with thinned checklists: of each skill as many true as false statements are asked and scored."""
    told = {example.number: truths(example.wish.checklist, example.shown, example.plants) for example in examples}
    # By skill, and whether all judges are asked, or only those with eyes.
    sides: dict[tuple[Skill, bool], dict[bool, list[tuple[int, str]]]] = defaultdict(lambda: {True: [], False: []})
    for example in examples:
        for criterion in (*example.wish.checklist, *EVERYWHERE):
            if criterion.id in told[example.number]:
                side = sides[skill_of(criterion), criterion in EVERYWHERE]
                side[told[example.number][criterion.id]].append((example.number, criterion.id))
    scored = set[tuple[int, str]]()
    luck = derived_random("balance", seed, examples[0].number)
    for _, side in sorted(sides.items()):
        fewer = min(len(side[True]), len(side[False]))
        scored.update(luck.sample(side[True], fewer), luck.sample(side[False], fewer))
    for example in examples:
        truth = {name: holds for name, holds in told[example.number].items() if (example.number, name) in scored}
        yield Painting(example.number, Prompt(example.wish.text, _thinned(example.wish.checklist, truth)), truth, example.plants)


def _thinned(checklist: Sequence[Criterion], truth: Mapping[str, bool]) -> tuple[Criterion, ...]:
    """The criteria that are scored, and as many more as a checklist needs."""
    lacking = LEAST_WANTED - sum(criterion.id in truth and criterion.need is not Need.MUST_NOT for criterion in checklist)
    spare = [criterion.id for criterion in checklist if criterion.id not in truth and criterion.need is not Need.MUST_NOT]
    kept = {*truth, *spare[: max(0, lacking)]}
    return tuple(criterion for criterion in checklist if criterion.id in kept)


def calibration_prompts(count: int = 500, seed: int = 1) -> Sequence[Prompt]:
    """The prompts of :func:`paintings`, and those of the pairs (pairs.py): all that a calibration asks about."""
    pairs = (pair_prompt(example_at(seed, FIRST_PAIR + number)) for number in range(count // 2))
    return [*(painting.prompt for painting in paintings(count, seed)), *pairs]


def pair_prompt(example: Example) -> Prompt:
    """An example's prompt with its whole checklist."""
    return Prompt(example.wish.text, example.wish.checklist)


def seed_of(number: int, copy: Copy) -> int:
    """The seed by which :func:`png_of` knows a picture."""
    return number * len(Copy) + copy


@lru_cache(maxsize=128)  # Pairs show a picture several times; it takes 12 MB.
def png_of(set_seed: int, seed: int) -> bytes:
    """The PNG of one picture of the set."""
    number, copy = divmod(seed, len(Copy))
    if copy == Copy.GREY:
        return to_png(alterations.grey())
    example = example_at(set_seed, number)
    if copy == Copy.TWIN:
        return to_png(paint(example.twin.picture))
    picture, layout = example.shown
    image = paint(picture)
    if Plant.BROKEN in example.plants:
        image = alterations.broken(image, picture, layout)
    if Plant.COLLAGE in example.plants:
        image = alterations.collage(image)
    if copy == Copy.VIVID:
        image = alterations.vivid(image)
    if copy == Copy.FLATTERED:
        place = alterations.room_for_flattery(layout)
        assert place is not None, "only pictures with room for the banner are shown with it"
        image = alterations.flattered(image, place)
    return to_png(image)


@lru_cache(maxsize=8192)
def example_at(set_seed: int, number: int) -> Example:
    """What is painted under this number: the first of many tries in which all is clear."""
    for attempt in range(_TRIES):
        luck = derived_random("calibration", VERSION, set_seed, number, attempt)
        plants = _planned(number)
        wish = drawn(luck, plants[0] if len(plants) == 1 else None)
        if len(plants) > 1:
            plants = tuple(plant for plant in luck.sample(plants, len(plants)) if luck.random() < MANY_CHANCE)
        seed = luck.getrandbits(30)
        twin, _ = planted(wish, (), luck, seed)
        picture, done = planted(wish, plants, luck, seed)
        done += tuple(plant for plant in plants if plant in (Plant.COLLAGE, Plant.BROKEN))
        example = Example(number, wish, Shown(picture, arrange(picture)), done, Shown(twin, arrange(twin)))
        if _clear(example, plants):
            return example
    raise AssertionError(f"no clear picture {number} of seed {set_seed} in {_TRIES} tries")


def _planned(number: int) -> tuple[Plant, ...]:
    """The errors of this number: none, one, or those that may come together."""
    if number >= FIRST_PAIR or number % 3 == 1:
        turn = number if number >= FIRST_PAIR else number // 3
        return (_SINGLE[turn % len(_SINGLE)],)
    return () if number % 3 == 0 else tuple(plant for plant in Plant if plant not in (Plant.COLLAGE, Plant.BROKEN))


def _clear(example: Example, plants: tuple[Plant, ...]) -> bool:
    """Whether both pictures have something in them and room for all of it, a single error could be done, and the skills that errors try
    see them, and no others."""
    if (len(plants) == 1 and example.plants != plants) or (plants and not example.plants):
        return False
    if not all(shown.layout.faithful and shown.picture.groups for shown in (example.shown, example.twin)):
        return False
    wrong = _wrong(example.wish, example.shown, example.plants)
    tried = {TRIES[plant] for plant in example.plants}
    # What was not to be there is something that was not asked for, too.
    return tried <= wrong <= tried | {Skill.OTHERS} and not _wrong(example.wish, example.twin, ())


def _wrong(wish: Wish, shown: Shown, plants: tuple[Plant, ...]) -> set[Skill]:
    """The skills that see something wrong with a picture."""
    truth = truths(wish.checklist, shown, plants)
    asked = (*wish.checklist, *GLOBAL_CRITERIA)
    return {skill_of(criterion) for criterion in asked if truth.get(criterion.id) is (criterion.need is Need.MUST_NOT)}
