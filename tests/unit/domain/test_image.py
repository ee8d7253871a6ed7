"""Kind and size of an image, read from its header and never by drawing it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.images import data_url, gif, jpeg, png, png_header, webp

from tertulia.domain.image import (
    MAX_SIDE,
    BadImage,
    Image,
    from_data_url,
    size_of,
    sniff,
    tokens,
)

WHOLE = {
    "png": (png(4, 6), Image("image/png", 4, 6)),
    "gif": (gif(), Image("image/gif", 3, 5)),
    "jpeg": (jpeg(), Image("image/jpeg", 7, 9)),
    "jpeg of a camera": (jpeg(before=b"Exif" * 25_000), Image("image/jpeg", 7, 9)),
    "webp lossy": (webp("VP8 "), Image("image/webp", 11, 13)),
    "webp lossless": (webp("VP8L"), Image("image/webp", 11, 13)),
    "webp extended": (webp("VP8X"), Image("image/webp", 11, 13)),
}


@pytest.mark.parametrize(("data", "image"), WHOLE.values(), ids=WHOLE)
def test_kind_and_size_are_read(data: bytes, image: Image) -> None:
    assert sniff(data) == image
    assert size_of(data_url(data)) == image


@pytest.mark.parametrize("data", [gif(), png_header(2, 2), webp("VP8X"), webp("VP8L"), jpeg()])
def test_a_header_cut_anywhere_is_refused(data: bytes) -> None:
    for length in range(_needed(data)):
        with pytest.raises(BadImage):
            sniff(data[:length])
    assert sniff(data[: _needed(data)]).width


def _needed(data: bytes) -> int:
    """Bytes of the header: with one less, or any fewer, there is no size to be had."""
    for length in range(len(data), 0, -1):
        try:
            sniff(data[:length])
        except BadImage:
            return length + 1
    return 1


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"hello",
        b"%PDF-1.7 and so on, for longer than any header",
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        b"RIFF\x10\0\0\0WAVEfmt and some sound that follows it",
        b"RIFF\x10\0\0\0WEBPXXXX\0\0\0\0 and some more bytes here",
        b"\xff\xd8\xff\xd9",
        b"\xff\xd8\xff\xdb\0\x04ab no marker",
        b"\x89PNG\r\n\x1a\n\0\0\0\rIDAT" + b"\1" * 32,
        b"RIFF\x10\0\0\0WEBPVP8 \0\0\0\0" + b"\1" * 16,
        b"RIFF\x10\0\0\0WEBPVP8L\0\0\0\0" + b"\1" * 16,
    ],
)
def test_what_is_no_image_is_refused(data: bytes) -> None:
    with pytest.raises(BadImage):
        sniff(data)


@given(st.binary(max_size=200), st.sampled_from([data for data, _ in WHOLE.values()]))
def test_no_bytes_make_it_fall_over(noise: bytes, whole: bytes) -> None:
    for data in (noise, whole[: len(noise)] + noise, whole[:12] + noise):
        try:
            found = sniff(data)
        except BadImage:
            continue
        assert 0 < found.width <= MAX_SIDE


@pytest.mark.parametrize("size", [(0, 5), (5, 0), (MAX_SIDE + 1, 1), (1, 2**31)])
def test_absurd_sizes_are_refused(size: tuple[int, int]) -> None:
    with pytest.raises(BadImage, match="pixels"):
        sniff(png_header(*size))
    assert sniff(png_header(MAX_SIDE, 1)).width == MAX_SIDE


def test_a_data_url_holds_what_it_says() -> None:
    url = data_url(png())
    assert from_data_url(url, at_most=1000) == (Image("image/png", 2, 1), url)
    _, mended = from_data_url(data_url(jpeg(), "jpg"), at_most=1000)
    assert mended == data_url(jpeg(), "jpeg")
    for wrong, why in {
        "https://example.org/a.png": "fetches nothing",
        "data:image/svg+xml;base64,AAAA": "fetches nothing",
        "data:image/png,AAAA": "fetches nothing",
        "data:image/png;base64,": "no image",
        "data:image/png;base64,§§": "not valid base64",
        "data:image/png;base64,AAA": "not valid base64",
        data_url(b"hello there"): "no image",
        data_url(png(), "gif"): "says image/gif but holds image/png",
    }.items():
        with pytest.raises(BadImage, match=why):
            from_data_url(wrong, at_most=1000)


def test_the_limit_of_a_data_url_is_exact() -> None:
    for extra in range(3):
        data = png() + b"\0" * extra
        assert from_data_url(data_url(data), at_most=len(data))
        with pytest.raises(BadImage, match="more than"):
            from_data_url(data_url(data), at_most=len(data) - 1)


@pytest.mark.parametrize(
    ("size", "detail", "expected"),
    [
        ((100, 100), "low", 85),
        ((100, 100), "auto", 255),
        ((1024, 1024), "high", 765),
        ((2048, 4096), "high", 1105),
        ((16_384, 16_384), "high", 765),
        (None, "auto", 765),
    ],
)
def test_tokens_follow_the_rule_of_tiles(
    size: tuple[int, int] | None, detail: str, expected: int
) -> None:
    image = None if size is None else Image("image/png", *size)
    assert tokens(image, detail) == expected  # type: ignore[arg-type]
