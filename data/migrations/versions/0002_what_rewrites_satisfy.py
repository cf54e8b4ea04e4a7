"""What a rewrite satisfies and was sampled with; cached and reasoning tokens."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    for table in ("rewrites", "images", "judgments"):
        for name in ("cached_tokens", "reasoning_tokens"):
            op.add_column(table, sa.Column(name, sa.BigInteger(), nullable=False, server_default="0"))
    for name in ("flaws", "removed"):
        op.add_column("rewrites", sa.Column(name, sa.JSON(), nullable=False, server_default="[]"))
    op.add_column("rewrites", sa.Column("tokens", sa.Integer(), nullable=True))
    op.add_column("rewrites", sa.Column("seed", sa.BigInteger(), nullable=True))
    op.add_column("rewrites", sa.Column("aspect_ratio", sa.String(), nullable=False, server_default=""))
