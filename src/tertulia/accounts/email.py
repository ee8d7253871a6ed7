"""Email addresses: what tells accounts apart."""

from __future__ import annotations

import re
import unicodedata

from tertulia.errors import Unprocessable

MAX_EMAIL_CHARS = 254

# One @, something on both sides, no empty label: what mail servers agree on, and no more.
_CHARACTER = r"[^\s@\"<>(),:;\\\[\]]"
_LABEL = r"[^\s@.\"<>(),:;\\\[\]]+"
_SHAPE = re.compile(rf"{_CHARACTER}{{1,64}}@{_LABEL}(?:\.{_LABEL})*")


def normalised(email: str) -> str:
    """Trimmed, composed (NFC) and in lower case.

    Raises:
        Unprocessable: it is no address (code ``invalid_email``).
    """
    plain = unicodedata.normalize("NFC", email.strip()).lower()
    printable = all(unicodedata.category(c)[0] not in "CZ" for c in plain)
    if len(plain) > MAX_EMAIL_CHARS or not printable or not _SHAPE.fullmatch(plain):
        raise Unprocessable("This is not an email address.", code="invalid_email", param="email")
    return plain
