"""Three published prompt sets, as their authors' files hold them: PartiPrompts, GenEval, DSG-1k. The files themselves are not shipped."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from data.checklists import NamedThing, scene_checklist, things_checklist
from data.promptfiles import PromptFile
from data.records import Criterion, CriterionKind, Prompt
from data.scene import COLORS, KINDS, MAX_COUNT, Direction, Relation, Scene, Thing


def read_partiprompts(file: PromptFile) -> Iterator[tuple[int, Prompt]]:
    """PartiPrompts.tsv: Prompt, Category, Challenge, Note. The challenge becomes a tag; there is no checklist."""
    for line, row in file.rows("\t", quoted=False):
        if missing := [name for name in ("Prompt", "Category", "Challenge") if name not in row]:
            file.problem(1, f"no PartiPrompts: there is no column {missing[0]}")
            return
        if row["Prompt"]:
            yield line, Prompt(row["Prompt"], category=row["Category"], tags=(row["Challenge"],))
        else:
            file.problem(line, "no text in 'Prompt'")


# -- GenEval


def read_geneval(file: PromptFile) -> Iterator[tuple[int, Prompt]]:
    """evaluation_metadata.jsonl: the tag becomes the category; every criterion has a check, and a prompt made of things we can paint a
    scene."""
    for line, row in file.objects():
        try:
            yield line, _geneval_prompt(row)
        except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
            file.problem(line, f"no GenEval record: {f'there is no {error}' if isinstance(error, KeyError) else error}")


def _geneval_prompt(row: Mapping[str, Any]) -> Prompt:
    text: str = row["prompt"]
    if not text.strip():
        raise ValueError("no text in 'prompt'")
    # GenEval's counts: at least so many of what is included, fewer than so many of what is excluded.
    ceilings = {str(entry["class"]): int(entry["count"]) - 1 for entry in row.get("exclude", ())}
    things = [_geneval_thing(entry, ceilings) for entry in row["include"]]
    absent = tuple(name for name, ceiling in ceilings.items() if ceiling == 0)
    prompt = Prompt(text.strip(), things_checklist(things, absent), category=str(row["tag"]))
    is_paintable = all(
        thing.kinds[0] in KINDS and (thing.most or thing.least) <= MAX_COUNT and thing.color in (None, *COLORS) for thing in things
    )
    if not is_paintable or not all(name in KINDS for name in absent):
        return prompt
    scene_things = tuple(Thing(thing.kinds, thing.least, thing.most, thing.color, relation=thing.relation) for thing in things)
    scene = Scene(scene_things, absent, only=False)
    return replace(prompt, scene=scene, checklist=scene_checklist(scene))


def _geneval_thing(entry: Mapping[str, Any], ceilings: Mapping[str, int]) -> NamedThing:
    name: str = entry["class"]
    position: list[Any] | None = entry.get("position")
    relation = Relation(Direction(position[0]), int(position[1])) if position else None
    return NamedThing((name,), int(entry.get("count", 1)), ceilings.get(name) or None, entry.get("color"), relation=relation)


# -- DSG-1k

_DSG_COLUMNS = ("item_id", "text", "proposition_id", "category_broad", "category_detailed", "question_natural_language")
_DSG_KINDS: Mapping[tuple[str, str], CriterionKind] = {
    ("attribute", "style"): CriterionKind.STYLE,
    ("attribute", "artist"): CriterionKind.STYLE,
    ("attribute", "count"): CriterionKind.COUNT,
    ("attribute", "text rendering"): CriterionKind.TEXT,
    ("relation", "action"): CriterionKind.ACTION,
    ("other", "count"): CriterionKind.COUNT,
    ("other", "text rendering"): CriterionKind.TEXT,
}
_DSG_BROAD_KINDS: Mapping[str, CriterionKind] = {
    "entity": CriterionKind.ENTITY,
    "attribute": CriterionKind.ATTRIBUTE,
    "relation": CriterionKind.RELATION,
}


@dataclass(slots=True)
class _Item:
    line: int
    text: str
    criteria: dict[str, Criterion]
    """By statement: the same question is asked of several propositions now and then."""


def read_dsg(file: PromptFile) -> Iterator[tuple[int, Prompt]]:
    """dsg-1k-anns.csv: one prompt per item, its questions as the checklist, the set that it was taken from as its category.

    DSG's dependencies between questions are dropped. A text that is in it twice is taken once.
    """
    items: dict[str, _Item] = {}
    for line, row in file.rows(","):
        if missing := [name for name in _DSG_COLUMNS if name not in row]:
            file.problem(1, f"no DSG-1k: there is no column {missing[0]}")
            return
        if empty := [name for name in ("item_id", "text", "proposition_id", "question_natural_language") if not row[name]]:
            file.problem(line, f"no text in {empty[0]!r}")
            continue
        item = items.setdefault(row["item_id"], _Item(line, row["text"], {}))
        statement = _statement(row["question_natural_language"])
        kind = _DSG_KINDS.get((row["category_broad"], row["category_detailed"])) or _DSG_BROAD_KINDS.get(
            row["category_broad"], CriterionKind.GLOBAL
        )
        item.criteria.setdefault(statement, Criterion(f"q{row['proposition_id']}", statement, kind))
    seen: set[str] = set()
    for identifier, item in items.items():
        if item.text not in seen:
            seen.add(item.text)
            yield item.line, Prompt(item.text, tuple(item.criteria.values()), category=identifier.rsplit("_", 1)[0])


def _statement(question: str) -> str:
    """A question as something that is true or false: most are about what there is, and turn around; the others are quoted."""
    for asked, stated in (("Is there ", "There is "), ("Are there ", "There are ")):
        if question.startswith(asked):
            return stated + question.removeprefix(asked).rstrip("? ")
    return f'The answer to "{question}" is yes'
