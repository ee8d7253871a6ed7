from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import OctKey, RSAKey
from tests.support.stores import Clock

from tertulia.accounts.tokens import AccessTokens, derive
from tertulia.errors import Unauthorized

SECRET = b"0123456789abcdef0123456789abcdef"


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def tokens(clock: Clock) -> AccessTokens:
    return AccessTokens(SECRET, 900, clock)


def parts(token: str) -> tuple[dict[str, Any], dict[str, Any]]:
    header, claims, _ = token.split(".")
    return json.loads(_decode(header)), json.loads(_decode(claims))


def _decode(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


def _encode(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def signed(header: dict[str, Any], claims: dict[str, Any], key: bytes | None = None) -> str:
    own = key or derive(SECRET, "access-token")
    return jwt.encode(header, claims, OctKey.import_key(own), algorithms=["HS256", "HS512"])


def code_of(tokens: AccessTokens, token: str) -> str:
    with pytest.raises(Unauthorized) as caught:
        tokens.read(token)
    return caught.value.code


def test_a_token_says_who_and_how_long(tokens: AccessTokens, clock: Clock) -> None:
    token = tokens.make("user_1", "admin", "login_1")
    header, claims = parts(token)
    assert header["alg"] == "HS256"
    assert header["typ"] == "at+jwt"
    assert header["kid"]
    assert {name: claims[name] for name in ("iss", "aud", "sub", "sid", "role")} == {
        "iss": "tertulia",
        "aud": "tertulia-api",
        "sub": "user_1",
        "sid": "login_1",
        "role": "admin",
    }
    assert claims["exp"] - claims["iat"] == 900
    assert claims["jti"] != parts(tokens.make("user_1", "admin", "login_1"))[1]["jti"]
    read = tokens.read(token)
    assert (read.user_id, read.login_id, read.role) == ("user_1", "login_1", "admin")
    assert read.expires_at == clock() + 900
    assert tokens.read(token) is read


def test_a_token_ends(tokens: AccessTokens, clock: Clock) -> None:
    read, unread = (tokens.make("user_1", "user", "login_1") for _ in range(2))
    clock.pass_by(899)
    tokens.read(read)
    clock.pass_by(1)
    assert code_of(tokens, read) == "token_expired"
    assert code_of(tokens, unread) == "token_expired"


def test_another_secret_signs_nothing_for_us(tokens: AccessTokens, clock: Clock) -> None:
    other = AccessTokens(b"f" * 32, 900, clock)
    assert code_of(tokens, other.make("user_1", "admin", "login_1")) == "invalid_token"


@pytest.mark.parametrize(
    "change",
    [
        {"iss": "other"},
        {"iss": None},
        {"aud": "other-api"},
        {"aud": ["tertulia-api"]},
        {"sub": None},
        {"sub": 7},
        {"sid": None},
        {"role": "owner"},
        {"role": None},
        {"exp": None},
        {"exp": "9999999999"},
        {"exp": True},
    ],
)
def test_every_claim_must_be_ours(tokens: AccessTokens, change: dict[str, Any]) -> None:
    header, claims = parts(tokens.make("user_1", "user", "login_1"))
    forged = {k: v for k, v in {**claims, **change}.items() if v is not None}
    assert code_of(tokens, signed(header, forged)) in {"invalid_token", "token_expired"}


@pytest.mark.parametrize(
    "change",
    [{"typ": "JWT"}, {"typ": "refresh+jwt"}, {"kid": "other"}, {"alg": "HS512"}, {"b64": True}],
)
def test_every_header_must_be_ours(tokens: AccessTokens, change: dict[str, Any]) -> None:
    header, claims = parts(tokens.make("user_1", "user", "login_1"))
    changed = {**header, **change}
    forged = (
        f"{_encode(changed)}.{_encode(claims)}.AAAA" if "b64" in change else signed(changed, claims)
    )
    assert code_of(tokens, forged) == "invalid_token"


def test_unsigned_and_differently_signed_tokens_are_refused(tokens: AccessTokens) -> None:
    token = tokens.make("user_1", "user", "login_1")
    header, claims = parts(token)
    head, body, signature = token.split(".")
    unsigned = _encode({**header, "alg": "none"})
    public = jwt.encode({**header, "alg": "RS256"}, claims, RSAKey.generate_key(2048))
    for forged in (
        f"{unsigned}.{body}.",
        f"{unsigned}.{body}.{signature}",
        f"{head}.{body}.",
        f"{head}.{_encode({**claims, 'role': 'admin'})}.{signature}",
        public,
        "",
        "..",
        "a.b.c",
        "ä.ö.ü",
        token[:-2],
        token + "x",
        f"{head}.{_encode([claims])}.{signature}",
        "x" * 100_000,
    ):
        assert code_of(tokens, forged) == "invalid_token"


def test_many_tokens_are_not_all_remembered(tokens: AccessTokens) -> None:
    first = tokens.make("user_1", "user", "login_1")
    read = tokens.read(first)
    for number in range(4096):
        tokens.read(tokens.make("user_1", "user", f"login_{number}"))
    again = tokens.read(first)
    assert again == read
    assert again is not read
