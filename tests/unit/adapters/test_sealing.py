"""Sealing: what was sealed opens, in its own place, with its own key, unaltered, and only so."""

from __future__ import annotations

import os

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tertulia.adapters.sealing import AesGcmCipher
from tertulia.domain.ids import new_id
from tertulia.ports.keys import UserKeys

CIPHER = AesGcmCipher()
KEYS = UserKeys(1, b"d" * 32, b"i" * 32, b"m" * 32)
CONTEXT = ("user_1", "items", "resp_1", "body")

contexts = st.tuples(st.text(), st.text(), st.text(), st.text())


@given(st.binary(), contexts)
def test_what_was_sealed_opens(plaintext: bytes, context: tuple[str, ...]) -> None:
    sealed = CIPHER.seal(KEYS, context, plaintext)
    assert CIPHER.open(KEYS, context, sealed) == plaintext
    assert len(sealed) == len(plaintext) + 33


@given(st.binary(min_size=8))
def test_no_sealing_is_like_another(plaintext: bytes) -> None:
    one, two = (CIPHER.seal(KEYS, CONTEXT, plaintext) for _ in range(2))
    assert one != two
    assert plaintext not in one


def test_no_nonce_is_used_twice() -> None:
    made = [CIPHER.seal(KEYS, CONTEXT, b"")[5:17] for _ in range(1000)]
    assert len(set(made)) == 1000


def test_a_forked_process_uses_other_nonces_and_ids() -> None:
    CIPHER.seal(KEYS, CONTEXT, b"")
    new_id("x", now_ms=0)
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writer, CIPHER.seal(KEYS, CONTEXT, b"")[5:17] + new_id("x", now_ms=0).encode())
        os._exit(0)
    os.waitpid(child, 0)
    theirs = os.read(reader, 100)
    os.close(reader)
    os.close(writer)
    # It was the child's turn first: had it the same ones at hand, they would be the next of ours.
    ours = [CIPHER.seal(KEYS, CONTEXT, b"")[5:17] for _ in range(64)]
    assert theirs[:12] not in ours
    assert theirs[12:].decode() not in {new_id("x", now_ms=0) for _ in range(64)}


@given(contexts, contexts)
def test_it_opens_in_its_own_place_only(context: tuple[str, ...], other: tuple[str, ...]) -> None:
    assume(context != other)
    with pytest.raises(ValueError, match="altered, moved, or sealed by another key"):
        CIPHER.open(KEYS, other, CIPHER.seal(KEYS, context, b"secret"))


@given(contexts, st.lists(st.tuples(st.text(), st.binary())))
def test_many_rows_open_as_one_does(
    context: tuple[str, ...], rows: list[tuple[str, bytes]]
) -> None:
    user, table, _, field = context
    opened = CIPHER.opener(KEYS, user, table, field)
    for row, plaintext in rows:
        sealed = CIPHER.seal(KEYS, (user, table, row, field), plaintext)
        assert opened(row, sealed) == plaintext
        for wrong, value in ((row + "x", sealed), (row, sealed[:-1]), (row, sealed[:9])):
            with pytest.raises(ValueError, match="cut|altered, moved"):
                opened(wrong, value)
    with pytest.raises(ValueError, match="key version 2"):
        opened("row", CIPHER.seal(UserKeys(2, b"d" * 32, b"", b""), context, b"secret"))


def test_parts_of_a_place_cannot_run_into_each_other() -> None:
    sealed = CIPHER.seal(KEYS, ("user_1", "items", "ab", "c"), b"secret")
    with pytest.raises(ValueError, match="moved"):
        CIPHER.open(KEYS, ("user_1", "items", "a", "bc"), sealed)


@pytest.mark.parametrize(
    "keys", [UserKeys(1, b"e" * 32, b"i" * 32, b"m" * 32), UserKeys(2, b"d" * 32, b"", b"")]
)
def test_another_key_or_version_does_not_open_it(keys: UserKeys) -> None:
    with pytest.raises(ValueError, match="key"):
        CIPHER.open(keys, CONTEXT, CIPHER.seal(KEYS, CONTEXT, b"secret"))


@given(st.integers(min_value=0), st.integers(1, 255))
def test_any_altered_byte_is_noticed(at: int, by: int) -> None:
    sealed = bytearray(CIPHER.seal(KEYS, CONTEXT, b"secret"))
    sealed[at % len(sealed)] ^= by
    with pytest.raises(ValueError, match="value of items/resp_1/body"):
        CIPHER.open(KEYS, CONTEXT, bytes(sealed))


@given(st.integers(0, 38))
def test_a_cut_value_is_noticed(size: int) -> None:
    sealed = CIPHER.seal(KEYS, CONTEXT, b"secret")
    with pytest.raises(ValueError, match="cut|altered"):
        CIPHER.open(KEYS, CONTEXT, sealed[:size])


def test_errors_tell_no_secret() -> None:
    with pytest.raises(ValueError, match="cut") as caught:
        CIPHER.open(KEYS, CONTEXT, b"secret")
    assert "secret" not in str(caught.value)
    assert "ddd" not in repr(KEYS)
