"""Judges, by the kind of their spec. Those with eyes name a language model behind their kind: ``checklist:openai:MODEL@http://host:8000/v1``."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

from data.chat import ChatEngine
from data.errors import UsageError
from data.remote.errors import Wording
from optimizer.judges import Judge
from ui.engines.building import Building, from_parameters, of_spec
from ui.engines.chat import CHAT_ENGINES
from ui.settings import EngineSettings, prepare_models
from ui.spec import Spec, parse_spec, unknown

if TYPE_CHECKING:
    from optimizer.judges.pairwise import PairwiseJudge

JUDGING = Wording(
    section="judge",
    serves="vision model",
    delivers="a verdict",
    shorten="shorten the checklist, lower judge.max_tokens, or serve a longer context",
    smaller="lower judge.max_tokens",
    shrink="write a smaller side=… among the judge's parameters",
)
FAMILY, WEIGHT = "family", "weight"
OF_MEMBERS = (FAMILY, WEIGHT)
"""Parameters that any judge's spec may have: who made its model, and how much it counts in a panel."""
OF_EYES = ("side", "format", "per_item", "global_weight", "max_tokens")
"""Parameters of judges with eyes; the others in their specs are the model's."""
EYES = ("checklist", "vqa", "pairwise")
"""The kinds that ask a vision model."""
PANEL = "panel:"
_PLUS = re.compile(r"\s\+\s")


class JudgeSpec(NamedTuple):
    """One judge as asked for: its ``spec`` without the parameters that any judge may have, its ``family`` and ``weight``, None where not
    given."""

    spec: Spec
    family: str
    weight: float | None

    @property
    def model(self) -> Spec | None:
        """The language model behind a judge with eyes."""
        return parse_spec(self.spec.text.partition(":")[2]) if self.spec.kind in EYES and self.spec.model else None


def judge_specs(text: str) -> list[JudgeSpec]:
    """The judges that ``text`` names: one, or a panel's. UsageError where it can't be meant."""
    if not text.strip().startswith(PANEL):
        return [_judge_spec(text)]
    members = [part.strip() for part in _PLUS.split(text.strip().removeprefix(PANEL)) if part.strip()]
    if len(members) < 2:
        raise UsageError(
            f"{text!r} names no panel", hint='write several judges with " + " between them: "panel: checklist:openai:A + text"'
        )
    return [_judge_spec(member) for member in members]


def _judge_spec(text: str) -> JudgeSpec:
    spec = parse_spec(text)
    if spec.kind == PANEL.rstrip(":"):
        raise UsageError("a panel in a panel", hint="name all judges in one")
    weight = spec.parameters.get(WEIGHT)
    if weight is not None and (isinstance(weight, bool | str) or not 0 < weight < float("inf")):
        raise UsageError(f"{text!r}: weight is a number above 0, not {weight!r}", hint="leave it out for 1")
    rest = {name: value for name, value in spec.parameters.items() if name not in OF_MEMBERS}
    judge = JudgeSpec(replace(spec, parameters=rest), str(spec.parameters.get(FAMILY, "")), weight)
    return judge._replace(family=judge.family or _family(judge))


def _family(judge: JudgeSpec) -> str:
    from optimizer.judges.families import family_of

    return "" if judge.model is None else family_of(judge.model.model)


def build_judge(building: Building) -> Judge:
    """The judge that the settings name, or the panel of them."""
    settings = building.settings.judge
    named = judge_specs(settings.engine)
    if len(named) == 1:
        return _built(named[0], settings, building)
    from optimizer.judges.panel import Member, Panel

    members = [
        Member(
            _built(one, settings, building),
            name=_name(one),
            weight=one.weight,
            family=one.family,
            monitor=one.spec.kind in MONITORS,
        )
        for one in named
    ]
    return Panel(members)


def _name(judge: JudgeSpec) -> str:
    """What people know a judge by: its kind and model, without addresses and folders."""
    model = judge.spec.model if judge.model is None else judge.model.model
    return f"{judge.spec.kind}:{model.rstrip('/').rpartition('/')[2]}" if model else judge.spec.kind


def _built(judge: JudgeSpec, settings: EngineSettings, building: Building) -> Judge:
    spec = judge.spec
    if spec.kind == "pairwise":
        raise UsageError(
            "a pairwise judge compares two images, and can't score one",
            hint=f"write checklist:{spec.text.partition(':')[2]}; `phoropter judge calibrate {spec.text}` says how well it compares",
        )
    made = of_spec("judge", JUDGES, spec, settings, building)
    if spec.kind in EYES:
        building.eyes.append((_name(judge), made))
    return made


def build_pairwise(text: str, building: Building) -> "PairwiseJudge":
    """The judge of pairs that ``text`` names."""
    from optimizer.judges.pairwise import PairwiseJudge

    judge = _judge_spec(text)
    engine, own = _model(judge.spec, building.settings.judge, building)
    return _with(PairwiseJudge, judge.spec, own, building.settings.judge, engine=engine)


# -- one function per kind


def _scene(spec: Spec, settings: EngineSettings, building: Building) -> Judge:
    """``scene:package.module:factory``: over a detector of one's own."""
    if spec.model:
        detector = parse_spec(spec.model)
        if "." not in detector.kind:
            raise UsageError(f"{spec.text!r} names no detector of yours", hint="write scene:package.module:factory, or just scene")
        from optimizer.judges.detection import DetectionJudge

        return DetectionJudge(of_spec("detector", {}, detector, settings, building))
    from optimizer.judges.scene import SceneJudge

    return SceneJudge()


def _checklist(spec: Spec, settings: EngineSettings, building: Building) -> Judge:
    from optimizer.judges.checklist import ChecklistJudge

    engine, own = _model(spec, settings, building)
    return _with(ChecklistJudge, spec, own, settings, engine=engine)


def _vqa(spec: Spec, settings: EngineSettings, building: Building) -> Judge:
    from optimizer.judges.vqa import VqaJudge

    engine, own = _model(spec, settings, building)
    return _with(VqaJudge, spec, own, settings, engine=engine)


def _with(build: Callable[..., Any], spec: Spec, own: Mapping[str, Any], settings: EngineSettings, **given: Any) -> Any:
    import inspect

    if "max_tokens" in inspect.signature(build).parameters:
        own = {"max_tokens": settings.max_tokens, **own}
    return from_parameters(build, replace(spec, parameters=own), **given)


def _model(spec: Spec, settings: EngineSettings, building: Building) -> tuple[ChatEngine, dict[str, Any]]:
    """The vision model behind a judge, and which of the spec's parameters are the judge's own."""
    example = f"write for example {spec.kind}:openai:gpt-4.1-mini, or {spec.kind}:openai:MODEL@http://localhost:8000/v1"
    if not spec.model:
        raise UsageError(f"{spec.text!r} names no vision model", hint=example)
    inner = parse_spec(spec.text.partition(":")[2])
    if inner.kind in ("embedded", "shared"):
        raise UsageError(f"{spec.text!r}: {inner.kind} has no eyes", hint=example)
    if inner.kind not in CHAT_ENGINES:
        raise UsageError(str(unknown("way to a vision model", inner.kind, SEEING)), hint=example)
    own = {name: value for name, value in spec.parameters.items() if name in OF_EYES}
    _check_own(spec, own)
    rest = {name: value for name, value in spec.parameters.items() if name not in OF_EYES}
    engine = CHAT_ENGINES[inner.kind](replace(inner, parameters=rest), settings, replace(building, wording=JUDGING))
    return engine, own


def _check_own(spec: Spec, own: Mapping[str, Any]) -> None:
    """UsageError where a value can't be meant."""
    for name, value in own.items():
        want = _WANTS[name]
        if not want.holds(value):
            raise UsageError(f"{spec.text!r}: {name} is {want.words}, not {value!r}", hint=f"for example {name}={want.example}")


class _Want(NamedTuple):
    """What a parameter of a judge has to be."""

    words: str
    example: str
    holds: Callable[[object], bool]


def _whole(least: int) -> Callable[[object], bool]:
    return lambda value: isinstance(value, int) and not isinstance(value, bool) and value >= least


def _share(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 1


def _one_of(*values: object) -> Callable[[object], bool]:
    return lambda value: any(value is one or (isinstance(value, str) and value == one) for one in values)


_WANTS: Mapping[str, _Want] = {
    "side": _Want("a whole number of pixels from 64", "1024", _whole(64)),
    "max_tokens": _Want("a whole number from 16", "2048", _whole(16)),
    "global_weight": _Want("a number from 0 to below 1", "0.3", _share),
    "format": _Want("png or jpeg", "png", _one_of("png", "jpeg")),
    "per_item": _Want("true or false", "true", _one_of(True, False)),
}


def _text(spec: Spec, settings: EngineSettings, building: Building) -> Judge:
    """``text``, ``text:tesseract``, ``text:rapidocr+tesseract``."""
    from optimizer.judges.text import TextJudge, readers

    return from_parameters(TextJudge, spec, readers=readers(spec.model))


def _preference(spec: Spec, settings: EngineSettings, building: Building) -> Judge:
    if not spec.model:
        raise UsageError(
            f"{spec.text!r} names no model", hint="write for example preference:yuvalkirstain/PickScore_v1, or preference:./folder"
        )
    prepare_models()
    from optimizer.judges.preference import load_preference

    return from_parameters(load_preference, spec, source=spec.model)


SEEING: Sequence[str] = tuple(kind for kind in CHAT_ENGINES if kind not in ("embedded", "shared"))
MONITORS = ("preference",)
"""Kinds that may only watch: what they like is easily pleased, and is no measure of what was asked for."""
JUDGES: Mapping[str, Callable[[Spec, EngineSettings, Building], Judge]] = {
    "scene": _scene,
    "checklist": _checklist,
    "vqa": _vqa,
    "text": _text,
    "preference": _preference,
}
