"""Rows of a log are found by a chain from its newest one, no longer by an index."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

ID = sa.String(64)
SEALED = sa.LargeBinary(2**32 - 1)


def _column(name: str, kind: sa.types.TypeEngine[Any]) -> sa.Column[Any]:
    return sa.Column(name, kind, nullable=False)


def upgrade() -> None:
    _set_aside()
    op.create_table(
        "logs",
        sa.Column("response_id", ID, primary_key=True),
        _column("user_id", ID),
        _column("attempt", sa.Integer()),
        sa.Column("last_number", sa.BigInteger()),
        sa.Column("tail", sa.BigInteger()),
        sa.Column("ended_at", sa.Double()),
        _column("updated_at", sa.Double()),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_logs_ended_at", "logs", ["ended_at"])
    number = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    op.create_table(
        "frames",
        sa.Column("id", number, primary_key=True),
        sa.Column("previous", sa.BigInteger()),
        _column("response_id", ID),
        _column("user_id", ID),
        _column("first_number", sa.BigInteger()),
        _column("last_number", sa.BigInteger()),
        _column("body", SEALED),
    )
    op.execute(
        "INSERT INTO frames "
        "(id, previous, response_id, user_id, first_number, last_number, body) "
        "SELECT id, LAG(id) OVER (PARTITION BY response_id ORDER BY first_number), "
        "response_id, user_id, first_number, last_number, body FROM ("
        "SELECT ROW_NUMBER() OVER (ORDER BY response_id, first_number) AS id, "
        "response_id, user_id, first_number, last_number, body FROM old_frames) AS numbered"
    )
    op.execute(
        "INSERT INTO logs "
        "(response_id, user_id, attempt, last_number, tail, ended_at, updated_at) "
        "SELECT old_logs.response_id, user_id, attempt, last_number, tail, ended_at, updated_at "
        "FROM old_logs LEFT JOIN ("
        "SELECT response_id, MAX(id) AS tail FROM frames GROUP BY response_id) AS newest "
        "ON newest.response_id = old_logs.response_id"
    )
    _drop_old()


def downgrade() -> None:
    op.drop_index("ix_logs_ended_at", "logs")
    _set_aside()
    op.create_table(
        "logs",
        sa.Column("response_id", ID, primary_key=True),
        _column("user_id", ID),
        _column("attempt", sa.Integer()),
        sa.Column("last_number", sa.BigInteger()),
        sa.Column("ended_at", sa.Double()),
        _column("updated_at", sa.Double()),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "frames",
        _column("response_id", ID),
        _column("first_number", sa.BigInteger()),
        _column("last_number", sa.BigInteger()),
        _column("user_id", ID),
        _column("body", SEALED),
        sa.PrimaryKeyConstraint("response_id", "first_number"),
    )
    op.execute(
        "INSERT INTO logs (response_id, user_id, attempt, last_number, ended_at, updated_at) "
        "SELECT response_id, user_id, attempt, last_number, ended_at, updated_at FROM old_logs"
    )
    op.execute(
        "INSERT INTO frames (response_id, first_number, last_number, user_id, body) "
        "SELECT response_id, first_number, last_number, user_id, body FROM old_frames"
    )
    _drop_old()
    op.create_index("ix_logs_updated_at", "logs", ["updated_at"])


def _set_aside() -> None:
    for table in ("logs", "frames"):
        op.rename_table(table, f"old_{table}")


def _drop_old() -> None:
    for table in ("old_logs", "old_frames"):
        op.drop_table(table)
