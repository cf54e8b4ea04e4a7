"""Does the gain transfer? The best arm and the reference once more, with one engine exchanged that the search never used.

A gain that only the search's own judge sees was found in the judge, and one that only its own generator shows was found there. Another
judge looks at the pictures of the confirmation, none is drawn again; another generator draws the very rewrites of the confirmation. Which
engines there are is the caller's business.
"""

from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from contextlib import aclosing

from data.records import Trial, TrialRequest
from optimizer.budget import Budget
from optimizer.compare import Exchanged
from optimizer.events import Phase, TrialDone
from optimizer.search import TrialSource, raise_if_hopeless

PHASES: Mapping[Exchanged, Phase] = {Exchanged.JUDGE: Phase.OTHER_JUDGE, Exchanged.GENERATOR: Phase.OTHER_GENERATOR}


class Again:
    """Confirmed trials, measured again by ``source``, in which the engine ``exchanged`` is another one."""

    def __init__(self, exchanged: Exchanged, source: TrialSource) -> None:
        self.exchanged = exchanged
        self._source = source
        self._done: dict[str, Trial] = {}

    async def run(self, confirmed: Sequence[Trial], budget: Budget) -> AsyncGenerator[TrialDone, None]:
        """Yields each trial as it is done, until a limit of the budget is near; FatalError where every single one failed."""
        redrawn = self.exchanged is Exchanged.GENERATOR

        def requests() -> Iterator[TrialRequest]:
            for asked, trial in enumerate(filter(self._got_far_enough, confirmed)):
                if budget.exhausted(asked - len(self._done)):
                    return
                yield trial.request

        async with aclosing(self._source.stream(requests())) as trials:
            async for trial in trials:
                self._done[trial.id] = trial
                budget.charge_again(trial, drawn=redrawn)
                yield TrialDone(PHASES[self.exchanged], trial)
        raise_if_hopeless(list(self._done.values()))

    def outcomes(self, confirmed: Sequence[Trial]) -> list[Trial]:
        """What came of each; one that had not got far enough stays the failure that it was. Without those that the budget did not reach."""
        ids = [trial.request.id(self._source.pipeline) for trial in confirmed]
        return [
            self._done[again] if self._got_far_enough(trial) else trial
            for trial, again in zip(confirmed, ids, strict=True)
            if again in self._done or not self._got_far_enough(trial)
        ]

    def _got_far_enough(self, trial: Trial) -> bool:
        """Whether there is what the other engine works on: a judge's picture, a generator's rewrite."""
        return (trial.image if self.exchanged is Exchanged.JUDGE else trial.rewrite) is not None
