"""What Alembic runs: a connection, or a place to write the SQL to, comes from the program."""

from __future__ import annotations

from alembic import context

from tertulia.adapters.store.schema import metadata

_given = context.config.attributes
if context.is_offline_mode():
    context.configure(
        dialect_name=_given["dialect"],
        output_buffer=_given["output"],
        target_metadata=metadata,
        # The program begins and commits.
        transactional_ddl=False,
    )
else:
    context.configure(
        connection=_given["connection"],
        target_metadata=metadata,
        transactional_ddl=True,
        # SQLite changes a table by making it anew.
        render_as_batch=True,
    )
with context.begin_transaction():
    context.run_migrations()
