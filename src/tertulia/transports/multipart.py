"""Forms with files (``multipart/form-data``, RFC 7578), read in memory.

Not by Starlette's own reader: that puts what is large into a temporary file, where nothing of a
user's may ever lie unsealed.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from tertulia.errors import InvalidInput

#: Parts of one form: there is no route with more than four fields.
_MAX_PARTS = 32


@dataclass(slots=True)
class Part:
    """One field; ``filename`` is None where it is no file."""

    name: str
    filename: str | None
    data: bytes


@dataclass(slots=True)
class _Reader:
    """What the parser calls, with slices of the body."""

    parts: list[Part] = field(default_factory=list)
    complete: bool = False
    _header: bytes = b""
    _value: bytes = b""
    _disposition: bytes = b""
    _data: list[bytes] = field(default_factory=list)

    def on_part_begin(self) -> None:
        if len(self.parts) == _MAX_PARTS:
            raise _broken(f"it has more than {_MAX_PARTS} fields")
        self._disposition = b""
        self._data = []

    def on_header_begin(self) -> None:
        self._header = self._value = b""

    def on_header_field(self, data: bytes, start: int, end: int) -> None:
        self._header += data[start:end]

    def on_header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def on_header_end(self) -> None:
        if self._header.lower() == b"content-disposition":
            self._disposition = self._value

    def on_part_data(self, data: bytes, start: int, end: int) -> None:
        self._data.append(data[start:end])

    def on_part_end(self) -> None:
        from python_multipart.multipart import parse_options_header

        _, options = parse_options_header(self._disposition)
        name, filename = options.get(b"name"), options.get(b"filename")
        if name is None:
            raise _broken("a field has no name")
        self.parts.append(
            Part(_text(name), None if filename is None else _text(filename), b"".join(self._data))
        )

    def on_end(self) -> None:
        self.complete = True


def read_form(content_type: str, body: bytes) -> dict[str, Part]:
    """The fields of a form by name; of two with one name the last.

    Raises:
        InvalidInput: 400 (``invalid_multipart``); no message repeats what was sent.
    """
    from python_multipart.exceptions import FormParserError
    from python_multipart.multipart import MultipartParser, parse_options_header

    _, options = parse_options_header(content_type)
    boundary = options.get(b"boundary")
    if not boundary:
        raise _broken("its Content-Type names no boundary")
    reader = _Reader()
    try:
        parser = MultipartParser(
            boundary,
            {
                "on_part_begin": reader.on_part_begin,
                "on_part_data": reader.on_part_data,
                "on_part_end": reader.on_part_end,
                "on_header_begin": reader.on_header_begin,
                "on_header_field": reader.on_header_field,
                "on_header_value": reader.on_header_value,
                "on_header_end": reader.on_header_end,
                "on_end": reader.on_end,
            },
        )
        parser.write(body)
        parser.finalize()
    except FormParserError:
        # Without its cause, which may hold the body.
        raise _broken("its parts do not follow each other as they must") from None
    if not reader.complete:
        raise _broken("its end is missing")
    return {part.name: part for part in reader.parts}


def _text(raw: bytes) -> str:
    """Browsers and SDKs write UTF-8, and a quote as ``%22``."""
    return raw.decode("utf-8", "replace").replace("%22", '"')


def _broken(why: str) -> InvalidInput:
    return InvalidInput(f"The body is no multipart form: {why}.", code="invalid_multipart")
