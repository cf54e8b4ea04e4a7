"""Records to rows of the ledger and back. Knows the columns' names, and nothing of databases."""

from collections.abc import Mapping, Sequence
from typing import Any

from data.errors import FailureKind, Stage
from data.identity import content_id
from data.records import (
    Criterion,
    CriterionScore,
    Derivation,
    Failure,
    GeneratedImage,
    Judgment,
    Operation,
    Opinion,
    Prompt,
    Rewrite,
    Split,
    SystemPrompt,
    Trial,
    Usage,
)
from data.scene import Scene

Row = dict[str, Any]


def storable(text: str) -> str:
    """``text`` without what a database refuses: NUL (PostgreSQL) and lone surrogates (both). Models do send them."""
    if text.isascii() and "\0" not in text:
        return text
    return text.replace("\0", "\ufffd").encode("utf-8", "replace").decode("utf-8")


def system_prompt_row(identifier: str, system_prompt: SystemPrompt) -> Row:
    return {"id": identifier, "text": system_prompt.text, "name": system_prompt.name}


def system_prompt_of(row: Mapping[str, Any]) -> SystemPrompt:
    return SystemPrompt(row["text"], row["name"])


def prompt_row(identifier: str, prompt: Prompt) -> Row:
    return {
        "id": identifier,
        "text": prompt.text,
        "language": prompt.language,
        "category": prompt.category,
        "split": prompt.split.value,
        "tags": list(prompt.tags),
        "scene": prompt.scene.to_json() if prompt.scene is not None else None,
        "checklist": [criterion.to_json() for criterion in prompt.checklist],
        "checklist_from": prompt.checklist_from,
    }


def prompt_of(row: Mapping[str, Any]) -> Prompt:
    return Prompt(
        text=row["text"],
        checklist=tuple(Criterion.from_json(entry) for entry in row["checklist"]),
        category=row["category"],
        language=row["language"],
        split=Split(row["split"]),
        tags=tuple(row["tags"]),
        scene=Scene.from_json(row["scene"]) if row["scene"] is not None else None,
        checklist_from=row["checklist_from"],
    )


def rewrite_row(key: str, rewrite: Rewrite) -> Row:
    row: Row = {
        "text": storable(rewrite.text),
        "reasoning": storable(rewrite.reasoning),
        "drift": [storable(entry) for entry in rewrite.drift],
        "flaws": [storable(entry) for entry in rewrite.flaws],
        "removed": [storable(entry) for entry in rewrite.removed],
        "tokens": rewrite.tokens,
        "seed": rewrite.seed,
        "aspect_ratio": storable(rewrite.aspect_ratio),
    }
    return _result(key, row, rewrite.usage, rewrite.latency)


def rewrite_of(row: Mapping[str, Any]) -> Rewrite:
    return Rewrite(
        text=row["text"],
        reasoning=row["reasoning"],
        drift=tuple(row["drift"]),
        flaws=tuple(row["flaws"]),
        removed=tuple(row["removed"]),
        tokens=row["tokens"],
        seed=row["seed"],
        aspect_ratio=row["aspect_ratio"],
        usage=usage_of(row),
        latency=row["latency"],
    )


def image_row(key: str, image: GeneratedImage) -> Row:
    row: Row = {
        "sha256": image.sha256,
        "width": image.width,
        "height": image.height,
        "flaws": [storable(entry) for entry in image.flaws],
        "revised_prompt": storable(image.revised_prompt),
        "batch": image.batch,
    }
    return _result(key, row, image.usage, image.latency)


def image_of(row: Mapping[str, Any]) -> GeneratedImage:
    return GeneratedImage(
        sha256=row["sha256"],
        width=row["width"],
        height=row["height"],
        flaws=tuple(row["flaws"]),
        revised_prompt=row["revised_prompt"],
        batch=row["batch"],
        usage=usage_of(row),
        latency=row["latency"],
    )


def judgment_row(key: str, judgment: Judgment) -> Row:
    row: Row = {
        "value": float(judgment.value),
        "scores": _scores_json(judgment.scores),
        "opinions": [_opinion_json(opinion) for opinion in judgment.opinions],
    }
    return _result(key, row, judgment.usage, judgment.latency)


def judgment_of(row: Mapping[str, Any]) -> Judgment:
    opinions = tuple(map(_opinion_of, row["opinions"]))
    return Judgment(row["value"], _scores_of(row["scores"]), usage_of(row), row["latency"], opinions)


def _opinion_json(opinion: Opinion) -> Row:
    return {
        "judge": opinion.judge,
        "value": opinion.value,
        "weight": opinion.weight,
        "family": opinion.family,
        "note": storable(opinion.note),
        "scores": _scores_json(opinion.scores),
    }


def _opinion_of(record: Mapping[str, Any]) -> Opinion:
    scores = _scores_of(record["scores"])
    return Opinion(record["judge"], record["value"], record["weight"], record["family"], record["note"], scores)


def _scores_json(scores: Sequence[CriterionScore]) -> list[Any]:
    return [[entry.id, entry.score, storable(entry.evidence)] for entry in scores]


def _scores_of(record: Sequence[Any]) -> tuple[CriterionScore, ...]:
    return tuple(CriterionScore(identifier, score, evidence) for identifier, score, evidence in record)


_USED = ("key", "digest", "input_tokens", "output_tokens", "cached_tokens", "reasoning_tokens", "cost", "latency", "batch")
_LATER: Row = {"flaws": [], "removed": [], "tokens": None, "seed": None, "aspect_ratio": "", "revised_prompt": "", "opinions": []}
"""Columns that came with later revisions, as they stand in rows from before: left out there, so that old digests hold."""


def digest_of(row: Mapping[str, Any]) -> str:
    """The hash of what a result's row says, without what it cost: 16 hex digits, to tell apart the few answers to one key."""
    told = {name: value for name, value in row.items() if name not in _USED and (name not in _LATER or value != _LATER[name])}
    return content_id("result", told)[3:19]


def _result(key: str, row: Row, usage: Usage, latency: float) -> Row:
    digest = digest_of(row)
    row.update(key=key, digest=digest, latency=latency, **usage_json(usage))
    return row


def usage_json(usage: Usage) -> Row:
    return {
        "input_tokens": usage.input_tokens,
        "output_tokens": usage.output_tokens,
        "cached_tokens": usage.cached_tokens,
        "reasoning_tokens": usage.reasoning_tokens,
        "cost": usage.cost,
    }


def usage_of(row: Mapping[str, Any]) -> Usage:
    return Usage(row["input_tokens"], row["output_tokens"], row["cost"], row["cached_tokens"], row["reasoning_tokens"])


def failure_json(failure: Failure) -> Row:
    return {
        "stage": failure.stage.value,
        "kind": failure.kind.value,
        "message": storable(failure.message),
        "retryable": failure.retryable,
        "hint": storable(failure.hint),
        "attempts": failure.attempts,
        "usage": usage_json(failure.usage),
    }


def failure_of(record: Mapping[str, Any]) -> Failure:
    return Failure(
        stage=Stage(record["stage"]),
        kind=FailureKind(record["kind"]),
        message=record["message"],
        retryable=record["retryable"],
        hint=record["hint"],
        attempts=record["attempts"],
        # Failures from before revision 0002 do not say.
        usage=usage_of(record["usage"]) if "usage" in record else Usage(),
    )


def trial_row(run_id: str, trial: Trial, prompt_id: str, system_prompt_id: str) -> Row:
    """The trial's own row; the keys and digests of what it reached are filled in by who writes those."""
    return {
        "run_id": run_id,
        "id": trial.id,
        "scored": trial.judgment is not None,
        "system_prompt_id": system_prompt_id,
        "prompt_id": prompt_id,
        "sample": trial.request.sample,
        "seed": trial.request.seed,
        "look": trial.request.look,
        "rewrite_key": None,
        "rewrite_digest": None,
        "image_key": None,
        "image_digest": None,
        "judgment_key": None,
        "judgment_digest": None,
        "score": trial.score,
        "failure": failure_json(trial.failure) if trial.failure is not None else None,
    }


def derivation_row(run_id: str, ordinal: int, derivation: Derivation) -> Row:
    return {
        "run_id": run_id,
        "ordinal": ordinal,
        "child_id": derivation.child.id,
        "parents": list(derivation.parents),
        "operation": derivation.operation.value,
        "reason": storable(derivation.reason),
    }


def derivation_of(row: Mapping[str, Any], child: SystemPrompt) -> Derivation:
    return Derivation(child, tuple(row["parents"]), Operation(row["operation"]), row["reason"])
