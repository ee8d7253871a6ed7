from __future__ import annotations

import gzip
from pathlib import Path

import httpx
import pytest
from tests.support.served import error_of
from tests.transports.conftest import Serve

PAGE = "<!doctype html><title>Tertulia</title>" + "<p>x</p>" * 100
SCRIPT = "console.log('tertulia');" * 100


@pytest.fixture
def web(tmp_path: Path) -> Path:
    folder = tmp_path / "built"
    (folder / "assets").mkdir(parents=True)
    (folder / "index.html").write_text(PAGE)
    (folder / "theme.js").write_text(SCRIPT)
    (folder / ".sources").write_text("fingerprint")
    (folder / "assets" / "index-a1b2.js").write_text(SCRIPT)
    (folder / "assets" / "index-a1b2.css").write_text("p{}")
    (folder / "assets" / "icon.png").write_bytes(b"\x89PNG" + bytes(1000))
    (tmp_path / "secret.txt").write_text("outside")
    (folder / "link.txt").symlink_to(tmp_path / "secret.txt")
    return folder


@pytest.fixture
async def client(serve: Serve, web: Path) -> httpx.AsyncClient:
    return await (await serve(web=web)).client()


@pytest.mark.parametrize("path", ["/", "/c/conv_0123", "/c/conv_0123/", "/?x=1"])
async def test_pages_are_the_client_and_are_asked_for_again(
    client: httpx.AsyncClient, path: str
) -> None:
    answer = await client.get(path)
    assert (answer.status_code, answer.text) == (200, PAGE)
    assert answer.headers["content-type"].startswith("text/html")
    assert answer.headers["cache-control"] == "no-cache"
    again = await client.get(path, headers={"if-none-match": answer.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize(
    ("path", "kind", "cache"),
    [
        ("/theme.js", "text/javascript", "no-cache"),
        ("/assets/index-a1b2.js", "text/javascript", "immutable"),
        ("/assets/index-a1b2.css", "text/css", "immutable"),
        ("/assets/icon.png", "image/png", "immutable"),
    ],
)
async def test_files(
    client: httpx.AsyncClient, web: Path, path: str, kind: str, cache: str
) -> None:
    answer = await client.get(path)
    assert answer.status_code == 200
    assert answer.content == (web / path.lstrip("/")).read_bytes()
    assert answer.headers["content-type"].startswith(kind)
    assert cache in answer.headers["cache-control"]
    head = await client.head(path)
    assert (head.status_code, head.content) == (200, b"")


async def test_text_is_compressed_for_who_takes_it(client: httpx.AsyncClient) -> None:
    async with client.stream("GET", "/theme.js", headers={"accept-encoding": "gzip"}) as answer:
        raw = b"".join([chunk async for chunk in answer.aiter_raw()])
    assert answer.headers["content-encoding"] == "gzip"
    assert answer.headers["vary"] == "accept-encoding"
    assert gzip.decompress(raw).decode() == SCRIPT
    assert len(raw) < len(SCRIPT)
    plain = await client.get("/theme.js", headers={"accept-encoding": "identity"})
    assert "content-encoding" not in plain.headers
    assert plain.text == SCRIPT
    for small_or_dense in ("/assets/index-a1b2.css", "/assets/icon.png"):
        assert "content-encoding" not in (await client.get(small_or_dense)).headers


async def test_the_policy_lets_nothing_foreign_run(client: httpx.AsyncClient) -> None:
    headers = (await client.get("/")).headers
    policy = dict(part.split(" ", 1) for part in headers["content-security-policy"].split("; "))
    assert policy == {
        "default-src": "'none'",
        "script-src": "'self'",
        "style-src": "'self'",
        "img-src": "'self' data: blob:",
        "font-src": "'self'",
        "connect-src": "'self'",
        "base-uri": "'none'",
        "form-action": "'self'",
        "frame-ancestors": "'none'",
    }
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "same-origin"
    assert headers["cross-origin-opener-policy"] == "same-origin"


@pytest.mark.parametrize(
    "path",
    [
        "/nothing.js",
        "/assets/",
        "/assets",
        "/assets/index-0000.js",
        "/.sources",
        "/..%2fsecret.txt",
        "/assets/%2e%2e/%2e%2e/secret.txt",
        "/%2fetc%2fpasswd",
        "//etc/passwd",
        "/link.txt",
        "/x%00y",
        "/" + "x" * 5000,
        "/settings",
        "/v1/nothing",
        "/auth/nothing",
    ],
)
async def test_nothing_else_is_served(client: httpx.AsyncClient, path: str) -> None:
    error_of(await client.get(path), 404)


async def test_nothing_is_posted_to_a_page(client: httpx.AsyncClient) -> None:
    error_of(await client.post("/"), 404)
    error_of(await client.delete("/theme.js"), 404)


async def test_a_client_built_anew_is_served_at_once(client: httpx.AsyncClient, web: Path) -> None:
    first = await client.get("/")
    (web / "index.html").write_text("<p>newer</p>")
    second = await client.get("/", headers={"if-none-match": first.headers["etag"]})
    assert (second.status_code, second.text) == (200, "<p>newer</p>")


async def test_without_a_built_client_the_page_says_so(serve: Serve, tmp_path: Path) -> None:
    client = await (await serve(web=tmp_path / "absent")).client()
    answer = await client.get("/")
    assert answer.status_code == 503
    assert "make setup" in answer.text
    assert "content-security-policy" in answer.headers
    assert (await client.get("/auth/config")).status_code == 200
