"""An answer that outgrows what its log may hold ends with what the log holds."""

from __future__ import annotations

from pathlib import Path

from tests.support.services.redis import RedisServer
from tests.turns.house import open_house

from tertulia.adapters.eventlog.redis import Options, open_redis_log
from tertulia.adapters.keys.file import FileKeys
from tertulia.adapters.sealing import AesGcmCipher
from tertulia.domain.transcript import Transcript


async def test_it_ends_incomplete_and_in_one_attempt(
    tmp_path: Path, redis_server: RedisServer
) -> None:
    keys = FileKeys(tmp_path / "keys")
    await keys.start()
    options = Options(prefix=tmp_path.name, max_bytes=30_000)
    log = await open_redis_log(redis_server.url, keys, AesGcmCipher(), options)
    async with open_house(tmp_path, one_file=False) as opened:
        house = opened.with_(log=log)
        worker = house.work()
        try:
            response = await house.say("chunks=20000")
            frames = await house.read(response.id)
            stored = await house.node(response.id)
        finally:
            await worker.stop()
    await log.close()
    await keys.close()
    assert (stored.response.status, stored.response.attempt) == ("incomplete", 1)
    assert stored.response.incomplete_reason == "max_output_tokens"
    shown = Transcript()
    shown.extend(frames)
    (text,) = [item.text for item in stored.output if hasattr(item, "text")]
    assert [item.text for item in shown.output() if hasattr(item, "text")] == [text]
    assert " ".join(f"w{n}" for n in range(20_000)).startswith(text)
    assert len(text) > 100
    numbers = [frame.sequence_number for frame in frames]
    assert numbers == list(range(len(frames)))
