"""Reading the settings' sources, and saying which of them a wrong value came from."""

from __future__ import annotations

import difflib
import os
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic_settings import EnvSettingsSource, SettingsError

from tertulia.errors import Misconfigured
from tertulia.settings.tree import Settings, default_data

ENV_PREFIX = "TERTULIA_"
FILE_NAME = "tertulia.toml"
# Named by `find_file`, not a setting itself.
CONFIG_VARIABLE = "TERTULIA_CONFIG"

Tree = dict[str, Any]


def load(config: Path | None = None, **flags: Any) -> Settings:
    """Read defaults, file, environment and `flags`, each overriding the ones before.

    Flags that are `None` were not given. A section's flags are a mapping, as in
    `models={"scripted": True}`.

    Raises:
        Misconfigured: a value is wrong; the message names it, its source and the remedy.
    """
    given = {name: value for name, value in flags.items() if value is not None}
    environment = _environment()
    data = given.get("data") or environment.get("data")
    file = find_file(config, Path(data) if data else None)
    from_file = _read(file) if file else {}
    merged: Tree = {}
    for source in (_openai_variables(), from_file, environment, given):
        merged = _merge(merged, source)
    try:
        return Settings(**merged)
    except ValidationError as error:
        raise Misconfigured(_explain(error, file, from_file, given)) from None


def find_file(config: Path | None = None, data: Path | None = None) -> Path | None:
    """The settings file: the one named, else one in the working directory or data folder."""
    named = config or (Path(os.environ[CONFIG_VARIABLE]) if CONFIG_VARIABLE in os.environ else None)
    if named:
        if not _is_file(named):
            msg = f"there is no settings file {named}; give --config the path of a TOML file"
            raise Misconfigured(msg)
        return named
    for folder in (Path.cwd(), data or default_data()):
        if _is_file(folder / FILE_NAME):
            return folder / FILE_NAME
    return None


def _is_file(file: Path) -> bool:
    try:
        return file.is_file()
    except OSError as error:
        # As of a data folder that is another user's.
        msg = (
            f"{file.parent} cannot be looked into for {file.name} ({error.strerror}): let the "
            "user that Tertulia runs as own the folder, or choose another one"
        )
        raise Misconfigured(msg) from None


def unknown_variables(environment: Mapping[str, str]) -> Iterator[str]:
    """Variables that look like settings and are none, each with the likely meant one."""
    for variable in sorted(environment):
        head, _, _ = variable.partition("__")
        name = head.lower().removeprefix(ENV_PREFIX.lower())
        if head.lower() == name or name in Settings.model_fields or variable == CONFIG_VARIABLE:
            continue
        close = difflib.get_close_matches(name, Settings.model_fields, 1)
        meant = f"; did you mean {ENV_PREFIX}{close[0].upper()}?" if close else ""
        yield f"{variable} is not a setting{meant}"


def _environment() -> Tree:
    try:
        return EnvSettingsSource(Settings)()
    except SettingsError as error:
        # Only lists and sections are parsed this early.
        name = str(error).split('"')[1] if '"' in str(error) else "a section"
        msg = f"{ENV_PREFIX}{name.upper()} or a variable below it does not hold valid JSON"
        raise Misconfigured(msg) from None


def _openai_variables() -> Tree:
    """The variables that every OpenAI client reads; ours of the same meaning come first."""
    found = {
        "openai_api_key": os.environ.get("OPENAI_API_KEY"),
        "openai_base_url": os.environ.get("OPENAI_BASE_URL"),
    }
    models = {name: value for name, value in found.items() if value}
    return {"models": models} if models else {}


def _read(file: Path) -> Tree:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        msg = f"{file} is not valid TOML: {error}"
        raise Misconfigured(msg) from None
    except OSError as error:
        msg = f"{file} cannot be read: {error.strerror}"
        raise Misconfigured(msg) from None


def _merge(below: Tree, above: Tree) -> Tree:
    merged = dict(below)
    for name, new in above.items():
        old = merged.get(name)
        if isinstance(old, dict) and isinstance(new, dict):
            merged[name] = _merge(old, new)
        else:
            merged[name] = new
    return merged


def _variable(path: tuple[int | str, ...]) -> str | None:
    """The environment variable that set this path: its own, or one of a section above it."""
    present = {name.upper() for name in os.environ}
    for length in range(len(path), 0, -1):
        name = ENV_PREFIX + "__".join(map(str, path[:length])).upper()
        if name in present:
            return name
    return None


def _explain(
    error: ValidationError, file: Path | None, from_file: Tree, flags: Mapping[str, Any]
) -> str:
    """One line for the first wrong setting: where it was set, what is wrong, what it means."""
    problems = error.errors(include_url=False, include_input=False, include_context=False)
    first = problems[0]
    path: tuple[int | str, ...] = first["loc"]
    dotted = ".".join(map(str, path))
    if not path:
        where = "the settings contradict each other"
    elif len(path) == 1 and path[0] in flags:
        where = f"--{dotted}".replace("_", "-")
    elif variable := _variable(path):
        own = variable.endswith(f"__{path[-1]}".upper()) or len(path) == 1
        where = variable if own else f"{dotted} in {variable}"
    elif file and path[0] in from_file:
        where = f"{dotted} in {file}"
    else:
        where = dotted
    if first["type"] == "extra_forbidden":
        text = f"{where} is not a setting{_suggestion(path)}"
    else:
        text = f"{where}: {_plain(first['msg'])}{_meaning(path)}"
    more = len(problems) - 1
    return text + (f" (and {more} more wrong)" if more else "")


def _plain(message: str) -> str:
    message = message.removeprefix("Value error, ")
    return message[:1].lower() + message[1:]


def _section(path: tuple[int | str, ...]) -> type[BaseModel] | None:
    """The class of settings at `path`, where a number stands for an item of a list."""
    found: Any = Settings
    for step in path:
        if isinstance(step, int):
            found = next(iter(get_args(found)), None)
        elif isinstance(found, type) and issubclass(found, BaseModel):
            field = found.model_fields.get(step)
            found = field.annotation if field else None
        else:
            return None
    return found if isinstance(found, type) and issubclass(found, BaseModel) else None


def _suggestion(path: tuple[int | str, ...]) -> str:
    section = _section(path[:-1])
    close = difflib.get_close_matches(str(path[-1]), section.model_fields if section else (), 1)
    return f"; did you mean {close[0]}?" if close else "; `tertulia config doc` lists them all"


def _meaning(path: tuple[int | str, ...]) -> str:
    section = _section(path[:-1]) if path else None
    field = section.model_fields.get(str(path[-1])) if section else None
    return f" ({field.description.rstrip('.')})" if field and field.description else ""
