"""How well the text judge reads painted signs, and how often it reads words where there are none: the truth of both is known.

``python -m benchmarks.text_judge [--scenes 200] [--readers rapidocr] [--json]``. The pictures of benchmarks/scene_judge.py: as many with
a sign as without. *Letter for letter* counts O and 0 as the same, as the judge does. Milliseconds are processor time of this process and
its children, of all threads, so that a busy machine does not change them.
"""

import asyncio
import os
import platform
import sys
import time
from collections.abc import Iterator, Mapping
from itertools import count, islice
from typing import Any

from benchmarks.command import finish, options_of
from benchmarks.scene_judge import random_picture
from data.records import GeneratedImage, Judgment, Prompt
from generator.embedded.painter import paint, to_png
from generator.embedded.picture import Picture
from optimizer.judges import JudgeRequest
from optimizer.judges.text import TextJudge, readers

GOAL_EXACT = 0.98
"""Of signs read letter for letter, by the default engine. A model that writes well misspells one sign in ten: the judge has to err less."""
GOAL_EXTRA = 0.02
"""Of pictures without words in which it reads words that nobody asked for."""


def pictures(with_words: bool) -> Iterator[Picture]:
    """The random pictures that have words, or those that have none."""
    return (picture for picture in map(random_picture, count()) if bool(picture.text) == with_words)


def judged(judge: TextJudge, picture: Picture, wanted: str) -> Judgment:
    """The judgment of a picture that should read ``wanted``."""
    image = GeneratedImage("", 512, 512, content=to_png(paint(picture)))
    (outcome,) = asyncio.run(_ask(judge, JudgeRequest(Prompt(f'a sign that reads "{wanted}"'), image)))
    if isinstance(outcome, Exception):
        raise outcome
    return outcome


async def _ask(judge: TextJudge, request: JudgeRequest) -> list[Judgment | Exception]:
    return list(await judge([request]))


def run(scenes: int, names: str) -> dict[str, Any]:
    """The figures."""
    judge = TextJudge(readers(names))
    judged(judge, next(pictures(True)), "x")  # loads the models, so that no picture pays for them
    start = _spent()
    signs = [(picture.lettering, judged(judge, picture, picture.lettering)) for picture in islice(pictures(True), scenes)]
    bare = [judged(judge, picture, "nothing") for picture in islice(pictures(False), scenes)]
    spent = _spent() - start
    exact = sum(judgment.scores[0].score == 1.0 for _, judgment in signs) / scenes
    extra = [judgment for judgment in bare if judgment.scores[-1].score]
    return {
        "readers": judge.identity,
        "scenes": scenes,
        "exact": exact,
        "mean": sum(judgment.scores[0].score or 0.0 for _, judgment in signs) / scenes,
        "extra_beside_signs": sum(bool(judgment.scores[-1].score) for _, judgment in signs) / scenes,
        "extra": len(extra) / scenes,
        "ms": 1000 * spent / (2 * scenes),
        "wrong": [judgment.scores[0].evidence for _, judgment in signs if judgment.scores[0].score != 1.0][:12],
        "made_up": [judgment.scores[-1].evidence for judgment in extra][:12],
        "python": platform.python_version(),
        "ok": exact >= GOAL_EXACT and len(extra) / scenes <= GOAL_EXTRA,
    }


def _spent() -> float:
    """Processor time of this process and its children so far, seconds."""
    times = os.times()
    return time.process_time() + times.children_user + times.children_system


def main() -> int:
    """The exit status: 1 where ``--check`` is given and a goal is missed."""
    parser = options_of("text_judge", "Measure the text judge's errors.")
    parser.add_argument("--scenes", type=int, default=200, help="how many pictures with a sign to paint, and how many without (200)")
    parser.add_argument("--readers", default="rapidocr", help="rapidocr, tesseract, or rapidocr+tesseract (rapidocr)")
    options = parser.parse_args()
    figures = run(options.scenes, options.readers)
    return finish(options, figures, lambda: report(figures))


def report(figures: Mapping[str, Any]) -> None:
    """What was run, what went wrong, and the figures on the last line."""
    print(f"{figures['readers']}: {figures['scenes']} pictures with a sign, as many without; Python {figures['python']}\n")
    for name in ("wrong", "made_up"):
        for line in figures[name]:
            print(f"  {name.replace('_', ' ')}: {line}")
    print(
        f"\nmean score of signs {figures['mean']:.4f}, other words beside signs {figures['extra_beside_signs']:.1%}, {figures['ms']:.0f} ms"
    )
    exact = f"{figures['exact']:.4f} of signs letter for letter (goal: at least {GOAL_EXACT})"
    extra = f"words in {figures['extra']:.1%} of pictures without (goal: at most {GOAL_EXTRA:.0%})"
    print(f"text judge: {exact}, {extra}: {'met' if figures['ok'] else 'missed'}")


if __name__ == "__main__":
    sys.exit(main())
