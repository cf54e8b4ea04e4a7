"""Intent by entailment, put together: a finished run's rewrites from the ledger, a language model that reads them, and its answers kept.

The answers are the events of a run of kind "intent", each under the content of its question. So the same command again pays nothing, nor
does another arm or run whose rewrites are the same. What is asked, and what the answers mean, is decided in optimizer/entailment.py.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from data.chat import Chat, ChatEngine, Completion
from data.errors import Stage as StageName
from data.errors import StageError, UsageError
from data.identity import content_id, derived_seed, short
from data.records import Trial
from data.remote.errors import Wording
from data.runs import RunRecord
from data.usage import Usage
from optimizer.authoring import Ask, Author, Unanswered, gathered
from optimizer.entailment import Finding, IntentArm, finding, intent_arms
from optimizer.stage import Stage
from ui.authoring import JournaledAsk, Tally, Watch, question_key
from ui.engines import Building, stage_limits
from ui.engines.building import engine
from ui.engines.chat import CHAT_ENGINES
from ui.journal import Outcome, outcome_of, outcome_to_json
from ui.settings import EngineSettings, Settings
from ui.views import RunView, confirmed_trials, place_of, run_view

if TYPE_CHECKING:
    from data.store import Store

KIND = "intent"
"""The kind of such runs."""
ANSWER = "answer"
"""An event: what became of one question."""
READING = Wording(
    section="judge",
    delivers="a verdict",
    shorten="lower judge.max_tokens, or serve a longer context",
    smaller="lower judge.max_tokens",
)
MODELS = {kind: build for kind, build in CHAT_ENGINES.items() if kind not in ("embedded", "shared")}
"""Ways to a language model that can compare two texts."""


@dataclass(frozen=True, slots=True)
class Read:
    """One rewrite, and what the model found or why it could not."""

    trial: Trial
    outcome: Finding | StageError


@dataclass(frozen=True, slots=True)
class Intent:
    """A run's rewrites as a model read them. ``config``: that of the intent run. ``arms`` have figures, ``reads`` what is behind them."""

    run_id: str
    config: Mapping[str, Any]
    reference: str
    arms: Sequence[IntentArm]
    reads: Mapping[str, Sequence[Read]]


class LedgerAnswers:
    """The answers of one model on record (ui.journal.Answers). New ones go to the run ``run_id``; those of others are found, too."""

    def __init__(self, store: "Store", run_id: str, model: str) -> None:
        self._store = store
        self._run_id = run_id
        others = [run.id for run in store.runs() if run.kind == KIND and run.config.get("model") == model]
        self._found = {key: outcome for other in others for key, outcome in _answers(store, other)}
        self._own = dict(_answers(store, run_id))

    def __len__(self) -> int:
        return len(self._own)

    def find(self, key: str) -> Outcome | None:
        return self._own.get(key) or self._found.get(key)

    def used(self) -> Usage:
        return sum((outcome.usage for outcome in self._own.values()), Usage())

    def add(self, key: str, outcome: Outcome) -> None:
        # The ordinal says nothing of an order: several processes may be at it, and each question has a place of its own.
        self._store.add_event(self._run_id, derived_seed(ANSWER, key) >> 32, ANSWER, {"key": key, **outcome_to_json(outcome)})
        self._own[key] = outcome


def _answers(store: "Store", run_id: str) -> list[tuple[str, Outcome]]:
    return [(event.payload["key"], outcome_of(event.payload)) for event in store.events(run_id) if event.kind == ANSWER]


def chosen_arms(view: RunView, names: Sequence[str]) -> list[str]:
    """The arms to read: by default the winner; the reference always among them. UsageError for those that are not there."""
    if view.kind != "optimize" or view.comparison is None:
        raise UsageError(f"run {short(view.id)} has not confirmed anything: there are no arms to compare", hint="`phoropter runs`")
    there = [arm["name"] for arm in view.comparison["arms"]]
    for name in names:
        if name not in there:
            raise UsageError(f"run {short(view.id)} has no arm {name!r}", hint=f"there are: {', '.join(there)}")
    wanted = {*(names or there[-1:]), view.comparison["reference"]}
    return [name for name in there if name in wanted]


def texts_of(trial: Trial) -> tuple[str, str]:
    """What is compared: the user's text and its rewrite, which the trial has to have reached."""
    assert trial.rewrite is not None
    return trial.request.prompt.text, trial.rewrite.text


def _rewritten(store: "Store", view: RunView, arms: Sequence[str]) -> dict[str, list[Trial]]:
    assert view.comparison is not None, "chosen_arms said that there is one"
    found = confirmed_trials(store, view.id, view.comparison)
    return {name: [trial for trial in sorted(found[name], key=place_of) if trial.rewrite is not None] for name in arms}


async def read_intent(
    store: "Store", view: RunView, arms: Sequence[str], model: str, settings: Settings, dollars: float | None, watch: Watch
) -> tuple[str, Tally]:
    """Asks ``model`` (a spec) about the rewrites of ``arms``, as far as the ledger has no answers yet: the id of the intent run, and what
    that took. Cancelled or failing, it keeps what is paid for."""
    building = Building(settings, wording=READING)
    asked_with = settings.judge.model_copy(update={"engine": model})
    texts = sorted({texts_of(trial) for trials in _rewritten(store, view, arms).values() for trial in trials})
    async with building.closing as closing:
        reader: ChatEngine = engine("model", MODELS, asked_with, building)
        run = _run(view, reader.identity, asked_with)
        store.add_run(run)
        stage: Stage[Chat, Completion] = Stage(StageName.JUDGE, reader, stage_limits(asked_with, reader))
        await closing.enter_async_context(stage)
        ask = JournaledAsk(stage, reader.identity, LedgerAnswers(store, run.id, reader.identity), asked_with.at_once, dollars)
        author = _author(ask, run.config)
        done = 0

        async def one(text: str, rewrite: str) -> None:
            nonlocal done
            await finding(author, text, rewrite)
            done += 1
            watch("reading rewrites", done, len(texts), ask.tally)

        await gathered(one(*pair) for pair in texts)
    return run.id, ask.tally


def _run(view: RunView, model: str, asked_with: EngineSettings) -> RunRecord:
    """The run that holds the answers: another for another model, or for questions that are put otherwise."""
    config = {
        "text": f"intent of {short(view.id)} by {asked_with.engine}",
        "of": view.id,
        "model": model,
        "spec": asked_with.engine,
        "max_tokens": asked_with.max_tokens,
        "structured": asked_with.structured,
        "trials": 0,
    }
    run_id = content_id("run", [KIND, view.id, model, asked_with.max_tokens, asked_with.structured])
    return RunRecord(run_id, KIND, config, datetime.now(UTC).isoformat(timespec="seconds"))


def _author(ask: Ask, config: Mapping[str, Any]) -> Author:
    return Author(ask, config["max_tokens"], config["structured"])


class _NotAsked(Exception):
    """A question that the ledger has no answer to."""


def intent_of(store: "Store", intent_id: str, arms: Sequence[str] = ()) -> Intent:
    """What the answers of an intent run come to, for ``arms``, or for all that were read to the end. UsageError where none was."""
    config = store.run(intent_id).config
    view = run_view(store, config["of"])
    assert view.comparison is not None, "an intent run is that of a confirmed one"
    answers = LedgerAnswers(store, intent_id, config["model"])

    async def recall(chat: Chat) -> Completion:
        kept = answers.find(question_key(config["model"], chat))
        if kept is None:
            raise _NotAsked
        if isinstance(kept, StageError):
            raise Unanswered(kept)
        return kept

    author = _author(recall, config)
    reads: dict[str, list[Read]] = {}
    for name, trials in _rewritten(store, view, arms or [arm["name"] for arm in view.comparison["arms"]]).items():
        try:
            reads[name] = asyncio.run(_read(author, trials))
        except _NotAsked:
            continue
    if not reads:
        raise UsageError(
            f"nothing of {short(view.id)} has been read to the end by {config['spec']}",
            hint=f"`phoropter intent {short(view.id)} --model {config['spec']}` goes on",
        )
    outcomes = {name: [(read.trial.request.prompt.id, read.outcome) for read in found] for name, found in reads.items()}
    reference = str(view.comparison["reference"])
    found = intent_arms(outcomes, reference, seed=derived_seed(view.id, KIND))
    return Intent(intent_id, config, reference, found, reads)


async def _read(author: Author, trials: Sequence[Trial]) -> list[Read]:
    return [Read(trial, await finding(author, *texts_of(trial))) for trial in trials]
