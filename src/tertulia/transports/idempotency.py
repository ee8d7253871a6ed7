"""Idempotency keys as the store keeps them: hashed with a key of this deployment's."""

from __future__ import annotations

import hashlib
import hmac

from tertulia.domain.principal import Principal
from tertulia.errors import InvalidInput
from tertulia.ports.turns import Idempotency
from tertulia.transports.services import Services

MAX_KEY_CHARS = 255


def idempotency(
    services: Services, principal: Principal, route: str, key: str | None, body: bytes
) -> Idempotency | None:
    """None when the client sent no key. ``route`` names the operation, so that one key may serve
    two of them; ``body``: what of the request must be the same.

    Raises:
        InvalidInput: the key is empty or too long.
    """
    if key is None:
        return None
    if not 0 < len(key) <= MAX_KEY_CHARS:
        raise InvalidInput(
            f"An idempotency key has 1 to {MAX_KEY_CHARS} characters.",
            code="invalid_idempotency_key",
            param="Idempotency-Key",
        )
    secret = services.idempotency_key
    scope = f"{principal.user_id}\0{route}\0".encode()
    return Idempotency(
        key_hash=hmac.digest(secret, b"key\0" + scope + key.encode(), hashlib.sha256),
        body_hash=hmac.digest(secret, b"body\0" + scope + body, hashlib.sha256),
    )
