"""Refresh tokens: 256 secret bits that change with every use.

A token is ``<login id>.<bits>.<tag>``. The next one's bits are derived from it with the server's
secret, so that two tabs that show the same token at the same moment are given the same next one,
and a client whose answer was lost can ask again. The tag proves that we made the token: a genuine
one that the login no longer knows was used long ago, so somebody holds a copy.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import os

from tertulia.accounts.tokens import derive

_TAG_BYTES = 16


class RefreshTokens:
    def __init__(self, secret: bytes) -> None:
        self._chain = derive(secret, "refresh-chain")
        self._tag = derive(secret, "refresh-tag")

    def first(self, login_id: str) -> str:
        """The token of a new login."""
        return self._token(login_id, os.urandom(32))

    def next(self, token: str) -> str:
        """The one successor of a genuine token."""
        head = token.rpartition(".")[0]
        login_id = head.partition(".")[0]
        return self._token(login_id, hmac.digest(self._chain, head.encode(), hashlib.sha256))

    def login_of(self, token: str) -> str | None:
        """The login that a token was made for; None when we did not make it."""
        head, dot, _ = token.rpartition(".")
        if not dot or not hmac.compare_digest(self._tagged(head).encode(), token.encode()):
            return None
        return head.partition(".")[0]

    def _token(self, login_id: str, bits: bytes) -> str:
        return self._tagged(f"{login_id}.{_text(bits)}")

    def _tagged(self, head: str) -> str:
        tag = hmac.digest(self._tag, head.encode(), hashlib.sha256)[:_TAG_BYTES]
        return f"{head}.{_text(tag)}"


def fingerprint(secret: str) -> bytes:
    """What the store keeps of a token or key. They hold 256 random bits, so a plain hash does."""
    return hashlib.sha256(secret.encode()).digest()


def _text(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()
