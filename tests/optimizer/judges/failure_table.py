"""What becomes of each way in which a vision model misbehaves as a judge, found by asking it through the checklist judge, and
docs/judge-failures.md, written from that.

``python -m tests.optimizer.judges.failure_table`` rewrites the page; tests/optimizer/judges/test_failure_table.py says when it is out of
date.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from data.checklists import GLOBAL_CRITERIA
from data.errors import StageError
from data.records import GeneratedImage, Judgment
from generator.embedded.painter import paint, to_png
from generator.embedded.picture import picture_of
from optimizer.judges import JudgeRequest
from optimizer.judges.checklist import ChecklistJudge
from optimizer.testserver import TRAITS, ChatServer, Trait, serving_eyes
from optimizer.testserver.faults import truthful
from optimizer.testserver.known import shipped_prompts
from reasoner.engines.openai import openai_engine
from tests.reasoner.failure_table import _failed, _table, listening
from ui.engines.judges import JUDGING

PAGE = Path(__file__).resolve().parents[3] / "docs" / "judge-failures.md"
COMMAND = "python -m tests.optimizer.judges.failure_table"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a judgment, how many requests it took, and what was said to the user beside it."""

    result: Judgment | StageError
    requests: int
    notices: tuple[str, ...]


@cache
def request() -> JudgeRequest:
    """A painted scene, and the prompt that it shows."""
    prompt = next(prompt for prompt in shipped_prompts() if prompt.scene is not None)
    assert prompt.scene is not None
    return JudgeRequest(prompt, GeneratedImage("0" * 64, 512, 512, content=to_png(paint(picture_of(prompt.scene, 1)))))


async def outcome(server: ChatServer, model: str) -> Outcome:
    """Judges the request by an engine and a judge of its own."""
    before = len(server.requests)
    engine = openai_engine(model, urls=[server.url], api_key=None, parameters={}, most=8, timeout=60.0, wording=JUDGING)
    with listening() as notices:
        try:
            (judged,) = await ChecklistJudge(engine)([request()])
        finally:
            await engine.aclose()
    assert isinstance(judged, Judgment | StageError), judged
    return Outcome(judged, len(server.requests) - before, tuple(notices))


def shown() -> dict[str, Trait]:
    """The models on the page: those that do not err, but for their server or the form of their answers."""
    return {name: trait for name, trait in TRAITS.items() if trait.fault is truthful and trait.first == 0}


async def page() -> str:
    """docs/judge-failures.md, from what every model comes to now."""
    failed: list[Sequence[str]] = []
    judged: list[Sequence[str]] = []
    with serving_eyes(known=()) as server:
        for name, trait in shown().items():
            found = await outcome(server, name)
            row = (f"`{name}`", trait.description, str(found.requests))
            if isinstance(found.result, StageError):
                failed.append((*row, *_failed(found.result)))
            else:
                judged.append((*row, _judged(found.result), "; ".join(found.notices)))
    text = TEXT.format(
        command=COMMAND,
        text=request().prompt.text,
        statements=len(request().prompt.checklist) + len(GLOBAL_CRITERIA),
        failed=_table(("model", "at the far side", "requests", "kind", "tried again", "message", "what to do"), failed),
        judged=_table(("model", "at the far side", "requests", "the judgment", "said once"), judged),
        erring=_table(
            ("model", "what it does"), [(f"`{name}`", trait.description) for name, trait in TRAITS.items() if name not in shown()]
        ),
    )
    return text.replace(server.url, "ENDPOINT")


def _judged(judgment: Judgment) -> str:
    unclear = [score for score in judgment.scores if score.score is None]
    parts = [f"value {judgment.value:.2f}"]
    if unclear:
        parts.append(f"{len(unclear)} of {len(judgment.scores)} statements abstain: {unclear[0].evidence}")
    if not all(score.evidence for score in judgment.scores):
        parts.append("no evidence")
    return "; ".join(parts)


TEXT = """# Failures of judges with eyes

<!-- Written by `{command}` from what happens when it runs. Edits by hand are lost. -->

What can go wrong with any server stands in [failures.md](failures.md), together with what becomes of a failure. Here is what only a vision
model can do that is asked to judge. Each row was found by asking the test server through the checklist judge, about a picture that shows
"{text}": {statements} statements, those of the checklist and those asked of every picture.
`python -m optimizer.testserver` runs the server by hand, and the model's name chooses what it does. ENDPOINT stands for its address;
"requests" is how many one judgment took.

An answer that is not there is never made up. A statement without an answer is asked once more, and then abstains: it drops out of the
value. Where more than half of a checklist stays without an answer, the judgment fails. A failure is never a score.

{failed}

## What ends well

The picture is as it should be, so the value is 1 unless the model is less than sure.

{judged}

## What no judgment shows

These models answer in good form, and err. A single answer does not show it; a calibration does, and names it. Numbers in names are per
cent, and may be others.

{erring}
"""


if __name__ == "__main__":
    PAGE.write_text(asyncio.run(page()), encoding="utf-8")
    print(f"wrote {PAGE}")
