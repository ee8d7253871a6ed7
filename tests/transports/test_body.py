from __future__ import annotations

import json
from collections.abc import AsyncIterator

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.served import Served, error_of

from tertulia.errors import InvalidInput
from tertulia.settings import Limits
from tertulia.transports.body import load_json

JSON = {"content-type": "application/json"}


def refused(raw: bytes | str, depth: int = 64) -> str:
    with pytest.raises(InvalidInput) as caught:
        load_json(raw, depth=depth)
    assert caught.value.status == 400
    assert caught.value.code == "invalid_json"
    assert caught.value.__cause__ is None
    return caught.value.message


@pytest.mark.parametrize(
    "raw",
    [
        b"{",
        b"nope",
        b'{"a": 1} x',
        b"{'a': 1}",
        b'{"a": NaN}',
        b'{"a": 1e999}',
        b"\xef\xbb\xbf{}",
        b'"\x00"',
        b'{"a": [1}',
    ],
)
def test_malformed_json_is_refused(raw: bytes) -> None:
    assert "not valid JSON" in refused(raw)


@pytest.mark.parametrize("raw", [b'"\xff"', b'"\xed\xa0\x80"', '"\ud800"'])
def test_text_must_be_utf8(raw: bytes | str) -> None:
    assert "UTF-8" in refused(raw)


@pytest.mark.parametrize("escape", ["\\ud800", "\\udc00", "\\uD83D\\u0041", "\\ude00\\ud83d"])
def test_half_a_surrogate_pair_is_refused(escape: str) -> None:
    assert "surrogate" in refused(f'{{"a": "{escape}"}}')
    assert load_json(b'"\\ud83d\\ude00 \\\\ud800"', depth=64) == "😀 \\ud800"


@pytest.mark.parametrize("opening", [b"[", b'{"a":', b'[{"a":'])
def test_nesting_is_bounded(opening: bytes) -> None:
    levels = 2 if opening.startswith(b"[{") else 1
    closing = bytes({91: 93, 123: 125}[c] for c in reversed(opening) if c in b"[{")
    fits, too_deep = 64 // levels, 64 // levels + 1
    load_json(opening * fits + b"1" + closing * fits, depth=64)
    assert "deeper than 64" in refused(opening * too_deep + b"1" + closing * too_deep)
    assert "deeper than 64" in refused(opening * 500_000)
    assert "deeper than 64" in refused(opening * 100_000 + b"1" + closing * 100_000)


def test_brackets_within_text_are_no_nesting() -> None:
    text = "[" * 1000 + '\\"' + "{" * 1000
    assert load_json(f'["{text}", "\\\\"]', depth=4)[0].count("[") == 1000


@pytest.mark.parametrize("quotes", [b'"' + b'\\"' * 200_000, b'"' * 399_999, b'"\\' * 200_000])
def test_unclosed_strings_full_of_brackets_end_quickly(quotes: bytes) -> None:
    # A pattern that backtracks would take hours on these.
    refused(b"[" * 65 + quotes)


def test_whole_numbers_have_64_bits() -> None:
    assert load_json(b"9223372036854775807", depth=1) == 2**63 - 1
    assert "64 bits" in refused(b'{"a": [-9223372036854775809]}')


@given(st.recursive(st.text() | st.integers(-(2**63), 2**63 - 1), st.lists, max_leaves=30))
def test_what_is_sound_comes_through(value: object) -> None:
    assert load_json(json.dumps(value).encode(), depth=64) == value


async def chunks(size: int, count: int) -> AsyncIterator[bytes]:
    for _ in range(count):
        yield b"x" * size


@pytest.mark.parametrize("path", ["/v1/conversations", "/auth/login", "/v1/nothing"])
async def test_large_bodies_are_refused(served: Served, path: str) -> None:
    client = await served.client()
    error_of(await client.post(path, content=b"x" * 10_000_000, headers=JSON), 413)
    error_of(await client.post(path, content=chunks(100_000, 100), headers=JSON), 413)


async def test_the_limit_is_exact(ann: httpx.AsyncClient) -> None:
    limit = Limits().body_bytes
    exact = b'{"title": "x"}'.ljust(limit)
    assert (await ann.post("/v1/conversations", content=exact, headers=JSON)).status_code == 200
    error_of(await ann.post("/v1/conversations", content=exact + b" ", headers=JSON), 413)


async def test_before_sign_in_less_is_taken(served: Served) -> None:
    client = await served.client()
    body = b'{"email": "a@b.example", "password": "x"}'.ljust(20_000)
    error_of(await client.post("/auth/login", content=body, headers=JSON), 413)


async def test_a_length_that_is_too_large_is_answered_before_the_body_is_sent(
    served: Served,
) -> None:
    client = await served.client()
    headers = {**JSON, "content-length": "10000000000", "expect": "100-continue"}
    error_of(await client.post("/v1/conversations", content=chunks(1, 1), headers=headers), 413)


@pytest.mark.parametrize(
    "kind", [None, "text/plain", "application/x-www-form-urlencoded", "multipart/form-data"]
)
async def test_only_json_is_read(ann: httpx.AsyncClient, kind: str | None) -> None:
    headers = {"content-type": kind} if kind else {}
    answer = await ann.post("/v1/conversations", content=b"{}", headers=headers)
    assert error_of(answer, 415)["code"] == "unsupported_media_type"


@pytest.mark.parametrize("raw", [b"{", b'{"title": "\\ud800"}', b'"\xff"', b"[" * 100_000, b""])
async def test_a_bad_body_is_400_and_the_server_goes_on(ann: httpx.AsyncClient, raw: bytes) -> None:
    answer = await ann.post("/v1/keys", content=raw, headers=JSON)
    assert error_of(answer, 400)["code"] == "invalid_json"
    assert (await ann.get("/v1/me")).status_code == 200


@pytest.mark.parametrize("raw", [b"[]", b"null", b'"text"', b"7"])
async def test_a_body_must_be_an_object(ann: httpx.AsyncClient, raw: bytes) -> None:
    assert error_of(await ann.post("/v1/keys", content=raw, headers=JSON), 422)["code"] == (
        "invalid_type"
    )
