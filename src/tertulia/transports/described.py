"""What a client has to know of a message or event; the reference page is made of these."""

from __future__ import annotations

from typing import NamedTuple


class Described(NamedTuple):
    #: Its fields beside ``type``, those that may be missing with a question mark.
    fields: str
    #: What it says, or does.
    says: str
