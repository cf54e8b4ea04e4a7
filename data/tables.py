"""The ledger's tables. Rows are only ever added; nothing here is updated or deleted.

Results (rewrites, images, judgments) are found by ``key``, the hash of all that determines them, and told apart by ``digest``, the hash of
what they are: two processes that ask a sampling model for the same thing at once get two answers, and each trial keeps its own.

After a change here, write a migration beside those in data/migrations/versions, and raise REVISION.
"""
# pyright: reportAssignmentType=false
# SQLModel's own way to name a table is a plain string where SQLAlchemy declares a descriptor.

from typing import Any

from sqlalchemy import JSON, BigInteger, Table
from sqlalchemy.orm import registry
from sqlmodel import Field, SQLModel

REVISION = "0004"
"""The newest migration: what an open database has."""

NullableJson = JSON(none_as_null=True)
"""None is NULL, not the JSON word null."""


class Row(SQLModel, registry=registry()):
    """What all tables share: a catalogue of their own, apart from tables that a program around us may define with SQLModel."""


class SystemPrompts(Row, table=True):
    __tablename__ = "system_prompts"

    id: str = Field(primary_key=True)
    text: str
    name: str


class Prompts(Row, table=True):
    __tablename__ = "prompts"

    id: str = Field(primary_key=True)
    text: str
    language: str
    category: str
    split: str
    tags: list[str] = Field(sa_type=JSON)
    scene: dict[str, Any] | None = Field(sa_type=NullableJson, nullable=True)
    checklist: list[dict[str, Any]] = Field(sa_type=JSON)
    checklist_from: str = ""


class Result(Row):
    """The columns of what a stage delivered and was paid for (data/usage.py). ``cost`` in dollars, NULL if unknown; ``latency`` in
    seconds."""

    key: str = Field(primary_key=True)
    digest: str = Field(primary_key=True)
    input_tokens: int = Field(sa_type=BigInteger)
    output_tokens: int = Field(sa_type=BigInteger)
    cached_tokens: int = Field(default=0, sa_type=BigInteger)
    reasoning_tokens: int = Field(default=0, sa_type=BigInteger)
    cost: float | None
    latency: float


class Rewrites(Result, table=True):
    __tablename__ = "rewrites"

    text: str
    reasoning: str
    drift: list[str] = Field(sa_type=JSON)
    flaws: list[str] = Field(default_factory=list, sa_type=JSON)
    removed: list[str] = Field(default_factory=list, sa_type=JSON)
    tokens: int | None
    seed: int | None = Field(sa_type=BigInteger)
    aspect_ratio: str = ""


class Images(Result, table=True):
    __tablename__ = "images"

    sha256: str = Field(index=True)
    width: int
    height: int
    flaws: list[str] = Field(default_factory=list, sa_type=JSON)
    revised_prompt: str = ""
    batch: int = 0


class Judgments(Result, table=True):
    """``scores``: a list of [criterion id, score or null, evidence]. ``opinions``: a list of objects, a panel's."""

    __tablename__ = "judgments"

    value: float
    scores: list[Any] = Field(sa_type=JSON)
    opinions: list[dict[str, Any]] = Field(default_factory=list, sa_type=JSON)


class Trials(Row, table=True):
    """``scored`` is part of the key, so that a failed trial that was tried again with success is a second row, and no update."""

    __tablename__ = "trials"

    run_id: str = Field(primary_key=True)
    id: str = Field(primary_key=True)
    scored: bool = Field(primary_key=True)
    system_prompt_id: str
    prompt_id: str
    sample: int = Field(sa_type=BigInteger)
    seed: int = Field(sa_type=BigInteger)
    look: int = 0
    rewrite_key: str | None
    rewrite_digest: str | None
    image_key: str | None
    image_digest: str | None
    judgment_key: str | None
    judgment_digest: str | None
    score: float | None
    failure: dict[str, Any] | None = Field(sa_type=NullableJson, nullable=True)


class Runs(Row, table=True):
    __tablename__ = "runs"

    id: str = Field(primary_key=True)
    kind: str
    config: dict[str, Any] = Field(sa_type=JSON)
    created_at: str


class Derivations(Row, table=True):
    __tablename__ = "derivations"

    run_id: str = Field(primary_key=True)
    ordinal: int = Field(primary_key=True)
    child_id: str
    parents: list[str] = Field(sa_type=JSON)
    operation: str
    reason: str


class Events(Row, table=True):
    """``at``: UTC, ISO 8601 with offset."""

    __tablename__ = "events"

    run_id: str = Field(primary_key=True)
    ordinal: int = Field(primary_key=True)
    kind: str
    payload: dict[str, Any] = Field(sa_type=JSON)
    at: str


METADATA = Row.metadata


def _table(name: str) -> Table:
    return METADATA.tables[name]


SYSTEM_PROMPTS = _table("system_prompts")
PROMPTS = _table("prompts")
REWRITES = _table("rewrites")
IMAGES = _table("images")
JUDGMENTS = _table("judgments")
TRIALS = _table("trials")
RUNS = _table("runs")
DERIVATIONS = _table("derivations")
EVENTS = _table("events")
