"""Values as literals of MariaDB and MySQL, whose driver writes them into the statement.

Ours, since what the driver would call for bytes is gone from the library it builds on (aiomysql
0.3 over PyMySQL 1.2), and because the kinds of values are few. It is right for connections in
utf8mb4, where no byte of a longer character looks like a quote, and without the SQL mode
`NO_BACKSLASH_ESCAPES`. Source: "String Literals" in either manual.
"""

from __future__ import annotations

from binascii import b2a_base64
from typing import Any, Final

from tertulia.adapters.store.statement import Params

#: Bytes from which on a value is written shorter, and slower read: a server takes statements of no
#: more than so many bytes (`max_allowed_packet`), MariaDB 16 MiB if nothing else is set.
_LARGE: Final = 1 << 20
_ESCAPED: Final = str.maketrans(
    {
        "\0": "\\0",
        "\n": "\\n",
        "\r": "\\r",
        "\x1a": "\\Z",
        '"': '\\"',
        "'": "\\'",
        "\\": "\\\\",
    }
)


def literal(value: Any) -> str:
    """Raises `TypeError` for a kind that the store does not keep."""
    match value:
        case None:
            return "NULL"
        case str():
            return f"'{value.translate(_ESCAPED)}'"
        case bytes() if len(value) < _LARGE:
            return f"x'{value.hex()}'"
        case bytes():
            return f"FROM_BASE64('{b2a_base64(value, newline=False).decode()}')"
        case int():
            return str(int(value))
        case float():
            # With an exponent, lest it be taken for a decimal number.
            text = repr(value)
            return text if "e" in text else f"{text}e0"
        case _:
            raise TypeError(f"a value of type {type(value).__name__} is not kept")


def written(sql: str, values: Params) -> str:
    """A statement in the parameter style "pyformat", with its values in it."""
    return sql % {name: literal(value) for name, value in values.items()}
