"""What a run may spend, what it has spent, and how its images are shared out. Counted here and nowhere else.

An image counts when its trial is asked for, whether it is drawn anew, found in the ledger or fails: so a run on a full ledger takes the
same
decisions as on an empty one. Dollars and tokens are what the results cost when they were made. Nothing here knows a clock: seconds are
told.
"""

from dataclasses import dataclass

from data.errors import FatalError, UsageError
from data.records import Trial, Usage

MIN_TEST_PROMPTS = 20
"""Below this, an interval on the gain is too wide to confirm anything (a difference of .1 needs about 68 prompts)."""
MAX_TEST_SEEDS = 4
CONFIRM_SHARE = 0.5
"""At most this share of the images goes to the confirmation: a gain that can't be shown is no gain."""
SELECT_SHARE = 0.12
MIN_SEARCH_IMAGES = 60
"""Less than this does not even measure the roots and one round of children."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Hard limits; None is no limit. ``images`` always has one: it is what the run is planned on."""

    images: int
    dollars: float | None = None
    tokens: int | None = None
    seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Shares:
    """How the images are shared out: ``search`` images; ``select_prompts`` for each of the shortlist; ``test_prompts`` × ``test_seeds``
    for each arm."""

    search: int
    select_prompts: int
    test_prompts: int
    test_seeds: int

    def searched(self, shortlist: int) -> int:
        """The images of search and selection together: what another optimizer gets, which does both."""
        return self.search + shortlist * self.select_prompts


def share_out(images: int, *, arms: int, shortlist: int, select_prompts: int, test_prompts: int) -> Shares:
    """Shares ``images`` between search, selection and a confirmation of ``arms`` arms; UsageError where that can't confirm anything."""
    if test_prompts < MIN_TEST_PROMPTS:
        raise UsageError(
            f"the prompt set has {test_prompts} test prompts; a gain can't be confirmed on fewer than {MIN_TEST_PROMPTS}",
            hint='add prompts with split "test", or let `phoropter prompts import` assign splits to a larger file',
        )
    needed = int(MIN_TEST_PROMPTS * arms / CONFIRM_SHARE)
    needed = max(needed, MIN_SEARCH_IMAGES + MIN_TEST_PROMPTS * arms)
    if images < needed:
        raise UsageError(
            f"{images} images are too few: {arms} arms on {MIN_TEST_PROMPTS} test prompts take {arms * MIN_TEST_PROMPTS} to confirm a "
            f"gain, and the search needs as many",
            hint=f"give it at least --images {needed}",
        )
    most = int(images * CONFIRM_SHARE) // arms
    prompts = min(test_prompts, most)
    seeds = max(1, min(MAX_TEST_SEEDS, most // prompts))
    select = min(select_prompts, int(images * SELECT_SHARE) // shortlist)
    search = images - arms * prompts * seeds - shortlist * select
    return Shares(search=search, select_prompts=select, test_prompts=prompts, test_seeds=seeds)


@dataclass(slots=True)
class Budget:
    """Counts what a run spends against its limits."""

    limits: Limits
    images: int = 0
    tokens: int = 0
    dollars: float = 0.0
    seconds: float = 0.0
    """Told by whoever holds the clock; includes earlier sittings of a resumed run."""
    cost_known: bool = True

    def charge(self, trial: Trial) -> None:
        """Counts a finished trial."""
        self.images += 1
        for result in (trial.rewrite, trial.image, trial.judgment):
            if result is not None:
                self.charge_usage(result.usage)
        if trial.failure is not None:
            self.charge_usage(trial.failure.usage)

    def charge_again(self, trial: Trial, *, drawn: bool) -> None:
        """Counts a trial that was judged again by another judge, or ``drawn`` again by another generator: what was done anew of it."""
        self.images += drawn
        for result in (trial.image if drawn else None, trial.judgment, trial.failure):
            if result is not None:
                self.charge_usage(result.usage)

    def charge_usage(self, usage: Usage) -> None:
        """Counts one call. An unknown price makes a dollar limit impossible to keep, which is said at once."""
        self.tokens += usage.input_tokens + usage.output_tokens
        if usage.cost is None:
            self.cost_known = False
            if self.limits.dollars is not None:
                raise FatalError(
                    "a dollar limit was set, but the price of a call is not known", hint="limit --images or --tokens instead of --dollars"
                )
        else:
            self.dollars += usage.cost

    def exhausted(self, ahead: int = 0) -> str:
        """Which limit ``ahead`` more images would break, at the average price of those so far; "" for none."""
        done = max(1, self.images)
        factor = (self.images + ahead) / done
        for name, spent, limit in (
            ("dollars", self.dollars, self.limits.dollars),
            ("tokens", float(self.tokens), self.limits.tokens),
            ("seconds", self.seconds, self.limits.seconds),
        ):
            if limit is not None and self.images and spent * factor > limit:
                return name
        return ""
