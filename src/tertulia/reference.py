"""The reference pages, made from the settings and commands themselves."""

from __future__ import annotations

import json
import types
import typing
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from tertulia.settings import ENV_PREFIX, ModelServer, Settings

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
        lines.append(f"\n## `{usage}`\n\n{command.help}\n\n")
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


HTTP_INTRO = """\
The server describes its own API as OpenAPI at `/openapi.json`; this page is made from that
document. Shapes are those of Open Responses and OpenAI; errors are OpenAI's
`{"error": {"message", "type", "code", "param"}}` with a request id in `x-request-id`.

Any call may also answer 421 (a host that is not ours), 422 (a parameter of the wrong form), 429,
500 and 503; 429 and 503 carry `Retry-After`.
"""

#: Answers that say nothing about one call.
EVERYWHERE = {"421", "422", "429", "500", "503"}


def http_page(document: dict[str, Any]) -> str:
    """All operations of an OpenAPI document as Markdown."""
    lines = [HEAD.format(title="HTTP API"), HTTP_INTRO]
    groups: dict[str, list[str]] = {}
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            answers = ", ".join(sorted(set(operation["responses"]) - EVERYWHERE))
            words = operation.get("description") or operation["summary"]
            does = " ".join(words.split("\n\n")[0].split())
            group = (operation.get("tags") or ["other"])[0]
            groups.setdefault(group, []).append(
                f"| `{method.upper()} {path}` | {does} | {answers} |\n"
            )
    for group in sorted(groups, key=str.casefold):
        lines.append(f"\n## {group.capitalize()}\n\n| call | does | answers |\n|---|---|---|\n")
        lines += groups[group]
    return "".join(lines)
