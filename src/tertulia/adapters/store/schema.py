"""The tables. Every one carries ``user_id``, so that users can be spread over databases.

Columns of type `SEALED` hold what derives from talk, sealed with the user's key. Only types that
pass to every driver as they are; flags are integers, hashes are hex. There are no foreign keys:
rows are erased in small steps, and the log may live elsewhere.

Indexes of what is unfinished lead with ``completed_at`` (always NULL there): partial where the
database can, else their prefix selects as well.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    Connection,
    Double,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    String,
    Table,
    event,
)

metadata = MetaData()

ID = String(64)
HASH = String(128)
WORD = String(32)
#: With a length, so that MariaDB does not end it at 64 KiB.
SEALED = LargeBinary(2**32 - 1)

meta = Table(
    "meta",
    metadata,
    Column("name", WORD, primary_key=True),
    Column("value", HASH, nullable=False),
    sqlite_with_rowid=False,
)

users = Table(
    "users",
    metadata,
    Column("id", ID, primary_key=True),
    Column("email", String(320), nullable=False, unique=True),
    Column("role", WORD, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("password_hash", String(512)),
    Column("instructions", SEALED),
    Column("default_model", String(256)),
    # The user's row is locked by every transaction that counts on: so the numbers below have no
    # gaps and rise in the order of the commits.
    Column("feed_offset", BigInteger, nullable=False),
    Column("responses", BigInteger, nullable=False),
)

logins = Table(
    "logins",
    metadata,
    Column("id", ID, primary_key=True),
    Column("user_id", ID, nullable=False, index=True),
    Column("created_at", Double, nullable=False),
    Column("expires_at", Double, nullable=False),
    Column("refresh_hash", HASH, nullable=False, index=True),
    Column("previous_hash", HASH, index=True),
    Column("rotated_at", Double),
    Column("revoked_at", Double),
)

api_keys = Table(
    "api_keys",
    metadata,
    Column("id", ID, primary_key=True),
    Column("user_id", ID, nullable=False, index=True),
    Column("name", String(256), nullable=False),
    Column("prefix", WORD, nullable=False),
    Column("key_hash", HASH, nullable=False, unique=True),
    Column("created_at", Double, nullable=False),
    Column("last_used_at", Double),
    Column("revoked_at", Double),
)

# Users whose removal has begun, until nothing is left of them.
removals = Table(
    "removals",
    metadata,
    Column("user_id", ID, primary_key=True),
    Column("begun_at", Double, nullable=False),
    sqlite_with_rowid=False,
)

conversations = Table(
    "conversations",
    metadata,
    Column("id", ID, primary_key=True),
    Column("user_id", ID, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("updated_at", Double, nullable=False),
    Column("title", SEALED),
    Column("title_source", WORD),
    Column("metadata", SEALED),
    Column("head", ID),
    Column("deleted_at", Double),
    Index("conversations_of_user", "user_id", "deleted_at", "updated_at", "id"),
)

responses = Table(
    "responses",
    metadata,
    Column("id", ID, primary_key=True),
    Column("user_id", ID, nullable=False),
    # Counts the user's responses: the order of their creation, whatever the clock did.
    Column("ordinal", BigInteger, nullable=False),
    # `response`, or `items`: a finished node that no model made.
    Column("kind", WORD, nullable=False),
    Column("conversation_id", ID),
    Column("previous_response_id", ID),
    Column("regenerate_of", ID),
    # Whose input items this response has: its own, or those of the first it regenerates.
    Column("input_of", ID, nullable=False),
    Column("store", Integer, nullable=False),
    Column("background", Integer, nullable=False),
    # Empty: the connection was closed before the response ended.
    Column("connection_id", ID),
    Column("model", String(256), nullable=False),
    Column("tier", WORD, nullable=False),
    Column("request", SEALED),
    Column("status", WORD, nullable=False),
    Column("incomplete_reason", WORD),
    Column("error", SEALED),
    Column("created_at", Double, nullable=False),
    Column("admitted_at", Double),
    Column("completed_at", Double),
    Column("cancel_requested_at", Double),
    # Set: a tombstone, kept for its children.
    Column("erased_at", Double),
    Column("attempt", Integer, nullable=False),
    Column("crashes", Integer, nullable=False),
    # The lease; both NULL when there is none.
    Column("worker_id", ID),
    Column("lease_until", Double),
    # When the doorbell was last to be rung for it.
    Column("rung_at", Double),
    Column("last_sequence_number", BigInteger),
    # Of the attempts that were handed over.
    Column("input_tokens", BigInteger, nullable=False),
    Column("output_tokens", BigInteger, nullable=False),
    Column("cached_tokens", BigInteger, nullable=False),
    Column("reasoning_tokens", BigInteger, nullable=False),
    Column("cost_micros", BigInteger, nullable=False),
    # What is noted of the context that a model was called with; read by nothing but its own query.
    Column("sent", SEALED),
    Index("responses_of_conversation", "conversation_id", "ordinal"),
    Index("responses_of_parent", "previous_response_id"),
    Index("responses_of_input", "input_of"),
)


def _partial(name: str, *columns: Column[Any], where: ColumnElement[bool]) -> Index:
    return Index(name, *columns, sqlite_where=where, info={"where": where})


@event.listens_for(metadata, "before_create")
def _also_for_postgresql(made: MetaData, connection: Connection, **_options: object) -> None:
    """Given with the index, the option would load that whole dialect at every start."""
    if connection.dialect.name == "postgresql":
        for table in made.tables.values():
            for index in table.indexes:
                if "where" in index.info:
                    index.dialect_options["postgresql"]["where"] = index.info["where"]


_c, _r = conversations.c, responses.c
_open = _r.completed_at.is_(None)
_partial("conversations_deleted", _c.deleted_at, where=_c.deleted_at.is_not(None))
_partial("responses_open_of_user", _r.completed_at, _r.user_id, _r.ordinal, where=_open)
_partial("responses_open", _r.completed_at, _r.admitted_at, _r.created_at, where=_open)
_partial("responses_ephemeral", _r.store, _r.completed_at, where=_r.store == 0)
_partial("responses_bound", _r.connection_id, where=_r.connection_id.is_not(None))

items = Table(
    "items",
    metadata,
    # The response whose `input_of` this is, or which put it out.
    Column("response_id", ID, nullable=False),
    # 0: input, 1: output.
    Column("side", Integer, nullable=False),
    Column("position", Integer, nullable=False),
    Column("user_id", ID, nullable=False),
    Column("item_id", String(128), nullable=False, index=True),
    Column("body", SEALED, nullable=False),
    PrimaryKeyConstraint("response_id", "side", "position"),
)

usage = Table(
    "usage_of_responses",
    metadata,
    Column("response_id", ID, primary_key=True),
    Column("user_id", ID, nullable=False),
    Column("model", String(256), nullable=False),
    Column("ended_at", Double, nullable=False),
    Column("input_tokens", BigInteger, nullable=False),
    Column("output_tokens", BigInteger, nullable=False),
    Column("cached_tokens", BigInteger, nullable=False),
    Column("reasoning_tokens", BigInteger, nullable=False),
    Column("cost_micros", BigInteger, nullable=False),
    Index("usage_of_user", "user_id", "ended_at"),
    sqlite_with_rowid=False,
)

# Attempts that ended without ending their response, and those that came after them.
attempts = Table(
    "attempts",
    metadata,
    Column("response_id", ID, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("user_id", ID, nullable=False),
    Column("worker_id", ID, nullable=False),
    Column("ended_at", Double, nullable=False),
    # `crashed`, `handed_over`, or `finished`.
    Column("how", WORD, nullable=False),
    # Of this attempt alone.
    Column("input_tokens", BigInteger, nullable=False),
    Column("output_tokens", BigInteger, nullable=False),
    Column("cached_tokens", BigInteger, nullable=False),
    Column("reasoning_tokens", BigInteger, nullable=False),
    Column("cost_micros", BigInteger, nullable=False),
    PrimaryKeyConstraint("response_id", "attempt"),
    Index("attempts_of_user", "user_id", "ended_at"),
    sqlite_with_rowid=False,
)

# Whose turn it is where slots are few; written under the lock of the slots only.
shares = Table(
    "shares",
    metadata,
    # Empty: how far all are.
    Column("user_id", ID, primary_key=True),
    # On the scale of turns: where the user's next one begins.
    Column("next_turn", Double, nullable=False),
    Index("shares_by_turn", "next_turn"),
    sqlite_with_rowid=False,
)

# The workers that are there, where they may be many.
workers = Table(
    "workers",
    metadata,
    Column("id", ID, primary_key=True),
    Column("slots", Integer, nullable=False),
    # How long its turns take on average; NULL: none has ended yet.
    Column("turn_seconds", Double),
    Column("expires_at", Double, nullable=False, index=True),
)

idempotency = Table(
    "idempotency",
    metadata,
    Column("key_hash", HASH, primary_key=True),
    Column("user_id", ID, nullable=False),
    Column("body_hash", HASH, nullable=False),
    # What the first request made.
    Column("result_id", ID, nullable=False),
    Column("expires_at", Double, nullable=False, index=True),
    sqlite_with_rowid=False,
)

feed = Table(
    "feed",
    metadata,
    Column("user_id", ID, nullable=False),
    Column("number", BigInteger, nullable=False),
    Column("conversation_id", ID),
    Column("body", SEALED, nullable=False),
    PrimaryKeyConstraint("user_id", "number"),
)

files = Table(
    "files",
    metadata,
    Column("id", ID, primary_key=True),
    Column("user_id", ID, nullable=False),
    Column("purpose", WORD, nullable=False),
    # Of the content, for the user's quota.
    Column("bytes", BigInteger, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("expires_at", Double),
    # Name, kind and size in pixels.
    Column("details", SEALED, nullable=False),
    # The last column: what stands behind a large value is slow to reach.
    Column("body", SEALED, nullable=False),
    Index("files_of_user", "user_id", "created_at", "id"),
)
_partial("files_expiring", files.c.expires_at, where=files.c.expires_at.is_not(None))

# The event log, where it is co-located with the store.

logs = Table(
    "logs",
    metadata,
    Column("response_id", ID, primary_key=True),
    Column("user_id", ID, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("last_number", BigInteger),
    # Its newest row in `frames`.
    Column("tail", BigInteger),
    Column("ended_at", Double, index=True),
    Column("updated_at", Double, nullable=False),
    sqlite_with_rowid=False,
)

# Appended at the end and never looked for: every row names the one before it in its log. An index
# by response would dirty a page for each answer under way, four to six times what is written.
frames = Table(
    "frames",
    metadata,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True),
    Column("previous", BigInteger),
    Column("response_id", ID, nullable=False),
    Column("user_id", ID, nullable=False),
    Column("first_number", BigInteger, nullable=False),
    Column("last_number", BigInteger, nullable=False),
    Column("body", SEALED, nullable=False),
)
