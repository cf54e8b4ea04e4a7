"""Where the noise of a run's scores comes from, source by source: for terminal and pages. What follows from it is in noise_advice.py.

The arithmetic is the optimizer's (noise.py, difference_noise.py). Nothing is kept: it is computed when somebody asks.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import TYPE_CHECKING, Any

from data.errors import UsageError
from data.identity import short
from optimizer.methods import OURS

if TYPE_CHECKING:
    from data.records import Trial
    from data.store import Store
    from optimizer.noise import Component, Components
    from optimizer.stats import Interval
    from ui.views import RunView

RESAMPLES = 200
"""Enough for bounds that are looked at and not claimed; 140 system prompts on 87 prompts take under two seconds."""
OFTEN = 3
"""Under so many system prompts a prompt must have been tried before it is called silent."""
SURELY = 0.8
"""And so probable must it be."""
PARTS = ("prompt", "interaction", "sample", "seed", "look")
INNER = ("prompt", "sample", "seed", "look")
"""The sources from the outside in, by their names in optimizer/noise.py; and those of them that are each within the one before."""
WORDS = {"prompt": "prompt", "interaction": "by system prompt", "sample": "rewrite", "seed": "image", "look": "judge"}
"""What people call them: a sample is a rewrite, a seed an image, a look the judge's."""


@dataclass(frozen=True, slots=True)
class Source:
    """One source of a score's variance, with the sources further in that it ``holds``, since they were not repeated apart. ``within``: the
    source that it is a part of, "" for one that stands for itself.

    ``variance`` None: not measured, and ``note`` says where it is instead. ``share``: of all variance of a score under one system prompt.
    ``repetitions``: on how many it rests; 0 where it comes from the judge's calibration.
    """

    name: str
    within: str
    variance: "Interval | None"
    share: float | None
    repetitions: int
    note: str
    holds: tuple[str, ...] = ()

    @property
    def label(self) -> str:
        """In words, with all that it holds."""
        *first, last = (WORDS[name] for name in (self.name, *self.holds))
        return f"{', '.join(first)} and {last}" if first else last

    @property
    def part(self) -> bool:
        """Whether it is told beside the whole that it is a part of."""
        return bool(self.within) and (self.variance is not None or self.name == "interaction")

    @property
    def sd(self) -> float | None:
        """In scores."""
        return None if self.variance is None else math.sqrt(self.variance.estimate)


@dataclass(frozen=True, slots=True)
class Noise:
    """What is known of a run's noise. ``components``: of scores. ``compared``: of differences between system prompts, as
    optimizer/difference_noise.py has them; None where there are none. ``judge_sd``: what the judge's calibration says, None where there is
    none. ``gain``: what the winner gains, confirmed if it is. ``prompts``: how many the confirmation compares on. ``silent``: the texts of
    prompts that score the same whatever the system prompt says, of ``often_met`` that were met often enough to tell.
    """

    run_id: str
    judge: str
    components: "Components"
    compared: "Components | None"
    judge_sd: float | None
    gain: float | None
    prompts: int | None
    search_sd: float | None
    silent: Sequence[str] = ()
    often_met: int = 0

    @property
    def total(self) -> float:
        """The variance of a score under one system prompt, in squared scores."""
        parts = (self.components.prompt, self.components.sample, self.components.seed, self.components.look)
        return sum(part.variance.estimate for part in parts if part is not None)

    @property
    def priced(self) -> "Components":
        """What a comparison is reckoned by: differences where there are any, else scores."""
        return self.components if self.compared is None else self.compared

    @property
    def repeated(self) -> bool:
        """Whether what another image of the same prompt buys is known."""
        parts = (self.priced.sample, self.priced.seed)
        return any(part is not None and part.variance.low is not None for part in parts)

    @property
    def judge_variance(self) -> float | None:
        """As measured by second looks, else as calibrated."""
        if self.components.look is not None:
            return self.components.look.variance.estimate
        return None if self.judge_sd is None else self.judge_sd**2


def noise_of(store: "Store", view: "RunView") -> Noise:
    """The noise of a run's trials; UsageError where they are too few to say anything."""
    from optimizer.difference_noise import difference_components
    from optimizer.noise import variance_components
    from ui.exporting import engines_of, own_trials

    record = store.run(view.id)
    trials = list(own_trials(store, record))
    _check_enough(view, trials)
    engines = engines_of(store, record) or {}
    silent, often_met = _silent(trials)
    return Noise(
        view.id,
        str(view.config.get("judge", {}).get("engine", "")),
        variance_components(trials, resamples=RESAMPLES),
        difference_components(trials, resamples=RESAMPLES),
        _calibrated_sd(store, engines.get("judge", "")),
        _gain(view),
        _confirmed_on(view),
        view.noise_sd if view.method == OURS else None,
        silent,
        often_met,
    )


def _silent(trials: "Sequence[Trial]") -> tuple[list[str], int]:
    """The prompts on which several system prompts were tried and everything scores the same, and on how many they were."""
    from optimizer.silence import Silence

    silence, texts = Silence(), dict[str, str]()
    tried: dict[str, set[str]] = {}
    for trial in trials:
        if trial.score is not None:
            prompt = trial.request.prompt
            silence.meet(prompt.id, trial.score)
            texts[prompt.id] = prompt.text
            tried.setdefault(prompt.id, set()).add(trial.request.system_prompt.id)
    often = [prompt for prompt, system_prompts in tried.items() if len(system_prompts) >= OFTEN]
    chances = silence.probabilities()
    return sorted(texts[prompt] for prompt in often if chances[prompt] > SURELY), len(often)


def _check_enough(view: "RunView", trials: "Sequence[Trial]") -> None:
    prompts = {trial.request.prompt.id for trial in trials if trial.score is not None}
    if len(prompts) < 2:
        raise UsageError(
            f"run {short(view.id)} has scores on {'no prompt' if not prompts else 'one prompt'}: noise shows only between several",
            hint="`phoropter runs` says how many images each run has",
        )


def _calibrated_sd(store: "Store", judge: str) -> float | None:
    from ui.calibrating import calibration_of

    report = calibration_of(store, judge)
    return None if report is None or report.pairs else report.value_sd


def _gain(view: "RunView") -> float | None:
    gain = view.gain or {}
    found = gain.get("held_out") or gain.get("shrunk")
    return None if found is None else found["estimate"]


def _confirmed_on(view: "RunView") -> int | None:
    entries: Sequence[Mapping[str, Any]] = (view.comparison or {}).get("best_against", ())
    return max((entry["prompts"] for entry in entries), default=None)


# -- the table


def sources(noise: Noise) -> list[Source]:
    """A row for each source, from the outside in: what it adds, or where it is instead."""
    rows: list[Source] = []
    outer: Source | None = None
    for name in PARTS:
        part: Component | None = getattr(noise.components, name)
        if name == "interaction":
            rows.append(_interaction(noise))
        elif part is not None:
            outer = Source(name, "", part.variance, _share(part.variance.estimate, noise), part.degrees, "", _held(noise, name))
            rows.append(outer)
        else:
            assert outer is not None, "of several prompts, the variance between them is known"
            rows.append(_unmeasured(noise, name, outer))
    return rows


def _held(noise: Noise, name: str) -> tuple[str, ...]:
    """All that is not measured further in, up to the next source that is."""
    inner = INNER[INNER.index(name) + 1 :]
    return tuple(takewhile(lambda one: getattr(noise.components, one) is None, inner))


def _interaction(noise: Noise) -> Source:
    if noise.compared is None or not noise.repeated or noise.compared.interaction is None:
        return Source("interaction", "prompt", None, None, 0, "not measured: no two system prompts were tried twice on enough prompts")
    part = noise.compared.interaction
    share = _share(part.variance.estimate, noise)
    return Source("interaction", "prompt", part.variance, share, part.degrees, "does not cancel when they are compared")


def _unmeasured(noise: Noise, name: str, outer: Source) -> Source:
    """A source that was not repeated in this run; of the judge, its calibration may tell all the same."""
    from optimizer.stats import Interval

    if name != "look" or noise.judge_sd is None:
        return Source(name, outer.name, None, None, 0, f"not measured apart: it is in {outer.label}")
    variance = noise.judge_sd**2
    return Source(name, outer.name, Interval(variance, None, None), _share(variance, noise), 0, "as calibrated, on painted scenes")


def _share(variance: float, noise: Noise) -> float:
    return min(1.0, variance / noise.total) if noise.total > 0.0 else 0.0


def source_to_json(source: Source) -> dict[str, Any]:
    """As it stands in the report (docs/json.md)."""
    variance = source.variance
    bounds = (None, None) if variance is None else (variance.low, variance.high)
    return {
        "source": source.name,
        "holds": list(source.holds),
        "within": source.within or None,
        "variance": None if variance is None else round(variance.estimate, 8),
        "low": None if bounds[0] is None else round(bounds[0], 8),
        "high": None if bounds[1] is None else round(bounds[1], 8),
        "sd": None if source.sd is None else round(source.sd, 6),
        "share": None if source.share is None else round(source.share, 6),
        "repetitions": source.repetitions,
        "note": source.note,
    }
