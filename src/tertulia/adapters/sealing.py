"""Sealing values at rest: AES-256-GCM with the user's data key.

A sealed value is ``format (1 byte) · key version (4) · nonce (12) · ciphertext and tag (16)``: 33
bytes more than what it holds. Its associated data are the context (user, table, row, field) and
the version, each with its length before it, so that no value can be moved to another place and
no two contexts are the same bytes.

Nonces are random. NIST SP 800-38D (8.3) allows 2³² values under one key that way: a user who
writes a hundred values a second reaches it after 16 months, and rotation of the data key is due
long before.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Callable
from functools import lru_cache
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from tertulia.ports.keys import UserKeys

_FORMAT: Final = 1
_HEADER: Final = struct.Struct(">BI")
_NONCE_SIZE: Final = 12
_PREFIX_SIZE: Final = _HEADER.size + _NONCE_SIZE
#: Keys whose schedule is kept; making one costs as much as sealing a short value.
_KEPT_KEYS: Final = 4096
#: Nonces asked of the system at once.
_NONCES: Final = 64
#: Fields of users whose part of the associated data is kept.
_KEPT_PLACES: Final = 4096


class AesGcmCipher:
    """The `Cipher` that is used wherever anything is stored. May be called from any thread."""

    def __init__(self) -> None:
        self._aead = lru_cache(maxsize=_KEPT_KEYS)(AESGCM)
        #: Random numbers for later; taken from the system a few at a time, since asking it costs
        #: more than sealing, and gives the interpreter up.
        self._nonces: list[bytes] = []
        # A child of this process must not use the same ones.
        os.register_at_fork(after_in_child=self._nonces.clear)

    def _nonce(self) -> bytes:
        try:
            # Taken by one thread only, each.
            return self._nonces.pop()
        except IndexError:
            fresh = os.urandom(_NONCES * _NONCE_SIZE)
            made = [fresh[at : at + _NONCE_SIZE] for at in range(0, len(fresh), _NONCE_SIZE)]
            nonce = made.pop()
            self._nonces += made
            return nonce

    def seal(self, keys: UserKeys, context: tuple[str, ...], plaintext: bytes) -> bytes:
        nonce = self._nonce()
        sealed = self._aead(keys.data_key).encrypt(
            nonce, plaintext, _associated(context, keys.version)
        )
        return _header(keys.version) + nonce + sealed

    def open(self, keys: UserKeys, context: tuple[str, ...], sealed: bytes) -> bytes:
        if len(sealed) < _PREFIX_SIZE:
            raise ValueError(f"sealed value of {'/'.join(context[1:])} was cut")
        if not sealed.startswith(_header(keys.version)):
            kind, version = _HEADER.unpack_from(sealed)
            raise ValueError(
                f"value of {'/'.join(context[1:])} is of format {kind}, key version {version}; "
                f"this is format {_FORMAT}, key version {keys.version}"
            )
        try:
            return self._aead(keys.data_key).decrypt(
                sealed[_HEADER.size : _PREFIX_SIZE],
                sealed[_PREFIX_SIZE:],
                _associated(context, keys.version),
            )
        except InvalidTag:
            raise ValueError(
                f"value of {'/'.join(context[1:])} was altered, moved, or sealed by another key"
            ) from None

    def opener(
        self, keys: UserKeys, user_id: str, table: str, field: str
    ) -> Callable[[str, bytes], bytes]:
        header = _header(keys.version)
        before, after = _around(user_id, table, field, keys.version)
        decrypt = self._aead(keys.data_key).decrypt

        def opened(row: str, sealed: bytes) -> bytes:
            place = f"{before}{len(row)}:{row}{after}"
            if sealed.startswith(header) and place.isascii():
                try:
                    return decrypt(
                        sealed[_HEADER.size : _PREFIX_SIZE], sealed[_PREFIX_SIZE:], place.encode()
                    )
                except (InvalidTag, ValueError):
                    pass  # it does not open that way either, and says why
            return self.open(keys, (user_id, table, row, field), sealed)

        return opened


@lru_cache(maxsize=16)
def _header(version: int) -> bytes:
    return _HEADER.pack(_FORMAT, version)


def _associated(context: tuple[str, ...], version: int) -> bytes:
    user, table, row, field = context
    before, after = _around(user, table, field, version)
    text = f"{before}{len(row)}:{row}{after}"
    if text.isascii():  # as ids and names are: then characters are bytes
        return text.encode()
    words = map(str.encode, (*context, str(version)))
    return b"".join([b"%d:%b" % (len(part), part) for part in words])


@lru_cache(maxsize=_KEPT_PLACES)
def _around(user: str, table: str, field: str, version: int) -> tuple[str, str]:
    """What stands before and after the row: the same for all rows of a user's field."""

    def counted(*words: str) -> str:
        return "".join([f"{len(word)}:{word}" for word in words])

    return counted(user, table), counted(field, str(version))
