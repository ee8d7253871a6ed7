"""A `Call` as the body of ``POST /chat/completions``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from tertulia.ports.model import (
    Call,
    Entry,
    ImagePart,
    Message,
    TextPart,
    Tool,
    ToolCall,
    ToolOutput,
)

#: How a server differs: ``openai`` has its own names for some fields; ``llamacpp`` continues a
#: last assistant message unasked; ``generic`` is everybody else, vLLM among them.
Dialect = Literal["openai", "llamacpp", "generic"]

#: Fields of a `Call` that the API has under the same name.
_PLAIN = (
    "temperature", "top_p", "presence_penalty", "frequency_penalty", "seed", "reasoning_effort",
)  # fmt: skip
#: And those that other servers may refuse as unknown.
_OPENAI_ONLY = ("verbosity", "safety_identifier", "prompt_cache_key")


def request_body(call: Call, model: str, dialect: Dialect) -> dict[str, Any]:
    """``model``: the id as the server knows it. Raises nothing."""
    body: dict[str, Any] = {
        "model": model,
        "messages": messages(call, dialect),
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    names = _PLAIN + (_OPENAI_ONLY if dialect == "openai" else ())
    body |= {name: getattr(call, name) for name in names if getattr(call, name) is not None}
    if call.stop:
        body["stop"] = list(call.stop)
    if call.logit_bias:
        body["logit_bias"] = dict(call.logit_bias)
    if call.max_output_tokens is not None:
        name = "max_completion_tokens" if dialect == "openai" else "max_tokens"
        body[name] = call.max_output_tokens
    if call.tools:
        body["tools"] = [_tool(tool) for tool in call.tools]
        body["tool_choice"] = _tool_choice(call.tool_choice)
        if not call.parallel_tool_calls:
            body["parallel_tool_calls"] = False
    if call.json_schema is not None:
        body["response_format"] = _response_format(call)
    if call.prefix and dialect == "generic":
        # vLLM's names; servers that continue the last message unasked pass over them.
        body |= {"continue_final_message": True, "add_generation_prompt": False}
    return body | dict(call.extra)


def messages(call: Call, dialect: Dialect) -> list[dict[str, Any]]:
    """Neighbouring tool calls become one assistant message, as the API wants them."""
    result: list[dict[str, Any]] = []
    entries: Sequence[Entry] = call.entries
    for entry in entries:
        if isinstance(entry, ToolOutput):
            result.append({"role": "tool", "tool_call_id": entry.call_id, "content": entry.output})
        elif isinstance(entry, ToolCall):
            if not result or result[-1]["role"] != "assistant":
                result.append({"role": "assistant", "content": None})
            result[-1].setdefault("tool_calls", []).append(
                {
                    "id": entry.call_id,
                    "type": "function",
                    "function": {"name": entry.name, "arguments": entry.arguments},
                }
            )
        else:
            result.append({"role": _role(entry, dialect), "content": _content(entry)})
    if call.prefix:
        result.append({"role": "assistant", "content": call.prefix})
    return result


def _role(message: Message, dialect: Dialect) -> str:
    if message.role == "developer" and dialect != "openai":
        return "system"
    return message.role


def _content(message: Message) -> str | list[dict[str, Any]]:
    if all(isinstance(part, TextPart) for part in message.parts):
        return message.text
    return [_part(part) for part in message.parts]


def _part(part: TextPart | ImagePart) -> dict[str, Any]:
    if isinstance(part, TextPart):
        return {"type": "text", "text": part.text}
    return {"type": "image_url", "image_url": {"url": part.url, "detail": part.detail}}


def _tool(tool: Tool) -> dict[str, Any]:
    function: dict[str, Any] = {"name": tool.name}
    if tool.description is not None:
        function["description"] = tool.description
    if tool.parameters is not None:
        function["parameters"] = tool.parameters
    if tool.strict is not None:
        function["strict"] = tool.strict
    return {"type": "function", "function": function}


def _tool_choice(choice: str) -> str | dict[str, Any]:
    if choice in ("auto", "none", "required"):
        return choice
    return {"type": "function", "function": {"name": choice}}


def _response_format(call: Call) -> dict[str, Any]:
    if not call.json_schema:
        return {"type": "json_object"}
    schema: dict[str, Any] = {"name": call.json_schema_name, "schema": call.json_schema}
    if call.json_schema_strict:
        schema["strict"] = True
    return {"type": "json_schema", "json_schema": schema}
