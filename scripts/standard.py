"""Hold what a real server sends against the schemas of the standard's own OpenAPI document.

`make standard SPEC=openresponses-openapi.json`; the document is the standard's and not part of
this project. Known deviations are explained on the page docs/reference/conformance.md.
"""

import copy
import json
import re
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
from jsonschema_rs import Draft202012Validator
from websockets.sync.client import connect

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
from tests.e2e.server import Server, events  # noqa: E402
from tests.support.images import data_url, png  # noqa: E402

WEATHER = {
    "type": "function",
    "name": "weather",
    "parameters": {"type": "object", "properties": {"place": {"type": "string"}}},
}
TIME = {"type": "function", "name": "time", "description": "The time at a place.", "strict": True}
OPENING = {
    "type": "json_schema",
    "name": "opening",
    "schema": {"type": "object", "properties": {"year": {"type": "integer"}}, "required": ["year"]},
}


def part(**content: Any) -> list[dict[str, Any]]:
    """One user's message with a picture."""
    text = {"type": "input_text", "text": "What is this?"}
    return [{"role": "user", "content": [text, {"type": "input_image", **content}]}]


BODIES: dict[str, dict[str, Any]] = {
    "text": {"input": "echo: a word or two"},
    "nothing left out": {
        "input": [{"role": "developer", "content": "Short."}, {"role": "user", "content": "Hi"}],
        "instructions": "Be kind.",
        "metadata": {"from": "here"},
        "temperature": 0.5,
        "top_p": 0.9,
        "presence_penalty": 0.1,
        "frequency_penalty": -0.1,
        "max_output_tokens": 100,
        "max_tool_calls": 3,
        "truncation": "auto",
        "service_tier": "flex",
        "safety_identifier": "someone",
        "prompt_cache_key": "key",
        "text": {"verbosity": "low"},
        "reasoning": {"effort": "low", "summary": "auto"},
    },
    "reasoning": {"input": "think echo: a word"},
    "a tool": {"input": "the weather", "tools": [WEATHER], "tool_choice": "required"},
    "one named tool": {
        "input": "the time",
        "tools": [WEATHER, TIME],
        "tool_choice": {"type": "function", "name": "time"},
    },
    "allowed tools": {
        "input": "calls=2",
        "tools": [WEATHER, TIME],
        "tool_choice": {
            "type": "allowed_tools",
            "mode": "required",
            "tools": [{"type": "function", "name": "weather"}],
        },
    },
    "tools side by side": {"input": "calls=2", "tools": [WEATHER, TIME]},
    "JSON after a schema": {"input": "the year", "text": {"format": OPENING}},
    "JSON": {"input": 'echo: {"a": 1}', "text": {"format": {"type": "json_object"}}},
    "cut by length": {"input": "chunks=50", "max_output_tokens": 16},
    "cut while reasoning": {
        "input": "hello",
        "reasoning": {"effort": "high"},
        "max_output_tokens": 16,
    },
    "filtered": {"input": "chunks=5 filter"},
    "failed": {"input": "error 500"},
    "broken off": {"input": "chunks=9 fail at 4"},
    "an image": {"input": part(image_url=data_url(png()))},
    "not stored": {"input": "Hi", "store": False},
}


class Standard:
    """The standard's document, and what was found to differ from it."""

    def __init__(self, document: dict[str, Any]) -> None:
        self._components = document["components"]
        self._validators: dict[str, Draft202012Validator] = {}
        self._events = {
            schema["properties"]["type"]["enum"][0]: name
            for name, schema in self._components["schemas"].items()
            if name.endswith("StreamingEvent")
        }
        self.checked: Counter[str] = Counter()
        self.found: Counter[str] = Counter()
        self.known: Counter[str] = Counter()

    def event(self, value: dict[str, Any], where: str) -> None:
        name = self._events.get(value["type"])
        if name is None:
            self.found[f"{where}: no event of the standard's: {value['type']}"] += 1
        else:
            self.check(name, value, where)

    def check(self, name: str, value: Any, where: str) -> None:
        """Hold a value against one schema."""
        if name not in self._validators:
            schema = {"$ref": f"#/components/schemas/{name}", "components": self._components}
            self._validators[name] = Draft202012Validator(schema)
        self.checked[name] += 1
        for error in self._validators[name].iter_errors(value):
            path = re.sub(r"\d+", "*", "/".join(map(str, error.instance_path)))
            known = path.endswith("text/format") and self._echoes_schema(name, value)
            line = f"{name} at {path or 'its top'}: {error.message[:300]} ({where})"
            (self.known if known else self.found)[line] += 1

    def _echoes_schema(self, name: str, value: dict[str, Any]) -> bool:
        """Whether all is well but for the JSON schema in ``text.format``, where the standard's
        document has null only."""
        changed = copy.deepcopy(value)
        changed.get("response", changed)["text"]["format"]["schema"] = None
        return self._validators[name].is_valid(changed)


def run(standard: Standard, server: Server, key: str) -> None:
    with server.client(key) as client:
        for name, body in [*BODIES.items(), ("an uploaded image", uploaded(client))]:
            stream(standard, client, name, body)
        stream(standard, client, "tools and what they said", answered(client))
        cancelled(standard, client)
    socket(standard, server, key)


def stream(standard: Standard, client: httpx.Client, name: str, body: dict[str, Any]) -> None:
    """Once streamed, once whole, and retrieved."""
    with client.stream("POST", "/v1/responses", json={**body, "stream": True}) as answer:
        if answer.status_code != 200:
            answer.read()
            standard.found[f"{name}: {answer.status_code} {answer.text[:200]}"] += 1
            return
        for event in events(answer):
            standard.event(event, name)
    whole = client.post("/v1/responses", json=body)
    standard.check("ResponseResource", whole.json(), name)
    if body.get("store", True):
        again = client.get(f"/v1/responses/{whole.json()['id']}")
        standard.check("ResponseResource", again.json(), f"{name}, retrieved")
        page = client.get(f"/v1/responses/{whole.json()['id']}/input_items").json()
        for item in page["data"]:
            standard.check("ItemField", item, f"{name}, input")


def uploaded(client: httpx.Client) -> dict[str, Any]:
    made = client.post("/v1/files", data={"purpose": "vision"}, files={"file": png()})
    return {"input": part(file_id=made.json()["id"])}


def answered(client: httpx.Client) -> dict[str, Any]:
    """The request that goes on after two calls."""
    made = client.post("/v1/responses", json=BODIES["tools side by side"]).json()
    outputs = [
        {"type": "function_call_output", "call_id": item["call_id"], "output": "mild"}
        for item in made["output"]
        if item["type"] == "function_call"
    ]
    return {"input": outputs, "previous_response_id": made["id"], "tools": [WEATHER, TIME]}


def cancelled(standard: Standard, client: httpx.Client) -> None:
    body = {"input": "chunks=500 rate=20", "background": True}
    made = client.post("/v1/responses", json=body).json()
    standard.check("ResponseResource", made, "in the background")
    with client.stream("GET", f"/v1/responses/{made['id']}?stream=true") as answer:
        for event in events(answer):
            standard.event(event, "cancelled")
            if event["type"] == "response.output_text.delta" and event["sequence_number"] < 8:
                ended = client.post(f"/v1/responses/{made['id']}/cancel").json()
                standard.check("ResponseResource", ended, "cancelled")


def socket(standard: Standard, server: Server, key: str) -> None:
    url = server.url.replace("http", "ws", 1) + "/v1/responses"
    headers = {"authorization": f"Bearer {key}"}
    with connect(url, additional_headers=headers, proxy=None) as connection:
        for message in said_wrong():
            connection.send(message)
            answer = json.loads(connection.recv())
            standard.check("WebSocketErrorEvent", answer, "on a WebSocket")
        connection.send(json.dumps({"type": "response.create", "input": "Hi"}))
        kind = ""
        while kind not in ("response.completed", "error"):
            event = json.loads(connection.recv())
            kind = event["type"]
            standard.event(event, "on a WebSocket")


def said_wrong() -> Iterator[str]:
    yield "garbage"
    yield json.dumps({"type": "response.create", "input": 5})
    yield json.dumps({"type": "response.create", "input": "Hi", "previous_response_id": "resp_0"})


def main() -> int:
    if len(sys.argv) != 2:
        print("usage: scripts/standard.py PATH/openresponses-openapi.json", file=sys.stderr)
        return 2
    standard = Standard(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")))
    begun = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        server = Server(Path(folder, "data"), environment={"TERTULIA_EMBEDDING": "none"})
        key = server.api_key()
        server.start()
        try:
            run(standard, server, key)
        finally:
            server.stop()
    print(f"{standard.checked.total()} values checked in {time.monotonic() - begun:.0f} s:")
    for name, count in sorted(standard.checked.items()):
        print(f"  {count:5} {name}")
    for title, lines in (("known", standard.known), ("MISMATCHES", standard.found)):
        print(f"{title}: {lines.total()}")
        for line, count in lines.items():
            print(f"  {count} x {line}")
    return 1 if standard.found else 0


if __name__ == "__main__":
    sys.exit(main())
