"""What a run's noise means: how many prompts a comparison needs, what to buy next, and what the judge has to do with it. Pure functions."""

import math
from typing import TYPE_CHECKING, Any

from ui.noise import Noise, source_to_json, sources

if TYPE_CHECKING:
    from optimizer.power import Costs, Design, Purchase

GAINS = (0.02, 0.05, 0.10)
IMAGES = (1, 2, 4)
"""Of each prompt, each from a rewrite of its own: how many there may be in a comparison."""
ONE_LOOK_IN_IMAGES = 0.3
ONE_REWRITE_IN_IMAGES = 0.1
"""What these cost against an image, where a small language model rewrites and a small vision model judges: about that."""
LARGE = 0.2
"""From this share of what a comparison sees on, the judge's noise is worth doing something about."""
MANY_SILENT = 0.1
"""From this share on, prompts that tell nothing are worth a word: there are always some."""
SAME = 0.03
"""An interval that is wider by no more than this is as good."""


def prompts_for(noise: Noise) -> list[tuple[int, list[int | None]]]:
    """For each of IMAGES, as far as it is known: on how many prompts each of GAINS is found with 80% power; None beyond a million."""
    from optimizer.power import Design

    known = IMAGES if noise.repeated else IMAGES[:1]
    return [(images, [_needed(noise, gain, Design(samples=images)) for gain in GAINS]) for images in known]


def _needed(noise: Noise, gain: float, design: "Design") -> int | None:
    from optimizer.power import prompts_needed

    try:
        return prompts_needed(noise.priced, gain, design)
    except OverflowError:
        return None


def found_from(noise: Noise) -> float | None:
    """The smallest gain, in hundredths, that the confirmation's prompts find with 80% power, one image of each; None where none does."""
    from optimizer.power import difference_variance, power_of

    variance = difference_variance(noise.priced)
    prompts = noise.prompts or 0
    return next((step / 100 for step in range(1, 101) if power_of(variance, step / 100, prompts) >= 0.8), None)


def cancelled(noise: Noise) -> float | None:
    """The share of a score's variance that is gone when two system prompts are tried on the same prompts and seeds."""
    from optimizer.power import difference_variance

    if noise.compared is None or noise.total <= 0.0:
        return None
    return max(0.0, 1.0 - difference_variance(noise.compared) / 2 / noise.total)


def advice(noise: Noise) -> list[str]:
    """What to do about it, in whole sentences, the most important first."""
    return [sentence for sentence in (_purchase_words(noise), _silent_words(noise), _found_words(noise), _judge_words(noise)) if sentence]


def _purchase_words(noise: Noise) -> str:
    """What the next images are best spent on."""
    from optimizer.power import ONCE, Design, best_purchase, difference_variance

    if not noise.repeated:
        return (
            "Buy more prompts, with one image of each: for the same images, a second one of the same prompt is never worth more. "
            "How much less is not known, since too few were drawn twice."
        )
    bought = best_purchase(noise.priced, 100, _costs())
    if bought is not None and bought.design != ONCE:
        return f"Buy {_design_words(bought)}: for the same money, that says more than one image of each."
    once = difference_variance(noise.priced)
    wider = math.sqrt(2 * difference_variance(noise.priced, Design(samples=2)) / once) - 1 if once > 0.0 else 0.0
    if wider <= SAME:
        return "Buy images of whichever prompts: a second one of a prompt, from a rewrite of its own, is worth as much as another prompt."
    if wider >= LARGE:
        return f"Buy more prompts, with one image of each: a second one buys little (intervals {wider:.0%} wider for the same images)."
    return (
        f"Buy more prompts, with one image of each; where there are no more, a second one of the same prompt is nearly as good "
        f"(intervals {wider:.0%} wider for the same images)."
    )


def _silent_words(noise: Noise) -> str:
    """What prompts that tell nothing cost."""
    if len(noise.silent) < MANY_SILENT * noise.often_met or not noise.silent:
        return ""
    example = min(noise.silent, key=len)
    return (
        f"{len(noise.silent)} of {noise.often_met} prompts that were met often score the same whatever the system prompt says, such as "
        f"“{example}”: with others in their place, the same images say more."
    )


def _costs() -> "Costs":
    from optimizer.power import Costs

    return Costs(ONE_REWRITE_IN_IMAGES, 1.0, ONE_LOOK_IN_IMAGES)


def _design_words(bought: "Purchase") -> str:
    design = bought.design
    times = (design.samples, design.seeds, design.looks)
    names = ("rewrites of each prompt", "images of each rewrite", "looks of the judge at each image")
    return ", ".join(f"{count} {name}" for count, name in zip(times, names, strict=True) if count > 1)


def _found_words(noise: Noise) -> str:
    if noise.prompts is None:
        return ""
    least = found_from(noise)
    if least is None:
        return f"The {noise.prompts} prompts of the confirmation find no gain with 80% power."
    return f"The {noise.prompts} prompts of the confirmation find a gain of {least:.2f} or more with 80% power."


def _judge_words(noise: Noise) -> str:
    from optimizer.power import difference_variance

    variance = noise.judge_variance
    if variance is None:
        return f"How much of it is the judge's is not known; to find out: phoropter judge calibrate '{noise.judge}'" if noise.judge else ""
    seen = difference_variance(noise.priced) / 2
    if variance == 0.0 or variance < LARGE * seen:
        return ""
    share = f"The judge's noise is {min(1.0, variance / seen):.0%} of what a comparison sees"
    times = "" if noise.gain is None or noise.gain <= 0.0 else f", and {math.sqrt(variance) / noise.gain:.1f} times the gain, on each image"
    return f'{share}{times}: put a second judge beside it (--judge "panel: SPEC + SPEC"), or choose one that wavers less.'


# -- as JSON


def noise_to_json(noise: Noise) -> dict[str, Any]:
    """The report (docs/json.md)."""
    components = noise.components
    shared = cancelled(noise)
    return {
        "run": noise.run_id,
        "trials": components.trials,
        "unscored": components.unscored,
        "prompts": components.prompts,
        "system_prompts": components.system_prompts,
        "sd": round(math.sqrt(noise.total), 6),
        "sources": [source_to_json(source) for source in sources(noise)],
        "cancels": None if shared is None else round(shared, 6),
        "prompts_needed": [
            {"images": images, "gains": [{"gain": gain, "prompts": needed} for gain, needed in zip(GAINS, row, strict=True)]}
            for images, row in prompts_for(noise)
        ],
        "confirmation": None if noise.prompts is None else {"prompts": noise.prompts, "finds": found_from(noise)},
        "silent": {"prompts": list(noise.silent), "of": noise.often_met},
        "advice": advice(noise),
        "search_sd": noise.search_sd,
    }
