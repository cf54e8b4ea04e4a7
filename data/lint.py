"""What makes a prompt set a bad one: leaks between splits, checklists that can't be judged or that lead the judge, too few tests.

A checklist is read by form (data/wording.py, data/contradictions.py, data/facts.py): what is found is there, and much is not found.
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from data import facts, wording
from data.contradictions import contradictions, repetitions, same
from data.records import Criterion, CriterionKind, Need, Prompt, Split
from data.splits import near_duplicates

FEWEST_TESTS = 20
"""Test prompts below which hardly any gain can be confirmed."""
CHECKLIST_SIZE = (5, 12)
"""Criteria per prompt: fewer say little, more tire a judge."""
SCENE_CHECKLIST_SIZE = (2, 12)
"""The same where the checklist is written from a scene, and pixels answer."""

LONGEST_CRITERION = 40
"""Words. What takes more to say is several facts."""

_QUESTION = re.compile(r'The answer to "(.*)\?" is yes', re.DOTALL)


class Severity(StrEnum):
    """How bad a finding is."""

    ERROR = "error"
    """A figure measured with this set can't be trusted."""
    WARNING = "warning"
    """It works, and could be better."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What is wrong with a prompt set: at the prompt at ``index``, or with the set as a whole (None)."""

    index: int | None
    severity: Severity
    message: str


def lint_prompts(prompts: Sequence[Prompt]) -> list[Finding]:
    """What is wrong with a set, in the order of its prompts; the set as a whole last."""
    findings = [finding for index, prompt in enumerate(prompts) for finding in lint_prompt(prompt, index)]
    if any(prompt.checklist for prompt in prompts):
        bare = [index for index, prompt in enumerate(prompts) if not prompt.checklist]
        findings += [Finding(index, Severity.WARNING, "no checklist, unlike others: it can't be judged with them") for index in bare]
    findings += _leaks(prompts)
    findings.sort(key=lambda finding: finding.index or 0)
    tests = sum(prompt.split is Split.TEST for prompt in prompts)
    if not prompts:
        return [Finding(None, Severity.ERROR, "there are no prompts")]
    if not any(prompt.checklist for prompt in prompts):
        findings.append(Finding(None, Severity.WARNING, "no prompt has a checklist: only judges that need none can score them"))
    if tests < FEWEST_TESTS:
        message = f"{tests} test prompts: below {FEWEST_TESTS}, hardly any gain can be confirmed"
        findings.append(Finding(None, Severity.WARNING, message))
    return findings


def _leaks(prompts: Sequence[Prompt]) -> Iterator[Finding]:
    """Near-duplicates in different splits. Canaries are traps in pairs, reported apart, and may be alike."""
    for one, other in near_duplicates([prompt.text for prompt in prompts]):
        splits = (prompts[one].split, prompts[other].split)
        if splits[0] is not splits[1] and Split.CANARY not in splits:
            message = (
                f"in {splits[1].value}, but nearly the same as {prompts[one].text[:60]!r} in {splits[0].value}: one gives away the other"
            )
            yield Finding(other, Severity.ERROR, message)


def lint_prompt(prompt: Prompt, index: int = 0) -> Iterator[Finding]:
    """What is wrong with one prompt and its checklist, whatever else is in its set; its findings are those at ``index``."""
    if not prompt.text.strip():
        yield Finding(index, Severity.ERROR, "the text is empty")
    if not prompt.checklist:
        return
    if prompt.checklist_from and prompt.checklist_from != prompt.text:
        yield Finding(index, Severity.ERROR, written_from_another(prompt.checklist_from))
    if not any(criterion.need is not Need.MUST_NOT for criterion in prompt.checklist):
        yield Finding(index, Severity.ERROR, "no must or should criterion: it can't be scored")
    least, most = _sizes(prompt)
    if not least <= len(prompt.checklist) <= most:
        yield Finding(index, Severity.WARNING, f"{len(prompt.checklist)} criteria; {least} to {most} are good")
    checklist = [replace(criterion, text=_stated(criterion.text)) for criterion in prompt.checklist]
    for severity, message in (*_together(checklist), *_parents(checklist), *_one_by_one(checklist, prompt)):
        yield Finding(index, severity, message)


def written_from_another(source: str) -> str:
    """What is said of a checklist whose ``checklist_from`` is not its prompt's text."""
    return f"the checklist was written from another text, {source[:60]!r}: it has to be written from what the user typed, and nothing else"


def _stated(text: str) -> str:
    """A statement, or the question that it repeats (data/published.py): its quotation marks quote nothing that is to be read."""
    match = _QUESTION.fullmatch(text)
    return match[1] if match else text


def _sizes(prompt: Prompt) -> tuple[int, int]:
    if prompt.scene is None:
        return CHECKLIST_SIZE
    least, most = SCENE_CHECKLIST_SIZE
    # "A birthday" wants one of several things, and that is all that pixels can tell.
    return least if prompt.scene.only else 1, most


def _together(checklist: Sequence[Criterion]) -> Iterator[tuple[Severity, str]]:
    """What is wrong with criteria beside each other."""
    texts = Counter(same(criterion.text) for criterion in checklist)
    for text, count in texts.items():
        if count > 1 and not _is_contradiction(text, checklist):
            yield Severity.ERROR, f"the criterion {text!r} is there {count} times"
    ids = Counter(criterion.id for criterion in checklist)
    yield from ((Severity.ERROR, f"the id {name!r} is there {count} times") for name, count in ids.items() if count > 1)
    for one, other, reason in contradictions(checklist):
        yield Severity.ERROR, f"criteria {one.id} and {other.id} contradict each other ({reason}): {one.text!r}, {other.text!r}"
    for one, other in repetitions(checklist):
        yield Severity.WARNING, f"criteria {one.id} and {other.id} say nearly the same: {one.text!r}, {other.text!r}"


def _is_contradiction(text: str, checklist: Sequence[Criterion]) -> bool:
    """Whether those who share a text want it and forbid it: then they are no repetition."""
    needs = [criterion.need is Need.MUST_NOT for criterion in checklist if same(criterion.text) == text]
    return len(needs) == 2 and needs[0] is not needs[1]


def _parents(checklist: Sequence[Criterion]) -> Iterator[tuple[Severity, str]]:
    parents = {criterion.id: criterion.parents for criterion in checklist}
    for name, above in parents.items():
        for parent in above:
            if parent == name:
                yield Severity.ERROR, f"criterion {name} is its own parent"
            elif parent not in parents:
                yield Severity.ERROR, f"criterion {name}: there is no criterion {parent!r}, its parent"
    if circle := _circle(parents):
        yield Severity.ERROR, f"the parents go in a circle: {' → '.join(circle)}"


def _circle(parents: Mapping[str, Sequence[str]]) -> list[str]:
    """The ids along a circle of two or more; empty where there is none."""
    above = {name: {parent for parent in of if parent in parents and parent != name} for name, of in parents.items()}
    while free := [name for name, of in above.items() if not of]:
        above = {name: of.difference(free) for name, of in above.items() if name not in free}
    if not above:
        return []
    path = [min(above)]
    while path[-1] not in path[:-1]:
        path.append(min(above[path[-1]]))
    return path[path.index(path[-1]) :]


def _one_by_one(checklist: Sequence[Criterion], prompt: Prompt) -> Iterator[tuple[Severity, str]]:
    for criterion in checklist:
        if not criterion.text.strip():
            yield Severity.ERROR, f"criterion {criterion.id}: the text is empty"
        for message in (*_worded(criterion, prompt.text), *_invented(criterion, prompt)):
            yield Severity.WARNING, f"criterion {criterion.id}: {message}"


def _worded(criterion: Criterion, text: str) -> Iterator[str]:
    # "A perfect grid" may be what the user wants.
    if (leading := wording.leading(criterion.text)) and leading.lower() not in text.lower():
        yield f"{leading!r} leads the judge; say what is to be seen"
    if criterion.need is Need.MUST_NOT and wording.denies(criterion.text):
        yield "a must-not that denies something is a double negation; state what may not be there"
    if wording.several_facts(criterion.text):
        yield f"several facts in one, which can be half true; make it several criteria: {criterion.text!r}"
    elif len(criterion.text.split()) > LONGEST_CRITERION:
        yield f"{len(criterion.text.split())} words; one fact takes fewer than {LONGEST_CRITERION}"


def _invented(criterion: Criterion, prompt: Prompt) -> Iterator[str]:
    """Hard facts that the user's text does not have. Numbers and colours are known in English only, and scenes come with their own."""
    yield from (
        f"quotes {here!r}, and the user's text {there!r}: it has to be the same letter for letter"
        for there, here in facts.changed_quotes(criterion.text, prompt.text)
        if "capital" not in criterion.text.lower()
    )
    if criterion.need is Need.MUST_NOT:
        return
    yield from (f"invented: {quote!r} is not in the user's text" for quote in facts.unfounded_quotes(criterion.text, prompt.text))
    if prompt.language != "en" or prompt.scene is not None:
        return
    if criterion.kind is CriterionKind.COUNT or "exactly" in criterion.text.lower():
        yield from (
            f"invented: the number {number} is not in the user's text" for number in facts.invented_numbers(criterion.text, prompt.text)
        )
    yield from (f"invented: the user's text has no {color}" for color in facts.invented_colors(criterion.text, prompt.text))
