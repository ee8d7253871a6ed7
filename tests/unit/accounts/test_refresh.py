from __future__ import annotations

import pytest

from tertulia.accounts.refresh import RefreshTokens, fingerprint

SECRET = b"0123456789abcdef0123456789abcdef"


def test_a_token_names_its_login_and_has_one_successor() -> None:
    tokens = RefreshTokens(SECRET)
    first = tokens.first("login_1")
    assert first != tokens.first("login_1")
    second = tokens.next(first)
    assert second == RefreshTokens(SECRET).next(first)
    assert len({first, second, tokens.next(second)}) == 3
    assert tokens.login_of(first) == tokens.login_of(second) == "login_1"


def test_who_has_no_secret_makes_none() -> None:
    tokens, other = RefreshTokens(SECRET), RefreshTokens(b"x" * 32)
    token = tokens.first("login_1")
    assert other.login_of(token) is None
    assert other.next(token) != tokens.next(token)


@pytest.mark.parametrize("forged", ["", ".", "..", "login_1", "login_1.x.y", "ä", "a.b.c.d"])
def test_forged_tokens_belong_to_nobody(forged: str) -> None:
    assert RefreshTokens(SECRET).login_of(forged) is None


def test_every_part_is_held_by_the_tag() -> None:
    tokens = RefreshTokens(SECRET)
    login, bits, tag = tokens.first("login_1").split(".")
    assert tokens.login_of(f"login_2.{bits}.{tag}") is None
    assert tokens.login_of(f"{login}.{bits[::-1]}.{tag}") is None
    assert tokens.login_of(f"{login}.{bits}.{tag[::-1]}") is None


def test_the_store_gets_a_hash() -> None:
    token = RefreshTokens(SECRET).first("login_1")
    assert len(fingerprint(token)) == 32
    assert token.encode() not in fingerprint(token)
