"""Images in messages, by every way in: what the model is given, and what is refused."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest
from openai import AsyncOpenAI
from tests.support.images import PIXEL, data_url, gif, jpeg, png
from tests.support.live import Live, live

from tertulia.turns.images import GONE


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Live]:
    async with live(tmp_path) as started:
        yield started


@pytest.fixture
async def client(server: Live) -> httpx.AsyncClient:
    return await server.client()


@pytest.fixture
async def sdk(server: Live) -> AsyncIterator[AsyncOpenAI]:
    async with server.sdk() as made:
        yield made


def asking(*images: dict[str, Any], text: str = "look") -> list[Any]:
    shown = [{"type": "input_image", **image} for image in images]
    return [{"role": "user", "content": [{"type": "input_text", "text": text}, *shown]}]


async def test_a_data_url_reaches_the_model(sdk: AsyncOpenAI) -> None:
    data = png(5, 4)
    response = await sdk.responses.create(
        model="scripted", input=asking({"image_url": data_url(data), "detail": "low"})
    )
    assert response.output_text == (f"Scripted answer to: look [image/png 5x4, {len(data)} bytes]")
    (item,) = (await sdk.responses.input_items.list(response.id)).data
    assert item.type == "message"
    part = item.content[1]
    assert part.type == "input_image"
    assert (part.image_url, part.detail, part.file_id) == (data_url(data), "low", None)


async def test_an_upload_reaches_the_model(sdk: AsyncOpenAI) -> None:
    data = jpeg(30, 20)
    file = await sdk.files.create(file=("photo.jpg", data, "image/jpeg"), purpose="vision")
    assert (file.filename, file.bytes, file.status) == ("photo.jpg", len(data), "processed")
    photo = {"file_id": file.id, "detail": "auto"}
    async with sdk.responses.stream(model="scripted", input=asking(photo, photo)) as stream:
        response = await stream.get_final_response()
    told = f"image/jpeg 30x20, {len(data)} bytes"
    assert response.output_text == f"Scripted answer to: look [{told}; {told}]"
    (item,) = (await sdk.responses.input_items.list(response.id)).data
    assert item.type == "message"
    part = item.content[1]
    assert part.type == "input_image"
    assert (part.image_url, part.file_id) == (None, file.id)


async def test_the_sdk_manages_files(sdk: AsyncOpenAI) -> None:
    made = [
        await sdk.files.create(
            file=png(n, n),
            purpose="user_data",
            expires_after={"anchor": "created_at", "seconds": 7200},
        )
        for n in (1, 2, 3)
    ]
    assert made[0].expires_at == made[0].created_at + 7200
    assert [file.id async for file in sdk.files.list(order="asc", limit=2)] == [f.id for f in made]
    assert (await sdk.files.retrieve(made[1].id)) == made[1]
    assert (await sdk.files.content(made[1].id)).content == png(2, 2)
    assert (await sdk.files.delete(made[1].id)).deleted
    with pytest.raises(openai.NotFoundError):
        await sdk.files.retrieve(made[1].id)


async def test_a_conversation_goes_on_when_its_image_is_gone(sdk: AsyncOpenAI) -> None:
    file = await sdk.files.create(file=png(), purpose="vision")
    first = await sdk.responses.create(
        model="scripted", input=asking({"file_id": file.id}, text="one")
    )
    assert "image/png" in first.output_text
    await sdk.files.delete(file.id)
    second = await sdk.responses.create(
        model="scripted", input="two", previous_response_id=first.id
    )
    assert second.output_text.endswith(f"{GONE} to: two")
    again = await sdk.responses.create(
        model="scripted", input=[], extra_body={"regenerate_of": first.id}
    )
    assert again.output_text == f"Scripted answer to: one\n{GONE}"


async def test_images_of_earlier_turns_are_shown_again(sdk: AsyncOpenAI) -> None:
    first = await sdk.responses.create(model="scripted", input=asking({"image_url": PIXEL}))
    second = await sdk.responses.create(
        model="scripted", input="and now?", previous_response_id=first.id
    )
    assert "[image/png 2x1" in second.output_text


async def test_a_tools_image_reaches_the_model(sdk: AsyncOpenAI) -> None:
    output: Any = [
        {"type": "input_text", "text": "a map"},
        {"type": "input_image", "image_url": data_url(gif(), "gif"), "detail": "auto"},
    ]
    response = await sdk.responses.create(
        model="scripted",
        input=[
            {"role": "user", "content": "where?"},
            {"type": "function_call", "call_id": "c", "name": "look", "arguments": "{}"},
            {"type": "function_call_output", "call_id": "c", "output": output},
        ],
    )
    assert "image/gif 3x5" in response.output_text


async def test_an_image_alone_is_a_message(client: httpx.AsyncClient) -> None:
    talk = (await client.post("/v1/conversations", json={})).json()
    only = [{"role": "user", "content": [{"type": "input_image", "image_url": PIXEL}]}]
    asked = {"model": "scripted", "input": only, "conversation": talk["id"]}
    answer = (await client.post("/v1/responses", json=asked)).json()
    assert answer["output"][0]["content"][0]["text"].startswith("Scripted answer. [image/png")
    assert (await client.get(f"/v1/conversations/{talk['id']}")).json()["title"] == "Image"


# --- what is refused -----------------------------------------------------------------------------


async def refused(client: httpx.AsyncClient, status: int, **body: Any) -> dict[str, Any]:
    answer = await client.post("/v1/responses", json={"model": "scripted", **body})
    assert answer.status_code == status, answer.text
    error: dict[str, Any] = answer.json()["error"]
    after = await client.post("/v1/responses", json={"model": "scripted", "input": "chunks=1"})
    assert after.json()["status"] == "completed"
    return error


async def test_a_model_that_sees_nothing_is_given_nothing(client: httpx.AsyncClient) -> None:
    error = await refused(client, 400, model="scripted-2x0", input=asking({"image_url": PIXEL}))
    assert (error["code"], error["param"]) == ("unsupported_value", "input[0]")
    assert "takes no images" in error["message"]
    seen: Any = [{"type": "input_image", "image_url": PIXEL}]
    call = {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"}
    output = {"type": "function_call_output", "call_id": "c", "output": seen}
    error = await refused(client, 400, model="scripted-2x0", input=[call, output])
    assert error["param"] == "input[1]"


async def test_a_model_that_sees_nothing_goes_on_after_images(sdk: AsyncOpenAI) -> None:
    first = await sdk.responses.create(model="scripted", input=asking({"image_url": PIXEL}))
    second = await sdk.responses.create(
        model="scripted-2x0", input="two", previous_response_id=first.id
    )
    assert second.output_text == "w0 w1"


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("https://example.org/a.png", "fetches nothing"),
        ("http://169.254.169.254/latest", "fetches nothing"),
        ("file:///etc/passwd", "fetches nothing"),
        (data_url(b"no image at all"), "no image"),
        (data_url(gif(), "png"), "says image/png but holds image/gif"),
        (data_url(png()[:20]), "cut off"),
    ],
)
async def test_what_is_no_image_is_refused(client: httpx.AsyncClient, url: str, says: str) -> None:
    error = await refused(client, 400, input=asking({"image_url": url}))
    assert (error["code"], error["param"]) == ("invalid_image", "input[0].content[1].image_url")
    assert says in error["message"]
    assert url not in error["message"]


async def test_twenty_megabytes_of_images_are_refused(client: httpx.AsyncClient) -> None:
    megabyte = data_url(png() + b"\0" * 2**20)
    error = await refused(client, 413, input=asking(*[{"image_url": megabyte}] * 15))
    assert "/v1/files" in error["message"]
    error = await refused(client, 400, input=asking(*[{"image_url": PIXEL}] * 17))
    assert "16 images" in error["message"]
    large = data_url(png() + b"\0" * (8 * 2**20))
    await refused(client, 413, input=asking({"image_url": large}))


async def test_an_unknown_file_is_refused(server: Live, client: httpx.AsyncClient) -> None:
    error = await refused(client, 404, input=asking({"file_id": "file-none"}))
    assert (error["code"], error["param"]) == ("file_not_found", "input[0]")
    talk = (await client.post("/v1/conversations", json={})).json()
    answer = await client.post(
        f"/v1/conversations/{talk['id']}/items", json={"items": asking({"file_id": "file-none"})}
    )
    assert answer.status_code == 404
    assert answer.json()["error"]["param"] == "items[0]"


async def test_anothers_file_is_unknown(tmp_path: Path) -> None:
    async with live(tmp_path / "auth", auth=True) as server:
        ann, ben = [
            server.sdk(await server.register(f"{name}@example.org")) for name in ("ann", "ben")
        ]
        async with ann, ben:
            file = await ann.files.create(file=png(), purpose="vision")
            shown = asking({"file_id": file.id})
            assert (await ann.responses.create(model="scripted", input=shown)).id
            with pytest.raises(openai.NotFoundError) as caught:
                await ben.responses.create(model="scripted", input=shown)
            assert caught.value.code == "file_not_found"


async def test_the_diagnostics_tell_what_was_shown(client: httpx.AsyncClient) -> None:
    await client.post(
        "/v1/responses", json={"model": "scripted", "input": asking({"image_url": PIXEL})}
    )
    (call,) = (await client.get("/v1/diagnostics/scripted")).json()["data"]
    assert call["images"] == [f"image/png 2x1, {len(png())} bytes"]
