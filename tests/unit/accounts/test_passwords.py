from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator

import pytest

from tertulia.accounts.passwords import PasswordBook
from tertulia.errors import Unavailable, Unprocessable
from tertulia.settings import Passwords

CHEAP = Passwords(time_cost=1, memory_kib=8, parallelism=1)


@pytest.fixture
def book() -> Iterator[PasswordBook]:
    made = PasswordBook(CHEAP)
    yield made
    made.close()


async def test_only_the_right_password_matches(book: PasswordBook) -> None:
    hashed = await book.hash("correct horse")
    assert hashed.startswith("$argon2id$")
    assert "correct" not in hashed
    assert hashed != await book.hash("correct horse")
    assert await book.matches(hashed, "correct horse")
    assert not await book.matches(hashed, "correct horse ")
    assert not await book.matches(hashed, "")
    assert not await book.matches("no hash at all", "correct horse")


async def test_without_an_account_the_same_work_is_done(
    book: PasswordBook, monkeypatch: pytest.MonkeyPatch
) -> None:
    hashed = await book.hash("correct horse")
    work: list[str] = []

    def hashing(password: str) -> str:
        work.append("hash")
        return ""

    def verifying(password_hash: str, password: str) -> bool:
        work.append("verify")
        return False

    monkeypatch.setattr(book, "_hash", hashing)
    monkeypatch.setattr(book, "_verify", verifying)
    assert not await book.matches(hashed, "wrong")
    assert not await book.matches(None, "wrong")
    assert work == ["verify", "hash"]


@pytest.mark.parametrize("length", [8, 1024])
def test_lengths_that_will_do(book: PasswordBook, length: int) -> None:
    book.check_rules("x" * length)


@pytest.mark.parametrize("length", [0, 7, 1025])
def test_lengths_that_will_not(book: PasswordBook, length: int) -> None:
    with pytest.raises(Unprocessable) as caught:
        book.check_rules("x" * length, param="new_password")
    assert (caught.value.code, caught.value.param) == ("weak_password", "new_password")


async def test_a_flood_waits_in_a_short_queue(
    book: PasswordBook, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many come, few threads work, few wait, and the loop stays free for others."""
    gate = threading.Event()
    working: set[int] = set()

    def slow(password: str) -> str:
        working.add(threading.get_ident())
        gate.wait()
        return password

    monkeypatch.setattr(book, "_hash", slow)
    waiting = [asyncio.create_task(book.hash(str(number))) for number in range(64)]
    await asyncio.sleep(0)
    with pytest.raises(Unavailable) as caught:
        await book.hash("one more")
    assert caught.value.retry_after
    gate.set()
    assert len(await asyncio.gather(*waiting)) == 64
    assert len(working) <= 4
    assert await book.hash("room again") == "room again"
