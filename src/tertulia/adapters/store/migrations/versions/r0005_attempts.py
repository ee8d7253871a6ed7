"""The ledger of attempts, whose turn it is, and which workers there are."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

ID = sa.String(64)
TOKENS = ("input_tokens", "output_tokens", "cached_tokens", "reasoning_tokens", "cost_micros")


def upgrade() -> None:
    op.create_table(
        "attempts",
        sa.Column("response_id", ID, nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("user_id", ID, nullable=False),
        sa.Column("worker_id", ID, nullable=False),
        sa.Column("ended_at", sa.Double(), nullable=False),
        sa.Column("how", sa.String(32), nullable=False),
        *(sa.Column(name, sa.BigInteger(), nullable=False) for name in TOKENS),
        sa.PrimaryKeyConstraint("response_id", "attempt"),
        sqlite_with_rowid=False,
    )
    op.create_index("attempts_of_user", "attempts", ["user_id", "ended_at"])
    op.create_table(
        "shares",
        sa.Column("user_id", ID, primary_key=True),
        sa.Column("next_turn", sa.Double(), nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_index("shares_by_turn", "shares", ["next_turn"])
    op.create_table(
        "workers",
        sa.Column("id", ID, primary_key=True),
        sa.Column("slots", sa.Integer(), nullable=False),
        sa.Column("turn_seconds", sa.Double()),
        sa.Column("expires_at", sa.Double(), nullable=False),
    )
    op.create_index("ix_workers_expires_at", "workers", ["expires_at"])


def downgrade() -> None:
    op.drop_table("workers")
    op.drop_table("shares")
    op.drop_table("attempts")
