from __future__ import annotations

from typing import Any

import httpx
import pytest
from tests.support.served import Served, error_of
from tests.support.stores import answered, asked

from tertulia.domain.ids import new_id
from tertulia.domain.response import Request, Response, Usage
from tertulia.ports.turns import HEAD, Outcome, Submission

ROOT = "/v1/conversations"
FIELDS = {"id", "object", "created_at", "updated_at", "title", "metadata", "head"}


async def made(client: httpx.AsyncClient, **body: Any) -> dict[str, Any]:
    answer = await client.post(ROOT, json=body)
    assert answer.status_code == 200, answer.text
    conversation: dict[str, Any] = answer.json()
    assert set(conversation) == FIELDS
    return conversation


async def ids(client: httpx.AsyncClient, **params: Any) -> list[str]:
    answer = await client.get(ROOT, params=params)
    assert answer.status_code == 200, answer.text
    return [each["id"] for each in answer.json()["data"]]


def said(text: str, role: str = "user") -> dict[str, Any]:
    return {"type": "message", "role": role, "content": text}


def texts(items: list[dict[str, Any]]) -> list[str]:
    return [item["content"][0]["text"] for item in items]


async def submitted(
    served: Served,
    client: httpx.AsyncClient,
    conversation: str,
    text: str = "Hello",
    parent: str | None = HEAD,
) -> str:
    """A response that waits for a worker; its id."""
    user = (await client.get("/v1/me")).json()["id"]
    response = Response(
        id=new_id("resp"),
        user_id=user,
        request=Request(model="scripted"),
        status="queued",
        created_at=0.0,
        conversation_id=conversation,
    )
    parts = served.services.parts
    done = await parts.store.submit(Submission(response, (asked(text),), parent), parts.limits)
    return done.response.id


async def answer(served: Served, response_id: str, text: str = "Well.") -> None:
    """End it as a worker would."""
    parts = served.services.parts
    claimed = await parts.store.claim(response_id, "worker_1", 30.0)
    assert claimed is not None
    ended = Outcome(
        response_id=response_id,
        user_id=claimed.response.user_id,
        attempt=claimed.response.attempt,
        status="completed",
        output=(answered(text),),
        usage=Usage(3, 5),
        last_sequence_number=2,
    )
    await parts.store.finish(ended, parts.limits)


# --- one conversation ------------------------------------------------------------------------


async def test_a_conversation_from_first_to_last(served: Served, ann: httpx.AsyncClient) -> None:
    fresh = await made(ann)
    assert fresh["object"] == "conversation"
    assert fresh["id"].startswith("conv_")
    assert fresh["created_at"] == fresh["updated_at"] == int(served.clock.now)
    assert (fresh["title"], fresh["metadata"], fresh["head"]) == (None, {}, None)
    one = f"{ROOT}/{fresh['id']}"
    assert (await ann.get(one)).json() == fresh
    titled = (await ann.post(one, json={"title": "  A \n title "})).json()
    assert titled == {**fresh, "title": "A title", "updated_at": titled["updated_at"]}
    tagged = (await ann.post(one, json={"metadata": {"topic": "x"}})).json()
    assert (tagged["title"], tagged["metadata"]) == ("A title", {"topic": "x"})
    gone = await ann.delete(one)
    assert gone.json() == {"id": fresh["id"], "object": "conversation.deleted", "deleted": True}
    error_of(await ann.get(one), 404)
    error_of(await ann.post(one, json={"title": "x"}), 404)
    assert await ids(ann) == []
    back = (await ann.post(one + "/restore")).json()
    assert {**back, "updated_at": 0} == {**tagged, "updated_at": 0}
    assert await ids(ann) == [fresh["id"]]


async def test_undo_ends_with_the_purge(served: Served, ann: httpx.AsyncClient) -> None:
    one = f"{ROOT}/{(await made(ann))['id']}"
    await ann.delete(one)
    served.clock.pass_by(601)
    store = served.services.parts.store
    await store.purge(ephemeral_seconds=600, undo_seconds=600, feed_history=1000)
    error_of(await ann.post(one + "/restore"), 404)


async def test_no_body_is_an_empty_conversation(ann: httpx.AsyncClient) -> None:
    assert (await ann.post(ROOT)).json()["title"] is None


@pytest.mark.parametrize(
    ("body", "param", "status"),
    [
        ({"title": ""}, "title", 422),
        ({"title": "   "}, "title", 422),
        ({"title": "x" * 201}, "title", 422),
        ({"title": 7}, "title", 422),
        ({"metadata": []}, "metadata", 422),
        ({"metadata": {"a": 1}}, "metadata.a", 422),
        ({"metadata": {"a": "x" * 513}}, "metadata.a", 422),
        ({"metadata": {str(n): "x" for n in range(17)}}, "metadata", 422),
        ({"items": "text"}, "items", 422),
        ({"items": [said("x")] * 21}, "items", 422),
        ({"items": ["text"]}, "items[0]", 400),
        ({"items": [{"type": "message", "role": "user"}]}, "items[0].content", 400),
        ({"items": [said("x"), {"type": "surprise"}]}, "items[1].type", 400),
        ({"title": "x", "color": "red"}, "color", 422),
    ],
)
async def test_conversations_that_cannot_be_made(
    ann: httpx.AsyncClient, body: dict[str, Any], param: str, status: int
) -> None:
    assert error_of(await ann.post(ROOT, json=body), status)["param"] == param
    assert await ids(ann) == []


async def test_a_key_makes_a_retry_safe(ann: httpx.AsyncClient, ben: httpx.AsyncClient) -> None:
    key = {"idempotency-key": "one"}
    first = (await ann.post(ROOT, json={"title": "A"}, headers=key)).json()
    again = (await ann.post(ROOT, json={"title": "A"}, headers=key)).json()
    assert again == first
    assert await ids(ann) == [first["id"]]
    other = await ann.post(ROOT, json={"title": "B"}, headers=key)
    assert error_of(other, 409)["code"] == "idempotency_key_reused"
    assert (await ben.post(ROOT, json={"title": "A"}, headers=key)).json()["id"] != first["id"]
    for bad in ("", "x" * 256):
        refused = await ann.post(ROOT, json={}, headers={"idempotency-key": bad})
        assert error_of(refused, 400)["code"] == "invalid_idempotency_key"


# --- lists -----------------------------------------------------------------------------------


async def test_the_list_comes_in_pages_newest_first(served: Served, ann: httpx.AsyncClient) -> None:
    names = []
    for number in range(5):
        served.clock.pass_by(10)
        names.append((await made(ann, title=f"Talk {number}"))["id"])
    served.clock.pass_by(10)
    await submitted(served, ann, names[1])
    order = [names[1], names[4], names[3], names[2], names[0]]
    assert await ids(ann) == order
    first = (await ann.get(ROOT, params={"limit": 2})).json()
    assert first["object"] == "list"
    assert [each["id"] for each in first["data"]] == order[:2]
    assert (first["first_id"], first["last_id"], first["has_more"]) == (*order[:2], True)
    assert await ids(ann, limit=2, after=order[1]) == order[2:4]
    last = (await ann.get(ROOT, params={"limit": 2, "after": order[3]})).json()
    assert [each["id"] for each in last["data"]] == order[4:]
    assert last["has_more"] is False


async def test_an_empty_list(ann: httpx.AsyncClient) -> None:
    assert (await ann.get(ROOT)).json() == {
        "object": "list",
        "data": [],
        "first_id": None,
        "last_id": None,
        "has_more": False,
    }


async def test_titles_are_searched_by_words(served: Served, ann: httpx.AsyncClient) -> None:
    titles = ["Straße nach Köln", "Cats and dogs", "DOGS only", "ﬁle systems", "東京の天気"]
    found = {}
    for title in titles:
        served.clock.pass_by(1)
        found[title] = (await made(ann, title=title))["id"]
    await made(ann)
    for search, expected in [
        ("strasse", ["Straße nach Köln"]),
        ("KÖLN stra", ["Straße nach Köln"]),
        ("dogs", ["DOGS only", "Cats and dogs"]),
        ("dogs cats", ["Cats and dogs"]),
        ("file", ["ﬁle systems"]),
        ("天気", ["東京の天気"]),
        ("nothing", []),
        ("%", []),
        ("' OR 1=1", []),
    ]:
        assert await ids(ann, search=search) == [found[title] for title in expected], search
    assert len(await ids(ann, search="  ")) == 6
    assert await ids(ann, search="dogs", limit=1) == [found["DOGS only"]]
    after = await ids(ann, search="dogs", limit=1, after=found["DOGS only"])
    assert after == [found["Cats and dogs"]]
    await ann.delete(f"{ROOT}/{found['DOGS only']}")
    assert await ids(ann, search="dogs") == [found["Cats and dogs"]]


@pytest.mark.parametrize("search", ["", "x"])
async def test_a_page_after_nothing_we_know(ann: httpx.AsyncClient, search: str) -> None:
    params = {"after": "conv_unknown", "search": search}
    error_of(await ann.get(ROOT, params=params), 404)


@pytest.mark.parametrize(("path", "most"), [(ROOT, 500), (ROOT + "/conv_1/items", 100)])
@pytest.mark.parametrize("limit", ["0", "more", "-1", "ten", "1.5", ""])
async def test_pages_have_bounds(ann: httpx.AsyncClient, path: str, most: int, limit: str) -> None:
    limit = str(most + 1) if limit == "more" else limit
    assert error_of(await ann.get(path, params={"limit": limit}), 422)["param"] == "limit"


# --- others' ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "", None),
        ("POST", "", {"title": "mine"}),
        ("DELETE", "", None),
        ("POST", "/restore", None),
        ("POST", "/head", {"response_id": None}),
        ("GET", "/tree", None),
        ("GET", "/items", None),
        ("POST", "/items", {"items": [said("mine")]}),
        ("GET", "/items/{item}", None),
        ("DELETE", "/items/{item}", None),
    ],
)
async def test_foreign_and_unknown_are_the_same(
    ann: httpx.AsyncClient,
    ben: httpx.AsyncClient,
    method: str,
    path: str,
    body: dict[str, Any] | None,
) -> None:
    talk = (await made(ann, title="Private", items=[said("secret")]))["id"]
    item = (await ann.get(f"{ROOT}/{talk}/items")).json()["data"][0]["id"]
    where = path.format(item=item)
    before = (await ann.get(f"{ROOT}/{talk}/tree")).json()
    foreign = error_of(await ben.request(method, f"{ROOT}/{talk}{where}", json=body), 404)
    unknown = error_of(await ben.request(method, f"{ROOT}/conv_unknown{where}", json=body), 404)
    assert (foreign["code"], foreign["param"]) == (unknown["code"], unknown["param"])
    assert (await ann.get(f"{ROOT}/{talk}/tree")).json() == before


# --- items, head and tree --------------------------------------------------------------------


async def test_items_of_the_branch(ann: httpx.AsyncClient) -> None:
    talk = await made(ann, items=[said("one"), said("two", "assistant"), said("three")])
    assert talk["head"].startswith("resp_")
    items = f"{ROOT}/{talk['id']}/items"
    newest = (await ann.get(items)).json()
    assert texts(newest["data"]) == ["three", "two", "one"]
    oldest = (await ann.get(items, params={"order": "asc"})).json()["data"]
    assert texts(oldest) == ["one", "two", "three"]
    page = (await ann.get(items, params={"limit": 2, "order": "asc"})).json()
    assert (page["first_id"], page["last_id"], page["has_more"]) == (
        oldest[0]["id"],
        oldest[1]["id"],
        True,
    )
    rest = {"order": "asc", "after": page["last_id"]}
    assert texts((await ann.get(items, params=rest)).json()["data"]) == ["three"]
    assert (await ann.get(f"{items}/{oldest[1]['id']}")).json() == oldest[1]
    added = (await ann.post(items, json={"items": [said("four"), said("five")]})).json()
    assert texts(added["data"]) == ["four", "five"]
    assert added["has_more"] is False
    everything = (await ann.get(items, params={"order": "asc"})).json()["data"]
    assert texts(everything) == ["one", "two", "three", "four", "five"]
    changed = await ann.delete(f"{items}/{oldest[1]['id']}")
    assert set(changed.json()) == FIELDS
    left = (await ann.get(items, params={"order": "asc"})).json()["data"]
    assert texts(left) == ["one", "three", "four", "five"]
    error_of(await ann.get(f"{items}/{oldest[1]['id']}"), 404)
    error_of(await ann.get(items, params={"after": "msg_unknown"}), 404)
    assert error_of(await ann.get(items, params={"order": "up"}), 422)["param"] == "order"
    error_of(await ann.post(items, json={"items": []}), 422)
    error_of(await ann.post(items, json={}), 422)


async def test_an_empty_conversation_has_no_items(ann: httpx.AsyncClient) -> None:
    talk = (await made(ann))["id"]
    assert (await ann.get(f"{ROOT}/{talk}/items")).json()["data"] == []
    assert (await ann.get(f"{ROOT}/{talk}/tree")).json()["responses"] == []


async def test_the_tree_holds_every_branch(served: Served, ann: httpx.AsyncClient) -> None:
    talk = (await made(ann))["id"]
    one = f"{ROOT}/{talk}"
    first = await submitted(served, ann, talk, "Hello")
    await answer(served, first, "Hi!")
    second = await submitted(served, ann, talk, "More")
    edited = await submitted(served, ann, talk, "Else", parent=first)
    tree = (await ann.get(f"{one}/tree")).json()
    assert set(tree) == {"conversation", "responses"}
    assert tree["conversation"] == (await ann.get(one)).json()
    nodes = tree["responses"]
    assert [node["id"] for node in nodes] == [first, second, edited]
    assert [node["previous_response_id"] for node in nodes] == [None, first, first]
    assert [node["status"] for node in nodes] == ["completed", "queued", "queued"]
    assert [node["last_sequence_number"] for node in nodes] == [2, None, None]
    assert [texts(node["input"]) for node in nodes] == [["Hello"], ["More"], ["Else"]]
    assert [texts(node["output"]) for node in nodes] == [["Hi!"], [], []]
    for node in nodes:
        assert node["object"] == "response"
        assert node["regenerate_of"] is None
    assert nodes[0]["usage"]["total_tokens"] == 8

    moved = (await ann.post(f"{one}/head", json={"response_id": second})).json()
    assert moved["head"] == second
    items = (await ann.get(f"{one}/items", params={"order": "asc"})).json()["data"]
    assert texts(items) == ["Hello", "Hi!", "More"]
    assert (await ann.post(f"{one}/head", json={"response_id": None})).json()["head"] is None
    assert (await ann.get(f"{one}/items")).json()["data"] == []


async def test_a_head_must_be_of_this_conversation(
    served: Served, ann: httpx.AsyncClient, ben: httpx.AsyncClient
) -> None:
    talk, other = (await made(ann))["id"], (await made(ann))["id"]
    elsewhere = await submitted(served, ann, other)
    foreign = await submitted(served, ben, (await made(ben))["id"])
    head = f"{ROOT}/{talk}/head"
    for response_id in (elsewhere, foreign, "resp_unknown", ""):
        error_of(await ann.post(head, json={"response_id": response_id}), 404)
    for body in ({}, {"response_id": 7}, {"response_id": None, "more": 1}):
        error_of(await ann.post(head, json=body), 422)
    assert (await ann.get(f"{ROOT}/{talk}")).json()["head"] is None


async def test_deleting_ends_what_still_runs(served: Served, ann: httpx.AsyncClient) -> None:
    talk = (await made(ann))["id"]
    response_id = await submitted(served, ann, talk)
    await ann.delete(f"{ROOT}/{talk}")
    tree = await ann.post(f"{ROOT}/{talk}/restore")
    assert tree.status_code == 200
    nodes = (await ann.get(f"{ROOT}/{talk}/tree")).json()["responses"]
    assert [(node["id"], node["status"]) for node in nodes] == [(response_id, "cancelled")]
