"""What an answer owes its request: which functions it may call, must call, and how many; arguments
and text that keep to a schema.

Model servers differ in how much of this they enforce, so the pipeline holds every answer to it.
What breaks it never passes for a regular end: the response ends with one of the codes below, and
keeps the text that was shown.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Literal

from tertulia.domain.item import FunctionCall, Item, Message
from tertulia.domain.json_match import mismatch
from tertulia.domain.response import Failure, Request

NOT_ALLOWED = Failure(
    "tool_not_allowed", "The model called a function that this request does not allow."
)
MISSING = Failure(
    "tool_call_missing",
    "The model called no function, though tool_choice requires it. Try again, or choose a model "
    "that is better at calling functions.",
)
BAD_ARGUMENTS = Failure(
    "invalid_tool_arguments",
    "The model called a strict function with arguments that break the function's schema.",
)
BAD_OUTPUT = Failure(
    "invalid_output", "The model's answer does not keep to the format that text.format demands."
)


class Promise:
    """Of one request."""

    def __init__(self, request: Request) -> None:
        self._tools = {tool["name"]: tool for tool in request.tools}
        self._format = request.text_format
        choice = request.tool_choice
        #: Names of the functions that may be called at all.
        self.allowed = frozenset(self._tools)
        if isinstance(choice, dict) and choice["type"] == "allowed_tools":
            self.allowed = frozenset(tool["name"] for tool in choice["tools"])
            choice = str(choice["mode"])
        #: The one function to call, where one is named.
        self.named: str | None = None
        if isinstance(choice, dict):
            self.named = str(choice["name"])
            self.allowed = frozenset({self.named})
        self.mode: Literal["auto", "none", "required"] = "auto"
        if choice == "none":
            self.mode = "none"
            self.allowed = frozenset()
        elif choice != "auto":
            self.mode = "required"
        limits = [] if request.max_tool_calls is None else [request.max_tool_calls]
        #: Calls beyond so many are passed over, as the standard has it; None: no limit.
        self.most = min(limits + ([] if request.parallel_tool_calls else [1]), default=None)

    def kept_by_arguments(self, name: str, arguments: str) -> bool:
        """Whether the arguments keep to a strict function's schema; others are not looked at."""
        tool = self._tools[name]
        if not tool.get("strict"):
            return True
        value = _parsed(arguments)
        return isinstance(value, dict) and mismatch(value, tool.get("parameters") or {}) is None

    def broken_by(self, output: Sequence[Item]) -> Failure | None:
        """What an answer that ended regularly breaks, as a whole."""
        if any(isinstance(item, FunctionCall) for item in output):
            return None
        if self.mode == "required":
            return MISSING
        kind = self._format["type"]
        if kind == "json_object":
            kept = isinstance(_parsed(_text(output)), dict)
        elif kind == "json_schema" and self._format.get("strict"):
            value = _parsed(_text(output))
            kept = value is not _NOTHING and mismatch(value, self._format["schema"]) is None
        else:
            return None
        return None if kept else BAD_OUTPUT


def is_object(arguments: str) -> bool:
    """Whether a function's arguments are the JSON object that they should be."""
    return isinstance(_parsed(arguments), dict)


_NOTHING = object()


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return _NOTHING


def _text(output: Sequence[Item]) -> str:
    messages = [item for item in output if isinstance(item, Message)]
    return messages[-1].text if messages else ""
