"""Which keys a URL names."""

from __future__ import annotations

from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

from tertulia.adapters.keys.file import FileKeys
from tertulia.adapters.keys.kek import master_key as kek_of
from tertulia.adapters.keys.wrapped import WrappedKeys
from tertulia.adapters.store.servers import is_server, same_database
from tertulia.errors import Misconfigured

#: Seconds for which a node trusts what it holds in memory, where there are others.
TRUSTED: Final = 60.0


def open_keys(
    url: str,
    folder: Path,
    *,
    master_key: str | None = None,
    master_key_file: Path | None = None,
    store: str = "sqlite",
) -> WrappedKeys:
    """The keys that the setting ``keys`` names, not started: ``file`` (in ``folder``, which one
    process serves from), ``file:/absolute/folder`` (which several of one machine share), or the
    URL of a database on a server; ``store``: the URL of the store.

    Raises:
        Misconfigured: no such kind, no good master key, or a database that is the store's.
    """
    scheme, _, rest = url.partition(":")
    if scheme == "file":
        if master_key is not None or master_key_file is not None:
            raise Misconfigured(
                "master_key: keys in files have their own master key, in the file `kek` beside "
                "them: leave TERTULIA_MASTER_KEY out, or name a database in TERTULIA_KEYS."
            )
        if not rest:
            # Commands beside the server remove users too.
            return FileKeys(folder, trusted_seconds=TRUSTED)
        shared = Path(unquote(urlsplit(url).path))
        if urlsplit(url).netloc or not shared.is_absolute():
            raise Misconfigured(
                "keys: a folder that processes of this machine share is given as "
                "file:/absolute/folder."
            )
        return FileKeys(shared, trusted_seconds=TRUSTED)
    if not is_server(url):
        raise Misconfigured(
            f"keys: {scheme!r} is none of file, postgresql, mysql and mariadb; set TERTULIA_KEYS "
            "to one of these."
        )
    if is_server(store) and same_database(url, store):
        raise Misconfigured(
            "keys: this is the store's database. Users' keys must not be in the store's backups, "
            "or an erased user comes back with them: give them a database of their own in "
            "TERTULIA_KEYS."
        )
    from tertulia.adapters.keys.server import ServerKeys

    return ServerKeys(url, kek_of(master_key, master_key_file), trusted_seconds=TRUSTED)
