"""Prompt sets: what can be read, what is said about what can't, and how a set is shared out and found fault with."""

import json
import random
from collections import Counter
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from data.checklists import scene_checklist
from data.errors import UsageError
from data.formats import FORMATS, Severity, assign_splits, import_prompts, lint_prompts, load_prompts, save_prompts, shipped_sets
from data.records import Criterion, CriterionKind, Need, Prompt, Split
from data.scene import Check, Scene, Thing
from data.scene import Test as Trait
from data.splits import near_duplicates

PUBLISHED = Path(__file__).resolve().parents[3] / "shared" / "promptsets"
ENTITY = CriterionKind.ENTITY


def published(name: str) -> Path:
    path = PUBLISHED / name
    if not path.exists():
        pytest.skip(f"{path} is not here")
    return path


def written(tmp_path: Path, name: str, content: str | bytes) -> Path:
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def ours(**fields: object) -> str:
    return json.dumps({"text": "a cat", "tags": [], **fields})


# -- reading


@pytest.mark.parametrize("name", ["vague", "scenes"])
def test_shipped_sets_are_read(name: str) -> None:
    assert name in shipped_sets()
    prompts = load_prompts(name)
    assert len(prompts) > 200
    assert {prompt.split for prompt in prompts} == set(Split)
    assert all(prompt.checklist for prompt in prompts)


def test_an_unknown_set_is_refused_with_the_nearest() -> None:
    with pytest.raises(UsageError, match="no prompt set 'vauge'") as caught:
        load_prompts("vauge")
    assert "did you mean vague?" in caught.value.hint
    assert "scenes" in caught.value.hint


@pytest.mark.parametrize(
    ("name", "content", "format", "texts"),
    [
        ("a.txt", "\ufeffa cat\r\n\r\n  a dog \n", "text", ["a cat", "a dog"]),
        ("a.md", "a cat\x0b\u2028and a dog", "text", ["a cat\x0b\u2028and a dog"]),
        ("a.csv", 'id,Prompt\n1,"a ""cat"",\nand more"\n2,a dog\n', "csv", ['a "cat",\nand more', "a dog"]),
        ("a.csv", "Caption,other\na cat,x\n,\n", "csv", ["a cat"]),
        ("a.tsv", 'text\tn\n"G I G" in red\t1\n"a ""cat"""\t2\n', "tsv", ['"G I G" in red', 'a "cat"']),
        ("a.jsonl", '{"prompt": "a cat", "seed": 1}\n\n{"prompt": "a dog"}', "jsonl", ["a cat", "a dog"]),
        ("a.jsonl", '{"text": "a cat", "category": "x"}', "jsonl", ["a cat"]),
        ("a", '{"caption": "a cat"}', "jsonl", ["a cat"]),
        ("a.jsonl", ours(split="test"), "jsonl", ["a cat"]),
    ],
)
def test_files_are_told_by_looking_at_them(tmp_path: Path, name: str, content: str, format: str, texts: list[str]) -> None:
    path = written(tmp_path, name, content)
    assert [prompt.text for prompt in load_prompts(path)] == texts
    assert import_prompts(path, format) == load_prompts(path)


def test_a_named_column_is_read(tmp_path: Path) -> None:
    path = written(tmp_path, "a.csv", "prompt,wish,category,language,split\nx,a cat,Animal,fr,test\n")
    assert import_prompts(path, column="wish") == [Prompt("a cat", (), "Animal", "fr", Split.TEST)]
    path = written(tmp_path, "a.jsonl", '{"wish": "a cat"}')
    assert import_prompts(path, column="wish") == [Prompt("a cat")]


def test_a_scene_without_a_checklist_gets_one(tmp_path: Path) -> None:
    scene = Scene((Thing(("cat",), 1, 1),))
    (prompt,) = import_prompts(written(tmp_path, "a.jsonl", ours(scene=scene.to_json(), checklist=[])))
    assert (prompt.scene, prompt.checklist) == (scene, scene_checklist(scene))


def test_sets_survive_being_saved(tmp_path: Path) -> None:
    for name in ("vague", "scenes"):
        prompts = load_prompts(name)
        save_prompts(prompts, tmp_path / "folder" / "set.jsonl")
        assert load_prompts(tmp_path / "folder" / "set.jsonl") == prompts
    assert [path.name for path in (tmp_path / "folder").iterdir()] == ["set.jsonl"]
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="can't be written"):
        save_prompts(prompts, tmp_path / "file" / "set.jsonl")


# -- what can't be read

CRITERION = {"id": "c", "text": "A cat is visible", "kind": "entity"}


@pytest.mark.parametrize(
    ("name", "content", "line", "said"),
    [
        ("a.txt", "", 1, "no prompts"),
        ("a.txt", "\n \n", 1, "no prompts"),
        ("a.csv", "prompt\n", 1, "no prompts"),
        ("a.jsonl", "", 1, "no prompts"),
        ("a.txt", "a cat\na dog\na cat\n", 3, "same text as in line 1: 'a cat'"),
        ("a.txt", "a cat\nün chat\n".encode("latin-1"), 2, "not UTF-8 (byte 0xfc)"),
        ("a.csv", "prompt,n\na cat,1\n,2\n", 3, "no text in 'prompt'"),
        ("a.csv", "prompt,n\na cat\n", 2, "1 cells under 2 columns"),
        ("a.csv", 'prompt\n"a cat\n', 2, "no table"),
        ("a.csv", "wish,n\na cat,1\n", 1, "there are: wish, n"),
        ("a.csv", "prompt,split\na cat,tset\n", 2, "unknown split 'tset'; there are: search, select, test, canary"),
        ("a.jsonl", '{"prompt": "a cat"}\n{"prompt": \n', 2, "no JSON"),
        ("a.jsonl", '{"prompt": "a cat"}\n["a dog"]', 2, "one JSON object a line"),
        ("a.json", '[\n{"prompt": "a cat"}\n]', 1, "no JSON"),
        ("a.jsonl", '{"prompt": "a cat"}\n{"wish": "a dog"}', 2, "there are: wish"),
        ("a.jsonl", '{"prompt": 5}', 1, "no text in 'prompt'"),
        ("a.jsonl", ours(text=" "), 1, "no text"),
        ("a.jsonl", ours(splt="test"), 1, "unknown field 'splt'"),
        ("a.jsonl", ours(split="tset"), 1, "unknown split 'tset'"),
        ("a.jsonl", ours(split=["test"]), 1, "unknown split"),
        ("a.jsonl", ours(tags="x"), 1, "tags is no list"),
        ("a.jsonl", ours(language=None), 1, "language is no text"),
        ("a.jsonl", ours(checklist={}), 1, "checklist is no list"),
        ("a.jsonl", ours(checklist=["x"]), 1, "a criterion is a JSON object"),
        ("a.jsonl", ours(checklist=[{**CRITERION, "id": ""}]), 1, "no id"),
        ("a.jsonl", ours(checklist=[{**CRITERION, "text": ""}]), 1, "'c' has no text"),
        ("a.jsonl", ours(checklist=[CRITERION, CRITERION]), 1, "'c' is there twice"),
        ("a.jsonl", ours(checklist=[{**CRITERION, "kind": "colour"}]), 1, "unknown kind 'colour'"),
        ("a.jsonl", ours(checklist=[{**CRITERION, "need": "may"}]), 1, "unknown need 'may'; there are: must, should, must_not"),
        ("a.jsonl", ours(checklist=[{**CRITERION, "weight": 0}]), 1, "weight is a number above 0"),
        ("a.jsonl", ours(checklist=[{**CRITERION, "wieght": 1}]), 1, "unknown field 'wieght'"),
        ("a.jsonl", ours(checklist=[{**CRITERION, "check": {"test": "smell"}}]), 1, "smell"),
        ("a.jsonl", ours(scene={"include": [{"class": "dragon", "count": 1}]}), 1, "unknown kind"),
        ("a.jsonl", ours(scene={"include": [{"count": 1}]}), 1, "no field 'class'"),
        ("a.jsonl", ours(scene=["cat"]), 1, ""),
        ("a.tsv", "Prompt\tCategory\tChallenge\tNote\n\tx\ty\tz\n", 2, "no text in 'Prompt'"),
        ("a.jsonl", '{"tag": "t", "include": 5, "prompt": "a cat"}', 1, "no GenEval record"),
        ("a.jsonl", '{"tag": "t", "include": [{"count": 1}], "prompt": "a cat"}', 1, "no GenEval record: there is no 'class'"),
    ],
)
def test_what_is_wrong_is_said_with_its_line(tmp_path: Path, name: str, content: str | bytes, line: int, said: str) -> None:
    path = written(tmp_path, name, content)
    with pytest.raises(UsageError) as caught:
        load_prompts(path)
    assert f"{path}:{line}: " in str(caught.value)
    assert said in str(caught.value)
    assert caught.value.hint


def test_all_problems_are_listed_but_not_more_than_people_read(tmp_path: Path) -> None:
    path = written(tmp_path, "a.jsonl", "\n".join(ours(split="x", text=f"cat {number}") for number in range(30)))
    with pytest.raises(UsageError) as caught:
        import_prompts(path)
    lines = str(caught.value).splitlines()
    assert len(lines) == 21
    assert lines[19].startswith(f"{path}:20: ")
    assert lines[20] == "and 10 more"


def test_a_wrong_column_format_or_file_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path, "a.csv", "prompt\na cat\n")
    with pytest.raises(UsageError, match="no column 'wish'; there are: prompt"):
        import_prompts(path, column="wish")
    with pytest.raises(UsageError, match="unknown format 'xlsx'") as caught:
        import_prompts(path, "xlsx")
    assert all(name in caught.value.hint for name in FORMATS)
    with pytest.raises(UsageError, match="can't be read"):
        import_prompts(tmp_path)
    for name in ("dsg", "partiprompts"):
        with pytest.raises(UsageError, match="there is no column"):
            import_prompts(path, name)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    content=st.binary(max_size=60) | st.text(max_size=60).map(lambda text: text.encode("utf-8", "replace")),
    name=st.sampled_from(sorted(FORMATS)),
)
def test_any_file_is_read_or_refused(tmp_path: Path, content: bytes, name: str) -> None:
    with suppress(UsageError):
        assert import_prompts(written(tmp_path, "a", content), name)


# -- published sets


def test_partiprompts() -> None:
    prompts = load_prompts(published("partiprompts/PartiPrompts.tsv"))
    assert len(prompts) == 1632
    assert prompts[0] == Prompt("bond", category="Abstract", tags=("Basic",))
    assert any(prompt.text.startswith('"G I G G L E" painted') for prompt in prompts)


def test_geneval() -> None:
    prompts = load_prompts(published("geneval/evaluation_metadata.jsonl"))
    assert len(prompts) == 553
    by_text = {prompt.text: prompt for prompt in prompts}
    assert Counter(prompt.category for prompt in prompts).keys() == {
        "single_object",
        "two_object",
        "counting",
        "colors",
        "position",
        "color_attr",
    }
    skis = by_text["a photo of a green skis and a brown airplane"]
    assert [criterion.text for criterion in skis.checklist] == [
        "There is at least one pair of skis",
        "Every pair of skis is green",
        "There is at least one airplane",
        "Every airplane is brown",
    ]
    assert skis.scene is None
    assert skis.checklist[1].check == Check(Trait.COLOR, ("skis",), "green")
    apples = by_text["a photo of four apples"]
    assert apples.scene == Scene((Thing(("apple",), 4, 4),), only=False)
    assert [criterion.text for criterion in apples.checklist] == ["There are exactly four apples"]
    assert all(criterion.check for prompt in prompts for criterion in prompt.checklist)
    kite = by_text["a photo of a kite above a toothbrush"]
    assert kite.checklist[-1].text == "Every kite is above every toothbrush"


def test_dsg() -> None:
    prompts = load_prompts(published("dsg1k/dsg-1k-anns.csv"))
    assert len(prompts) == 1059, "1060 items, two of which have the same text"
    assert set(Counter(prompt.category for prompt in prompts)) >= {"whoops", "tifa160", "stanford_paragraph", "localized_narratives"}
    cube = next(prompt for prompt in prompts if prompt.text == "A rubix cube with ten squares of purple")
    assert [(criterion.id, criterion.text, criterion.kind) for criterion in cube.checklist] == [
        ("q1", "There is a rubix cube", CriterionKind.ENTITY),
        ("q2", 'The answer to "Is the rubix cube purple?" is yes', CriterionKind.ATTRIBUTE),
        ("q3", 'The answer to "Does the rubix cube have ten squares?" is yes', CriterionKind.ATTRIBUTE),
    ]
    assert {criterion.kind for prompt in prompts for criterion in prompt.checklist} >= {
        CriterionKind.TEXT,
        CriterionKind.COUNT,
        CriterionKind.STYLE,
    }


@pytest.mark.parametrize("name", ["partiprompts/PartiPrompts.tsv", "geneval/evaluation_metadata.jsonl", "dsg1k/dsg-1k-anns.csv"])
def test_published_sets_are_shared_out_without_leaks(name: str) -> None:
    prompts = assign_splits(load_prompts(published(name)), seed=1)
    counts = Counter(prompt.split for prompt in prompts)
    for split, share in ((Split.SEARCH, 0.45), (Split.SELECT, 0.15), (Split.TEST, 0.40)):
        assert abs(counts[split] / len(prompts) - share) < 0.02
    assert [finding for finding in lint_prompts(prompts) if finding.severity is Severity.ERROR] == []


# -- splits


def test_splits_depend_on_seed_and_content_alone() -> None:
    prompts = load_prompts("vague")
    shared = assign_splits(prompts, seed=1)
    assert [replace(prompt, split=Split.SEARCH) for prompt in shared] == [replace(prompt, split=Split.SEARCH) for prompt in prompts]
    shuffled = list(prompts)
    random.Random(1).shuffle(shuffled)
    assert {prompt.text: prompt.split for prompt in assign_splits(shuffled, seed=1)} == {prompt.text: prompt.split for prompt in shared}
    assert assign_splits(prompts, seed=2) != shared
    assert assign_splits(shared, seed=1) == shared


def test_each_category_is_shared_out() -> None:
    shared = [prompt for prompt in assign_splits(load_prompts("vague"), seed=1) if prompt.split is not Split.CANARY]
    for category in {prompt.category for prompt in shared}:
        splits = Counter(prompt.split for prompt in shared if prompt.category == category)
        assert abs(splits[Split.TEST] / splits.total() - 0.40) < 0.1
        assert splits[Split.SELECT] > 0


def test_canaries_stay_what_they_are() -> None:
    prompts = load_prompts("vague")
    assert [prompt for prompt in assign_splits(prompts, seed=3) if prompt.split is Split.CANARY] == [
        prompt for prompt in prompts if prompt.split is Split.CANARY
    ]


def test_near_duplicates_stay_together() -> None:
    texts = [
        f"a {color} {animal} sitting quietly on the old garden wall"
        for animal in ("cat", "owl", "hen")
        for color in ("red", "blue", "green")
    ]
    prompts = [Prompt(text, category=text[-1]) for text in [*texts, "something else", "and another thing"]]
    for seed in range(5):
        assert len({prompt.split for prompt in assign_splits(prompts, seed)[: len(texts)]}) == 1


@given(st.lists(st.text("ab c", max_size=12), max_size=12))
def test_near_duplicates_are_those_of_the_definition(texts: list[str]) -> None:
    def grams(text: str) -> set[str]:
        plain = f" {' '.join(text.split())} "
        return {plain[start : start + 3] for start in range(max(1, len(plain) - 2))}

    sets = [grams(text) for text in texts]
    expected = [(i, j) for j in range(len(texts)) for i in range(j) if 2 * len(sets[i] & sets[j]) >= len(sets[i] | sets[j])]
    assert list(near_duplicates(texts)) == expected


# -- faults


def a_prompt(number: int, *, split: Split = Split.TEST, size: int = 5, need: Need = Need.MUST, text: str = "") -> Prompt:
    words = random.Random(number).sample(
        [
            "lorem",
            "ipsum",
            "dolor",
            "amet",
            "consectetur",
            "adipiscing",
            "elit",
            "sed",
            "eiusmod",
            "tempor",
            "incididunt",
            "labore",
            "magna",
            "aliqua",
        ],
        5,
    )
    checklist = tuple(Criterion(f"c{place}", text or f"Thing {place} is visible", ENTITY, need) for place in range(size))
    return Prompt(f"{number} {' '.join(words)} {number}", checklist, split=split)


def faults(*prompts: Prompt) -> list[tuple[int | None, str, str]]:
    padding = [a_prompt(1000 + number) for number in range(25)]
    found = lint_prompts([*prompts, *padding])
    return [(finding.index, finding.severity.value, finding.message) for finding in found]


def test_a_good_set_has_no_faults() -> None:
    assert faults(a_prompt(1), replace(a_prompt(2, size=2), scene=Scene())) == []


@pytest.mark.parametrize(
    ("prompt", "severity", "said"),
    [
        (a_prompt(1, size=4), "warning", "4 criteria; 5 to 12 are good"),
        (a_prompt(1, size=13), "warning", "13 criteria"),
        (replace(a_prompt(1, size=1), scene=Scene()), "warning", "1 criteria; 2 to 12"),
        (a_prompt(1, size=0), "warning", "no checklist"),
        (a_prompt(1, need=Need.MUST_NOT), "error", "can't be scored"),
        (replace(a_prompt(1), text="  "), "error", "text is empty"),
        (
            replace(a_prompt(1), checklist=(*a_prompt(1).checklist, Criterion("c9", "thing 0  is Visible", ENTITY))),
            "error",
            "there 2 times",
        ),
        (
            replace(a_prompt(1), checklist=(*a_prompt(1).checklist, Criterion("c0", "Another", ENTITY))),
            "error",
            "the id 'c0' is there 2 times",
        ),
        (
            replace(a_prompt(1), checklist=(*a_prompt(1).checklist, Criterion("c9", "The cat should be red", ENTITY))),
            "warning",
            "'should' leads",
        ),
        (
            replace(a_prompt(1), checklist=(*a_prompt(1).checklist, Criterion("c9", "A beautiful cat", ENTITY))),
            "warning",
            "'beautiful' leads",
        ),
        (
            replace(a_prompt(1), checklist=(*a_prompt(1).checklist, Criterion("c9", "There is no cat", ENTITY, Need.MUST_NOT))),
            "warning",
            "double negation",
        ),
    ],
)
def test_faults_are_found(prompt: Prompt, severity: str, said: str) -> None:
    ((index, found, message),) = faults(prompt)
    assert (index, found) == (0, severity)
    assert said in message


def test_leaks_between_splits_are_found() -> None:
    one = replace(a_prompt(1, split=Split.SEARCH), text="three red balloons over the old town at night")
    other = replace(one, text="three red balloons over the old town by night", split=Split.TEST)
    ((index, severity, message),) = faults(one, other)
    assert (index, severity) == (1, "error")
    assert "in test, but nearly the same as 'three red balloons over the old town at night' in search" in message
    assert faults(one, replace(other, split=Split.SEARCH)) == []
    assert faults(one, replace(other, split=Split.CANARY)) == []


def test_sets_that_confirm_nothing_are_found() -> None:
    assert [finding.message for finding in lint_prompts([])] == ["there are no prompts"]
    messages = [finding.message for finding in lint_prompts([Prompt("a cat")])]
    assert any("no prompt has a checklist" in message for message in messages)
    assert any("0 test prompts: below 20" in message for message in messages)


@pytest.mark.parametrize("name", ["vague", "scenes"])
def test_shipped_sets_can_be_trusted(name: str) -> None:
    assert [finding for finding in lint_prompts(load_prompts(name)) if finding.severity is Severity.ERROR] == []
