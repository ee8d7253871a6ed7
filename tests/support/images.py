"""Images made by hand: PNGs that can be drawn, and of the other kinds the header alone."""

from __future__ import annotations

import base64
import struct
import zlib


def png(
    width: int = 2, height: int = 1, *, colour: tuple[int, int, int] = (200, 40, 40), note: str = ""
) -> bytes:
    """One colour all over; ``note`` lies in it as text."""
    row = b"\0" + bytes(colour) * width
    chunks = [
        _chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)),
        _chunk(b"IDAT", zlib.compress(row * height)),
        _chunk(b"IEND", b""),
    ]
    if note:
        chunks.insert(1, _chunk(b"iTXt", b"Comment\0\0\0\0\0" + note.encode()))
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def _chunk(kind: bytes, data: bytes) -> bytes:
    checksum = zlib.crc32(kind + data)
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", checksum)


def png_header(width: int, height: int) -> bytes:
    """Says what size it is, and holds nothing."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header)


def gif(width: int = 3, height: int = 5) -> bytes:
    return b"GIF89a" + struct.pack("<HH", width, height) + b"\x80\0\0" + b"\0" * 6 + b";"


def jpeg(width: int = 7, height: int = 9, *, before: bytes = b"") -> bytes:
    """``before``: what a camera writes between the start and the frame, in segments of 65,000."""
    pieces = [before[at : at + 65_000] for at in range(0, len(before), 65_000)]
    camera = b"".join(b"\xff\xe1" + struct.pack(">H", len(p) + 2) + p for p in pieces)
    quantisation = b"\xff\xdb" + struct.pack(">H", 67) + b"\0" + b"\x10" * 64
    frame = b"\xff\xc0" + struct.pack(">HBHHB", 17, 8, height, width, 3) + b"\x01\x22\0" * 3
    return b"\xff\xd8" + camera + quantisation + b"\xff" + frame + b"\xff\xd9"


def webp(kind: str = "VP8X", width: int = 11, height: int = 13) -> bytes:
    """``kind``: the first chunk, ``VP8 `` (lossy), ``VP8L`` (lossless) or ``VP8X`` (extended)."""
    if kind == "VP8X":
        size = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
        body = b"\0\0\0\0" + size
    elif kind == "VP8L":
        body = b"\x2f" + struct.pack("<I", (width - 1) | (height - 1) << 14)
    else:
        body = b"\0\0\0\x9d\x01\x2a" + struct.pack("<HH", width | 1 << 14, height)
    chunk = kind.encode() + struct.pack("<I", len(body)) + body
    return b"RIFF" + struct.pack("<I", len(chunk) + 4) + b"WEBP" + chunk


def data_url(data: bytes, kind: str = "png") -> str:
    return f"data:image/{kind};base64,{base64.b64encode(data).decode()}"


PIXEL = data_url(png())
