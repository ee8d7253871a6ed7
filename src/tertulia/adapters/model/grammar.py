"""JSON Schemas as grammars of the local model's runtime, so that its output cannot break them.

xllamacpp's builds of llama.cpp hold LLGuidance, which reads a schema as it is
(https://github.com/guidance-ai/llguidance/blob/main/docs/json_schema.md). llama.cpp's own
converter, behind ``response_format``, stalls all answers for many seconds on long enums, and for
ever where no value can satisfy the schema. What LLGuidance cannot read it lets pass as free text,
without an error: `obstacle` finds that out beforehand.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from tertulia.domain.json_schema import subschemas

#: Beyond these a grammar takes seconds for each token, or is given up.
_LONGEST, _BRANCHES = 10_000, 500

_PAIRS = (
    ("minLength", "maxLength"),
    ("minItems", "maxItems"),
    ("minProperties", "maxProperties"),
    ("minimum", "maximum"),
)
_UNREAD = frozenset(
    {
        "not", "if", "contains", "propertyNames", "dependentRequired", "dependentSchemas",
        "unevaluatedItems", "unevaluatedProperties",
    }
)  # fmt: skip
_LOOKING_AROUND = re.compile(r"\(\?[=!<]|\\[1-9bBk]")

#: A small model, given the choice, puts out white space for ever.
_OPTIONS = {
    "lenient": True,
    "coerce_one_of": True,
    "whitespace_pattern": r"(\n {0,16}| ?)",
}


def grammar(schema: Mapping[str, Any]) -> str:
    """The grammar of all that satisfies ``schema``; ``{}`` stands for any object."""
    held = {**(schema or {"type": "object"}), "x-guidance": _OPTIONS}
    return "%llguidance {}\nstart: %json " + msgspec.json.encode(held).decode()


def obstacle(schema: Mapping[str, Any], *, strict: bool) -> str | None:
    """Why no grammar can be made of ``schema``; None if one can. Without ``strict`` what a
    grammar cannot hold the model to is left out of it."""
    branches = 0
    for where, each in subschemas(schema):
        if not isinstance(each, Mapping):
            continue
        for less, more in _PAIRS:
            low, high = each.get(less, 0 if less != "minimum" else -(2**53)), each.get(more, 2**53)
            if low > high:
                return f"{where}: {less} is above {more}"
            if less in ("minLength", "minItems") and max(low, each.get(more, 0)) > _LONGEST:
                return f"{where}: {less} and {more} may be {_LONGEST} at most"
        if _LOOKING_AROUND.search(each.get("pattern", "")):
            return f"{where}: the pattern looks around itself or refers to its groups"
        if strict and (unread := sorted(_UNREAD & each.keys())):
            return f"{where}: {unread[0]} cannot be enforced under strict"
        branches += len(each.get("anyOf", ())) + len(each.get("oneOf", ()))
    if branches > _BRANCHES:
        return f"#: anyOf and oneOf may have {_BRANCHES} branches in all"
    return None
