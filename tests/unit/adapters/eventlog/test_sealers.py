"""Sealers at hand: as long as the keys are."""

from __future__ import annotations

from pathlib import Path

from tests.support.stores import Clock

from tertulia.adapters.eventlog.sealers import Sealers
from tertulia.adapters.keys.file import FileKeys
from tertulia.adapters.sealing import AesGcmCipher


async def test_a_user_erased_by_another_process_is_not_sealed_for_any_longer(
    tmp_path: Path,
) -> None:
    clock = Clock()
    one = FileKeys(tmp_path / "keys")
    two = FileKeys(tmp_path / "keys", trusted_seconds=60)
    two._clock = clock
    for keys in (one, two):
        await keys.start()
    sealers = Sealers(two, AesGcmCipher())
    assert sealers.known("user_1") is None
    made = await sealers.get("user_1")
    assert made is not None
    assert sealers.known("user_1") is made
    await one.destroy("user_1")
    assert sealers.known("user_1") is made
    clock.pass_by(61)
    assert sealers.known("user_1") is None
    assert await sealers.get("user_1") is None
    assert sealers.known("user_1") is None
    for keys in (one, two):
        await keys.close()
