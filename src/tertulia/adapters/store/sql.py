"""The SQL store, whole."""

from __future__ import annotations

from tertulia.adapters.store.turns import SqlTurns


class SqlStore(SqlTurns):
    pass
