"""Transfer: a gain measured again with another judge or another generator than the search used. From settings to pipelines, and to the
runs that keep those trials: runs of their own, since a run's trials all come from one pipeline.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from data.errors import UsageError
from data.identity import content_id
from data.runs import RunRecord
from optimizer.compare import Exchanged
from optimizer.evaluate import Evaluator, Pipeline
from optimizer.events import Phase
from optimizer.transfer import PHASES
from ui.settings import Settings

if TYPE_CHECKING:
    from data.store import Store

KIND = "transfer"
"""The kind of these runs."""


def exchanges(settings: Settings) -> dict[Exchanged, Settings]:
    """The settings with each engine that is to be exchanged in its place; empty where none is."""
    specs = {Exchanged.JUDGE: settings.transfer.judge, Exchanged.GENERATOR: settings.transfer.generator}
    return {exchanged: _with(settings, exchanged.value, spec) for exchanged, spec in specs.items() if spec}


def _with(settings: Settings, section: str, spec: str) -> Settings:
    changed = getattr(settings, section).model_copy(update={"engine": spec})
    return settings.model_copy(update={section: changed})


def check_exchanged(pipeline: Pipeline, others: Mapping[Exchanged, Pipeline]) -> None:
    """UsageError where an engine would be exchanged for itself."""
    for exchanged, other in others.items():
        if other.identities == pipeline.identities:
            raise UsageError(
                f"transfer.{exchanged.value} is the run's own {exchanged.value}: that the gain holds there is what the confirmation says",
                hint=f"name another one, or leave --transfer-{exchanged.value} out",
            )


def transfer_run(run_id: str, exchanged: Exchanged) -> str:
    """The id of the run that keeps a run's trials with an engine exchanged."""
    return content_id("transfer", [run_id, exchanged.value])


def records(run_id: str, config: Mapping[str, Any], others: Mapping[Exchanged, Pipeline]) -> dict[Phase, RunRecord]:
    """The runs that keep the transfer's trials, by the phase these belong to."""
    now = datetime.now(UTC).isoformat(timespec="seconds")
    return {
        PHASES[exchanged]: RunRecord(
            transfer_run(run_id, exchanged),
            KIND,
            {"transfer_of": run_id, "exchanged": exchanged.value, "engine": config["transfer"][exchanged.value]},
            now,
        )
        for exchanged in others
    }


def evaluators(run_id: str, others: Mapping[Exchanged, Pipeline], beside: Evaluator, store: "Store") -> dict[Exchanged, Evaluator]:
    """An evaluator for each; what an earlier sitting has done is not done again."""
    return {exchanged: Evaluator(other, _scored(store, transfer_run(run_id, exchanged)), beside) for exchanged, other in others.items()}


def _scored(store: "Store", run_id: str) -> "dict[str, Any]":
    return {trial.id: trial for trial in store.trials(run_id) if trial.score is not None}
