"""The reference pages, made from the settings and commands themselves."""

from __future__ import annotations

import json
import types
import typing
from collections.abc import Iterable, Iterator, Mapping
from inspect import cleandoc
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from tertulia import reference_http
from tertulia.settings import ENV_PREFIX, ModelServer, Settings
from tertulia.telemetry import instruments
from tertulia.telemetry.metrics import Histogram
from tertulia.transports import feed_commands, feed_messages, own_events, standard_events
from tertulia.transports import responses_socket_messages as socket
from tertulia.transports.described import Described

HEAD = """\
# {title}

<!-- Made by `make docs`; a test compares it with the code. -->

"""

SETTINGS_INTRO = """\
Settings come from defaults, a TOML file, the environment and flags; each source overrides the
ones before it. The file is the one that `--config` or `TERTULIA_CONFIG` names, else
`tertulia.toml` in the working directory, else in the data folder. In the environment a setting
is `TERTULIA_` and its name, a section's name before it with two underscores: `limits.body_bytes`
is `TERTULIA_LIMITS__BODY_BYTES`. Lists of names are written with commas.

`tertulia config check` says whether what is set is right.
"""

KINDS: dict[Any, str] = {
    str: "text",
    int: "whole number",
    float: "number",
    bool: "true or false",
    Path: "path",
    SecretStr: "secret text",
    ModelServer: "table",
}


def settings_page() -> str:
    """All settings as Markdown."""
    lines = [HEAD.format(title="Settings"), SETTINGS_INTRO, "\n## General\n\n"]
    sections: list[tuple[str, FieldInfo, type[BaseModel]]] = []
    plain: dict[str, FieldInfo] = {}
    for name, field in Settings.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            sections.append((name, field, field.annotation))
        else:
            plain[name] = field
    lines += rows(plain)
    for name, field, section in sections:
        lines.append(f"\n## `[{name}]`\n\n{field.description}\n\n")
        lines += rows(section.model_fields, f"{name}__")
    lines.append("\n## `[[models.servers]]`\n\n")
    lines.append(f"{typing.cast('str', ModelServer.__doc__)}\n\n")
    lines += rows(ModelServer.model_fields, "models__servers__0__")
    return "".join(lines)


def rows(fields: dict[str, FieldInfo], prefix: str = "") -> Iterator[str]:
    yield "| setting | variable | kind | default | meaning |\n|---|---|---|---|---|\n"
    for name, field in fields.items():
        variable = f"{ENV_PREFIX}{prefix}{name}".upper()
        yield (
            f"| `{name}` | `{variable}` | {kind(field.annotation)} | {default(field)} "
            f"| {field.description} |\n"
        )


def kind(annotation: Any) -> str:
    """What may be written there, in words."""
    if annotation in KINDS:
        return KINDS[annotation]
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Annotated:
        return kind(arguments[0])
    if origin in (types.UnionType, typing.Union):
        return " or ".join(kind(one) for one in arguments if one is not type(None))
    if origin is Literal:
        return ", ".join(f"`{one}`" for one in arguments)
    if origin is tuple:
        return f"list of {kind(arguments[0])}s".replace("texts", "names")
    raise TypeError(f"no words for {annotation!r}")


def default(field: FieldInfo) -> str:
    extra = field.json_schema_extra
    if isinstance(extra, dict) and "default_text" in extra:
        return str(extra["default_text"])
    if field.default is PydanticUndefined:
        return "required"
    if field.default is None or field.default == ():
        return "none"
    return f"`{json.dumps(field.default)}`".replace('"', "")


def cli_page(root: Any) -> str:
    """The command line as Markdown; `root` is the Click group of all commands."""
    lines = [HEAD.format(title="Command line")]
    lines.append(f"{root.help}\n\nExit status: 0 done, 1 failed with one line on stderr, ")
    lines.append("2 wrong usage or a wrong setting. Every command takes `--data`.\n")
    for name, command in walk("tertulia", root):
        arguments = [one for one in command.params if one.param_type_name == "argument"]
        options = [
            one for one in command.params if one.param_type_name == "option" and not one.hidden
        ]
        usage = " ".join([name, *(f"{one.metavar}" for one in arguments)])
        lines.append(f"\n## `{usage}`\n\n{cleandoc(command.help)}\n\n")
        lines += [f"- `{one.metavar.strip('[]')}`: {one.help}\n" for one in arguments]
        lines += [f"- {option(one)}: {one.help}{falls_back(one)}\n" for one in options]
    return "".join(lines)


def walk(name: str, command: Any) -> Iterable[tuple[str, Any]]:
    if not hasattr(command, "commands"):
        yield name, command
        return
    for part, below in command.commands.items():
        yield from walk(f"{name} {part}", below)


def option(param: Any) -> str:
    names = ", ".join(param.opts)
    return f"`{names}`" if param.is_flag else f"`{names} {param.metavar}`"


def falls_back(param: Any) -> str:
    return f" Default: {param.default}." if isinstance(param.default, str) else ""


def http_page(document: dict[str, Any]) -> str:
    """All operations and shapes of an OpenAPI document as Markdown."""
    return HEAD.format(title="HTTP API") + "".join(reference_http.page(document))


def openapi_file(document: dict[str, Any]) -> str:
    """The document as it is committed: the web client's types are made of it."""
    return json.dumps(document, indent=1, ensure_ascii=False) + "\n"


EVENTS_INTRO = """\
Every event and message is a JSON object with a `type`. The same bytes go out over server-sent
events, over a WebSocket of `/v1/responses`, and within the feed's `event` messages.

## How to read a stream

Keep the `sequence_number` of the last event you applied. Apply the event whose number is one
greater, or, after `tertulia:attempt`, the first of a new attempt; drop what is not greater than
yours. On a gap, and when a connection broke, ask again with your number as `starting_after`. A
client that does so shows every character once. Ignore types that you do not know.

Numbers of the n-th attempt begin at (n − 1) · 2²⁰: a greater leap means that another worker has
taken over.

## Events of a response

"""

OURS_INTRO = """\

## Events of Tertulia's own

They come on the feed, and on a plain stream or a WebSocket of `/v1/responses` that was asked for
with the header `Tertulia-Events: 1`. None has a number or is stored.

"""

SOCKET_INTRO = """\

## WebSocket mode of `/v1/responses`

As the standard writes it: connect with `Authorization: Bearer`, and send
`{"type": "response.create", …}` with the body of `POST /v1/responses` in the same object, but for
`stream`, which is always on, and `background`. The events come back as text messages, without
`[DONE]`. Several may be sent: they run one after the other, and up to 16 wait.

- The latest response with `store: false` can be named as `previous_response_id` on this
  connection, by another with `store: false`, until a turn from it fails or the connection closes;
  then the error is `previous_response_not_found`, and the whole input has to be sent anew.
- `generate: false` makes a warm-up: an id that can be gone on from, its input before the next.
- What is wrong with a message is answered with `{"type": "error", "status", "error"}`, and the
  connection goes on. A message may be as large as a request body.
- Who leaves cancels nothing that is stored: `GET /v1/responses/{id}?stream=true&starting_after=N`.

| close code | means |
|---|---|
"""

FEED_INTRO = """\

## The feed

One connection for each device, with everything of its user on it: `/v1/feed`, as a WebSocket, or
with `GET` as server-sent events. A WebSocket's first message is `auth`. A `GET` is authorised by
its header, and says in the query what to follow: `subscribe=<response id>`, with `:` and a number
to go on after that event, or `subscribe=all` for every response that runs or starts. The `id` of
an event is the feed's position, to come back with as `Last-Event-ID` or `after`.

### What the server sends

"""


def events_page() -> str:
    """All events, messages and close codes as Markdown."""
    closes = [f"| {code.value} | {says} |\n" for code, says in socket.CLOSES.items()]
    lines = [HEAD.format(title="Events and close codes"), EVENTS_INTRO]
    lines += [*described(standard_events.STANDARD), OURS_INTRO, *described(own_events.OURS)]
    lines += [SOCKET_INTRO, *closes, FEED_INTRO, *described(feed_messages.MESSAGES)]
    lines += ["\n### Entries of the feed\n\n", *described(feed_messages.ENTRIES)]
    lines += ["\n### What a device sends\n\n", *described(feed_commands.COMMANDS)]
    lines.append("\n### Close codes\n\n| code | means | do |\n|---|---|---|\n")
    lines += [
        f"| {code.value} | {says} | {code.do} |\n" for code, says in feed_messages.CLOSES.items()
    ]
    return "".join(lines)


METRICS_INTRO = """\
`GET /metrics` tells them in Prometheus' text format, on API nodes, workers and `tertulia serve`,
each for its own process; who may read it is the setting `metrics`. Labels never hold content, ids
of users or of responses. How to scrape and what to watch: [Watch a server](../how-to/watch.md).

| metric | kind | labels | says |
|---|---|---|---|
"""


def metrics_page() -> str:
    """All instruments as Markdown."""
    lines = [HEAD.format(title="Metrics"), METRICS_INTRO]
    for one in instruments.REGISTRY.instruments:
        labels = ", ".join(f"`{name}`" for name in one.labels)
        lines.append(f"| `{one.name}` | {one.kind} | {labels} | {one.help} |\n")
    lines.append("\nBuckets of the histograms, in seconds:\n\n")
    for one in instruments.REGISTRY.instruments:
        if isinstance(one, Histogram):
            bounds = ", ".join(f"{bound:g}" for bound in one.buckets)
            lines.append(f"- `{one.name}`: {bounds}\n")
    return "".join(lines)


def described(table: Mapping[str, Described]) -> Iterator[str]:
    yield "| type | fields | says |\n|---|---|---|\n"
    for name, one in table.items():
        yield f"| `{name}` | {one.fields} | {one.says} |\n"
