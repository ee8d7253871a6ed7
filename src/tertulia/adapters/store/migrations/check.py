"""Whether a server's database has the schema that this code works on."""

from __future__ import annotations

from tertulia.adapters.store.migrations import HEAD, KNOWN, serves
from tertulia.errors import Misconfigured


def check_version(version: str | None, name: str) -> None:
    """``version``: what the database says of itself; None: nothing. ``name``: for the message.

    Raises:
        Misconfigured: this code does not work on it, with the remedy.
    """
    if serves(version):
        return
    refuse_newer(version, name)
    found = "no schema yet" if version is None else f"schema {version}"
    raise Misconfigured(
        f"store: {name} has {found}, and this release works on {HEAD}. Run `tertulia migrate`.",
        code="schema_too_old",
    )


def refuse_newer(version: str | None, name: str) -> None:
    """Raises `Misconfigured` for a version that this code does not know and cannot work on."""
    if version is not None and version not in KNOWN and not serves(version):
        raise Misconfigured(
            f"store: {name} has schema {version}, which a newer release of Tertulia wrote; this "
            f"one knows schemas up to {HEAD}. Start the newer release, or name another database "
            "in `store`.",
            code="schema_too_new",
        )
