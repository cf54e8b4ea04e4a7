"""How often the scene judge is right about pictures whose content is known: it measures what the embedded painter painted.

``python -m benchmarks.scene_judge [--scenes 2000] [--save] [--check] [--json]``. Random pictures: 1 to 4 groups with up to 10 figures,
every kind, colour and background, stated sizes, relations in half of them, words in a third. A picture is *unambiguous* where everything
had room (layout.py calls it faithful); only those count for the goal, and the share of the others is printed. Milliseconds are processor
time of one thread, so that a busy machine does not change them. Measures the judge's eyes (pixels.py) and its position rule; that checks
are answered right from what is seen is for the tests.
"""

import platform
import random
import sys
import time
from collections import Counter
from dataclasses import dataclass, field

import cv2

from benchmarks.command import finish, options_of, save
from data.identity import derived_random
from data.scene import BACKGROUNDS, COLORS, KINDS, Direction, Size
from generator.embedded.layout import Layout, Placed, arrange, holds
from generator.embedded.painter import paint, to_png
from generator.embedded.picture import Group, Picture
from optimizer.judges.pixels import Box, Figure, Measurement, measure
from optimizer.judges.scene import directions

GOAL_EXACT = 0.98
"""Of unambiguous pictures measured right in every respect. At 2% errors a whole checklist is still wrong far less often than a vision
model's answer to one of its questions (about 17% between two good ones), so the noise of embedded experiments is the world's, not the
judge's."""
GOAL_PAINT_MS = 25.0
"""Painting and writing a PNG: a run of 1,500 images in the first minute of a new user."""
GOAL_MEASURE_MS = 20.0

MOST_FIGURES = 10
SKILLS = ("count", "kind", "color", "size", "relation", "text", "background")
_WORDS = (
    "OPEN",
    "SALE",
    "HELLO",
    "HAPPY BIRTHDAY",
    "CAFE",
    "ZOO",
    "TAXI",
    "2024",
    "LOVE YOU",
    "QUIET PLEASE",
    "JAZZ NIGHT",
    "WELCOME HOME",
    "EXIT 07",
)
_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"


def random_picture(number: int) -> Picture:
    """The ``number``-th picture of the benchmark."""
    luck = derived_random("scene judge benchmark", number)
    names = luck.sample([(kind, color) for kind in KINDS for color in COLORS], luck.choice((1, 2, 2, 3, 3, 4)))
    left = MOST_FIGURES
    groups: list[Group] = []
    for index, (kind, color) in enumerate(names):
        count = min(luck.choice((1, 1, 1, 2, 2, 3, 4, 5, 6)), left - (len(names) - index - 1))
        left -= count
        groups.append(Group(kind, color, count, luck.choice((None, None, None, Size.SMALL, Size.LARGE))))
    relations: tuple[tuple[int, Direction, int], ...] = ()
    if len(groups) > 1 and luck.random() < 0.5:
        subject, other = luck.sample(range(len(groups)), 2)
        relations = ((subject, luck.choice(list(Direction)), other),)
    text = _random_text(luck) if luck.random() < 1 / 3 else None
    return Picture(tuple(groups), luck.choice(BACKGROUNDS), relations, text, number)


def _random_text(luck: random.Random) -> str:
    if luck.random() < 0.5:
        return luck.choice(_WORDS)
    return " ".join("".join(luck.choice(_LETTERS) for _ in range(luck.randint(2, 7))) for _ in range(luck.choice((1, 1, 2))))


@dataclass(slots=True)
class Tally:
    """Per skill: how many were right of how many tried. ``confused``: (skill, true, seen) by number."""

    right: Counter[str] = field(default_factory=Counter[str])
    tried: Counter[str] = field(default_factory=Counter[str])
    confused: Counter[tuple[str, str, str]] = field(default_factory=Counter[tuple[str, str, str]])
    wrong_scenes: list[int] = field(default_factory=list[int])
    scenes: int = 0
    unambiguous: int = 0
    exact: int = 0
    paint_ms: float = 0.0
    measure_ms: float = 0.0

    def note(self, skill: str, true: object, seen: object) -> bool:
        """Counts one answer; True where it is right."""
        self.tried[skill] += 1
        self.right[skill] += true == seen
        if true != seen:
            self.confused[skill, str(true), str(seen)] += 1
        return true == seen

    @property
    def rate(self) -> float:
        """The share of unambiguous pictures that were measured right in every respect."""
        return self.exact / max(1, self.unambiguous)

    @property
    def ok(self) -> bool:
        return self.rate >= GOAL_EXACT and self.paint_ms <= GOAL_PAINT_MS and self.measure_ms <= GOAL_MEASURE_MS


def run(scenes: int) -> Tally:
    """Paints and measures ``scenes`` pictures."""
    cv2.setNumThreads(1)
    tally = Tally()
    measure(to_png(paint(random_picture(0))))  # fills the caches, so that no picture pays for them
    for number in range(scenes):
        picture = random_picture(number)
        start = time.thread_time()
        png = to_png(paint(picture))
        painted = time.thread_time()
        seen = measure(png)
        tally.measure_ms += (time.thread_time() - painted) * 1000 / scenes
        tally.paint_ms += (painted - start) * 1000 / scenes
        tally.scenes += 1
        layout = arrange(picture)
        if layout.faithful:
            tally.unambiguous += 1
            exact = _compare(tally, picture, layout, seen)
            tally.exact += exact
            if not exact:
                tally.wrong_scenes.append(number)
    return tally


def _compare(tally: Tally, picture: Picture, layout: Layout, seen: Measurement) -> bool:
    """Whether everything about an unambiguous picture was seen as it is."""
    right = [
        tally.note("count", picture.figures, len(seen.figures)),
        tally.note("text", picture.lettering or None, seen.text),
        tally.note("background", picture.background, seen.background),
    ]
    pairs = [(placed, _nearest(placed, seen.figures)) for placed in layout.figures]
    for placed, figure in pairs:
        group = picture.groups[placed.group]
        if figure is not None:
            right.append(tally.note("kind", group.kind, figure.kind))
            right.append(tally.note("color", group.color, figure.color))
            right.append(tally.note("size", group.size, figure.size))
    for subject, direction, other in picture.relations:
        found = [
            direction in directions(figure.box, reference.box)
            for placed, figure in pairs
            for other_placed, reference in pairs
            if placed.group == subject and other_placed.group == other and figure and reference
        ]
        right.append(tally.note("relation", True, all(found)))
        # The same pair the other way round, and across, which mostly do not hold.
        for direction_ in Direction:
            first, last = _first(pairs, subject), _first(pairs, other)
            if first is not None and last is not None:
                truth = holds(direction_, first[0].box, last[0].box)
                tally.note("relation", truth, direction_ in directions(first[1].box, last[1].box))
    return all(right)


def _first(pairs: list[tuple[Placed, Figure | None]], group: int) -> tuple[Placed, Figure] | None:
    return next(((placed, figure) for placed, figure in pairs if placed.group == group and figure is not None), None)


def _nearest(placed: Placed, figures: tuple[Figure, ...]) -> Figure | None:
    """The figure seen where one was painted."""
    x, y = placed.box.center

    def distance(box: Box) -> float:
        return abs(box.center[0] - x) + abs(box.center[1] - y)

    return min(figures, key=lambda figure: distance(figure.box), default=None)


def report(tally: Tally) -> None:
    """What was run, a table, and the figure on the last line."""
    share = tally.unambiguous / max(1, tally.scenes)
    print(
        f"{tally.scenes} random pictures, {share:.1%} of them unambiguous; Python {platform.python_version()}, OpenCV {cv2.__version__}\n"
    )
    print(f"{'skill':<12}{'tried':>8}{'right':>8}{'accuracy':>11}")
    for skill in SKILLS:
        tried, right = tally.tried[skill], tally.right[skill]
        print(f"{skill:<12}{tried:>8}{right:>8}{right / max(1, tried):>11.4f}")
    if tally.confused:
        print("\nmost confused")
        for (skill, true, seen), number in tally.confused.most_common(8):
            print(f"  {number:>4}  {skill:<12}{true} taken for {seen}")
        print(f"  in pictures {', '.join(map(str, tally.wrong_scenes[:12]))}")
    print(
        f"\npaint and encode {tally.paint_ms:.1f} ms (goal: at most {GOAL_PAINT_MS:.0f}),"
        f" measure {tally.measure_ms:.1f} ms (goal: at most {GOAL_MEASURE_MS:.0f})"
    )
    print(f"scene judge: {tally.rate:.4f} of unambiguous pictures exact (goal: at least {GOAL_EXACT}): {'met' if tally.ok else 'missed'}")


def as_json(tally: Tally) -> dict[str, object]:
    """The figures for machines."""
    return {
        "scenes": tally.scenes,
        "unambiguous": tally.unambiguous,
        "exact": tally.rate,
        "accuracy": {skill: tally.right[skill] / max(1, tally.tried[skill]) for skill in SKILLS},
        "tried": {skill: tally.tried[skill] for skill in SKILLS},
        "confused": [[*pair, number] for pair, number in tally.confused.most_common(20)],
        "paint_ms": round(tally.paint_ms, 2),
        "measure_ms": round(tally.measure_ms, 2),
        "python": platform.python_version(),
        "opencv": cv2.__version__,
        "goal": GOAL_EXACT,
        "ok": tally.ok,
    }


def main() -> int:
    """The exit status: 1 where ``--check`` is given and a goal is missed."""
    parser = options_of("scene_judge", "Measure the scene judge's errors.")
    parser.add_argument("--scenes", type=int, default=2000, help="how many pictures to paint (2000)")
    parser.add_argument("--save", action="store_true", help="write the figures to benchmarks/results/scene_judge.json")
    options = parser.parse_args()
    tally = run(options.scenes)
    if options.save:
        save("scene_judge", as_json(tally))
    return finish(options, as_json(tally), lambda: report(tally))


if __name__ == "__main__":
    sys.exit(main())
