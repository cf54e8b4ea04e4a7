"""Which criterion a statement in a question is, so that pixels can answer it: models get sentences, and no checks.

What is not among the known prompts is read, as far as data/reading.py understands it. For the rest the eyes have no answer.
"""

import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from functools import lru_cache
from importlib import resources

from data.checklists import GLOBAL_CRITERIA, scene_checklist
from data.quotes import quoted
from data.records import Criterion, Prompt
from data.scene import Check, Test
from data.scenes import scene_of

_GLOBAL = {criterion.text: criterion for criterion in GLOBAL_CRITERIA}


def shipped_prompts() -> list[Prompt]:
    """The prompts of the set ``scenes``."""
    lines = (resources.files("data") / "promptsets" / "scenes.jsonl").read_text(encoding="utf-8").splitlines()
    return [Prompt.from_json(json.loads(line)) for line in lines]


def calibration_wishes() -> list[Prompt]:
    """The prompts of a calibration as it is by default, with their whole checklists: what a calibration asks is a part of them."""
    from optimizer.calibration.paintings import FIRST_PAIR, example_at, pair_prompt

    numbers = (*range(_PAINTINGS), *range(FIRST_PAIR, FIRST_PAIR + _PAINTINGS // 2))
    return [pair_prompt(example_at(_SEED, number)) for number in numbers]


_PAINTINGS, _SEED = 500, 1


class Known:
    """The statements of some prompts: ``prompts`` beside the shipped ones, None for those of a calibration.

    These take seconds to draw up, so that is put off until someone asks for a request that is not among the shipped ones.
    """

    def __init__(self, prompts: Sequence[Prompt] | None = None) -> None:
        self._by_request: dict[str, dict[str, Criterion]] = defaultdict(dict)
        self._anywhere: dict[str, Criterion | None] = {}
        self._all = prompts is not None
        self._add(prompts or ())
        self._add(shipped_prompts())

    def criterion(self, request: str, statement: str) -> Criterion | None:
        """The criterion that says ``statement`` of a picture for ``request``; None where that can't be told."""
        if statement in _GLOBAL:
            return _GLOBAL[statement]
        here = self._of(request)
        if statement in here:
            return here[statement]
        return _read(request).get(statement) or self._anywhere.get(statement)

    def checklist(self, request: str) -> Sequence[Criterion]:
        """Everything that ``request`` asks for, as far as it is known or can be read."""
        return tuple((self._of(request) or _read(request)).values())

    def asks_for_words(self, request: str) -> bool:
        """Whether any writing is to be in the picture."""
        return bool(quoted(request)) or any(_test(criterion.check) is Test.TEXT for criterion in self.checklist(request))

    def _of(self, request: str) -> dict[str, Criterion]:
        if request not in self._by_request and not self._all:
            self._all = True
            self._add(calibration_wishes())
        return self._by_request.get(request, {})

    def _add(self, prompts: Iterable[Prompt]) -> None:
        for prompt in prompts:
            for criterion in prompt.checklist:
                self._by_request[prompt.text].setdefault(criterion.text, criterion)
                other = self._anywhere.setdefault(criterion.text, criterion)
                if other is not None and other.check != criterion.check:
                    # "Something that was not asked for" is another thing for each request.
                    self._anywhere[criterion.text] = None


def _test(check: Check | None) -> Test | None:
    return check and check.test


@lru_cache(maxsize=1024)
def _read(request: str) -> dict[str, Criterion]:
    """The criteria of a text that can be read, by what they say."""
    scene = scene_of(request)
    return {} if scene is None else {criterion.text: criterion for criterion in scene_checklist(scene)}
