"""What two system prompts differ by from prompt to prompt, on the same prompts with the same samples and seeds. Pure functions of trials.

A comparison never sees the whole noise of a score: what a prompt is like cancels, and so does what images of one seed have in common.
noise.py takes scores apart and so counts luck that is shared as noise. Here differences are taken apart instead: each system prompt minus
the one that was tried most, place by place. That is what power.py needs to know.
"""

from collections import Counter
from collections.abc import Sequence

from data.records import Trial
from optimizer.moments import Place
from optimizer.noise import RESAMPLES, Component, Components, components_of
from optimizer.stats import Interval


def difference_components(trials: Sequence[Trial], *, seed: int = 0, resamples: int = RESAMPLES) -> Components | None:
    """The variances of such differences by source, halved: one side's part, so that power.py reads them like those of scores.

    ``interaction`` is what differs from prompt to prompt; ``prompt`` is None, for it cancels. As in noise.py, what was not repeated is
    part of the next source outwards: where no pair of system prompts met a prompt twice, ``interaction`` holds it all. None where no two
    system prompts were tried on the same two prompts.
    """
    differences = _differences(trials)
    if len({place.prompt for place in differences}) < 2:
        return None
    found = components_of(differences, seed=seed, resamples=resamples)
    look, image, sample, between = (_halved(part) for part in (found.look, found.seed, found.sample, found.prompt))
    if between is None:
        return None
    unscored = sum(trial.score is None for trial in trials)
    return Components(look, image, sample, None, between, found.prompts, found.system_prompts + 1, found.trials, unscored)


def _differences(trials: Sequence[Trial]) -> dict[Place, float]:
    scores = {_place(trial): trial.score for trial in trials if trial.score is not None}
    counts = Counter(place.system_prompt for place in scores)
    most = max(counts, key=lambda one: (counts[one], one), default="")
    common = {place[1:]: score for place, score in scores.items() if place.system_prompt == most}
    return {place: score - common[place[1:]] for place, score in scores.items() if place.system_prompt != most and place[1:] in common}


def _place(trial: Trial) -> Place:
    request = trial.request
    return Place(request.system_prompt.id, request.prompt.id, request.sample, request.seed, request.look)


def _halved(part: Component | None) -> Component | None:
    if part is None:
        return None
    whole = part.variance
    low, high = (None if bound is None else bound / 2 for bound in (whole.low, whole.high))
    return Component(Interval(whole.estimate / 2, low, high), part.degrees, part.floored)
