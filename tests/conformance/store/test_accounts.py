"""Users, logins and keys."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from tests.support.stores import ANN, BEN, Rig

from tertulia.domain.principal import Principal
from tertulia.errors import Conflict, NotFound
from tertulia.ports.accounts import ApiKey, Login, User

OLD, NEW, NEWER = b"o" * 32, b"n" * 32, b"m" * 32


def _login(login_id: str, user: str = ANN, refresh_hash: bytes = OLD) -> Login:
    return Login(login_id, user, 1.0, 100.0, refresh_hash)


def _key(key_id: str, user: str = ANN) -> ApiKey:
    return ApiKey(key_id, user, "laptop", "sk-abc", 5.0)


# --- users ----------------------------------------------------------------------------------


async def test_a_user_comes_back_as_made(rig: Rig) -> None:
    made = await rig.store.create_user("user_cat", "cat@example.org", "hash", "admin")
    assert made == User("user_cat", "cat@example.org", "admin", rig.clock.now, "hash")
    assert await rig.store.user("user_cat") == made
    assert await rig.store.user_by_email("cat@example.org") == made
    assert await rig.store.user_by_email("dog@example.org") is None
    with pytest.raises(NotFound):
        await rig.store.user("user_dog")


async def test_an_address_has_one_user_whoever_asks_at_once(rig: Rig) -> None:
    results = await asyncio.gather(
        *(rig.store.create_user(f"user_{n}", "x@example.org", None, "user") for n in range(5)),
        return_exceptions=True,
    )
    refused = [r for r in results if isinstance(r, Conflict)]
    assert len(refused) == 4
    assert {r.code for r in refused} == {"email_taken"}


async def test_the_profile_is_replaced_whole(rig: Rig) -> None:
    changed = await rig.store.set_profile(ANN, instructions="Brief!", default_model="m")
    assert (changed.instructions, changed.default_model) == ("Brief!", "m")
    assert await rig.store.user(ANN) == changed
    assert await rig.store.user_by_email(changed.email) == changed
    cleared = await rig.store.set_profile(ANN, instructions=None, default_model=None)
    assert (cleared.instructions, cleared.default_model) == (None, None)
    with pytest.raises(NotFound):
        await rig.store.set_profile("user_dog", instructions=None, default_model=None)


async def test_a_new_password_ends_the_other_logins(rig: Rig) -> None:
    await rig.store.create_login(_login("login_1"))
    await rig.store.create_login(_login("login_2", refresh_hash=NEW))
    await rig.store.create_login(_login("login_3", BEN, NEWER))
    await rig.store.set_password(ANN, "fresh", keep_login="login_1")
    revoked = {}
    for n in (1, 2, 3):
        login = await rig.store.login(f"login_{n}")
        assert login is not None
        revoked[n] = login.revoked_at
    assert revoked == {1: None, 2: rig.clock.now, 3: None}
    assert (await rig.store.user(ANN)).password_hash == "fresh"
    await rig.store.set_password(ANN, "again", keep_login=None)
    first = await rig.store.login("login_1")
    assert first is not None
    assert first.revoked_at == rig.clock.now
    with pytest.raises(NotFound):
        await rig.store.set_password("user_dog", "x", keep_login=None)


# --- logins ---------------------------------------------------------------------------------


async def test_a_login_is_found_by_its_present_and_its_previous_token(rig: Rig) -> None:
    login = _login("login_1")
    await rig.store.create_login(login)
    assert await rig.store.login("login_1") == login
    assert await rig.store.login_by_hash(OLD) == login
    assert await rig.store.rotate_login("login_1", OLD, NEW, 200.0)
    rotated = replace(
        login,
        refresh_hash=NEW,
        previous_hash=OLD,
        rotated_at=rig.clock.now,
        expires_at=200.0,
    )
    assert await rig.store.login_by_hash(NEW) == rotated
    assert await rig.store.login_by_hash(OLD) == rotated
    assert await rig.store.rotate_login("login_1", NEW, NEWER, 300.0)
    assert await rig.store.login_by_hash(OLD) is None
    assert await rig.store.login("login_unknown") is None


async def test_one_of_two_rotations_wins(rig: Rig) -> None:
    await rig.store.create_login(_login("login_1"))
    won = await asyncio.gather(
        rig.store.rotate_login("login_1", OLD, NEW, 200.0),
        rig.store.rotate_login("login_1", OLD, NEWER, 200.0),
    )
    assert sorted(won) == [False, True]


async def test_a_revoked_login_is_found_and_never_rotated(rig: Rig) -> None:
    await rig.store.create_login(_login("login_1"))
    await rig.store.revoke_login("login_1")
    at = rig.clock.now
    rig.clock.pass_by(5)
    await rig.store.revoke_login("login_1")
    found = await rig.store.login_by_hash(OLD)
    assert found is not None
    assert found.revoked_at == at
    assert not await rig.store.rotate_login("login_1", OLD, NEW, 200.0)
    assert not await rig.store.rotate_login("login_unknown", OLD, NEW, 200.0)


# --- keys -----------------------------------------------------------------------------------


async def test_keys_are_found_by_hash_listed_and_revoked(rig: Rig) -> None:
    first, second = _key("key_1"), replace(_key("key_2"), created_at=6.0)
    await rig.store.create_key(second, b"2")
    await rig.store.create_key(first, b"1")
    await rig.store.create_key(_key("key_3", BEN), b"3")
    assert list(await rig.store.keys(ANN)) == [first, second]
    assert await rig.store.key_by_hash(b"1") == first
    assert await rig.store.key_by_hash(b"unknown") is None
    for user, key in ((BEN, "key_1"), (ANN, "key_unknown")):
        with pytest.raises(NotFound):
            await rig.store.revoke_key(user, key)
    await rig.store.revoke_key(ANN, "key_1")
    assert await rig.store.key_by_hash(b"1") is None
    assert list(await rig.store.keys(ANN)) == [second]
    with pytest.raises(NotFound):
        await rig.store.revoke_key(ANN, "key_1")


async def test_the_use_of_a_key_is_noted_once_a_minute(rig: Rig) -> None:
    await rig.store.create_key(_key("key_1"), b"1")
    first_use = rig.clock.now
    for seconds, noted in ((0, first_use), (59, first_use), (2, first_use + 61)):
        rig.clock.pass_by(seconds)
        await rig.store.key_by_hash(b"1")
        (key,) = await rig.store.keys(ANN)
        assert key.last_used_at == noted


# --- who still stands -----------------------------------------------------------------------


async def test_many_are_asked_about_at_once(rig: Rig) -> None:
    later = rig.clock.now + 100
    for number, user in enumerate((ANN, ANN, BEN)):
        login = replace(_login(f"login_{number}", user, bytes([number]) * 32), expires_at=later)
        await rig.store.create_login(login)
        await rig.store.create_key(_key(f"key_{number}", user), bytes([number]))
    await rig.store.revoke_login("login_1")
    await rig.store.revoke_key(ANN, "key_1")
    by_login = [Principal(ANN, login_id=f"login_{n}") for n in (0, 1, 2, 9)]
    by_key = [Principal(ANN, key_id=f"key_{n}") for n in (0, 1, 2, 9)]
    local = Principal("user_local")
    asked = [*by_login, local, *by_key]
    assert list(await rig.store.standing(asked)) == [
        *(True, False, False, False),
        True,
        *(True, False, False, False),
    ]
    assert list(await rig.store.standing([])) == []
    rig.clock.pass_by(100)
    assert list(await rig.store.standing([by_login[0], by_key[0]])) == [False, True]
