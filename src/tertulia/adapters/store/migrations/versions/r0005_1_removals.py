"""Users whose removal has begun."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005.1"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "removals",
        sa.Column("user_id", sa.String(64), primary_key=True),
        sa.Column("begun_at", sa.Double(), nullable=False),
        sqlite_with_rowid=False,
    )


def downgrade() -> None:
    op.drop_table("removals")
