"""Which functions the scripted model calls, and with what.

Rules, by the shape of the request and the plain words of the last user message:

- ``none``, or a message that says ``no tools``: it calls nothing. A named function is called once.
- ``calls=N`` calls the first N that are offered, side by side.
- Else it calls what the message mentions: by all words of its name, by one that says something
  (``get_weather`` by *weather*), or by a long word of its description. Where one function with
  one required text is mentioned, and several values for it (*in Paris and Tokyo*), it is called
  for each.
- Nothing mentioned: under ``auto`` it answers in text, under ``required`` it calls all.
- Once the outputs are there it answers with them; ``rounds=N`` has it call N times before.

Arguments satisfy the function's schema. Texts are what the message quotes, else its proper names;
numbers are its numbers; an enum's value is the one it mentions: each in the order of the
properties. What the message does not give is made up by `example`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

from tertulia.adapters.model.example import example
from tertulia.domain.json_match import mismatch
from tertulia.ports.model import Call, ImagePart, Message, Tool, ToolCall, ToolOutput

#: Calls of one function for a list of values, at most.
_MOST_VALUES = 4

#: Words that tools of all kinds have in common.
_COMMON = frozenset(re.findall(
    r"\w+",
    "about add call current fetch find for from function get given have information list look make "
    "new number perform please return returns run set should string that the their this tool "
    "tools use used using value values what when where which will with without would you your",
))  # fmt: skip
_WORD = re.compile(r"[A-Z]?[^\W\d_A-Z]+|[A-Z]+(?![^\W\d_A-Z])|\d+")
_QUOTED = re.compile(r"[\"“`]([^\"”`]+)[\"”`]|(?<!\w)'([^']+)'(?!\w)")
_PROPER = re.compile(r"(?<![.!?:] )(?<!^)(?<![\w'\"-])[A-Z][\w'-]*(?: [A-Z][\w'-]*)*")
_NUMBER = re.compile(r"(?<![\w.])-?\d+(?:\.\d+)?(?![\w.]*\w)")
_BETWEEN = re.compile(r"(?:\s*,)?\s*(and |or |& |)(?:also )?(?:in |for |of |to )?\s*")


def chosen(
    call: Call, message: str, calls: int | None, rounds: int
) -> list[tuple[Tool, dict[str, Any]]]:
    """The calls to make, each with its arguments. ``calls`` and ``rounds`` as the message steers.

    Raises:
        UnsatisfiableSchema: no arguments satisfy a function's schema.
    """
    choice = call.tool_choice
    if choice == "none" or (choice == "auto" and len(_rounds(call)) >= rounds):
        return []
    named = [tool for tool in call.tools if tool.name == choice]
    if named:
        return [(named[0], arguments(named[0], message))]
    if calls is not None:
        tools = list(call.tools[:calls])
    else:
        tools = _mentioned(call.tools, message)
        if not tools and choice == "required":
            tools = list(call.tools)
    if not call.parallel_tool_calls:
        tools = tools[:1]
    elif len(tools) == 1 and calls is None:
        return [(tools[0], given) for given in _for_each(tools[0], message)]
    return [(tool, arguments(tool, message)) for tool in tools]


def outputs(call: Call) -> Sequence[str]:
    """What the tools have answered since the user spoke, after the last calls."""
    rounds = _rounds(call)
    return rounds[-1] if rounds else ()


def _rounds(call: Call) -> list[list[str]]:
    """The outputs since the user spoke, those of calls side by side together."""
    rounds: list[list[str]] = []
    calling = False
    for entry in call.entries:
        if isinstance(entry, Message):
            if entry.role == "user" and not _shows_an_output(entry):
                rounds = []
            continue
        if isinstance(entry, ToolOutput):
            if not rounds:
                rounds.append([])
            rounds[-1].append(entry.output)
        elif not calling:
            rounds.append([])
        calling = isinstance(entry, ToolCall)
    return [outputs for outputs in rounds if outputs]


def _shows_an_output(message: Message) -> bool:
    """Images that a tool put out are shown in the user's name."""
    return any(isinstance(part, ImagePart) for part in message.parts) and message.text.startswith(
        "[output of the tool call "
    )


# --- what a message mentions ---------------------------------------------------------------------


def _mentioned(tools: Sequence[Tool], message: str) -> list[Tool]:
    """In the order in which they are offered; a description counts where no name does."""
    said = _stems(message, 3)
    every = set(_WORD.findall(message.lower()))
    found = [
        tool
        for tool in tools
        if _stems(tool.name, 3) & said
        or every.issuperset(word.lower() for word in _WORD.findall(tool.name))
    ]
    if found:
        return found
    return [t for t in tools if _stems(t.description or "", 5) & said]


def _stems(text: str, at_least: int) -> set[str]:
    """The words that say something, short of their endings."""
    found = (word.lower() for word in _WORD.findall(text))
    return {
        word[:6].removesuffix("s")
        for word in found
        if len(word) >= at_least and word not in _COMMON
    }


# --- arguments -----------------------------------------------------------------------------------


def arguments(tool: Tool, message: str, first: str | None = None) -> dict[str, Any]:
    """``first``: the text to take before all others. Raises UnsatisfiableSchema."""
    schema = tool.parameters or {}
    properties: Mapping[str, Any] = schema.get("properties") or {}
    if not schema:
        return {}
    if not schema.get("required"):
        schema = {**schema, "required": list(properties)}
    made: dict[str, Any] = example(schema)
    given = _Given(tool.name, message, first)
    for name in properties:
        if name in made:
            taken = {**made, name: given.take(properties[name], made[name])}
            made = taken if mismatch(taken, schema) is None else made
    return made


def _for_each(tool: Tool, message: str) -> Iterator[dict[str, Any]]:
    schema = tool.parameters or {}
    properties = schema.get("properties") or {}
    needed = schema.get("required") or list(properties)
    values = _listed(tool.name, message)
    if len(needed) == 1 and values and _takes_text(properties.get(needed[0])):
        for value in values[:_MOST_VALUES]:
            yield arguments(tool, message, value)
    else:
        yield arguments(tool, message)


class _Given:
    """The values of a message, each given out once."""

    def __init__(self, name: str, message: str, first: str | None) -> None:
        found = [text for text, _, _ in _texts(name, message) if text != first]
        self._texts = found if first is None else [first, *found]
        self._numbers = _NUMBER.findall(message)
        self._words = _stems(message, 1)

    def take(self, schema: Any, made: Any) -> Any:
        """A value for a property; ``made`` where the message has none."""
        if not isinstance(schema, Mapping):
            return made
        if "enum" in schema:
            said = (v for v in schema["enum"] if isinstance(v, str) and _stems(v, 1) & self._words)
            return next(said, made)
        if isinstance(made, str) and _takes_text(schema) and self._texts:
            return self._texts.pop(0)
        if isinstance(made, int | float) and not isinstance(made, bool) and self._numbers:
            number = float(self._numbers.pop(0))
            return int(number) if number.is_integer() else number
        return made


def _takes_text(schema: Any) -> bool:
    return (
        isinstance(schema, Mapping)
        and schema.get("type", "string") in ("string", ["string", "null"])
        and not schema.keys() & {"enum", "const", "format", "pattern", "$ref", "anyOf"}
    )


def _texts(name: str, message: str) -> list[tuple[str, int, int]]:
    """Each with its place: what is quoted, else proper names; never the function's own name."""
    quoted = [(m[1] or m[2], m.start(), m.end()) for m in _QUOTED.finditer(message)]
    found = [each for each in quoted if each[0] != name]
    return found or [(m[0], m.start(), m.end()) for m in _PROPER.finditer(message) if m[0] != "I"]


def _listed(name: str, message: str) -> list[str]:
    """The first enumeration of texts that an "and" or "or" holds together; empty without one."""
    texts = _texts(name, message)
    listed: list[str] = []
    joined = False
    for (text, _, end), (following, start, _) in pairwise(texts):
        between = _BETWEEN.fullmatch(message, end, start)
        if between is None:
            if joined:
                break
            listed = []
            continue
        listed = [*(listed or [text]), following]
        joined = joined or bool(between[1])
    return listed if joined else []
