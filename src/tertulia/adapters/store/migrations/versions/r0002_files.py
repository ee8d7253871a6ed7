"""Uploaded files."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

ID = sa.String(64)
SEALED = sa.LargeBinary(2**32 - 1)


def upgrade() -> None:
    op.create_table(
        "files",
        sa.Column("id", ID, primary_key=True),
        sa.Column("user_id", ID, nullable=False),
        sa.Column("purpose", sa.String(32), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("expires_at", sa.Double()),
        sa.Column("details", SEALED, nullable=False),
        sa.Column("body", SEALED, nullable=False),
    )
    op.create_index("files_of_user", "files", ["user_id", "created_at", "id"])
    expires = sa.text("expires_at IS NOT NULL")
    op.create_index(
        "files_expiring",
        "files",
        ["expires_at"],
        sqlite_where=expires,
        postgresql_where=expires,
    )


def downgrade() -> None:
    op.drop_table("files")
