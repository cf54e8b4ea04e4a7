"""The live view: what it makes of a run's events, on a terminal and where there is none."""

import os
import pty
import select
import subprocess
import time
from dataclasses import replace
from pathlib import Path

import pytest

from data.errors import FailureKind, Stage
from data.records import Derivation, Failure, Operation, Prompt, SystemPrompt, Trial, TrialRequest
from optimizer.events import Born, Event, Phase, ProposalDone, RoundSealed, Selected, Standing, TrialDone
from optimizer.proposers import Proposal
from tests.ui.cli import cheap
from tests.ui.cli.conftest import IMAGES, MAIN, environment
from ui.cli.live import Watch, watching
from ui.running import Progress

ROOT, CHILD = SystemPrompt("Describe it.", "plain"), SystemPrompt("Describe it, and put each colour beside its noun.")
FAILURE = Failure(Stage.GENERATE, FailureKind.TIMEOUT, "no answer within 60 s")


def progress(images: int, *, dollars: float = 0.0, cost_known: bool = True) -> Progress:
    return Progress("b2:0", images, 200, images, 0, dollars, cost_known, 1.0)


def trial(number: int, failure: Failure | None = None) -> Trial:
    return Trial(str(number), TrialRequest(ROOT, Prompt("a cat"), number, number), failure=failure)


def story() -> list[tuple[Event, Progress]]:
    standings = (Standing(ROOT.id, 0.5, 0.04, 0.1, 9), Standing(CHILD.id, 0.71, 0.03, 0.9, 6))
    return [
        (Born(0, Derivation(ROOT, (), Operation.ROOT)), progress(0)),
        (TrialDone(Phase.SEARCH, trial(1)), progress(1)),
        (TrialDone(Phase.SEARCH, trial(2, FAILURE)), progress(2)),
        (ProposalDone("k", Proposal(CHILD.text, "colours were mixed up")), progress(2)),
        (Born(1, Derivation(CHILD, (ROOT.id,), Operation.REFLECT)), progress(2)),
        (RoundSealed(0, Phase.SEARCH, 2, 0.2, standings), progress(2)),
        (TrialDone(Phase.SELECT, trial(3)), progress(3, dollars=1.5, cost_known=False)),
    ]


def test_it_tells_what_is_believed_spent_and_lost() -> None:
    watch = Watch()
    assert watch.line() == "starting"
    for event, at in story():
        watch.listen(event, at)
    line = watch.line()
    assert "select 3/200 images" in line
    assert "score .710 ± .030, +.210 over the first root, best with chance 90%" in line
    assert "$1.50 and calls whose price is not known" in line
    assert "failures 1 × generate timeout; the last: no answer within 60 s" in line
    assert watch.last_proposal == "colours were mixed up"


def test_once_selected_the_winner_is_the_best() -> None:
    watch = Watch()
    for event, at in [*story(), (Selected(ROOT.id, (ROOT.id, CHILD.id), "selected"), progress(3))]:
        watch.listen(event, at)
    assert "score .500 ± .040, the first root" in watch.line()


def test_a_refused_proposal_is_said() -> None:
    watch = Watch()
    watch.listen(ProposalDone("k", Failure(Stage.PROPOSE, FailureKind.REJECTED, "it speaks of judges")), progress(1))
    assert watch.last_proposal == "refused: it speaks of judges"


def test_without_a_terminal_it_says_each_phase_once(capsys: pytest.CaptureFixture[str]) -> None:
    with watching(Watch()) as listen:
        for event, at in story():
            listen(event, at)
    output = capsys.readouterr()
    assert output.out == ""
    assert [line.split(":")[0] for line in output.err.splitlines()] == ["search", "select"]


def test_a_terminal_shows_it_live_and_is_left_clean(tmp_path: Path) -> None:
    """A real pseudo-terminal for stderr: the view comes, goes, and is not in the report."""
    ours, theirs = pty.openpty()
    arguments = ["optimize", "--images", str(IMAGES), "--generator", cheap.SLOW_GENERATOR, "--judge", cheap.JUDGE]
    process = subprocess.Popen(
        [*MAIN, *arguments], cwd=tmp_path, env=environment(TERM="xterm", COLUMNS="120"), stdout=subprocess.PIPE, stderr=theirs, text=True
    )
    os.close(theirs)
    seen = b""
    deadline = time.monotonic() + 90
    try:
        while time.monotonic() < deadline and (select.select([ours], [], [], 1)[0] or process.poll() is None):
            if select.select([ours], [], [], 0)[0]:
                seen += os.read(ours, 65536)
    except OSError:  # What Linux says of a terminal that nobody holds open any more.
        pass
    finally:
        os.close(ours)
    output, _ = process.communicate(timeout=30)
    assert process.returncode == 0
    screen = seen.decode()
    for words in ("best so far", "last proposal", "per second", "chance"):
        assert words in screen
    assert "best so far" not in output
    assert output.rstrip().endswith("contact-sheet.png")


def test_a_generator_says_how_it_is_doing() -> None:
    class Pool:
        def in_words(self) -> str:
            return "2 of 2 actors up"

    watch = Watch()
    assert watch.generator_in_words() == ""
    watch.progress = replace(progress(1), generator=Pool())
    assert "2 of 2 actors up" in watch.line()
