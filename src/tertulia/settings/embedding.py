"""The setting ``embedding``: ``minilm``, ``none``, or the address of a server.

``openai+http://host:port/v1?model=NAME``: any server that speaks OpenAI's ``/embeddings``
(``openai+https`` likewise). ``query`` and ``document`` may name what such a model wants before a
question and before a text (``?model=e5-small&query=query:%20&document=passage:%20``).
"""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import parse_qsl, urlsplit, urlunsplit

_PREFIX = "openai+"
_KNOWN = ("model", "query", "document")


@dataclass(frozen=True, slots=True)
class EmbeddingServer:
    """``base_url`` goes up to and includes ``/v1``."""

    base_url: str
    model: str
    query: str = ""
    document: str = ""


def embedding_server(value: str) -> EmbeddingServer | None:
    """None for a word.

    Raises:
        ValueError: no such word or address; the message repeats nothing, there may be a key in it.
    """
    if value in ("minilm", "none"):
        return None
    if not value.startswith((f"{_PREFIX}http://", f"{_PREFIX}https://")):
        msg = "give minilm, none, or openai+http://HOST/v1?model=NAME (or openai+https)"
        raise ValueError(msg)
    parts = urlsplit(value.removeprefix(_PREFIX))
    asked = dict(parse_qsl(parts.query, keep_blank_values=True))
    if not parts.hostname or parts.fragment:
        msg = "the address of a server has a host, and no #"
        raise ValueError(msg)
    if "@" in parts.netloc:
        msg = "a key does not belong in the address: set embedding_api_key"
        raise ValueError(msg)
    if any(name not in _KNOWN for name in asked):
        msg = f"after the ? there may be {', '.join(_KNOWN)}; a key goes into embedding_api_key"
        raise ValueError(msg)
    if not asked.get("model"):
        msg = "the address of a server says which model: ?model=NAME"
        raise ValueError(msg)
    base = urlunsplit((parts.scheme, parts.netloc, parts.path.rstrip("/"), "", ""))
    return EmbeddingServer(base, **asked)
