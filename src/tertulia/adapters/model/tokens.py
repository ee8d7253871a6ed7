"""Token counts where no tokenizer is at hand."""

from __future__ import annotations

from tertulia.ports.model import Call, Message, ToolCall, Usage


def estimate_tokens(text: str) -> int:
    """Three bytes of UTF-8 a token: a third too many for English prose, about right for code
    and for Chinese, so that a budget kept by it holds."""
    return -(-len(text.encode("utf-8", "surrogatepass")) // 3)


def estimate_usage(call: Call, written: int) -> Usage:
    """For a server that reports none; ``written``: characters of its output."""
    sent = estimate_tokens(call.prefix)
    for entry in call.entries:
        if isinstance(entry, Message):
            sent += estimate_tokens(entry.text)
        else:
            sent += estimate_tokens(
                entry.arguments if isinstance(entry, ToolCall) else entry.output
            )
    return Usage(input_tokens=sent, output_tokens=-(-written // 3), exact=False)
