"""The first tables.

Revisions are written out and never changed once released: they say what the schema was, while
`schema.py` says what it is.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

ID = sa.String(64)
HASH = sa.String(128)
WORD = sa.String(32)
MODEL = sa.String(256)
SEALED = sa.LargeBinary(2**32 - 1)

_TOKENS = ("input_tokens", "output_tokens", "cached_tokens", "reasoning_tokens", "cost_micros")


def _column(name: str, kind: sa.types.TypeEngine[Any]) -> sa.Column[Any]:
    return sa.Column(name, kind, nullable=False)


def _tokens() -> list[sa.Column[Any]]:
    return [_column(name, sa.BigInteger()) for name in _TOKENS]


def upgrade() -> None:
    _accounts()
    _conversations()
    _responses()
    _around_responses()
    _log()


def downgrade() -> None:
    for table in (
        "frames",
        "logs",
        "feed",
        "idempotency",
        "usage_of_responses",
        "items",
        "responses",
        "conversations",
        "api_keys",
        "logins",
        "users",
        "meta",
    ):
        op.drop_table(table)


def _accounts() -> None:
    op.create_table(
        "meta",
        sa.Column("name", WORD, primary_key=True),
        _column("value", HASH),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "users",
        sa.Column("id", ID, primary_key=True),
        sa.Column("email", sa.String(320), nullable=False, unique=True),
        _column("role", WORD),
        _column("created_at", sa.Double()),
        sa.Column("password_hash", sa.String(512)),
        sa.Column("instructions", SEALED),
        sa.Column("default_model", MODEL),
        _column("feed_offset", sa.BigInteger()),
        _column("responses", sa.BigInteger()),
    )
    op.create_table(
        "logins",
        sa.Column("id", ID, primary_key=True),
        _column("user_id", ID),
        _column("created_at", sa.Double()),
        _column("expires_at", sa.Double()),
        _column("refresh_hash", HASH),
        sa.Column("previous_hash", HASH),
        sa.Column("rotated_at", sa.Double()),
        sa.Column("revoked_at", sa.Double()),
    )
    op.create_index("ix_logins_user_id", "logins", ["user_id"])
    op.create_index("ix_logins_refresh_hash", "logins", ["refresh_hash"])
    op.create_index("ix_logins_previous_hash", "logins", ["previous_hash"])
    op.create_table(
        "api_keys",
        sa.Column("id", ID, primary_key=True),
        _column("user_id", ID),
        _column("name", sa.String(256)),
        _column("prefix", WORD),
        sa.Column("key_hash", HASH, nullable=False, unique=True),
        _column("created_at", sa.Double()),
        sa.Column("last_used_at", sa.Double()),
        sa.Column("revoked_at", sa.Double()),
    )
    op.create_index("ix_api_keys_user_id", "api_keys", ["user_id"])


def _conversations() -> None:
    op.create_table(
        "conversations",
        sa.Column("id", ID, primary_key=True),
        _column("user_id", ID),
        _column("created_at", sa.Double()),
        _column("updated_at", sa.Double()),
        sa.Column("title", SEALED),
        sa.Column("title_source", WORD),
        sa.Column("metadata", SEALED),
        sa.Column("head", ID),
        sa.Column("deleted_at", sa.Double()),
    )
    op.create_index(
        "conversations_of_user",
        "conversations",
        ["user_id", "deleted_at", "updated_at", "id"],
    )
    _partial("conversations_deleted", "deleted_at IS NOT NULL", "deleted_at")


def _responses() -> None:
    op.create_table(
        "responses",
        sa.Column("id", ID, primary_key=True),
        _column("user_id", ID),
        _column("ordinal", sa.BigInteger()),
        _column("kind", WORD),
        sa.Column("conversation_id", ID),
        sa.Column("previous_response_id", ID),
        sa.Column("regenerate_of", ID),
        _column("input_of", ID),
        _column("store", sa.Integer()),
        _column("background", sa.Integer()),
        sa.Column("connection_id", ID),
        _column("model", MODEL),
        _column("tier", WORD),
        sa.Column("request", SEALED),
        _column("status", WORD),
        sa.Column("incomplete_reason", WORD),
        sa.Column("error", SEALED),
        _column("created_at", sa.Double()),
        sa.Column("admitted_at", sa.Double()),
        sa.Column("completed_at", sa.Double()),
        sa.Column("cancel_requested_at", sa.Double()),
        sa.Column("erased_at", sa.Double()),
        _column("attempt", sa.Integer()),
        _column("crashes", sa.Integer()),
        sa.Column("worker_id", ID),
        sa.Column("lease_until", sa.Double()),
        sa.Column("rung_at", sa.Double()),
        sa.Column("last_sequence_number", sa.BigInteger()),
        *_tokens(),
    )
    op.create_index("responses_of_conversation", "responses", ["conversation_id", "ordinal"])
    op.create_index("responses_of_parent", "responses", ["previous_response_id"])
    op.create_index("responses_of_input", "responses", ["input_of"])
    _partial("responses_open_of_user", "completed_at IS NULL", "completed_at", "user_id", "ordinal")
    _partial("responses_open", "completed_at IS NULL", "completed_at", "admitted_at", "created_at")
    _partial("responses_ephemeral", "store = 0", "store", "completed_at")
    _partial("responses_bound", "connection_id IS NOT NULL", "connection_id")


def _partial(name: str, where: str, *columns: str) -> None:
    condition = sa.text(where)
    op.create_index(
        name,
        name.split("_", maxsplit=1)[0],
        list(columns),
        sqlite_where=condition,
        postgresql_where=condition,
    )


def _around_responses() -> None:
    op.create_table(
        "items",
        _column("response_id", ID),
        _column("side", sa.Integer()),
        _column("position", sa.Integer()),
        _column("user_id", ID),
        _column("item_id", sa.String(128)),
        _column("body", SEALED),
        sa.PrimaryKeyConstraint("response_id", "side", "position"),
    )
    op.create_index("ix_items_item_id", "items", ["item_id"])
    op.create_table(
        "usage_of_responses",
        sa.Column("response_id", ID, primary_key=True),
        _column("user_id", ID),
        _column("model", MODEL),
        _column("ended_at", sa.Double()),
        *_tokens(),
        sqlite_with_rowid=False,
    )
    op.create_index("usage_of_user", "usage_of_responses", ["user_id", "ended_at"])
    op.create_table(
        "idempotency",
        sa.Column("key_hash", HASH, primary_key=True),
        _column("user_id", ID),
        _column("body_hash", HASH),
        _column("result_id", ID),
        _column("expires_at", sa.Double()),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_idempotency_expires_at", "idempotency", ["expires_at"])
    op.create_table(
        "feed",
        _column("user_id", ID),
        _column("number", sa.BigInteger()),
        sa.Column("conversation_id", ID),
        _column("body", SEALED),
        sa.PrimaryKeyConstraint("user_id", "number"),
    )


def _log() -> None:
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
    op.create_index("ix_logs_updated_at", "logs", ["updated_at"])
    op.create_table(
        "frames",
        _column("response_id", ID),
        _column("first_number", sa.BigInteger()),
        _column("last_number", sa.BigInteger()),
        _column("user_id", ID),
        _column("body", SEALED),
        sa.PrimaryKeyConstraint("response_id", "first_number"),
    )
