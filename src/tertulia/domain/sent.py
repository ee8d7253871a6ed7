"""What is noted of a context when a model is called with it.

Items never change once they are stored, so a note of what was decided over them is enough to tell
later exactly what was sent, whatever the settings have become; it stays small however long the
conversation is.
"""

from __future__ import annotations

import msgspec


class Sent(msgspec.Struct, frozen=True, kw_only=True):
    """Of the last attempt that called a model. Sizes in tokens, as they were counted then."""

    attempt: int
    #: The model's window, and how much of it was kept free for the answer.
    window: int
    reserve: int
    #: Of all that was sent, and of the past turns that were left out.
    tokens: int
    left_out: int
    #: The oldest response that was sent; None: nothing of the past was.
    history_from: str | None
    #: Characters of the answer itself, written by earlier attempts, that this one went on from.
    written: int = 0
    #: What the model declared then.
    images: bool = False
    tools: bool = False
    prefill: bool = False
    max_output_tokens: int | None = None
    #: The model's own instructions, where they were sent.
    instructions: str | None = None


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Sent).decode


def encode_sent(sent: Sent) -> bytes:
    return _encode(sent)


def decode_sent(data: bytes) -> Sent:
    """The inverse of :func:`encode_sent`."""
    return _decode(data)
