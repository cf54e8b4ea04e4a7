"""What lint says of checklists: every planted fault is found and nothing else, the shipped sets are clean, no text makes it stumble."""

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data import facts, wording
from data.contradictions import contradictions, repetitions
from data.errors import UsageError
from data.formats import load_prompts
from data.lint import Severity, lint_prompt, lint_prompts
from data.records import Criterion, CriterionKind, Need, Prompt

ASSETS = Path(__file__).parent / "assets"
ENTITY, COUNT = CriterionKind.ENTITY, CriterionKind.COUNT
PLANTED = {
    "two cats on a wall": [("error", "two counts of the same thing")],
    "a lonely dog": [("error", "one wants what the other forbids")],
    "my aunt's lamp": [("error", "two colors of the same thing")],
    "kite over a barn": [("error", "opposite places")],
    "an old bicycle": [("warning", "'should' leads the judge")],
    "pancakes for breakfast": [("error", "'pancakes are visible' is there 2 times")],
    "a teapot on a stove": [("warning", "say nearly the same"), ("warning", "no white"), ("warning", "no white")],
    "a market stall": [("warning", "several facts in one"), ("warning", "no red")],
    "the sea in winter": [("warning", "several facts in one"), ("warning", "no gray")],
    "some boats": [("warning", "the number 7 is not in the user's text")],
    "a parrot": [("warning", "no green")],
    "a shop sign": [("warning", "'BAKERY' is not in the user's text")],
    'a card that says "Happy Birthday"': [("warning", "letter for letter")],
    "a violin": [("error", "there is no criterion 'z', its parent")],
    "a cello": [("error", "its own parent")],
    "a harp": [("error", "in a circle: a → b → c → a")],
    "an empty street": [("warning", "double negation")],
    "a waterfall": [("error", "can't be scored")],
    "a hill": [("warning", "2 criteria; 5 to 12 are good")],
    "a lighthouse keeper at work": [],
    "a lighthouse keeper at his work": [("error", "nearly the same as 'a lighthouse keeper at work'")],
}


def criteria(*texts: str, need: Need = Need.MUST) -> list[Criterion]:
    return [Criterion(f"c{place}", text, ENTITY, need) for place, text in enumerate(texts)]


@pytest.mark.parametrize("name", ["vague", "scenes"])
def test_shipped_sets_have_no_faults_at_all(name: str) -> None:
    assert [finding.message for finding in lint_prompts(load_prompts(name))] == []


def test_every_planted_fault_is_found_and_nothing_else() -> None:
    prompts = load_prompts(ASSETS / "faulty.prompts.jsonl")
    assert [prompt.text for prompt in prompts] == list(PLANTED)
    findings = [finding for finding in lint_prompts(prompts) if finding.index is not None]
    for index, (text, planted) in enumerate(PLANTED.items()):
        found = [(finding.severity.value, finding.message) for finding in findings if finding.index == index]
        assert len(found) == len(planted), (text, found)
        for (severity, message), (expected, said) in zip(found, planted, strict=True):
            assert (severity, said in message) == (expected, True), (text, message)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("There are exactly two cats", "Three cats are visible"),
        ("At least four candles are visible", "Exactly three candles are visible"),
        ("The balloons are red", "The balloons are blue"),
        ("The cup is to the left of the plate", "The cup is to the right of the plate"),
        ("The cup is to the left of the plate", "The plate is left of the cup"),
        ("A bird flies above the house", "A bird flies below the house"),
    ],
)
def test_what_can_not_both_be_met_is_found_either_way_round(one: str, other: str) -> None:
    assert len(list(contradictions(criteria(one, other)))) == 1
    assert len(list(contradictions(criteria(other, one)))) == 1


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("There are exactly two cats", "There are exactly three dogs"),
        ("There are exactly two black cats", "There are exactly three white cats"),
        ("There are exactly three cats", "At least two cats are visible"),
        ("There are two hands", "There is one hand with a ring"),
        ("The roof is red", "The door is blue"),
        ("The lid is gold", "The lid is yellow"),
        ("The cup is to the left of the plate", "The plate is to the right of the cup"),
        ("A border is on the left side of the image", "A border is on the right side of the image"),
        ("The kite is above the house", "The kite is to the left of the house"),
        ("The title is larger than the date", "The date is below the title"),
    ],
)
def test_what_can_both_be_met_is_left_alone(one: str, other: str) -> None:
    assert list(contradictions(criteria(one, other))) == []
    assert list(repetitions(criteria(one, other))) == []


@pytest.mark.parametrize(
    "text",
    [
        "A red cat and two dogs are visible",
        "There is a table and three chairs",
        "The cat is red and the dog is blue",
        "The woman has long hair and she wears a hat",
        "The house is old; its roof is gone",
        "A dog is visible. It is running.",
    ],
)
def test_several_facts_are_noticed(text: str) -> None:
    assert wording.several_facts(text)


@pytest.mark.parametrize(
    "text",
    [
        "The flag is black and white",
        "The cat and the dog are side by side",
        "Salt and pepper stand on the table",
        "A float, a band or dancers are visible",
        "Yarn or a partly finished knitted piece is visible",
        'The sign reads "Dad is here. The cat is not"',
        "The man is about to fall",
        "Dr. Brown sits in a chair",
    ],
)
def test_one_fact_is_one_fact(text: str) -> None:
    assert not wording.several_facts(text)


@pytest.mark.parametrize(
    ("statement", "text", "numbers", "colors"),
    [
        ("Exactly three cats are visible", "3 cats", [], []),
        ("Exactly three cats are visible", "a trio of cats", [], []),
        ("Exactly three animals are visible", "a cat and two dogs", [], []),
        ("Exactly three icons are visible", "icons: tent, fire, backpack", [], []),
        ("At least two cats are visible", "cats", [], []),
        ("Two to five boats are visible", "a few boats", [], []),
        ("Exactly four letters are visible", "the word LOVE made of flowers", [], []),
        ("Exactly one dog is visible", "my dog", [], []),
        ("Exactly four cats are visible", "two cats", [4], []),
        ("The dog is black", "a dog", [], ["black"]),
        ("A black dog is visible", "a dog", [], ["black"]),
        ("The key is yellow", "golden key", [], []),
        ("The petals are pink or white", "cherry petals", [], []),
        ("Bare green branches are visible", "Christmas tree without lights", [], []),
    ],
)
def test_hard_facts_come_from_the_text(statement: str, text: str, numbers: list[int], colors: list[str]) -> None:
    assert facts.invented_numbers(statement, text) == numbers
    assert facts.invented_colors(statement, text) == colors


def test_numbers_and_colors_of_other_languages_are_left_alone() -> None:
    prompt = Prompt("zwei rote Ballons", tuple(criteria("The balloons are red", "Exactly two balloons are visible")), language="de")
    assert [finding.message for finding in lint_prompt(prompt) if "invented" in finding.message] == []


def test_a_checklist_written_from_another_text_is_an_error() -> None:
    texts = ("A cat is visible", "It looks at us", "Its fur shines", "It sits", "The light is soft")
    prompt = Prompt("a cat", tuple(criteria(*texts)), checklist_from="a cat")
    assert list(lint_prompt(prompt)) == []
    (finding,) = lint_prompt(replace(prompt, checklist_from="A fluffy cat in golden light"))
    assert finding.severity is Severity.ERROR
    assert "written from another text, 'A fluffy cat in golden light'" in finding.message


# -- refused when they are read


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (
            '{"text": "a cat", "checklist_from": "a big cat", "checklist": [{"id": "a", "text": "A cat", "kind": "entity"}]}',
            "written from another",
        ),
        (
            '{"text": "a cat", "checklist": [{"id": "a", "text": "A cat", "kind": "entity"}], "revised_prompt": "A cat, 8k"}',
            "a rewrite stands beside the checklist, in 'revised_prompt'",
        ),
        ('{"text": "a cat", "tags": [], "checklist_from": 3}', "checklist_from is no text"),
        ('{"text": "a cat", "checklist": [{"id": "a", "text": "A cat", "kind": "entity", "parents": "b"}]}', "parents is no list of ids"),
    ],
)
def test_sets_whose_checklists_can_not_be_trusted_are_refused(tmp_path: Path, row: str, said: str) -> None:
    path = tmp_path / "set.jsonl"
    path.write_text(row)
    with pytest.raises(UsageError) as caught:
        load_prompts(path)
    assert said in str(caught.value)
    assert f"{path}:1:" in str(caught.value)


def test_parents_and_where_a_checklist_is_from_survive_a_file(tmp_path: Path) -> None:
    from data.formats import save_prompts

    checklist = (Criterion("a", "A cat is visible", ENTITY), Criterion("b", "The cat sleeps", ENTITY, parents=("a",)))
    prompt = Prompt("a cat", checklist, checklist_from="a cat")
    save_prompts([prompt], tmp_path / "set.jsonl")
    assert load_prompts(tmp_path / "set.jsonl") == [prompt]


# -- whatever comes

_WORDS = st.sampled_from((
    "two", "exactly", "the", "a", "cat", "cats", "is", "are", "red", "blue", "above", "below", "and", "not", '"OPEN"', "or", "at", "least",
    ",", ".", ";", "left", "of", "to", "7", "n't", "should", "no", "has",
))  # fmt: skip
_TEXTS = st.one_of(st.text(max_size=200), st.lists(_WORDS, max_size=25).map(" ".join))


@given(st.lists(_TEXTS, max_size=6), _TEXTS, st.sampled_from(list(Need)))
def test_lint_takes_any_text(texts: list[str], text: str, need: Need) -> None:
    checklist = criteria(*texts, need=need)
    for finding in lint_prompt(Prompt(text, tuple(checklist))):
        assert finding.message


@given(_TEXTS, _TEXTS)
def test_contradictions_are_mutual_and_nothing_contradicts_itself(one: str, other: str) -> None:
    assert bool(list(contradictions(criteria(one, other)))) == bool(list(contradictions(criteria(other, one))))
    assert list(contradictions(criteria(one, one))) == []
