"""The checklist of a scene, word by word: it is what judges are held to."""

import pytest

from data.checklists import NamedThing, paintable, scene_checklist, spoken, things_checklist
from data.formats import load_prompts
from data.records import CriterionKind, Need
from data.scene import Check, Direction, Relation, Scene, Size, Thing
from data.scene import Test as Trait


def lines(scene: Scene) -> list[str]:
    """Id, words, kind, need where it is no must, and the check."""
    written = []
    for criterion in scene_checklist(scene):
        check = criterion.check.to_json() if criterion.check else {}
        need = "" if criterion.need is Need.MUST else f" {criterion.need.value} {criterion.weight}"
        written.append(f"{criterion.id}: {criterion.text} ({criterion.kind.value}{need}) {' '.join(f'{k}={v}' for k, v in check.items())}")
    return written


def test_counts_colors_relations_background() -> None:
    scene = Scene(
        (Thing(("balloon",), 3, 3, "red", relation=Relation(Direction.ABOVE, 1)), Thing(("house",), 1, 1, "white", Size.SMALL)),
        background="meadow",
    )
    assert lines(scene) == [
        "count-balloon: There are exactly three balloons (count) test=count kinds=['balloon'] least=3 most=3",
        "color-balloon: The balloons are red (attribute) test=color kinds=['balloon'] color=red least=3",
        "count-house: There is exactly one house (count) test=count kinds=['house'] most=1",
        "color-house: The house is white (attribute) test=color kinds=['house'] color=white",
        "size-house: The house is noticeably small (attribute) test=size kinds=['house'] value=small",
        "above-1: The balloons are above the house (relation) test=relation kinds=['balloon'] value=above other_kinds=['house']",
        "background: The background is a meadow (global) test=background value=meadow",
        "others: Something is in the picture that was not asked for (negation must_not 0.5) test=others kinds=['balloon', 'house']",
    ]


def test_things_of_one_kind_are_told_apart_by_color() -> None:
    scene = Scene(
        (
            Thing(("car",), 1, 1, "red", relation=Relation(Direction.LEFT, 1)),
            Thing(("car",), 2, 2, "blue", Size.LARGE),
            Thing(("cat",), 1, 1, relation=Relation(Direction.RIGHT, 0)),
        ),
        only=False,
    )
    assert lines(scene) == [
        "count-red-car: There is exactly one red car (count) test=count kinds=['car'] color=red most=1",
        "count-blue-car: There are exactly two blue cars (count) test=count kinds=['car'] color=blue least=2 most=2",
        "size-blue-car: The blue cars are noticeably large (attribute) test=size kinds=['car'] color=blue value=large",
        "count-cat: There is exactly one cat (count) test=count kinds=['cat'] most=1",
        "left-1: The red car is to the left of the blue cars (relation) "
        "test=relation kinds=['car'] color=red value=left of other_kinds=['car'] other_color=blue",
        "right-2: The cat is to the right of the red car (relation) "
        "test=relation kinds=['cat'] value=right of other_kinds=['car'] other_color=red",
    ]


def test_an_uncolored_thing_counts_all_of_its_kind() -> None:
    scene = Scene((Thing(("cat",), 1, 1, "red"), Thing(("cat",), 2, 3)), only=False)
    assert lines(scene) == [
        "count-red-cat: There is exactly one red cat (count) test=count kinds=['cat'] color=red most=1",
        "count-cat: There are three to four cats (count) test=count kinds=['cat'] least=3 most=4",
    ]
    assert [line.split(" (")[0] for line in lines(Scene((Thing(("cat",)), Thing(("cat",), 2)), only=False))] == [
        "count-cat: There are at least three cats"
    ]


def test_open_words() -> None:
    assert lines(Scene((Thing(("cake", "balloon", "gift"), color="pink"),), only=False)) == [
        "count-cake-balloon-gift: There is at least one cake, balloon or gift (entity) test=count kinds=['cake', 'balloon', 'gift']",
        "color-cake-balloon-gift: Every cake, balloon or gift is pink (attribute) test=color kinds=['cake', 'balloon', 'gift'] color=pink",
    ]
    assert lines(Scene((Thing(("butterfly",), 2), Thing(("bat", "club"), 1, 1)), only=False)) == [
        "count-butterfly: There are at least two butterflies (count) test=count kinds=['butterfly'] least=2",
        "count-bat-club: There is exactly one bat (the animal) or baseball bat (count) test=count kinds=['bat', 'club'] most=1",
    ]
    assert lines(Scene((Thing(("mushroom",), 2, 6),), only=False)) == [
        "count-mushroom: There are two to six mushrooms (count) test=count kinds=['mushroom'] least=2 most=6"
    ]


def test_absences_and_text() -> None:
    assert lines(Scene(absent=("apple", "cat"), text="Mia 6", only=False)) == [
        "no-apple: An apple is visible (negation must_not 1.0) test=count kinds=['apple']",
        "no-cat: A cat is visible (negation must_not 1.0) test=count kinds=['cat']",
        "text: The words 'Mia 6' can be read (text) test=text value=Mia 6",
    ]
    assert lines(Scene(text="OPEN", only=False)) == ["text: The word 'OPEN' can be read (text) test=text value=OPEN"]


def test_things_of_any_name_have_checks_and_pixels_can_not_answer_them() -> None:
    things = [NamedThing(("bus",), 2, 2), NamedThing(("wine glass",), 1, None, "red", relation=Relation(Direction.BELOW, 0))]
    checklist = things_checklist(things, ["knife"])
    assert [(criterion.text, criterion.check) for criterion in checklist] == [
        ("There are exactly two buses", Check(Trait.COUNT, ("bus",), least=2, most=2)),
        ("There is at least one wine glass", Check(Trait.COUNT, ("wine glass",))),
        ("Every wine glass is red", Check(Trait.COLOR, ("wine glass",), "red")),
        ("Every wine glass is below the buses", Check(Trait.RELATION, ("wine glass",), value="below", other_kinds=("bus",))),
        ("A knife is visible", Check(Trait.COUNT, ("knife",))),
    ]
    assert not any(criterion.check and paintable(criterion.check) for criterion in checklist)


@pytest.mark.parametrize(
    ("check", "known"),
    [
        (Check(Trait.COUNT, ("cat", "car"), "red"), True),
        (Check(Trait.COUNT, ("cat", "dog")), False),
        (Check(Trait.COLOR, ("cat",), "turquoise"), False),
        (Check(Trait.RELATION, ("cat",), value="above", other_kinds=("dog",)), False),
        (Check(Trait.RELATION, ("cat",), value="above", other_kinds=("car",), other_color="beige"), False),
        (Check(Trait.TEXT, value="OPEN"), True),
        (Check(Trait.BACKGROUND, value="sea"), True),
        (Check(Trait.BACKGROUND, value="a disco"), False),
    ],
)
def test_what_pixels_can_answer(check: Check, known: bool) -> None:
    assert paintable(check) == known


def test_things_are_spoken_of_as_people_do() -> None:
    assert [spoken(kind, 2) for kind in ("wine glass", "knife", "club", "scissors", "fish")] == [
        "wine glasses",
        "knives",
        "baseball bats",
        "pairs of scissors",
        "fish",
    ]
    assert spoken("scissors", 1) == "pair of scissors"


def test_shipped_scenes_have_sound_checklists() -> None:
    for prompt in load_prompts("scenes"):
        assert prompt.scene is not None
        assert prompt.checklist == scene_checklist(prompt.scene)
        assert all(criterion.check for criterion in prompt.checklist)
        assert (
            len({criterion.id for criterion in prompt.checklist})
            == len({criterion.text for criterion in prompt.checklist})
            == len(prompt.checklist)
        )
        assert any(criterion.kind in (CriterionKind.COUNT, CriterionKind.ENTITY) for criterion in prompt.checklist)
