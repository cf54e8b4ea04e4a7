"""One prompt's way through the stages, and the one place where an exception becomes a Failure on record.

A StageError, however deep it was raised, ends its own trial and nothing else. A FatalError passes through: the run ends.
"""

from dataclasses import replace

from data.errors import FailureKind, FatalError, StageError
from data.errors import Stage as StageName
from data.identity import canonical_json
from data.records import Failure, GeneratedImage, Judgment, Rewrite, Trial, TrialRequest
from generator import ImageRequest
from optimizer.judges import JudgeRequest
from optimizer.stage import Stage, StageFailed
from reasoner import RewriteRequest


class Stages:
    """The three stages of a trial, with the identities that its keys are made of."""

    def __init__(
        self,
        rewrite: "Stage[RewriteRequest, Rewrite]",
        generate: "Stage[ImageRequest, GeneratedImage]",
        judge: "Stage[JudgeRequest, Judgment]",
        identities: tuple[str, str, str],
    ) -> None:
        self.rewrite = rewrite
        self.generate = generate
        self.judge = judge
        self.reasoner_identity, self.generator_identity, self.judge_identity = identities
        self.pipeline = canonical_json(list(identities))
        """Names all three engines: part of every trial's id."""


async def run_trial(request: TrialRequest, stages: Stages) -> Trial:
    """Rewrites, generates and judges; a stage that does not deliver ends the trial with its Failure."""
    trial = Trial(request.id(stages.pipeline), request)
    stage = StageName.REWRITE
    try:
        rewrite_request = RewriteRequest(request.system_prompt, request.prompt, request.sample)
        key = rewrite_request.key(stages.reasoner_identity)
        rewrite = await stages.rewrite(key, rewrite_request)
        trial = replace(trial, rewrite=rewrite, rewrite_key=key)

        stage = StageName.GENERATE
        image_request = ImageRequest(rewrite.text, request.seed, rewrite.aspect_ratio)
        key = image_request.key(stages.generator_identity)
        image = await stages.generate(key, image_request)
        trial = replace(trial, image=image.without_content(), image_key=key)

        stage = StageName.JUDGE
        judge_request = JudgeRequest(request.prompt, image, request.look)
        key = judge_request.key(stages.judge_identity)
        return replace(trial, judgment=await stages.judge(key, judge_request), judgment_key=key)
    except FatalError:
        raise
    except Exception as error:
        return replace(trial, failure=failure_of(stage, error))


def failure_of(stage: StageName, error: Exception) -> Failure:
    """The record of what went wrong; what is no StageError was not foreseen and is filed as a crash, with its type."""
    if isinstance(error, StageFailed):
        return Failure.of(stage, error.error, error.attempts, error.usage)
    if isinstance(error, StageError):
        return Failure.of(stage, error)
    hint = "please report it: this is a bug in Phoropter or in an extension"
    return Failure(stage, FailureKind.CRASHED, f"{type(error).__name__}: {error}", hint=hint)
