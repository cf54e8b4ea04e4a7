"""What the search says of its winner stands beside the claim, and is no part of it."""

from random import Random

import pytest

from benchmarks.worlds import synthetic_world
from data.records import Judgment, Prompt, SystemPrompt, Trial, TrialRequest
from optimizer.events import Confirmed, Phase, RoundSealed, Selected, TrialDone
from optimizer.gains import SearchScores
from tests.optimizer.worlds import Play


def trial(text: str, number: int, score: float | None) -> Trial:
    request = TrialRequest(SystemPrompt(text), Prompt(f"prompt {number}"), 0, number)
    return Trial(f"{text} {number}", request, judgment=None if score is None else Judgment(score))


def test_the_search_score_is_the_difference_of_means_in_any_order():
    ours, theirs = SystemPrompt("ours"), SystemPrompt("theirs")
    trials = [trial("ours", n, 0.1 * (n % 7)) for n in range(31)] + [trial("theirs", n, 0.3) for n in range(9)]
    trials.append(trial("theirs", 99, None))
    found: set[float | None] = set()
    for seed in range(20):
        Random(seed).shuffle(trials)
        scores = SearchScores()
        for entry in trials:
            scores.take(entry)
        found.add(scores.difference(ours.id, theirs.id))
    assert len(found) == 1  # To the last bit: a resumed run ends alike.
    assert found.pop() == pytest.approx(sum(0.1 * (n % 7) for n in range(31)) / 31 - 0.3)
    assert SearchScores().difference(ours.id, theirs.id) is None


async def test_a_run_tells_its_gain_three_times():
    events = await Play(synthetic_world(3), images=400).run()
    chosen = next(event for event in events if isinstance(event, Selected))
    assert chosen.gain is not None
    assert chosen.gain.reference == "general"
    searched: dict[str, list[float]] = {}
    for event in events:
        if isinstance(event, TrialDone) and event.phase is Phase.SEARCH and event.trial.score is not None:
            searched.setdefault(event.trial.request.system_prompt.id, []).append(event.trial.score)
    confirmed = next(event.comparison for event in events if isinstance(event, Confirmed))
    general = next(arm.system_prompt_id for arm in confirmed.arms if arm.name == "general")
    means = {name: sum(scores) / len(scores) for name, scores in searched.items()}
    assert chosen.gain.raw == pytest.approx(means[chosen.winner] - means[general])
    last = [event for event in events if isinstance(event, RoundSealed)][-1]
    believed = {standing.system_prompt_id: standing.mean for standing in last.standings}
    assert chosen.gain.shrunk is not None
    assert chosen.gain.shrunk.estimate == pytest.approx(believed[chosen.winner] - believed[general], abs=1e-6)
    assert (chosen.gain.shrunk.low or 0) < chosen.gain.shrunk.estimate < (chosen.gain.shrunk.high or 0)
