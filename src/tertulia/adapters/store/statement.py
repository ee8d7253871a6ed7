"""Statements and scripts: SQL without a driver.

A transaction is written once, as a *script*: a generator that yields a statement with its
parameters, is sent the rows, and returns a value. It does no I/O, so the same script runs in the
writer thread of SQLite and, later, on asyncpg. A script may be run again from the start (a
serialisation failure, a group that is repeated), so it must have no effect but its statements.

SQLAlchemy writes the SQL, once per statement and dialect; the raw driver executes it. That is
only sound for types whose values pass to and from the driver as they are, so others are refused.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from operator import itemgetter
from typing import Any, TypeAlias, TypeVar

from sqlalchemy import Enum, Float, Integer, LargeBinary, String
from sqlalchemy.engine.interfaces import Dialect
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.elements import ClauseElement
from sqlalchemy.types import NullType

T = TypeVar("T")

Row: TypeAlias = tuple[Any, ...]
Rows: TypeAlias = list[Row]
Params: TypeAlias = Mapping[str, Any]
Script: TypeAlias = Generator[tuple["Statement", Params], Rows, T]

#: Values of these pass to and from the driver as they are (BigInteger and Text are among them).
_PLAIN = (Integer, Float, String, LargeBinary, NullType)

#: Values of one list up to which it is filled up.
_PADDED_MAX = 4096


class Statement:
    """One SQL statement: a SQLAlchemy Core element, compiled at its first use.

    Make it once, at import, with ``bindparam("name")`` where a value goes; ``insert(table)``
    takes all columns as parameters by itself. ``bindparam("ids", expanding=True)`` takes a list
    (SQLite: at most 32,766 values a statement).

    ``lane``: the parameter that names the row which this statement locks for a whole script that
    begins with it. An engine with many connections lets such scripts wait for each other without
    holding one each.
    """

    __slots__ = ("_compiled", "_element", "lane")

    def __init__(self, element: ClauseElement, *, lane: str | None = None) -> None:
        self._element = element
        self.lane = lane
        self._compiled: dict[Dialect, _Compiled] = {}

    def render(self, dialect: Dialect, params: Params) -> tuple[str, Params]:
        """SQL text for ``dialect`` (of a named parameter style), and the values to pass with it.

        Raises:
            TypeError: a column's type needs a conversion of its values.
        """
        return (self._compiled.get(dialect) or self._compile(dialect)).render(params)

    def render_positional(self, dialect: Dialect, params: Params) -> tuple[str, Sequence[Any]]:
        """The same for a dialect with positional parameters: the values in their order."""
        return (self._compiled.get(dialect) or self._compile(dialect)).render_positional(params)

    def _compile(self, dialect: Dialect) -> _Compiled:
        # Two threads may both compile: the results are equal, and either one may stay.
        compiled = self._compiled[dialect] = _Compiled(self._element, dialect)
        return compiled

    def __repr__(self) -> str:
        return f"Statement({self._element})"


class _Compiled:
    __slots__ = ("_compiler", "_defaults", "_expanding", "_order", "_pick", "_sql")

    def __init__(self, element: ClauseElement, dialect: Dialect) -> None:
        compiler = element.compile(dialect=dialect)
        if not isinstance(compiler, SQLCompiler):
            raise TypeError(f"{element!r} is not a statement with parameters")
        for bind in compiler.binds.values():
            if not isinstance(bind.type, _PLAIN) or isinstance(bind.type, Enum):
                raise TypeError(f"parameter {bind.key!r} is of type {bind.type!r}, which converts")
        self._compiler = compiler
        self._sql = str(compiler)
        #: Values written into the element itself: a limit, a constant compared with.
        self._defaults = {
            name: bind.effective_value
            for bind, name in compiler.bind_names.items()
            if not bind.required
        }
        self._expanding = tuple(bind.key for bind in compiler.post_compile_params)
        self._order = tuple(compiler.positiontup or ())
        #: Takes several values out of a mapping at once, as a tuple.
        self._pick = itemgetter(*self._order) if len(self._order) > 1 else None

    def render(self, params: Params) -> tuple[str, Params]:
        if self._defaults:
            params = {**self._defaults, **params}
        if self._expanding:
            state = self._compiler.construct_expanded_state(self._padded(params))
            return state.statement, state.parameters
        return self._sql, params

    def _padded(self, params: Params) -> dict[str, Any]:
        """With lists filled up to a power of two by their last value, which changes no ``IN``: so
        there are few texts of a statement, and drivers keep them prepared."""
        padded = dict(params)
        for name in self._expanding:
            values = list(padded[name])
            if 0 < len(values) <= _PADDED_MAX:
                values += values[-1:] * ((1 << (len(values) - 1).bit_length()) - len(values))
            padded[name] = values
        return padded

    def render_positional(self, params: Params) -> tuple[str, Sequence[Any]]:
        if self._defaults:
            params = {**self._defaults, **params}
        if self._expanding:
            state = self._compiler.construct_expanded_state(self._padded(params))
            return state.statement, [state.parameters[name] for name in state.positiontup or ()]
        if self._pick is not None:
            return self._sql, self._pick(params)
        return self._sql, [params[name] for name in self._order]
