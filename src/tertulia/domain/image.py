"""What an image's first bytes say: its kind and size, read without decoding a pixel.

Sources: PNG (ISO/IEC 15948, 5.2 and 11.2.2), JPEG (ITU-T T.81, annex B), GIF89a (sections 17 and
18), WebP (RFC 9649, 2.5 to 2.7). Only the header is judged: whether the rest can be drawn is found
out by who draws it.
"""

from __future__ import annotations

import base64
import binascii
import math
import re
import struct
from dataclasses import dataclass
from typing import Literal

MediaType = Literal["image/png", "image/jpeg", "image/gif", "image/webp"]

#: Pixels a side; what claims more is broken or a bomb.
MAX_SIDE = 16_384

_DATA_URL = re.compile(r"data:image/(png|jpeg|jpg|gif|webp);base64,", re.IGNORECASE)

#: JPEG's start-of-frame markers; C4, C8 and CC between them mean something else.
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
#: JPEG's markers without a length: TEM, RSTn, SOI.
_BARE = frozenset({0x01, *range(0xD0, 0xD9)})


class BadImage(ValueError):
    """``str(error)`` goes on a sentence that begins with where the image was."""


@dataclass(frozen=True, slots=True)
class Image:
    """Kind and size of an image; ``width`` and ``height`` in pixels."""

    media_type: MediaType
    width: int
    height: int


def sniff(data: bytes) -> Image:
    """Kind and size of the image that ``data`` begins with.

    Raises:
        BadImage: no image of a known kind, cut within its header, or of an absurd size.
    """
    try:
        found = _read(data)
    except (struct.error, IndexError) as error:
        raise BadImage("is cut off: the header of the image is not whole") from error
    if found is None:
        raise BadImage("is no image: send PNG, JPEG, GIF or WebP")
    if not (0 < found.width <= MAX_SIDE and 0 < found.height <= MAX_SIDE):
        raise BadImage(f"has a side of no or more than {MAX_SIDE} pixels")
    return found


def from_data_url(url: str, *, at_most: int) -> tuple[Image, str]:
    """The image in a ``data:`` URL of base64, and the URL as every model server takes it.

    ``at_most``: bytes of the image.

    Raises:
        BadImage: another kind of URL, not base64, too large, not what it says it is, or see
            `sniff`.
    """
    head = _DATA_URL.match(url)
    if head is None:
        raise BadImage(
            "must be a data URL (data:image/png;base64,…; png, jpeg, gif or webp): "
            "this server fetches nothing from elsewhere"
        )
    too_large = BadImage(f"holds an image of more than {at_most} bytes")
    if (len(url) - head.end()) * 3 // 4 - 2 > at_most:
        raise too_large
    try:
        data = base64.b64decode(url[head.end() :], validate=True)
    except (binascii.Error, ValueError) as error:
        raise BadImage("is not valid base64") from error
    if not data:
        raise BadImage("holds no image")
    if len(data) > at_most:
        raise too_large
    found = sniff(data)
    # "image/jpg" is no registered type, and yet what many write.
    if found.media_type.removeprefix("image/") != head[1].lower().replace("jpg", "jpeg"):
        raise BadImage(f"says image/{head[1].lower()} but holds {found.media_type}")
    return found, f"data:{found.media_type};base64,{url[head.end() :]}"


def data_url(media_type: str, data: bytes) -> str:
    """``data`` as a ``data:`` URL."""
    return f"data:{media_type};base64,{base64.b64encode(data).decode()}"


def size_of(url: str) -> Image | None:
    """What the first bytes of a ``data:`` URL's image say; None if they do not say its size."""
    _, _, encoded = url.partition(",")
    # The longer one goes past what cameras put before a JPEG's frame. Whole groups of four.
    for taken in (8_192, 262_144):
        try:
            return sniff(base64.b64decode(encoded[:taken]))
        except (BadImage, binascii.Error, ValueError):
            continue
    return None


def tokens(image: Image | None, detail: Literal["low", "high", "auto"] = "auto") -> int:
    """About how many tokens a model spends on the image.

    By OpenAI's rule for its tile models, for want of the others': 85, and unless the detail is
    low 170 for each tile of 512 pixels, after fitting into 2048 × 2048 and then making the shorter
    side 768 at most. An unknown size counts as a square one of four tiles.
    """
    if detail == "low":
        return 85
    if image is None:
        return 85 + 4 * 170
    long, short = max(image.width, image.height), min(image.width, image.height)
    scale = min(1.0, 2048 / long)
    scale = min(scale, 768 / short)
    return 85 + 170 * math.ceil(long * scale / 512) * math.ceil(short * scale / 512)


def _read(data: bytes) -> Image | None:
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        length, name, width, height = struct.unpack_from(">I4sII", data, 8)
        _whole(data, 33)  # the first chunk with its checksum
        return Image("image/png", width, height) if (length, name) == (13, b"IHDR") else None
    if data.startswith((b"GIF87a", b"GIF89a")):
        width, height = struct.unpack_from("<HH", data, 6)
        _whole(data, 13)
        return Image("image/gif", width, height)
    if data.startswith(b"\xff\xd8\xff"):
        return _jpeg(data)
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return _webp(data)
    return None


def _whole(data: bytes, header: int) -> None:
    if len(data) < header:
        raise IndexError


def _jpeg(data: bytes) -> Image | None:
    at = 2
    while True:
        if data[at] != 0xFF:
            return None
        marker = data[at + 1]
        if marker == 0xFF:  # padding
            at += 1
        elif marker in _BARE:
            at += 2
        elif marker in _FRAMES:
            _, _, height, width = struct.unpack_from(">HBHH", data, at + 2)
            return Image("image/jpeg", width, height)
        elif marker in (0xD9, 0xDA):  # its end, or its pixels, before any size was told
            return None
        else:
            (length,) = struct.unpack_from(">H", data, at + 2)
            at += 2 + max(2, length)


def _webp(data: bytes) -> Image | None:
    kind = data[12:16]
    if kind == b"VP8 ":
        start, width, height = struct.unpack_from("<3sHH", data, 23)
        if start != b"\x9d\x01\x2a":
            return None
        return Image("image/webp", width & 0x3FFF, height & 0x3FFF)
    if kind == b"VP8L":
        signature, bits = struct.unpack_from("<BI", data, 20)
        if signature != 0x2F:
            return None
        return Image("image/webp", (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1)
    if kind == b"VP8X":
        _whole(data, 30)
        width = int.from_bytes(data[24:27], "little") + 1
        height = int.from_bytes(data[27:30], "little") + 1
        return Image("image/webp", width, height)
    return None
