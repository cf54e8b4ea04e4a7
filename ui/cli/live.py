"""A run as it goes: what its events say, kept in a few fields and drawn on a terminal, or said in a line now and then where there is none.

It only listens. Everything goes to stderr, so that a report on stdout can be piped.
"""

import time
from collections import Counter, deque
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from data.identity import short
from data.records import Failure
from optimizer.events import Born, Event, Phase, ProposalDone, RoundSealed, Selected, Standing, TrialDone
from optimizer.methods import METHODS, OURS
from ui.cli.output import figure, one_line, say, seconds

if TYPE_CHECKING:
    from rich.table import Table

    from ui.running import Progress

LINE_SECONDS = 10.0
"""Where there is no terminal, a line about this often."""
RATE_SECONDS = 15.0
"""The speed is taken over the last so many seconds: what was found in the ledger at the start says nothing about it."""
PHASES = {
    Phase.SEARCH: "search: measuring system prompts, proposing better ones",
    Phase.SELECT: "select: the best few on prompts that no proposer has seen",
    Phase.CONFIRM: "confirm: the winner against the baselines on untouched prompts",
    Phase.OTHER_JUDGE: "transfer: the winner's and the reference's pictures before another judge",
    Phase.OTHER_GENERATOR: "transfer: the winner's and the reference's rewrites with another generator",
}


@dataclass(slots=True)
class Watch:
    """What is known of a run that is under way."""

    phase: Phase = Phase.SEARCH
    method: str = OURS
    texts: dict[str, str] = field(default_factory=dict[str, str])
    first_root: str = ""
    standings: tuple[Standing, ...] = ()
    failures: Counter[str] = field(default_factory=Counter[str])
    last_failure: str = ""
    last_proposal: str = ""
    winner: str = ""
    progress: "Progress | None" = None
    _recent: "deque[tuple[float, int]]" = field(default_factory=lambda: deque[tuple[float, int]]())

    def listen(self, event: Event, progress: "Progress") -> None:
        """Takes in an event."""
        self.progress = progress
        match event:
            case Born(derivation=derivation):
                self.first_root = self.first_root or derivation.child.id
                self.texts[derivation.child.id] = derivation.child.text
            case TrialDone(phase=phase, trial=trial):
                self.phase = phase
                self._count(progress)
                if trial.failure is not None:
                    self._fail(trial.failure)
            case ProposalDone(outcome=outcome):
                if isinstance(outcome, Failure):
                    self.last_proposal = f"refused: {outcome.message}"
                else:
                    self.last_proposal = outcome.reason
            case RoundSealed(standings=standings):
                self.standings = standings
            case Selected(winner=winner):
                self.winner = winner
            case _:
                pass

    def _count(self, progress: "Progress") -> None:
        now = time.monotonic()
        self._recent.append((now, progress.images))
        while now - self._recent[0][0] > RATE_SECONDS:
            self._recent.popleft()

    def _fail(self, failure: Failure) -> None:
        self.failures[f"{failure.stage.value} {failure.kind.value}"] += 1
        self.last_failure = failure.message

    @property
    def images_per_second(self) -> float:
        """Over the last seconds; 0 where that can't be told yet."""
        if len(self._recent) < 2:
            return 0.0
        (start, before), (end, after) = self._recent[0], self._recent[-1]
        return (after - before) / (end - start) if end > start else 0.0

    @property
    def best(self) -> Standing | None:
        """The selected one, or else the one with the highest posterior mean; another method's favourite."""
        if not self.standings:
            return None
        return next(
            (s for s in self.standings if s.system_prompt_id == self.winner), max(self.standings, key=lambda s: (s.p_best == 1.0, s.mean))
        )

    def best_in_words(self) -> str:
        """``1a2b3c4d, score .781 ± .021, +.204 over the first root, best with chance .62``."""
        best = self.best
        if best is None:
            return "not known yet"
        first = next(standing for standing in self.standings if standing.system_prompt_id == self.first_root)
        gain = f"{figure(best.mean - first.mean, signed=True)} over the first root" if best is not first else "the first root"
        chance = f"best with chance {best.p_best:.0%}" if self.method == OURS else f"{METHODS[self.method].title}'s favourite"
        return f"{short(best.system_prompt_id)}, score {figure(best.mean)} ± {figure(best.sd)}, {gain}, {chance}"

    def spent_in_words(self) -> str:
        """Dollars, as far as prices are known."""
        if self.progress is None:
            return ""
        return f"${self.progress.dollars:.2f}" + ("" if self.progress.cost_known else " and calls whose price is not known")

    def left_in_words(self) -> str:
        """How long the images that are left will take at the present speed."""
        rate = self.images_per_second
        if self.progress is None or not rate:
            return "not known yet"
        return seconds(max(0, self.progress.images_planned - self.progress.images) / rate)

    def generator_in_words(self) -> str:
        """How the generator is doing; "" where it does not say."""
        in_words: Callable[[], str] | None = getattr(self.progress and self.progress.generator, "in_words", None)
        return in_words() if in_words is not None else ""

    def failures_in_words(self) -> str:
        if not self.failures:
            return "none"
        counts = ", ".join(f"{count} × {name}" for name, count in self.failures.most_common(4))
        return f"{counts}; the last: {one_line(self.last_failure, 90)}"

    def line(self) -> str:
        """All of it in a line."""
        progress = self.progress
        if progress is None:
            return "starting"
        parts = [
            f"{self.phase.value} {progress.images}/{progress.images_planned} images",
            f"{self.images_per_second:.1f}/s",
            f"{progress.reused} reused",
            f"{len(self.texts)} system prompts",
            f"best {self.best_in_words()}",
            f"left {self.left_in_words()}",
        ]
        if progress.dollars or not progress.cost_known:
            parts.append(self.spent_in_words())
        if generator := self.generator_in_words():
            parts.append(generator)
        if self.failures:
            parts.append(f"failures {self.failures_in_words()}")
        return " · ".join(parts)

    def table(self) -> "Table":
        """All of it as rows, for a terminal."""
        from rich.progress_bar import ProgressBar
        from rich.table import Table

        table = Table.grid(padding=(0, 2))
        table.add_column(style="bold", no_wrap=True)
        table.add_column(ratio=1)

        def row(name: str, value: Any) -> None:
            table.add_row(name, value)

        row("phase", PHASES[self.phase])
        row("best so far", self.best_in_words())
        row("", f"“{one_line(self.texts.get(self.best.system_prompt_id, ''), 100)}”" if self.best else "")
        if self.progress is not None:
            progress = self.progress
            row("", ProgressBar(total=progress.images_planned, completed=progress.images, width=50))
            row(
                "images",
                f"{progress.images} of {progress.images_planned}, {self.images_per_second:.1f} per second, {progress.reused} reused",
            )
            row("time", f"{seconds(progress.seconds)}, left {self.left_in_words()}")
            row("spent", self.spent_in_words())
            if generator := self.generator_in_words():
                row("generator", generator)
        row("system prompts", f"{len(self.texts)}")
        row("last proposal", one_line(self.last_proposal, 100) or "none yet")
        row("failures", self.failures_in_words())
        return table


@contextmanager
def watching(watch: Watch) -> Generator[Any]:
    """Shows ``watch`` while the block runs; what it yields is to be called with each event and the progress."""
    from ui.cli.output import console

    screen = console(stderr=True)
    if not screen.is_terminal:
        yield _Lines(watch)
        return
    from rich.live import Live

    with Live(get_renderable=watch.table, console=screen, refresh_per_second=4, transient=True):
        yield watch.listen


class _Lines:
    """Says a line now and then, and one at each change of phase."""

    def __init__(self, watch: Watch) -> None:
        self._watch = watch
        self._said = time.monotonic()
        self._phase: Phase | None = None

    def __call__(self, event: Event, progress: "Progress") -> None:
        self._watch.listen(event, progress)
        if isinstance(event, TrialDone) and event.phase is not self._phase:
            self._phase = event.phase
            say(PHASES[event.phase])
        if time.monotonic() - self._said > LINE_SECONDS:
            self._said = time.monotonic()
            say(self._watch.line())
