"""The monitors of a finished run: its trials and pictures from the ledger, measured once, and kept there beside what they are about.

What is measured, and what is an alarm, is decided in optimizer/monitors.py. Whoever reports on a run asks here first; pages, which write
nothing, show what was kept.
"""

import os
from collections.abc import Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from data.errors import LedgerError
from data.identity import derived_seed
from ui.eventlog import CONFIRMED, MONITORED
from ui.views import confirmed_trials

if TYPE_CHECKING:
    from data.blobs import ImageFiles
    from data.store import Store
    from optimizer.looks import Look
    from optimizer.monitors import Watched

RAW, BEST = "none", "best"
MOST_THREADS = 8
"""Pictures that are measured at once, at most: each is held in memory whole."""


def monitors_of(store: "Store", images: "ImageFiles", run_id: str) -> Mapping[str, Any] | None:
    """What the monitors say of a run, as JSON (docs/json.md); None where it has not confirmed anything yet.

    Kept in the ledger, unless files are missing: then the next one who asks looks again.
    """
    confirmed = next((event for event in store.events(run_id) if event.kind == CONFIRMED), None)
    if (kept := _kept(store, run_id)) is not None or confirmed is None:
        return kept
    from optimizer.monitors import monitors, monitors_to_json

    watched = _watched(store, run_id, confirmed.payload)
    if watched is None:
        return None
    found = monitors_to_json(monitors(watched, lambda shown: _looks(images, shown), seed=derived_seed(run_id, "monitors")))
    if found["missing"]:
        return found
    # Nothing is decided in a run after its confirmation: the place is free, and the same for everybody.
    store.add_event(run_id, confirmed.ordinal + 1, MONITORED, found)
    # What others will be shown, to the order of its keys.
    return _kept(store, run_id)


def _kept(store: "Store", run_id: str) -> Mapping[str, Any] | None:
    return next((event.payload for event in store.events(run_id) if event.kind == MONITORED), None)


def _watched(store: "Store", run_id: str, comparison: Mapping[str, Any]) -> "Watched | None":
    from optimizer.monitors import Watched

    arms = {arm["name"]: arm["system_prompt"] for arm in comparison["arms"]}
    if RAW not in arms or BEST not in arms:
        return None
    others = [name for name in dict.fromkeys((RAW, comparison["reference"])) if arms[name] != arms[BEST]]
    every = {name: list(store.trials(run_id, system_prompt_id=arms[name])) for name in (BEST, *others)}
    return Watched(BEST, others, confirmed_trials(store, run_id, comparison), every)


def _looks(images: "ImageFiles", shown: Collection[str]) -> "Mapping[str, Look]":
    """What the pictures look like; without those whose files are missing or damaged."""
    from optimizer.looks import look

    def measured(sha256: str) -> "Look | None":
        try:
            return look(images.read(sha256))
        except (LedgerError, OSError):
            return None

    wanted = sorted(shown)
    threads = ThreadPoolExecutor(min(MOST_THREADS, os.cpu_count() or 1))
    try:
        found = list(threads.map(measured, wanted))
    finally:
        # Ctrl-C shall not wait for all of them.
        threads.shutdown(cancel_futures=True)
    return {sha256: seen for sha256, seen in zip(wanted, found, strict=True) if seen is not None}
