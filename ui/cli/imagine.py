"""``phoropter imagine``: one text all the way: rewritten, drawn, judged, and put on record."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ui.cli.options import (
    Cluster,
    GeneratorSpec,
    GuardSpec,
    Home,
    Json,
    JudgeSpec,
    Ledger,
    Profile,
    ReasonerSpec,
    SystemPromptName,
    resolved,
)
from ui.cli.rewrite import Text

if TYPE_CHECKING:
    from data.blobs import ImageFiles
    from data.records import GeneratedImage, Judgment, Prompt, Trial, TrialRequest
    from ui.settings import Settings
    from ui.wiring import Parts


def imagine(
    context: typer.Context,
    text: Text,
    system_prompt: SystemPromptName = "general",
    seed: Annotated[int, typer.Option(help="Another number, another picture.", min=0, metavar="N")] = 1,
    out: Annotated[Path | None, typer.Option(help="Also write the picture to this file, a PNG.", metavar="FILE")] = None,
    profile: Profile = None,
    home: Home = None,
    ledger: Ledger = None,
    reasoner: ReasonerSpec = None,
    generator: GeneratorSpec = None,
    guard: GuardSpec = None,
    cluster: Cluster = None,
    judge: JudgeSpec = None,
    json: Json = False,
) -> None:
    """Rewrite, draw and judge one text."""
    from data.records import TrialRequest
    from ui.cli.opening import parts, run_to_end
    from ui.cli.opening import system_prompt as find_system_prompt
    from ui.cli.output import print_json
    from ui.cli.rewrite import refuse_empty
    from ui.keeping import with_trial

    refuse_empty(text)
    settings = resolved(context).settings
    prompt = _prompt(text, settings)
    instructions = find_system_prompt(system_prompt, settings)
    with parts(settings) as made:
        request = TrialRequest(instructions, prompt, sample=0, seed=seed)
        run_id = _run_id(request, made)
        trial = run_to_end(_carried_out(request, run_id, made), lambda: "phoropter imagine …")
        if out is not None and trial.image is not None:
            _copy(with_trial(made.images.read(trial.image.sha256), trial), out)
        if json:
            print_json({"run": run_id, "kind": "imagine", **trial_to_json(trial)})
        else:
            print_trial(trial, run_id, made.images, out)
    if trial.image is None:
        raise typer.Exit(1)


def _prompt(text: str, settings: "Settings") -> "Prompt":
    """The text as a prompt; where the judge goes by a checklist, with the one that it can be read as."""
    from data.records import Prompt
    from ui.cli.free_text import checklist_of
    from ui.engines import judge_specs
    from ui.judging import draws_scenes

    kinds = {judge.spec.kind for judge in judge_specs(settings.judge.engine)}
    listed = "checklist" in kinds or ("scene" in kinds and draws_scenes(settings))
    return Prompt(text, checklist_of(text) if listed else ())


def _run_id(request: "TrialRequest", parts: "Parts") -> str:
    from data.identity import content_id

    pipeline = parts.pipeline
    identities = [pipeline.reasoner.identity, pipeline.generator.identity, pipeline.judge.identity]
    return content_id("run", ["imagine", identities, request.system_prompt.id, request.prompt.id, request.sample, request.seed])


async def _carried_out(request: "TrialRequest", run_id: str, parts: "Parts") -> "Trial":
    from datetime import UTC, datetime

    from data.runs import RunRecord
    from optimizer.evaluate import Evaluator

    config = {"text": request.prompt.text, "system_prompt": request.system_prompt.id, "seed": request.seed}
    async with parts.closing, Evaluator(parts.pipeline) as evaluator:
        trial = await evaluator.run(request)
    parts.store.add_run(RunRecord(run_id, "imagine", config, datetime.now(UTC).isoformat(timespec="seconds")))
    parts.store.add_trials(run_id, [trial])
    return trial


def _copy(png: bytes, out: Path) -> None:
    from data.errors import UsageError

    try:
        out.write_bytes(png)
    except OSError as error:
        raise UsageError(f"{out} can't be written: {error.strerror}", hint="choose another --out; the picture is in the ledger") from None


def trial_to_json(trial: "Trial") -> dict[str, Any]:
    """A trial as JSON: what each stage made, or the failure that ended it."""
    from data.codec import failure_json
    from ui.cli.rewrite import rewrite_to_json

    rewrite, image, request = trial.rewrite, trial.image, trial.request
    return {
        "trial": trial.id,
        "prompt": request.prompt.text,
        "system_prompt": {"id": request.system_prompt.id, "name": request.system_prompt.name},
        "seed": request.seed,
        "rewrite": None if rewrite is None else rewrite_to_json(rewrite),
        "image": None if image is None else image_to_json(image),
        "score": trial.score,
        "criteria": criteria_to_json(trial),
        "opinions": opinions_to_json(trial),
        "failure": None if trial.failure is None else failure_json(trial.failure),
    }


def image_to_json(image: "GeneratedImage") -> dict[str, Any]:
    """An image as JSON, without its pixels."""
    return {
        "sha256": image.sha256,
        "width": image.width,
        "height": image.height,
        "flaws": list(image.flaws),
        "revised_prompt": image.revised_prompt,
        "batch": image.batch,
    }


def criteria_to_json(trial: "Trial") -> list[dict[str, Any]]:
    """Each criterion with its score, whether it holds (None: the judge abstained), and the evidence."""
    from data.checklists import judged_criteria
    from optimizer.judges.aggregate import passed

    scores = {score.id: score for score in trial.judgment.scores} if trial.judgment is not None else {}
    rows: list[dict[str, Any]] = []
    for criterion in judged_criteria(trial.request.prompt, trial.judgment):
        score = scores.get(criterion.id)
        value = None if score is None else score.score
        rows.append(
            {
                "id": criterion.id,
                "text": criterion.text,
                "need": criterion.need.value,
                "score": value,
                "passed": None if value is None else passed(criterion, value),
                "evidence": "" if score is None else score.evidence,
            }
        )
    return rows


def opinions_to_json(trial: "Trial") -> list[dict[str, Any]]:
    """What each judge of a panel said; empty where one judge judged."""
    opinions = trial.judgment.opinions if trial.judgment is not None else ()
    return [
        {"judge": opinion.judge, "value": opinion.value, "weight": opinion.weight, "family": opinion.family, "note": opinion.note}
        for opinion in opinions
    ]


def _apart(judgment: "Judgment") -> str:
    """By how much a panel's judges disagree, where there is one."""
    from optimizer.judges.panel import disagreement

    apart = disagreement(judgment)
    return "" if apart is None else f"   its judges are {apart:.2f} apart"


def print_trial(trial: "Trial", run_id: str, images: "ImageFiles", out: Path | None = None) -> None:
    """A trial for people: the rewrite, where the picture is, and what holds of the checklist."""
    from data.errors import FailureKind
    from data.identity import short
    from ui.cli.output import console, figure

    screen = console()
    if trial.rewrite is not None:
        screen.print(f"rewrite   {trial.rewrite.text}")
        for note in trial.rewrite.drift:
            screen.print(f"drift     {note}")
        for note in trial.rewrite.flaws:
            screen.print(f"flaw      {note}")
    if trial.image is not None:
        print(f"picture   {out or images.path(trial.image.sha256)}", flush=True)
        for flaw in trial.image.flaws:
            screen.print(f"flaw      {flaw}")
        if trial.image.revised_prompt:
            screen.print(f"drawn     {trial.image.revised_prompt}")
    if trial.judgment is not None:
        screen.print(f"score     {figure(trial.score)}{_apart(trial.judgment)}")
        for row in criteria_to_json(trial):
            mark = "–" if row["passed"] is None else "✓" if row["passed"] else "✗"
            forbidden = "must not be: " if row["need"] == "must_not" else ""
            evidence = f"   {row['evidence']}" if row["evidence"] else ""
            screen.print(f"  {mark} {forbidden}{row['text']}{evidence}")
        for opinion in trial.judgment.opinions:
            note = f"   {opinion.note}" if opinion.note else ""
            screen.print(f"judge     {figure(opinion.value)} {opinion.judge}{note}")
    elif not trial.request.prompt.checklist and trial.image is not None and trial.failure is not None:
        unlisted = trial.failure.kind is FailureKind.UNSUPPORTED
        why = "no checklist can be read off this text; `phoropter prompts checklist` writes them" if unlisted else trial.failure.message
        screen.print(f"score     not judged: {why}")
    elif trial.failure is not None:
        blocked = trial.failure.kind is FailureKind.BLOCKED
        what = "blocked  " if blocked else f"failed    {trial.failure.stage.value}, {trial.failure.kind.value}:"
        screen.print(f"{what} {trial.failure.message}")
        if trial.failure.hint:
            screen.print(f"hint      {trial.failure.hint}")
    screen.print(f"run       {short(run_id)}")
