"""The events of Open Responses that we send, and when; a test holds them against the code."""

from __future__ import annotations

from tertulia.transports.described import Described

_PART = "`item_id`, `output_index`, `content_index`"

#: In the order in which a stream may hold them. Every one has a ``sequence_number``.
STANDARD: dict[str, Described] = {
    "response.created": Described("`response`", "It is accepted and stored; number 0."),
    "response.queued": Described("`response`", "It waits for its turn; number 1."),
    "response.in_progress": Described(
        "`response`",
        "The model is at work. Again, with a number of the next attempt, when another worker has "
        "taken over.",
    ),
    "response.output_item.added": Described(
        "`output_index`, `item`", "A message, a function call or reasoning begins."
    ),
    "response.content_part.added": Described(f"{_PART}, `part`", "A part of it begins."),
    "response.output_text.delta": Described(
        f"{_PART}, `delta`, `logprobs`",
        "More text. The first at once, then what came within 30 ms, or 256 bytes.",
    ),
    "response.reasoning.delta": Described(f"{_PART}, `delta`", "More of the model's reasoning."),
    "response.function_call_arguments.delta": Described(
        "`item_id`, `output_index`, `delta`", "More of a call's arguments, which are JSON."
    ),
    "response.output_text.done": Described(
        f"{_PART}, `text`, `logprobs`", "The whole text of a part."
    ),
    "response.reasoning.done": Described(f"{_PART}, `text`", "The whole reasoning."),
    "response.function_call_arguments.done": Described(
        "`item_id`, `output_index`, `arguments`", "The whole arguments."
    ),
    "response.content_part.done": Described(f"{_PART}, `part`", "The part as it stays."),
    "response.output_item.done": Described("`output_index`, `item`", "The item as it stays."),
    "response.completed": Described("`response`", "The end: all is there. With `usage`."),
    "response.incomplete": Described(
        "`response`",
        "The end: a part of it is there. `status` is `cancelled`, or `incomplete` with the reason "
        "in `incomplete_details`.",
    ),
    "response.failed": Described("`response`", "The end: `response.error` says why."),
    "error": Described(
        "`error`", "This stream cannot go on, though the response may: retrieve it, or stream anew."
    ),
}
