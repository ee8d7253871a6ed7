"""What the errors of MariaDB and MySQL mean. Source: "MariaDB Error Code Reference"."""

from __future__ import annotations

from typing import Final

from pymysql.err import Error as DriverError

from tertulia.adapters.store.server_session import Meaning, What
from tertulia.errors import InvalidInput, Misconfigured, TertuliaError, TooLarge, Unavailable

#: `EOFError`: the connection ended in the middle of an answer. `UnicodeError`: a lone surrogate.
ERRORS: Final[tuple[type[Exception], ...]] = (DriverError, OSError, EOFError, UnicodeError)
_RETRY_AFTER: Final = 5.0

_AGAIN: Final = frozenset(
    (
        1213,  # deadlock
        1205,  # a lock was waited for too long
        1020,  # a record changed since it was read
        1062,  # a key that is there: another was quicker, and is seen the next time
    )
)
_LOST: Final = frozenset(
    (
        1053,  # server shutdown
        1077,  # normal shutdown
        1152,  # aborted connection
        1184,  # aborted connection, with user and host
        1927,  # connection was killed
        2002,
        2003,
        2006,
        2013,
        2055,
    )
)
_UNAVAILABLE: Final = {
    1021: "has no room left on its disk",
    1114: "has no room left on its disk",
    1030: "reports a fault of its storage",
    1037: "is out of memory",
    1038: "is out of memory",
    1040: "takes no more connections",
    1203: "takes no more connections from this user",
    1226: "takes no more connections from this user",
    1290: "is read-only: it is a standby, or set to be",
    1792: "is read-only: it is a standby, or set to be",
    1317: "took too long",
    1969: "took too long",
}
_MISCONFIGURED: Final = {
    1044: "does not let this user use the database; GRANT it ALL on it",
    1045: "refuses user and password; check them in `{}`",
    1698: "refuses user and password; check them in `{}`",
    1049: "does not exist; create it (CREATE DATABASE), or correct its name in `{}`",
    1142: "does not let this user do what is needed; GRANT it ALL on the database",
    1146: "lacks a table; run `tertulia migrate`",
    1054: "lacks a column; run `tertulia migrate`",
}
#: Values that do not fit: too long, out of range, no valid text.
_VALUES: Final = frozenset((1264, 1366, 1406, 1300, 3988, 1690, 1267))
#: A statement larger than the server takes; it closes the connection.
_PACKET: Final = 1153


def meaning(error: Exception, name: str, setting: str) -> Meaning:
    """Of one of `ERRORS`; ``name``: of the database, ``setting``: that has its URL, for the
    message."""
    code = error.args[0] if isinstance(error, DriverError) and error.args else None
    if code in _AGAIN:
        return Meaning(What.AGAIN, _unavailable(name, "is too busy with the same rows"))
    if code in _UNAVAILABLE:
        return Meaning(What.REFUSED, _unavailable(name, _UNAVAILABLE[code]))
    if code in _MISCONFIGURED:
        text = f"{setting}: {name} {_MISCONFIGURED[code].format(setting)}."
        return Meaning(What.REFUSED, Misconfigured(text))
    if code in _VALUES or isinstance(error, UnicodeError):
        return Meaning(
            What.REFUSED,
            InvalidInput(
                "A value is too long or too large, or holds a character that the database does "
                "not keep."
            ),
        )
    if code == _PACKET:
        text = f"This is larger than {name} takes (its max_allowed_packet)."
        return Meaning(What.REFUSED, TooLarge(text))
    if isinstance(code, int) and code not in _LOST:
        return Meaning(What.REFUSED, TertuliaError(f"{name} refused a statement ({code})"))
    return Meaning(What.LOST, _unavailable(name, "does not answer"))


def _unavailable(name: str, what: str) -> Unavailable:
    return Unavailable(f"{name} {what}", retry_after=_RETRY_AFTER)
