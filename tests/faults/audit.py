"""What store, API and event log tell when all is over, for the invariants to judge."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import aiohttp
from tests.faults.client import text_of
from tests.faults.cluster import Cluster
from tests.faults.devices import noted
from tests.faults.history import History, Levels, Reading, Row, Used
from tests.faults.schedule import Clock
from tests.faults.traffic import Traffic, User

from tertulia.adapters.store.schema import metadata

_ROWS = (
    "SELECT id, user_id, ordinal, conversation_id, previous_response_id, status, "
    "incomplete_reason, created_at, admitted_at, completed_at, cancel_requested_at, attempt, "
    "crashes, last_sequence_number FROM responses WHERE kind = 'response'"
)
_LEDGER = "SELECT response_id, user_id, input_tokens, output_tokens FROM attempts"
_USED = "SELECT response_id, user_id, input_tokens, output_tokens FROM usage_of_responses"
#: Seconds within which nothing is left of an account that was removed.
_ERASED = 90.0
#: Seconds for one that has ended.
_REPLAY = 6.0
#: Responses asked for at once.
_AT_ONCE = 8


async def audit(cluster: Cluster, traffic: Traffic, history: History) -> None:
    """Read everything; the nodes still run, and nothing is broken any more."""
    for user in traffic.users:
        for device in user.devices:
            history.rendered += device.rendered()
    rows = {row[0]: row for row in await cluster.services.rows(_ROWS)}
    history.used, history.ledger = [
        [
            Used(one, user, (int(tokens_in), int(tokens_out)))
            for one, user, tokens_in, tokens_out in await cluster.services.rows(sql)
        ]
        for sql in (_USED, _LEDGER)
    ]
    url = cluster.apis[0].url
    by_id = {user.id: user for user in traffic.users}
    gate = asyncio.Semaphore(_AT_ONCE)
    connector = aiohttp.TCPConnector(limit=0, force_close=True)
    async with aiohttp.ClientSession(connector=connector) as session:

        async def one(row: tuple[Any, ...]) -> None:
            async with gate:
                resource = await _retrieved(session, url, by_id[row[1]], row[0])
                history.rows[row[0]] = _row(row, resource)
                await _replayed(session, url, by_id[row[1]], row[0], history)

        await asyncio.gather(*(one(row) for row in rows.values() if row[1] in by_id))
        # Any node's upkeep goes on with what is not erased yet.
        clock = Clock()
        while (left := await _left_of_removed(cluster, history)) and clock.now < _ERASED:
            await clock.pause(0.5)
        history.left = left
        for user in traffic.users:
            history.feeds[user.id] = await _feed(session, url, user)


async def _left_of_removed(cluster: Cluster, history: History) -> list[str]:
    """What store, event log and keys still hold of those whose accounts were removed."""
    services, found = cluster.services, []
    for user in sorted(history.removed):
        for table in metadata.tables.values():
            column = "id" if table.name == "users" else "user_id"
            if column not in table.c:
                continue
            sql = f"SELECT count(*) FROM {table.name} WHERE {column} = '{user}'"
            ((count,),) = await services.rows(sql)
            if count:
                found.append(f"{table.name} holds {count} rows of {user}")
        if _has_keys(cluster.keys / "users.sqlite3", user):
            found.append(f"the keys of {user} are still there")
        theirs = {r.response_id for r in history.replies if history.sent[r.key].user == user}
        logged = [one for one in theirs if await asyncio.to_thread(services.logged, one)]
        found += [f"the event log holds {one} of {user}" for one in logged]
    return found


def _has_keys(path: Path, user: str) -> bool:
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as keys:
        sql = "SELECT count(*) FROM keys WHERE user_id = ? AND wrapped IS NOT NULL"
        return bool(keys.execute(sql, (user,)).fetchone()[0])


def _row(row: tuple[Any, ...], resource: dict[str, Any]) -> Row:
    usage, error = resource.get("usage"), resource.get("error")
    return Row(
        id=row[0],
        user=row[1],
        ordinal=row[2],
        conversation=row[3],
        parent=row[4],
        status=row[5],
        reason=row[6],
        error=error["code"] if error else None,
        created_at=row[7],
        admitted_at=row[8],
        completed_at=row[9],
        cancel_requested_at=row[10],
        attempt=row[11],
        crashes=row[12],
        last_number=row[13],
        text=text_of(resource["output"]),
        tokens=(usage["input_tokens"], usage["output_tokens"]) if usage else None,
    )


def _bearer(user: User) -> dict[str, str]:
    return {"authorization": f"Bearer {user.token}"}


async def _retrieved(
    session: aiohttp.ClientSession, url: str, user: User, response_id: str
) -> dict[str, Any]:
    where = f"{url}/v1/responses/{response_id}"
    async with session.get(where, headers=_bearer(user)) as answer:
        answer.raise_for_status()
        resource: dict[str, Any] = await answer.json()
        return resource


async def _replayed(
    session: aiohttp.ClientSession, url: str, user: User, response_id: str, history: History
) -> None:
    """Once more from the start, as a device does that was never there before."""
    reading = Reading("the audit", user.id, response_id, None)
    where = f"{url}/v1/responses/{response_id}"
    headers = _bearer(user) | {"tertulia-events": "1"}
    history.readings.append(reading)
    try:
        async with (
            asyncio.timeout(_REPLAY),
            session.get(where, params={"stream": "true"}, headers=headers) as answer,
        ):
            answer.raise_for_status()
            async for line in answer.content:
                if line.startswith(b"data: {"):
                    noted(reading, json.loads(line[6:]))
    except TimeoutError:
        history.odd.append(f"the stream of {response_id} does not end")


async def _feed(session: aiohttp.ClientSession, url: str, user: User) -> list[dict[str, Any]]:
    """A user's feed from its beginning."""
    entries: list[dict[str, Any]] = []
    place = await _hello(session, url, user, None)
    first = {"epoch": place["epoch"], "offset": 0}
    async with session.ws_connect(f"{url.replace('http', 'ws', 1)}/v1/feed") as socket:
        await socket.send_json({"type": "auth", "token": user.token, "feed": first})
        async for message in socket:
            said = json.loads(message.data)
            if said["type"] == "feed":
                entries.append(said["event"])
                if said["offset"] >= place["offset"]:
                    break
    return entries


async def _hello(
    session: aiohttp.ClientSession, url: str, user: User, feed: dict[str, Any] | None
) -> dict[str, Any]:
    async with session.ws_connect(f"{url.replace('http', 'ws', 1)}/v1/feed") as socket:
        await socket.send_json({"type": "auth", "token": user.token})
        hello = json.loads((await socket.receive()).data)
        place: dict[str, Any] = hello["feed"]
        return place


async def levels(cluster: Cluster) -> Levels:
    """As they are now."""
    waiting = await cluster.services.waiting()
    connections = await cluster.services.connections()
    return Levels(waiting, connections, {n.name: n.level() for n in cluster.nodes if n.alive})
