"""Whether a run's judge can be relied on, found out before anything is spent: can it judge these prompts, these pictures; does it see at
all; has anybody measured how often it is right; is it more than the reasoner's own family judging itself.

What a judge is good for is measured elsewhere (ui/calibrating.py); here it is only looked up and said.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from data.errors import FailureKind, StageError, UsageError
from data.quotes import quoted
from data.records import CriterionKind, GeneratedImage, Judgment, Prompt
from optimizer.judges import Judge, JudgeRequest
from ui.engines.judges import JudgeSpec, judge_specs
from ui.settings import EngineSettings, Settings
from ui.spec import parse_spec

if TYPE_CHECKING:
    from optimizer.calibration.report import CalibrationReport
    from ui.wiring import Parts

TRIED = (("balloon", "red"), ("car", "blue"), ("fish", "orange"), ("house", "green"))
"""What is in the pictures that show whether a judge sees: things that nobody takes for each other."""
LEAST_SEEN = 3
"""In so many pictures, a judge has to find what is there likelier than what is in the next one. Who guesses manages that in 5 of 100 cases,
who answers 19 of 20 such questions right in 95."""

BUSY = (FailureKind.RATE_LIMITED, FailureKind.SERVER_ERROR, FailureKind.TIMEOUT)
"""Failures that pass: a run tries again and again, and finds out by itself."""


# -- can it judge these prompts


def check_judgeable(settings: Settings, prompts: Sequence[Prompt]) -> None:
    """UsageError where the judge can't score some of ``prompts``, or what the generator draws."""
    judges = judge_specs(settings.judge.engine)
    if any(judge.spec.kind == "scene" and not judge.spec.model for judge in judges) and not draws_scenes(settings):
        raise UsageError(
            f"the scene judge measures what the embedded painter draws, and {settings.generator.engine} draws other pictures",
            hint="name a judge that sees: --judge checklist:openai:gpt-4.1-mini, or checklist:openai:MODEL@http://localhost:8000/v1",
        )
    if all(judge.spec.kind == "preference" for judge in judges):
        raise UsageError(
            "a preference model is a monitor: it likes some pictures better, whatever was asked for",
            hint='put it beside a judge: --judge "panel: checklist:openai:gpt-4.1-mini + preference:REPOSITORY"',
        )
    _refuse_other_texts(prompts)
    unable = [(prompt, reasons) for prompt in prompts if (reasons := _reasons(judges, prompt))]
    if unable:
        (prompt, reasons), number = unable[0], len(unable)
        raise UsageError(
            f"{number} of {len(prompts)} prompts {' and '.join(reasons)}, the first: {prompt.text!r}",
            hint=_HINTS.get(judges[0].spec.kind, "`phoropter prompts checklist` writes checklists"),
        )


def _refuse_other_texts(prompts: Sequence[Prompt]) -> None:
    """Refuses checklists that were written from anything but the user's text: a judge would reward what a rewrite added."""
    for prompt in prompts:
        if prompt.checklist_from and " ".join(prompt.checklist_from.split()) != " ".join(prompt.text.split()):
            raise UsageError(
                f"the checklist of {prompt.text[:60]!r} was written from another text: {prompt.checklist_from[:60]!r}",
                hint="write it anew from what the user typed: `phoropter prompts checklist`",
            )


def _reasons(judges: Sequence[JudgeSpec], prompt: Prompt) -> list[str]:
    """Why none of ``judges`` can score ``prompt``; nothing where one can."""
    reasons = [_need(judge.spec.kind)(judge, prompt) for judge in judges if judge.spec.kind != "preference"]
    return list(dict.fromkeys(reasons)) if all(reasons) else []


def _need(kind: str) -> "Callable[[JudgeSpec, Prompt], str]":
    """What a kind of judge needs of a prompt; judges of one's own are promised a checklist."""
    return _NEEDS.get(kind, _needs_checklist if "." in kind else _nothing)


def _nothing(judge: JudgeSpec, prompt: Prompt) -> str:
    return ""


def _needs_checklist(judge: JudgeSpec, prompt: Prompt) -> str:
    return "" if prompt.checklist else "have no checklist to judge by"


def _needs_text(judge: JudgeSpec, prompt: Prompt) -> str:
    asked = quoted(prompt.text) or any(criterion.kind is CriterionKind.TEXT and criterion.check for criterion in prompt.checklist)
    return "" if asked else "ask for no words that could be read"


def _needs_checks(judge: JudgeSpec, prompt: Prompt) -> str:
    from data.checklists import paintable

    if not prompt.checklist:
        return "have no checklist to judge by"
    answerable = (criterion.check for criterion in prompt.checklist if criterion.check is not None)
    if judge.spec.model:
        return "" if any(answerable) else "have no criterion that a detector can answer"
    return "" if any(map(paintable, answerable)) else "have no criterion that pixels can answer"


_NEEDS: Mapping[str, Callable[[JudgeSpec, Prompt], str]] = {"checklist": _needs_checklist, "text": _needs_text, "scene": _needs_checks}
_HINTS = {
    "scene": "use --prompts scenes, or a judge that sees: --judge checklist:openai:MODEL",
    "text": "add a judge for the other prompts: a panel of both",
}


def draws_scenes(settings: Settings) -> bool:
    """Whether the generator may be one whose pictures the scene judge can measure: the embedded one, alone or in a pool, or one's own."""
    return parse_spec(settings.generator.engine.removeprefix("ray:")).kind not in ("diffusers", "lens", "images", "litellm")


# -- does it see at all


async def check_eyes(judges: Sequence[tuple[str, Judge]]) -> None:
    """Shows each judge four painted pictures; UsageError where one can't tell what is in them. Eight small calls."""
    for name, judge in judges:
        requests = list(_questions())
        outcomes = await judge([request for pair in requests for request in pair])
        if any(isinstance(outcome, StageError) and outcome.kind in BUSY for outcome in outcomes):
            continue
        _refuse_failures(name, outcomes)
        values = [outcome.value if isinstance(outcome, Judgment) else 0.0 for outcome in outcomes]
        seen = sum(right > wrong for right, wrong in zip(values[::2], values[1::2], strict=True))
        if seen < LEAST_SEEN:
            raise UsageError(
                f"{name} does not seem to see: of {len(TRIED)} painted pictures it told {seen} from what they do not show",
                hint="name a model with vision, and look at how well it sees: `phoropter judge calibrate SPEC`",
            )


def _questions() -> Iterator[tuple[JudgeRequest, JudgeRequest]]:
    """A picture with what is in it, and the same with what is in the next one."""
    from generator.embedded.painter import paint, to_png
    from generator.embedded.picture import Group, Picture

    prompts = [_asked(kind, color) for kind, color in TRIED]
    for number, (kind, color) in enumerate(TRIED):
        png = to_png(paint(Picture((Group(kind, color, 1),), "snow", seed=number)))
        image = GeneratedImage(f"a look at {number}", 512, 512, content=png)
        yield JudgeRequest(prompts[number], image), JudgeRequest(prompts[(number + 1) % len(prompts)], image)


def _asked(kind: str, color: str) -> Prompt:
    from data.checklists import scene_checklist
    from data.scene import Scene, Thing

    scene = Scene((Thing((kind,), least=1, most=1, color=color),), only=False)
    return Prompt(f"one {color} {kind}", scene_checklist(scene))


def _refuse_failures(name: str, outcomes: Sequence[Judgment | Exception]) -> None:
    """UsageError where the judge can't look at pictures at all. One that can't tell of some what they show sees them badly, no more."""
    failures = [outcome for outcome in outcomes if isinstance(outcome, Exception)]
    for failure in failures:
        if not isinstance(failure, StageError):
            raise failure
        if failure.kind is not FailureKind.UNSUPPORTED or len(failures) == len(outcomes):
            raise UsageError(f"the judge {name} can't look at pictures: {failure}", hint=failure.hint) from None


# -- can it be trusted


class Standing(NamedTuple):
    """What is known of a run's judge: its ``calibration`` (None: nobody measured it), and in words what to beware of."""

    calibration: "CalibrationReport | None"
    warnings: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """As a run keeps it of its judge, and its report shows it."""
        grade = None if self.calibration is None else self.calibration.verdict.value
        return {"calibrated": grade, "warnings": list(self.warnings)}


def standing(settings: Settings, parts: "Parts") -> Standing:
    """What is on record of the judge of ``settings``, and who it is kin to."""
    from ui.calibrating import calibration_of

    identity = parts.pipeline.judge.identity
    report = calibration_of(parts.store, identity)
    warnings = [*_calibration_warnings(settings, report), *_family_warnings(settings)]
    return Standing(report, tuple(warnings))


def _calibration_warnings(settings: Settings, report: "CalibrationReport | None") -> Iterator[str]:
    if report is None:
        yield f"not calibrated, so nobody knows how often it is right; to find out: phoropter judge calibrate '{settings.judge.engine}'"
        return
    yield from report.warnings


def _family_warnings(settings: Settings) -> Iterator[str]:
    from optimizer.judges.families import alone

    judges = judge_specs(settings.judge.engine)
    if not any(judge.model for judge in judges):
        return
    # A judge that asks no model is nobody's kin, nor is one whose maker is not known.
    families = [judge.family for judge in judges if judge.spec.kind != "preference"]
    writers = [family for section in (settings.reasoner, settings.proposer) if (family := writer_family(section))]
    if said := alone(families, writers):
        yield said


def writer_family(settings: EngineSettings) -> str:
    """Who made the language model of a reasoner or a proposer; "" where there is none, or nobody knows."""
    from optimizer.judges.families import family_of

    spec = parse_spec(settings.engine)
    name = {"shared": "gpt-oss", "dspy": str(spec.parameters.get("lm", ""))}.get(spec.kind, spec.model)
    return "" if "." in spec.kind or spec.kind == "embedded" else family_of(name)
