"""What makes a prompt set a bad one: leaks between splits, checklists that can't be judged or that lead the judge, too few tests."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from data.records import Need, Prompt, Split
from data.splits import near_duplicates

FEWEST_TESTS = 20
"""Test prompts below which hardly any gain can be confirmed."""
CHECKLIST_SIZE = (5, 12)
"""Criteria per prompt: fewer say little, more tire a judge."""
SCENE_CHECKLIST_SIZE = (2, 12)
"""The same where the checklist is written from a scene, and pixels answer."""

_LEADING = re.compile(
    r"\b(should|must|ought to|as (requested|expected|described|intended)|the (prompt|user|rewrite)|properly|appropriate(ly)?|"
    r"beautiful(ly)?|stunning|high[- ]quality|masterpiece|impressive|perfect(ly)?)\b",
    re.IGNORECASE,
)
_DENYING = re.compile(r"^(no|there (is|are) no|nothing|without)\b|\b(is|are|does|do) not\b|n't\b", re.IGNORECASE)


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
    findings = [finding for index, prompt in enumerate(prompts) for finding in _prompt_findings(index, prompt)]
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


def _prompt_findings(index: int, prompt: Prompt) -> Iterator[Finding]:
    if not prompt.text.strip():
        yield Finding(index, Severity.ERROR, "the text is empty")
    if not prompt.checklist:
        return
    if not any(criterion.need is not Need.MUST_NOT for criterion in prompt.checklist):
        yield Finding(index, Severity.ERROR, "no must or should criterion: it can't be scored")
    least, most = CHECKLIST_SIZE if prompt.scene is None else SCENE_CHECKLIST_SIZE
    if not least <= len(prompt.checklist) <= most:
        yield Finding(index, Severity.WARNING, f"{len(prompt.checklist)} criteria; {least} to {most} are good")
    yield from _criteria_findings(index, prompt)


def _criteria_findings(index: int, prompt: Prompt) -> Iterator[Finding]:
    texts = Counter(" ".join(criterion.text.casefold().split()) for criterion in prompt.checklist)
    yield from (
        Finding(index, Severity.ERROR, f"the criterion {text!r} is there {count} times") for text, count in texts.items() if count > 1
    )
    ids = Counter(criterion.id for criterion in prompt.checklist)
    yield from (Finding(index, Severity.ERROR, f"the id {name!r} is there {count} times") for name, count in ids.items() if count > 1)
    for criterion in prompt.checklist:
        if not criterion.text.strip():
            yield Finding(index, Severity.ERROR, f"criterion {criterion.id}: the text is empty")
        if leading := _LEADING.search(criterion.text):
            message = f"criterion {criterion.id}: {leading[0]!r} leads the judge; say what is to be seen"
            yield Finding(index, Severity.WARNING, message)
        if criterion.need is Need.MUST_NOT and _DENYING.search(criterion.text):
            message = f"criterion {criterion.id}: a must-not that denies something is a double negation; state what may not be there"
            yield Finding(index, Severity.WARNING, message)
