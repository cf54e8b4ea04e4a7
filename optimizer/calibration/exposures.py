"""What a judge is shown in a calibration, and why: paintings, some of them twice, and the canaries' pictures.

A canary is a picture beside a painting that the judge sees anyway, with what must come of it (canaries.py).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from data.identity import derived_random
from data.quotes import quoted
from data.records import Criterion, Need, SystemPrompt, TrialRequest
from optimizer.calibration.alterations import room_for_flattery
from optimizer.calibration.paintings import Copy, Painting, example_at, paintings, seed_of
from optimizer.calibration.report import Canary
from optimizer.calibration.truths import holds_in

RAW = SystemPrompt("")
"""The user's own words: nothing is rewritten in a calibration."""
LEAST_IMAGES = 150
"""With fewer paintings, there are too few of each error and for each canary."""
RETESTED = 100
"""Paintings that are shown twice, at least, where there are so many: a flip rate of 5% is then known to 4 or so."""
RETESTED_SHARE = 0.2
CANARY_PAIRS = 40
"""Pairs for each canary, half of them with words to be written: enough for judges, too, that only read (canaries.py: LEAST_PAIRS)."""
ALIKE = 1 / 3
"""At most this share of what is wanted may hold in a wrong image."""


@dataclass(frozen=True, slots=True)
class Exposure:
    """One look of the judge: at the picture ``seed``, for the prompt of ``painting``; for its own sake, or as a ``canary``."""

    painting: Painting
    seed: int
    look: int = 0
    canary: Canary | None = None

    @property
    def request(self) -> TrialRequest:
        return TrialRequest(RAW, self.painting.prompt, 0, self.seed, self.look)


def exposures(images: int, seed: int) -> list[Exposure]:
    """Everything that a judge is shown in a calibration with so many paintings."""
    painted = list(paintings(images, seed))
    twice = painted[: max(RETESTED, round(RETESTED_SHARE * images))]
    return [
        *(Exposure(painting, painting.seed) for painting in painted),
        *(Exposure(painting, painting.seed, 1, Canary.IDENTICAL) for painting in twice),
        *_canaries(painted, seed),
    ]


def _canaries(painted: Sequence[Painting], seed: int) -> Iterator[Exposure]:
    faithful = [painting for painting in painted if not painting.plants]
    bad = [painting for painting in painted if len(painting.plants) > 1]
    # The more is wanted, the more there is to be missed in a wrong picture.
    for painting in _mixed(sorted(faithful, key=lambda one: -len(_wanted(one)))):
        yield Exposure(painting, _stranger(painting, faithful, seed).seed, canary=Canary.WRONG)
        yield Exposure(painting, seed_of(painting.number, Copy.GREY), canary=Canary.GREY)
    roomy = [painting for painting in bad if room_for_flattery(example_at(seed, painting.number).shown.layout) is not None]
    for painting in _mixed(roomy):
        yield Exposure(painting, seed_of(painting.number, Copy.FLATTERED), canary=Canary.FLATTERED)
    for painting in _mixed(bad):
        yield Exposure(painting, seed_of(painting.number, Copy.VIVID), canary=Canary.VIVID)


def _mixed(painted: Sequence[Painting]) -> list[Painting]:
    """CANARY_PAIRS of them: the first that ask for words, and the first that do not, as far as there are so many."""
    with_words = [painting for painting in painted if quoted(painting.prompt.text)]
    without = [painting for painting in painted if painting not in with_words]
    return [*with_words[: CANARY_PAIRS // 2], *without][:CANARY_PAIRS]


def _stranger(painting: Painting, others: Sequence[Painting], seed: int) -> Painting:
    """Another prompt's picture, in which little of what ``painting``'s prompt wants is to be seen."""
    luck = derived_random("wrong image", seed, painting.number)
    shuffled = luck.sample(others, len(others))
    wanted = _wanted(painting)
    return min((other for other in shuffled if other is not painting), key=lambda other: max(ALIKE, _share(wanted, other, seed)))


def _wanted(painting: Painting) -> list[Criterion]:
    return [criterion for criterion in painting.prompt.checklist if criterion.need is not Need.MUST_NOT]


def _share(wanted: Sequence[Criterion], other: Painting, seed: int) -> float:
    shown = example_at(seed, other.number).shown
    return sum(criterion.check is not None and holds_in(criterion.check, shown) is True for criterion in wanted) / len(wanted)
