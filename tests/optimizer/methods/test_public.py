"""Our evaluation in other people's programs: as a gepa adapter, and as a dspy program with its metric."""

from collections.abc import Iterator, Sequence

import dspy
import pytest
from gepa.api import optimize

from benchmarks.worlds import SyntheticGenerator, SyntheticReasoner, synthetic_problem, synthetic_world, system_prompt_of
from data.errors import FailureKind, FatalError, StageError
from data.records import CriterionKind, GeneratedImage, Rewrite, Split, SystemPrompt
from generator import ImageRequest
from optimizer.methods.blocking import BlockingEvaluator
from optimizer.methods.gepa import COMPONENT, SystemPromptAdapter
from optimizer.methods.program import Measuring, TrialProgram, examples, feedback, trial_metric
from optimizer.proposers import FailedCriterion
from reasoner import RewriteRequest
from tests.optimizer.worlds import synthetic_pipeline

WORLD = synthetic_world(1)
PROMPTS = synthetic_problem(WORLD, 1).split(Split.SEARCH)
GENERAL = system_prompt_of([0])


@pytest.fixture(scope="module")
def ours() -> Iterator[BlockingEvaluator]:
    with BlockingEvaluator(synthetic_pipeline(WORLD)) as evaluator:
        yield evaluator


def test_the_evaluator_waits_and_keeps_the_order(ours: BlockingEvaluator):
    asked = [PROMPTS[2], PROMPTS[0], PROMPTS[2]]
    trials = ours.measure(GENERAL, asked)
    assert [trial.request.prompt for trial in trials] == asked
    assert len({trial.id for trial in trials}) == 3
    assert ours.look(GENERAL, PROMPTS[0]).id == ours.look(GENERAL, PROMPTS[0]).id != ours.look(GENERAL, PROMPTS[0], 0).id


class Silent:
    """A gepa logger."""

    def log(self, message: str) -> None:
        pass


def test_gepa_reflects_with_a_model_of_its_own(ours: BlockingEvaluator):
    asked: list[str] = []

    def reflection(prompt: str | list) -> str:
        asked.append(str(prompt))
        return f"```\nrules 0 {len(asked)}\n```"

    result = optimize(
        seed_candidate={COMPONENT: GENERAL.text},
        trainset=PROMPTS[:20],
        valset=PROMPTS[20:30],
        adapter=SystemPromptAdapter(ours.measure),
        reflection_lm=reflection,
        max_metric_calls=80,
        logger=Silent(),
    )
    assert asked
    assert "The picture drawn from it is worth" in asked[0]
    assert isinstance(result.best_candidate, dict)
    assert result.best_candidate[COMPONENT].startswith("rules 0")


def test_what_failed_goes_to_the_proposer_as_it_was_seen(ours: BlockingEvaluator):
    told: list[Sequence[FailedCriterion]] = []

    def propose(parent: SystemPrompt, failures: Sequence[FailedCriterion]) -> SystemPrompt | None:
        told.append(failures)
        return SystemPrompt("rules 0 1") if len(told) == 1 else None

    adapter = SystemPromptAdapter(ours.measure, propose)
    batch = adapter.evaluate(PROMPTS[:6], {COMPONENT: GENERAL.text}, capture_traces=True)
    dataset = adapter.make_reflective_dataset({COMPONENT: GENERAL.text}, batch, [COMPONENT])
    assert len(dataset[COMPONENT]) == 6
    assert adapter.propose_new_texts is not None
    assert adapter.propose_new_texts({COMPONENT: GENERAL.text}, dataset, [COMPONENT]) == {COMPONENT: "rules 0 1"}
    assert adapter.propose_new_texts({COMPONENT: GENERAL.text}, dataset, [COMPONENT]) == {}
    assert told[0]
    texts = {prompt.text for prompt in PROMPTS[:6]}
    assert all(failure.prompt_text in texts and isinstance(failure.kind, CriterionKind) and failure.rewrite for failure in told[0])


class Moderated(SyntheticGenerator):
    """Draws two of three, by the image's seed."""

    async def __call__(self, requests: Sequence[ImageRequest]) -> Sequence[GeneratedImage | Exception]:
        images = await super().__call__(requests)
        lost = StageError(FailureKind.BLOCKED, "moderated")
        return [lost if request.seed % 3 == 0 else image for request, image in zip(requests, images, strict=True)]


class Prude(SyntheticReasoner):
    """Refuses whatever has rule 59."""

    async def __call__(self, requests: Sequence[RewriteRequest]) -> Sequence[Rewrite | Exception]:
        rewrites = await super().__call__(requests)
        refused = StageError(FailureKind.REFUSED, "no")
        return [
            refused if "59" in request.system_prompt.text.split() else rewrite for request, rewrite in zip(requests, rewrites, strict=True)
        ]


@pytest.fixture(scope="module")
def fragile() -> Iterator[BlockingEvaluator]:
    with BlockingEvaluator(synthetic_pipeline(WORLD, generator=Moderated(WORLD), reasoner=Prude())) as evaluator:
        yield evaluator


def test_a_failed_trial_gets_the_mean_of_the_others_and_never_zero(fragile: BlockingEvaluator):
    adapter = SystemPromptAdapter(fragile.measure)
    batch = adapter.evaluate(PROMPTS[:30], {COMPONENT: GENERAL.text}, capture_traces=True)
    assert batch.trajectories is not None
    scored = [trial.score for trial in batch.trajectories if trial.score is not None]
    assert 0 < len(scored) < 30
    assert sum(batch.scores) / 30 == pytest.approx(sum(scored) / len(scored))
    records = adapter.make_reflective_dataset({COMPONENT: GENERAL.text}, batch, [COMPONENT])[COMPONENT]
    assert sum(record["Feedback"] == "not measured: moderated" for record in records) == 30 - len(scored)


def test_a_candidate_without_any_score_passes_no_gate(fragile: BlockingEvaluator):
    adapter = SystemPromptAdapter(fragile.measure)
    with pytest.raises(FatalError, match="none of the first 3 trials has a score"):
        adapter.evaluate(PROMPTS[:3], {COMPONENT: "rules 59"})
    adapter.evaluate(PROMPTS[:12], {COMPONENT: GENERAL.text})
    refused = adapter.evaluate(PROMPTS[:3], {COMPONENT: "rules 59"}, capture_traces=True)
    assert refused.trajectories == []
    assert not sum(refused.scores) > -1.0
    assert not sum(refused.scores) <= 1.0


def test_dspy_evaluates_our_program_with_our_metric(ours: BlockingEvaluator):
    program = TrialProgram(GENERAL, Measuring(ours.look, PROMPTS))
    found = dspy.Evaluate(devset=examples(PROMPTS[:10]), metric=trial_metric, num_threads=4, display_progress=False)(program)
    scores = [ours.look(GENERAL, prompt).score for prompt in PROMPTS[:10]]
    assert found.score == pytest.approx(100 * sum(score for score in scores if score is not None) / 10, abs=0.01)
    copy = program.deepcopy()
    copy.become(SystemPrompt("rules 1 2"))
    assert (program.system_prompt, copy.system_prompt.text) == (GENERAL, "rules 1 2")


def test_the_metric_says_what_failed_where_dspy_asks_for_feedback(ours: BlockingEvaluator):
    program = TrialProgram(GENERAL, Measuring(ours.look, PROMPTS))
    (example,) = examples(PROMPTS[:1])
    prediction = program(**example.inputs())
    answer = trial_metric(example, prediction, None, "rewriter", None)
    assert answer.score == prediction.trial.score
    assert answer.feedback == feedback(prediction.trial)
    assert "held in the picture" in answer.feedback or "wanted:" in answer.feedback


def test_the_metric_has_no_number_for_a_failed_trial(fragile: BlockingEvaluator):
    program = TrialProgram(SystemPrompt("rules 59"), Measuring(fragile.look, PROMPTS))
    (example,) = examples(PROMPTS[:1])
    prediction = program(**example.inputs())
    assert prediction.rewrite == ""
    with pytest.raises(ValueError, match="not measured: no"):
        trial_metric(example, prediction)
