"""The search of a run whose method is another optimizer: from its root to what it chooses, as events like those of our own search.

It gets the images of our search and our selection together, since it does both. What it chooses is confirmed like any other winner.
"""

from collections.abc import AsyncGenerator
from contextlib import aclosing

from data.identity import short
from data.records import SystemPrompt
from optimizer.events import Event, Selected
from optimizer.methods import METHODS, work_of
from optimizer.methods.bridge import Bridge
from optimizer.methods.task import task_of


async def search_with(method: str, bridge: Bridge, root: SystemPrompt, shortlist: int) -> AsyncGenerator[Event, None]:
    """Runs ``method`` (one of METHODS) over ``bridge`` from ``root``; the last event is Selected, with at most ``shortlist`` names."""
    work = work_of(method)
    task = task_of(root, bridge.search, bridge.select, bridge.images, bridge.seed)
    title = METHODS[method].title
    reason = f"start of {title}: {root.name or short(root.id)}"
    async with aclosing(bridge.run(root, reason, lambda: work(bridge, task))) as events:
        async for event in events:
            yield event
    winner = bridge.favourite
    others = [identifier for identifier in bridge.record.ranking(bridge.record.system_prompts) if identifier != winner]
    yield Selected(winner, (winner, *others[: shortlist - 1]), _reason(title, bridge))


def _reason(title: str, bridge: Bridge) -> str:
    mean = bridge.record.mean(bridge.favourite)
    parts = [f"{title}'s choice among {len(bridge.record.system_prompts)}"]
    if mean is not None:
        parts.append(f"its mean over {len(bridge.record.scores(bridge.favourite))} trials is {mean:.3f}")
    if bridge.limit:
        parts.append(f"a limit ended the search: {bridge.limit}")
    if failed := bridge.record.failed:
        parts.append(f"{failed} trials failed, and are no scores")
    return "; ".join(parts)
