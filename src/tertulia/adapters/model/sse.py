"""Server-sent events, read incrementally (WHATWG HTML, section 9.2.6).

Written by hand because it is on the path of every token: a read that carries many events costs
one split. Only the ``data`` of events matters here; comments and other fields are passed over.
"""

from __future__ import annotations

#: No honest chunk of a chat model comes near this many bytes.
MAX_EVENT = 1024 * 1024


class EventTooLong(ValueError):
    """An event, or one line of it, is longer than `MAX_EVENT` bytes."""


class SSEParser:
    """Bytes in, the data of complete events out; how the bytes are cut makes no difference."""

    def __init__(self, limit: int = MAX_EVENT) -> None:
        self._limit = limit
        #: Pieces of the line under way, joined when its end arrives: a long line that comes in
        #: many small reads stays linear.
        self._pieces: list[bytes] = []
        self._data: list[bytes] = []
        self._size = 0
        self._after_cr = False
        self._at_start = True

    def feed(self, read: bytes) -> list[bytes]:
        """The data of the events that ``read`` completes.

        Raises:
            EventTooLong: see there; the parser is of no use afterwards.
        """
        if self._after_cr and read:
            self._after_cr = False
            read = read.removeprefix(b"\n")
        if b"\r" in read:
            self._after_cr = read.endswith(b"\r")
            read = read.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        first, *lines = read.split(b"\n")
        self._grow(first)
        if not lines:
            return []
        events: list[bytes] = []
        rest = lines.pop()
        self._line(b"".join(self._pieces), events)
        self._pieces.clear()
        for line in lines:
            self._size += len(line)
            self._line(line, events)
        self._grow(rest)
        return events

    def _grow(self, piece: bytes) -> None:
        if piece:
            self._pieces.append(piece)
            self._size += len(piece)
            if self._size > self._limit:
                raise EventTooLong

    def _line(self, line: bytes, events: list[bytes]) -> None:
        if self._at_start:
            self._at_start = False
            line = line.removeprefix(b"\xef\xbb\xbf")
        if self._size > self._limit:
            raise EventTooLong
        if not line:
            if self._data:
                events.append(b"\n".join(self._data))
                self._data = []
            self._size = 0
        elif line.startswith(b"data:"):
            self._data.append(line[6:] if line.startswith(b"data: ") else line[5:])
        elif line == b"data":
            self._data.append(b"")
        elif not self._data:
            self._size = 0
