"""Runs and their events, as the ledger keeps them: frozen values without a database in them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class RunRecord:
    """A run on record: its ``kind`` ("optimize", "imagine" …), its whole configuration, and when it began (UTC, ISO 8601 with offset)."""

    id: str
    kind: str
    config: Mapping[str, Any]
    created_at: str


@dataclass(frozen=True, slots=True)
class Event:
    """Something a run decided or went through. ``ordinal`` is its place in the run's order; ``at`` is UTC, ISO 8601 with offset."""

    ordinal: int
    kind: str
    payload: Mapping[str, Any]
    at: str
