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


class AesGcmCipher:
    """The `Cipher` that is used wherever anything is stored. May be called from any thread."""

    def __init__(self) -> None:
        self._aead = lru_cache(maxsize=_KEPT_KEYS)(AESGCM)

    def seal(self, keys: UserKeys, context: tuple[str, ...], plaintext: bytes) -> bytes:
        nonce = os.urandom(_NONCE_SIZE)
        sealed = self._aead(keys.data_key).encrypt(
            nonce, plaintext, _associated(context, keys.version)
        )
        return _HEADER.pack(_FORMAT, keys.version) + nonce + sealed

    def open(self, keys: UserKeys, context: tuple[str, ...], sealed: bytes) -> bytes:
        if len(sealed) < _PREFIX_SIZE:
            raise ValueError(f"sealed value of {'/'.join(context[1:])} was cut")
        kind, version = _HEADER.unpack_from(sealed)
        if kind != _FORMAT or version != keys.version:
            raise ValueError(
                f"value of {'/'.join(context[1:])} is of format {kind}, key version {version}; "
                f"this is format {_FORMAT}, key version {keys.version}"
            )
        nonce = sealed[_HEADER.size : _PREFIX_SIZE]
        try:
            return self._aead(keys.data_key).decrypt(
                nonce, sealed[_PREFIX_SIZE:], _associated(context, version)
            )
        except InvalidTag:
            raise ValueError(
                f"value of {'/'.join(context[1:])} was altered, moved, or sealed by another key"
            ) from None


def _associated(context: tuple[str, ...], version: int) -> bytes:
    words = (*context, str(version))
    text = "".join([f"{len(word)}:{word}" for word in words])
    if text.isascii():  # as ids and names are: then characters are bytes
        return text.encode()
    return b"".join([b"%d:%b" % (len(part), part) for part in map(str.encode, words)])
