"""The key that seals the others (KEK): 32 random bytes, and how they are written."""

from __future__ import annotations

import base64
import binascii
import os
from pathlib import Path
from typing import Final

from tertulia.adapters.folder import read_secret
from tertulia.errors import Misconfigured

SIZE: Final = 32
#: Of the file that the file backend makes.
_PREFIX: Final = b"tertulia-kek-1:"
_REMEDY: Final = (
    "give 32 random bytes in base64, as `tertulia keys new` prints them, the same to every node"
)


def new_key() -> str:
    """A fresh master key, in base64."""
    return base64.b64encode(os.urandom(SIZE)).decode()


def new_file() -> bytes:
    """What a fresh key file holds."""
    return _PREFIX + new_key().encode() + b"\n"


def of_file(content: bytes) -> bytes | None:
    """The key in a key file; None: it holds none."""
    return of_text(content) if content.startswith(_PREFIX) else None


def of_text(content: bytes) -> bytes | None:
    """The key in base64, as it is or as a key file has it; None: there is none."""
    try:
        kek = base64.b64decode(content.removeprefix(_PREFIX).strip(), validate=True)
    except binascii.Error:
        return None
    return kek if len(kek) == SIZE else None


def master_key(given: str | None, file: Path | None) -> bytes:
    """The KEK that the settings ``master_key`` or ``master_key_file`` name.

    Raises:
        Misconfigured: both or neither are set, the file cannot be read or can be by others, or
            it is no key. No part of it is in the message.
    """
    if given is not None and file is not None:
        raise Misconfigured(
            "master_key and master_key_file are both set: leave one of TERTULIA_MASTER_KEY and "
            "TERTULIA_MASTER_KEY_FILE out."
        )
    if given is not None:
        kek = of_text(given.encode())
        if kek is None:
            raise Misconfigured(f"master_key: TERTULIA_MASTER_KEY is no master key: {_REMEDY}.")
        return kek
    if file is None:
        raise Misconfigured(
            "master_key: users' keys on a database server are sealed by a master key, and none is "
            f"set: {_REMEDY}, by TERTULIA_MASTER_KEY or in the file that TERTULIA_MASTER_KEY_FILE "
            "names."
        )
    try:
        kek = of_text(read_secret(file))
    except OSError as error:
        raise Misconfigured(
            f"master_key_file: {file} cannot be read ({error.strerror}): {_REMEDY}."
        ) from None
    if kek is None:
        raise Misconfigured(f"master_key_file: {file} holds no master key: {_REMEDY}.")
    return kek
