"""A model server that misbehaves on demand: real HTTP on loopback, one habit for each model id.

A request for the model ``cut`` is answered by a stream that is cut off, one for ``401`` by that
status, and so on; `HABITS` lists them. What was asked is kept in `Upstream.requests`, and each
client that went away before the end is announced in `Upstream.left`.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web

WORDS = tuple(f" word{i}" if i else "word0" for i in range(12))
TEXT = "".join(WORDS)
UNICODE = "naïve – 漢字 🙂 ok"
USAGE = {
    "prompt_tokens": 7,
    "completion_tokens": 12,
    "total_tokens": 19,
    "prompt_tokens_details": {"cached_tokens": 3},
    "completion_tokens_details": {"reasoning_tokens": 2},
}

Habit = Callable[["Upstream", web.Request, dict[str, Any]], Awaitable[web.StreamResponse]]
HABITS: dict[str, Habit] = {}


def habit(name: str) -> Callable[[Habit], Habit]:
    def keep(function: Habit) -> Habit:
        HABITS[name] = function
        return function

    return keep


class Upstream:
    def __init__(self) -> None:
        self.base_url = ""
        self.requests: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        #: Habits whose client left before the answer's end.
        self.left: asyncio.Queue[str] = asyncio.Queue()
        #: What ``GET /models`` lists; None answers 500.
        self.listed: list[dict[str, Any]] | None = [{"id": "tiny"}, {"id": "text-embed"}]

    async def _chat(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        self.requests.append(body)
        self.headers.append(dict(request.headers))
        try:
            return await HABITS[body["model"]](self, request, body)
        except (asyncio.CancelledError, ConnectionError):
            self.left.put_nowait(body["model"])
            raise

    async def _models(self, request: web.Request) -> web.StreamResponse:
        self.headers.append(dict(request.headers))
        if self.listed is None:
            return web.json_response({"error": {"message": "down"}}, status=500)
        return web.json_response({"object": "list", "data": self.listed})

    def asked(self, model: str) -> int:
        """How many requests that habit has had."""
        return sum(body["model"] == model for body in self.requests)


@asynccontextmanager
async def upstream(port: int = 0) -> AsyncIterator[Upstream]:
    server = Upstream()
    app = web.Application(client_max_size=64 * 2**20)
    app.router.add_post("/v1/chat/completions", server._chat)
    app.router.add_get("/v1/models", server._models)
    runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", port)
    await site.start()
    sockets = runner.addresses
    server.base_url = f"http://127.0.0.1:{sockets[0][1]}/v1"
    try:
        yield server
    finally:
        await runner.cleanup()


# --- pieces of an answer ------------------------------------------------------------------


def chunk(delta: dict[str, Any] | None = None, *, finish: str | None = None, **more: Any) -> bytes:
    choice = {"index": 0, "delta": delta or {}, "finish_reason": finish}
    body = {"id": "c", "object": "chat.completion.chunk", "choices": [choice], **more}
    return b"data: " + json.dumps(body, ensure_ascii=False).encode() + b"\n\n"


def text(content: str) -> bytes:
    return chunk({"content": content})


USAGE_CHUNK = b"data: " + json.dumps({"choices": [], "usage": USAGE}).encode() + b"\n\n"
DONE = b"data: [DONE]\n\n"
END = chunk(finish="stop") + USAGE_CHUNK + DONE


async def stream(
    request: web.Request, kind: str = "text/event-stream", **headers: str
) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": kind, **headers})
    await response.prepare(request)
    return response


def sends(name: str, *pieces: bytes, kind: str = "text/event-stream") -> None:
    """A habit that writes these pieces, each on its own, and ends the response."""

    @habit(name)
    async def _send(server: Upstream, request: web.Request, body: dict[str, Any]) -> Any:
        response = await stream(request, kind)
        for piece in pieces:
            await response.write(piece)
        return response


def refuses(name: str, status: int, body: bytes | dict[str, Any], **headers: str) -> None:
    @habit(name)
    async def _refuse(server: Upstream, request: web.Request, _: dict[str, Any]) -> Any:
        if isinstance(body, dict):
            return web.json_response(body, status=status, headers=headers)
        return web.Response(body=body, status=status, headers=headers, content_type="text/html")


def fails_once(name: str, failure: str, then: str = "ok") -> None:
    @habit(name)
    async def _fail(server: Upstream, request: web.Request, body: dict[str, Any]) -> Any:
        return await HABITS[failure if server.asked(name) == 1 else then](server, request, body)


async def forever() -> None:
    await asyncio.get_running_loop().create_future()


# --- habits -------------------------------------------------------------------------------


@habit("ok")
async def _ok(server: Upstream, request: web.Request, body: dict[str, Any]) -> Any:
    """Twelve words, going on after a last assistant message, no more than were asked for, and up
    to a stop sequence that is a word."""
    last = body["messages"][-1]
    prefix = last["content"] if last["role"] == "assistant" else ""
    rest = [w for w in WORDS if not prefix or TEXT.index(w) >= len(prefix)]
    if "response_format" in body:
        rest = ['{"colour": ', '"red", ', '"n": 1}']
    for stop in body.get("stop", ()):
        rest = rest[: rest.index(stop)] if stop in rest else rest
    limit = body.get("max_tokens", len(rest))
    response = await stream(request)
    await response.write(chunk({"role": "assistant", "content": ""}))
    for word in rest[:limit]:
        await response.write(text(word))
    end = "length" if limit < len(rest) else "stop"
    await response.write(chunk(finish=end) + USAGE_CHUNK + DONE)
    return response


@habit("hang")
async def _hang(server: Upstream, request: web.Request, body: dict[str, Any]) -> Any:
    await forever()


@habit("hang-headers")
async def _hang_headers(server: Upstream, request: web.Request, body: dict[str, Any]) -> Any:
    response = await stream(request)
    await response.write(b": still here\n\n" * 3)
    await forever()
    return response


@habit("hang-mid")
async def _hang_mid(server: Upstream, request: web.Request, body: dict[str, Any]) -> Any:
    response = await stream(request)
    await response.write(text("begun"))
    await forever()
    return response


@habit("hang-end")
async def _hang_end(server: Upstream, request: web.Request, body: dict[str, Any]) -> Any:
    """Finished, but the connection is never closed."""
    response = await stream(request)
    await response.write(text("all") + chunk(finish="stop"))
    await forever()
    return response


@habit("cut")
async def _cut(server: Upstream, request: web.Request, body: dict[str, Any]) -> Any:
    """The connection breaks within a chunk."""
    response = await stream(request)
    await response.write(text("begun") + text("lost")[:20])
    assert request.transport is not None
    request.transport.close()
    return response


@habit("endless")
async def _endless(server: Upstream, request: web.Request, body: dict[str, Any]) -> Any:
    response = await stream(request)
    await response.write(text("begun") + b"data: ")
    while True:
        await response.write(b"x" * 65_536)


@habit("bytes")
async def _bytes(server: Upstream, request: web.Request, body: dict[str, Any]) -> Any:
    """Every byte in a packet of its own, as far as the kernel lets."""
    response = await stream(request)
    for byte in text(UNICODE) + END:
        await response.write(bytes((byte,)))
    return response


def _call(index: int | None, call_id: str | None, name: str | None, arguments: str) -> bytes:
    call: dict[str, Any] = {"function": {"arguments": arguments}}
    if index is not None:
        call["index"] = index
    if call_id is not None:
        call |= {"id": call_id, "type": "function"}
        call["function"]["name"] = name
    return chunk({"tool_calls": [call]})


sends("cut-clean", text("begun"))
sends("cut-empty")
sends("garbage", text("begun"), b"data: {not json}\n\n", END)
sends("binary", bytes(range(256)) * 8, b"\n\n")
sends("plain", b"Welcome to the wrong port.\n", kind="text/plain")
sends("utf8", text("begun"), text("bad").replace(b"bad", b"b\xffd"), END)
sends("surrogate", text("begun"), text("bad").replace(b"bad", b"\\ud800"), END)
sends("wrong-types", text("begun"), b'data: {"choices": 7}\n\n', END)
sends("crlf", (text(UNICODE) + END).replace(b"\n", b"\r\n"))
sends("no-usage", text("all"), chunk(finish="stop"), DONE)
sends("no-done", text("all"), chunk(finish="stop"))
sends("filter", text("some"), chunk(finish="content_filter"), DONE)
sends("refusal", chunk({"refusal": "I will not."}), END)
sends("aborted", text("begun"), chunk(finish="abort"), DONE)
sends("reasoning", chunk({"reasoning_content": "hm"}), chunk({"reasoning": "so"}), text("a"), END)
sends("error-event", text("begun"), b'data: {"error": {"message": "secret prompt"}}\n\n')
sends(
    "tools",
    _call(0, "call_a", "first", ""), _call(0, None, None, '{"x"'), _call(0, None, None, ": 1}"),
    _call(1, "call_b", "second", '{"y": 2}'),
    chunk(finish="tool_calls"), USAGE_CHUNK, DONE,
)  # fmt: skip
sends(
    "tools-no-index",
    _call(None, "call_a", "first", '{"x": 1}'), _call(None, "call_b", "second", '{"y": 2}'),
    chunk(finish="tool_calls"), DONE,
)  # fmt: skip
sends(
    "tools-same-index",
    _call(0, "call_a", "first", '{"x": 1}'), _call(0, "call_b", "second", '{"y": 2}'),
    chunk(finish="function_call"), DONE,
)  # fmt: skip
sends(
    "tools-mixed",
    _call(0, "call_a", "first", '{"x"'), _call(1, "call_b", "second", '{"y"'),
    _call(0, None, None, ": 1}"), _call(1, None, None, ": 2}"),
    chunk(finish="tool_calls"), USAGE_CHUNK, DONE,
)  # fmt: skip
sends(
    "tools-after-text",
    text("Let me see."), _call(0, "call_a", "first", '{"x": 1}'),
    chunk(finish="tool_calls"), USAGE_CHUNK, DONE,
)  # fmt: skip
sends(
    "thinks",
    chunk({"reasoning_content": "First the "}), chunk({"reasoning_content": "question."}),
    text("The answer."), END,
)  # fmt: skip
sends("no-json", text("Sure! "), text('{"n": "one"}'), END)
sends("tools-nameless", _call(0, None, None, "{}"), END)
sends("html", b"<html>hello</html>", kind="text/html")
sends("json", b'{"choices": [{"message": {"content": "all at once"}}]}', kind="application/json")

refuses("400", 400, {"error": {"message": "secret prompt is odd", "code": "bad"}})
refuses("401", 401, {"error": {"message": "Incorrect API key provided: sk-abc"}})
refuses("403", 403, {"error": {"message": "no"}})
refuses("404", 404, {"error": {"message": "no such model"}})
refuses("422", 422, {"detail": "unprocessable"})
refuses("429", 429, {"error": {"message": "slow down"}}, **{"Retry-After": "40"})
refuses("429-soon", 429, {"error": {"message": "slow down"}}, **{"Retry-After": "3"})
refuses("500", 500, {"error": {"message": "oops"}})
refuses("502-html", 502, b"<html>bad gateway</html>")
refuses("302", 302, b"", Location="http://127.0.0.1:9/elsewhere")
refuses(
    "too-long",
    400,
    {"error": {"message": "This model's maximum context length is 8", "code": "x"}},
)
refuses("too-long-code", 400, {"error": {"message": "no", "code": "context_length_exceeded"}})
fails_once("500-once", "500")
fails_once("429-once", "429-soon")
fails_once("cut-once", "cut-empty")
