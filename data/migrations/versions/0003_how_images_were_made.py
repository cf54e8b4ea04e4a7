"""What about an image's making may spoil a comparison: flaws, the far side's own text, how many were drawn with it."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.add_column("images", sa.Column("flaws", sa.JSON(), nullable=False, server_default="[]"))
    op.add_column("images", sa.Column("revised_prompt", sa.String(), nullable=False, server_default=""))
    op.add_column("images", sa.Column("batch", sa.Integer(), nullable=False, server_default="0"))
