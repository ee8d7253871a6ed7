"""`/v1/files`: uploaded, listed, given back and erased; and what is refused."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from tests.support.images import gif, jpeg, png, png_header, webp
from tests.support.served import Served, error_of
from tests.transports.conftest import Serve

from tertulia.settings import Limits

FORM = {"purpose": "vision"}


async def upload(client: httpx.AsyncClient, data: bytes = b"", **how: Any) -> httpx.Response:
    name = how.pop("name", "a.png")
    form = {**FORM, **how.pop("form", {})}
    return await client.post("/v1/files", data=form, files={"file": (name, data)}, **how)


async def test_an_upload_is_described_by_its_bytes(ann: httpx.AsyncClient) -> None:
    data = png(3, 4)
    answer = await upload(ann, data, name='C:\\photos\\my "photo"\u202e é.png')
    assert answer.status_code == 200, answer.text
    made = answer.json()
    assert made["id"].startswith("file-")
    assert made.pop("id")
    assert isinstance(made.pop("created_at"), int)
    assert made == {
        "object": "file",
        "bytes": len(data),
        "expires_at": None,
        "filename": 'my "photo" é.png',
        "purpose": "vision",
        "status": "processed",
        "status_details": None,
        "media_type": "image/png",
        "width": 3,
        "height": 4,
    }


@pytest.mark.parametrize(
    ("data", "kind"),
    [(gif(), "gif"), (jpeg(), "jpeg"), (webp(), "webp"), (png(), "png")],
)
async def test_the_content_comes_back_as_what_it_is(
    ann: httpx.AsyncClient, data: bytes, kind: str
) -> None:
    """Whatever the client has called it."""
    made = (await upload(ann, data, name="page.html")).json()
    answer = await ann.get(f"/v1/files/{made['id']}/content")
    assert answer.content == data
    assert answer.headers["content-type"] == f"image/{kind}"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["content-disposition"] == "attachment; filename*=UTF-8''page.html"
    assert answer.headers["cache-control"] == "no-store"


async def test_files_are_listed_described_and_deleted(ann: httpx.AsyncClient) -> None:
    made = [(await upload(ann, png(n, 1))).json() for n in (1, 2, 3)]
    first, second, third = (file["id"] for file in made)
    page = (await ann.get("/v1/files", params={"limit": 2, "order": "asc"})).json()
    assert [file["id"] for file in page["data"]] == [first, second]
    assert (page["first_id"], page["last_id"], page["has_more"]) == (first, second, True)
    page = (await ann.get("/v1/files", params={"after": second, "order": "asc"})).json()
    assert ([file["id"] for file in page["data"]], page["has_more"]) == ([third], False)
    assert (await ann.get("/v1/files", params={"purpose": "user_data"})).json()["data"] == []
    assert (await ann.get(f"/v1/files/{second}")).json() == made[1]
    gone = await ann.delete(f"/v1/files/{second}")
    assert gone.json() == {"id": second, "object": "file", "deleted": True}
    for method, path in (("GET", ""), ("GET", "/content"), ("DELETE", "")):
        answer = await ann.request(method, f"/v1/files/{second}{path}")
        assert error_of(answer, 404)["code"] == "not_found"
    for query in ({"limit": 0}, {"limit": 10_001}, {"order": "up"}):
        error_of(await ann.get("/v1/files", params=query), 422)
    error_of(await ann.get("/v1/files", params={"after": "file-none"}), 404)


async def test_a_file_is_its_owners(ann: httpx.AsyncClient, ben: httpx.AsyncClient) -> None:
    file_id = (await upload(ann, png())).json()["id"]
    for method, path in (("GET", ""), ("GET", "/content"), ("DELETE", "")):
        error_of(await ben.request(method, f"/v1/files/{file_id}{path}"), 404)
    assert (await ben.get("/v1/files")).json()["data"] == []


async def test_without_credentials_nothing_is_kept(served: Served) -> None:
    client = await served.client()
    error_of(await upload(client, png()), 401)
    error_of(await client.get("/v1/files"), 401)


@pytest.mark.parametrize(
    "data",
    [b"", b"hello", b"<svg/>", png_header(1, 1)[:-1], png_header(20_000, 1), png_header(0, 9)],
)
async def test_what_is_no_image_is_refused(ann: httpx.AsyncClient, data: bytes) -> None:
    error = error_of(await upload(ann, data), 400)
    assert (error["code"], error["param"]) == ("invalid_image", "file")
    assert (await ann.get("/v1/files")).json()["data"] == []


@pytest.mark.parametrize(
    ("form", "param"),
    [
        ({"purpose": "fine-tune"}, "purpose"),
        ({"purpose": ""}, "purpose"),
        ({"expires_after[anchor]": "created_at"}, "expires_after.seconds"),
        ({"expires_after[seconds]": "3600"}, "expires_after.anchor"),
        ({"expires_after[anchor]": "now", "expires_after[seconds]": "3600"},
         "expires_after.anchor"),
        *[
            ({"expires_after[anchor]": "created_at", "expires_after[seconds]": seconds},
             "expires_after.seconds")
            for seconds in ("3599", "2592001", "soon", "", "-1", "9" * 5000)
        ],
    ],
)  # fmt: skip
async def test_wrong_fields_are_named(
    ann: httpx.AsyncClient, form: dict[str, str], param: str
) -> None:
    assert error_of(await upload(ann, png(), form=form), 400)["param"] == param


async def test_missing_fields_are_named(ann: httpx.AsyncClient) -> None:
    files = {"file": ("a.png", png())}
    error = error_of(await ann.post("/v1/files", files=files), 400)
    assert (error["code"], error["param"]) == ("missing_required_parameter", "purpose")
    other = {"image": ("a.png", png())}
    error = error_of(await ann.post("/v1/files", data=FORM, files=other), 400)
    assert error["param"] == "file"


def form(*parts: bytes, end: bytes = b"--x--\r\n") -> bytes:
    return b"".join(b"--x\r\n" + part + b"\r\n" for part in parts) + end


FIELD = b'Content-Disposition: form-data; name="purpose"\r\n\r\nvision'


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("multipart/form-data", form(FIELD)),
        ("multipart/form-data; boundary=", form(FIELD)),
        ("multipart/form-data; boundary=" + "y" * 400, form(FIELD)),
        ("multipart/form-data; boundary=y", form(FIELD)),
        ("multipart/form-data; boundary=x", b""),
        ("multipart/form-data; boundary=x", form(FIELD, end=b"")),
        ("multipart/form-data; boundary=x", form(FIELD)[:-9]),
        ("multipart/form-data; boundary=x", form(b"Content-Disposition: form-data\r\n\r\nv")),
        ("multipart/form-data; boundary=x", form(b"no header at all")),
        ("multipart/form-data; boundary=x", form(b"A: " + b"b" * 10_000 + b"\r\n\r\nv")),
        ("multipart/form-data; boundary=x", form(*[FIELD] * 40)),
        ("multipart/form-data; boundary=x", b"\0\xff" * 400),
    ],
)
async def test_a_broken_form_is_refused(ann: httpx.AsyncClient, kind: str, body: bytes) -> None:
    answer = await ann.post("/v1/files", content=body, headers={"content-type": kind})
    assert error_of(answer, 400)["code"] in {"invalid_multipart", "missing_required_parameter"}


async def test_only_forms_are_read_here_and_nowhere_else(ann: httpx.AsyncClient) -> None:
    assert "multipart" in error_of(await ann.post("/v1/files", json={}), 415)["message"]
    error_of(await ann.post("/v1/responses", files={"file": b"x"}), 415)


async def test_a_large_file_is_refused_and_a_small_one_kept(serve: Serve) -> None:
    served = await serve(limits=Limits(image_bytes=2000))
    client = await served.user()
    fitting = png() + b"\0" * (2000 - len(png()))
    assert (await upload(client, fitting)).status_code == 200
    error = error_of(await upload(client, fitting + b"\0"), 413)
    assert (error["param"], "2000 bytes" in error["message"]) == ("file", True)
    error_of(await upload(client, png() + b"\0" * 40_000), 413)


async def chunks(size: int) -> AsyncIterator[bytes]:
    for _ in range(20):
        yield b"x" * (size // 20)


async def test_twenty_megabytes_are_refused_whatever_they_are(ann: httpx.AsyncClient) -> None:
    error_of(await upload(ann, png() + b"\0" * 20_000_000), 413)
    headers = {"content-type": "multipart/form-data; boundary=x"}
    error_of(await ann.post("/v1/files", content=chunks(20_000_000), headers=headers), 413)
    body = '{"input": [{"role": "user", "content": [' + "[]," * 7_000_000 + "0]}]}"
    error = error_of(
        await ann.post("/v1/responses", content=body, headers={"content-type": "application/json"}),
        413,
    )
    assert "/v1/files" in error["message"]


async def test_the_quota_is_a_users(serve: Serve) -> None:
    served = await serve(limits=Limits(file_bytes_per_user=100))
    first, second = await served.user(), await served.user()
    assert (await upload(first, png())).status_code == 200
    assert error_of(await upload(first, png()), 400)["code"] == "storage_limit_exceeded"
    assert (await upload(second, png())).status_code == 200


async def test_a_retry_with_its_key_keeps_one_file(ann: httpx.AsyncClient) -> None:
    key = {"idempotency-key": "one"}
    first = (await upload(ann, png(), headers=key)).json()
    assert (await upload(ann, png(), headers=key)).json() == first
    error_of(await upload(ann, png(3, 3), headers=key), 409)
    assert len((await ann.get("/v1/files")).json()["data"]) == 1


async def test_a_file_expires(served: Served) -> None:
    client = await served.user()
    limited = {"expires_after[anchor]": "created_at", "expires_after[seconds]": "3600"}
    made = (await upload(client, png(), form=limited)).json()
    assert made["expires_at"] == made["created_at"] + 3600
    key = (await client.post("/v1/keys", json={"name": "k"})).json()["key"]
    client.headers["authorization"] = f"Bearer {key}"  # it outlives the login's token
    served.clock.pass_by(3599)
    assert (await client.get(f"/v1/files/{made['id']}")).status_code == 200
    served.clock.pass_by(1)
    error_of(await client.get(f"/v1/files/{made['id']}"), 404)
