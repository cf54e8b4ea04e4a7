"""What the judge said of a picture, as HTML: each criterion with its evidence and what it rests on, and the opinions of a panel."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from data.checklists import judged_criteria
from data.records import Need, Opinion, Trial
from optimizer.judges.aggregate import passed
from ui.web.markup import escaped


@dataclass(frozen=True, slots=True)
class Finding:
    """What became of a criterion on a picture. "fixed": it failed on the other one; "violated": it is there, and must not be.

    ``without``: the statements that it rests on and that failed; it can hardly hold then, and is no second thing that went wrong.
    """

    verdict: Literal["failed", "violated", "fixed", "passed", "unjudged"]
    text: str
    evidence: str
    must_not: bool = False
    without: tuple[str, ...] = ()


def findings(trial: Trial, before: Trial | None = None) -> list[Finding]:
    """Every judged criterion, what went wrong first."""
    scores = _scores(trial)
    criteria = judged_criteria(trial.request.prompt, trial.judgment)
    failed = {
        criterion.id: criterion.text
        for criterion in criteria
        if (score := scores.get(criterion.id, (None, ""))[0]) is not None and not passed(criterion, score)
    }
    earlier = {} if before is None else _scores(before)
    found: list[Finding] = []
    for criterion in criteria:
        if criterion.id not in scores:
            continue
        score, evidence = scores[criterion.id]
        if score is None:
            verdict = "unjudged"
        elif not passed(criterion, score):
            verdict = "violated" if criterion.need is Need.MUST_NOT else "failed"
        else:
            was = earlier.get(criterion.id, (None, ""))[0]
            verdict = "fixed" if was is not None and not passed(criterion, was) else "passed"
        without = tuple(failed[parent] for parent in criterion.parents if parent in failed) if criterion.id in failed else ()
        found.append(Finding(verdict, criterion.text, evidence, criterion.need is Need.MUST_NOT, without))
    order = ("failed", "violated", "fixed", "unjudged", "passed")
    return sorted(found, key=lambda finding: order.index(finding.verdict))


def _scores(trial: Trial) -> dict[str, tuple[float | None, str]]:
    return {} if trial.judgment is None else {score.id: (score.score, score.evidence) for score in trial.judgment.scores}


MARKS = {"failed": "✗", "violated": "✗", "fixed": "✓", "passed": "✓", "unjudged": "?"}
WORDS = {"failed": "", "violated": "violated: ", "fixed": "fixed: ", "passed": "", "unjudged": "not judged: "}
MUST_NOT_WORDS = {**WORDS, "fixed": "no longer so: ", "passed": "avoided: "}
"""The statement names what may not be: passing means that it does not hold."""


def findings_html(found: Sequence[Finding], *, everything: bool = False) -> str:
    """A list of criteria with the judge's evidence; those that passed on both sides only where ``everything`` is asked for."""
    shown = [finding for finding in found if everything or finding.verdict in ("failed", "violated", "fixed")]
    lines = [_finding_html(finding) for finding in shown]
    met = sum(finding.verdict in ("passed", "fixed") for finding in found)
    if found and not everything:
        lines.append(f'<li class="ph-rest">{met} of {len(found)} criteria met</li>')
    return f'<ul class="ph-findings">{"".join(lines)}</ul>' if lines else ""


def _finding_html(finding: Finding) -> str:
    word = (MUST_NOT_WORDS if finding.must_not else WORDS)[finding.verdict]
    evidence = f' <span class="ph-soft">– {escaped(finding.evidence)}</span>' if finding.evidence else ""
    if finding.without:
        evidence += f' <span class="ph-soft">(it rests on: {escaped("; ".join(finding.without))})</span>'
    return f'<li class="ph-{finding.verdict}"><b>{MARKS[finding.verdict]}</b> {word}{escaped(finding.text)}{evidence}</li>'


def opinions_html(trial: Trial) -> str:
    """What each judge of a panel said, and by how much they disagree; nothing where one judge judged."""
    opinions = () if trial.judgment is None else trial.judgment.opinions
    if not opinions:
        return ""
    values = [opinion.value for opinion in opinions if opinion.value is not None]
    apart = f", {max(values) - min(values):.2f} apart" if len(values) > 1 else ""
    told = " · ".join(_opinion_html(opinion) for opinion in opinions)
    return f'<p class="ph-about">judges{apart}: {told}</p>'


def _opinion_html(opinion: Opinion) -> str:
    value = "–" if opinion.value is None else f"{opinion.value:.2f}"
    note = f' <span class="ph-soft">({escaped(opinion.note)})</span>' if opinion.note else ""
    return f"{escaped(opinion.judge)} <b>{value}</b>{note}"
