"""Judges that see: a panel's opinions, repeated looks at an image, what a checklist was written from."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.add_column("judgments", sa.Column("opinions", sa.JSON(), nullable=False, server_default="[]"))
    op.add_column("trials", sa.Column("look", sa.Integer(), nullable=False, server_default="0"))
    op.add_column("prompts", sa.Column("checklist_from", sa.String(), nullable=False, server_default=""))
