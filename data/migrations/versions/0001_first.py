"""All tables."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def text(name: str, *, nullable: bool = False) -> sa.Column[str]:
    return sa.Column(name, sa.String(), nullable=nullable)


def json(name: str, *, nullable: bool = False) -> sa.Column[object]:
    return sa.Column(name, sa.JSON(), nullable=nullable)


def real(name: str, *, nullable: bool = False) -> sa.Column[float]:
    return sa.Column(name, sa.Float(), nullable=nullable)


def integer(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.Integer(), nullable=False)


def long(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger(), nullable=False)


def result(table: str, *columns: sa.Column[str] | sa.Column[int] | sa.Column[float] | sa.Column[object]) -> None:
    """A table of what a stage delivered."""
    used = (long("input_tokens"), long("output_tokens"), real("cost", nullable=True), real("latency"))
    op.create_table(table, text("key"), text("digest"), *used, *columns, sa.PrimaryKeyConstraint("key", "digest"))


def upgrade() -> None:
    op.create_table("system_prompts", text("id"), text("text"), text("name"), sa.PrimaryKeyConstraint("id"))
    op.create_table(
        "prompts",
        text("id"),
        text("text"),
        text("language"),
        text("category"),
        text("split"),
        json("tags"),
        json("scene", nullable=True),
        json("checklist"),
        sa.PrimaryKeyConstraint("id"),
    )
    result("rewrites", text("text"), text("reasoning"), json("drift"))
    result("images", text("sha256"), integer("width"), integer("height"))
    op.create_index("ix_images_sha256", "images", ["sha256"])
    result("judgments", real("value"), json("scores"))
    op.create_table(
        "trials",
        text("run_id"),
        text("id"),
        sa.Column("scored", sa.Boolean(), nullable=False),
        text("system_prompt_id"),
        text("prompt_id"),
        long("sample"),
        long("seed"),
        *(text(f"{stage}_{part}", nullable=True) for stage in ("rewrite", "image", "judgment") for part in ("key", "digest")),
        real("score", nullable=True),
        json("failure", nullable=True),
        sa.PrimaryKeyConstraint("run_id", "id", "scored"),
    )
    op.create_table("runs", text("id"), text("kind"), json("config"), text("created_at"), sa.PrimaryKeyConstraint("id"))
    op.create_table(
        "derivations",
        text("run_id"),
        integer("ordinal"),
        text("child_id"),
        json("parents"),
        text("operation"),
        text("reason"),
        sa.PrimaryKeyConstraint("run_id", "ordinal"),
    )
    op.create_table(
        "events",
        text("run_id"),
        integer("ordinal"),
        text("kind"),
        json("payload"),
        text("at"),
        sa.PrimaryKeyConstraint("run_id", "ordinal"),
    )
