"""What PostgreSQL's errors mean. Source: the manual, appendix A, "PostgreSQL Error Codes"."""

from __future__ import annotations

from typing import Final

import asyncpg

from tertulia.adapters.store.server_session import Meaning, What
from tertulia.errors import InvalidInput, Misconfigured, TertuliaError, Unavailable

#: `InterfaceError`: of the driver itself, a closed connection among them.
ERRORS: Final[tuple[type[Exception], ...]] = (
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    OSError,
)
_RETRY_AFTER: Final = 5.0

_AGAIN: Final = frozenset(
    (
        "40001",  # serialization_failure
        "40P01",  # deadlock_detected
        "23505",  # unique_violation: another was quicker, and is seen the next time
        "0A000",  # a plan that the driver kept is of a table as it was before a migration
    )
)
#: Classes of errors that come with the end of the connection: connection exceptions, and what an
#: operator does to it.
_LOST: Final = ("08", "57P")
#: The transaction was ended with the connection: idle for too long within it.
_LOST_TOO: Final = frozenset(("25P03", "57P05"))
_MISCONFIGURED: Final = {
    "28000": "refuses this user; check the user in `{}`, and pg_hba.conf on the server",
    "28P01": "refuses user and password; check them in `{}`",
    "3D000": "does not exist; create it (CREATE DATABASE), or correct its name in `{}`",
    "42501": "does not let this user do what is needed; make it the owner of the database",
    "42P01": "lacks a table; run `tertulia migrate`",
    "42703": "lacks a column; run `tertulia migrate`",
}


def meaning(error: Exception, name: str, setting: str) -> Meaning:
    """Of one of `ERRORS`; ``name``: of the database, ``setting``: that has its URL, for the
    message."""
    code = getattr(error, "sqlstate", None)
    if code is None:
        return _of_driver(error, name)
    if code in _AGAIN:
        return Meaning(What.AGAIN, _unavailable(name, "is too busy with the same rows"))
    if code.startswith(_LOST) or code in _LOST_TOO:
        return Meaning(What.LOST, _unavailable(name, "ended the connection"))
    return Meaning(What.REFUSED, _refused(code, name, setting))


def _of_driver(error: Exception, name: str) -> Meaning:
    if isinstance(error, ValueError):
        # Refused by the driver: a number too large for the column, half a surrogate pair.
        return Meaning(What.REFUSED, _invalid())
    return Meaning(What.LOST, _unavailable(name, "does not answer"))


def _refused(code: str, name: str, setting: str) -> TertuliaError:
    if code in _MISCONFIGURED:
        return Misconfigured(f"{setting}: {name} {_MISCONFIGURED[code].format(setting)}.")
    match code[:2]:
        case "22":
            return _invalid()
        case "53" if code == "53100":
            return _unavailable(name, "has no room left on its disk")
        case "53" if code == "53300":
            return _unavailable(name, "takes no more connections")
        case "53":
            return _unavailable(name, "is out of memory or other resources")
        case "55" | "57":
            return _unavailable(name, "took too long")
        case "58" | "XX":
            return _unavailable(name, f"reports damage or a fault of its own ({code})")
        case "25":
            return _unavailable(name, "is read-only: it is a standby, or was set to be")
        case _:
            return TertuliaError(f"{name} refused a statement ({code})")


def _invalid() -> InvalidInput:
    return InvalidInput(
        "A value is too long or too large, or holds a character that the database does not keep."
    )


def _unavailable(name: str, what: str) -> Unavailable:
    return Unavailable(f"{name} {what}", retry_after=_RETRY_AFTER)
