"""Function calls and their outputs across a conversation: each output answers a call, once, and no
call is left without one when the talk goes on. Model servers refuse anything else.

Source: OpenAI's Responses API, whose messages these are.
"""

from __future__ import annotations

from collections.abc import Sequence

from tertulia.domain.item import FunctionCall, FunctionCallOutput, Item, Message
from tertulia.domain.promise import is_object
from tertulia.errors import InvalidInput, NotFound
from tertulia.ports.store import Store
from tertulia.ports.turns import HEAD, Node
from tertulia.turns.ask import Ask


async def call_mistake(
    store: Store, user_id: str, ask: Ask, items: Sequence[Item]
) -> InvalidInput | None:
    """What is wrong with the calls and outputs that ``items`` add to the conversation.

    The conversation is read only where it matters: where outputs come in, or functions are
    offered again. Without either, a call that nobody answered is left out of the context.
    """
    touched = any(isinstance(item, FunctionCall | FunctionCallOutput) for item in items)
    if ask.regenerate_of is not None or not (touched or (ask.request.tools and items)):
        return None
    state = _Calls()
    if ask.parent is not None:
        try:
            state.follow(await _branch(store, user_id, ask))
        except NotFound:
            return None  # the submission itself says of what
    return state.mistake(items)


def unknown_output(branch: Sequence[Node]) -> InvalidInput | None:
    """The same of a present input that was accepted before its parent's answer was known."""
    known = {
        item.call_id
        for node in branch
        for item in (*node.input, *node.output)
        if isinstance(item, FunctionCall)
    }
    for index, item in enumerate(branch[-1].input):
        if isinstance(item, FunctionCallOutput) and item.call_id not in known:
            return _unknown(index, item)
    return None


class _Calls:
    def __init__(self) -> None:
        self._known: set[str] = set()
        self._answered: set[str] = set()
        #: Calls that wait for their output, oldest first.
        self._open: dict[str, None] = {}
        #: The parent is still at work: it may yet make any call.
        self._unfinished = False

    def follow(self, branch: Sequence[Node]) -> None:
        for node in branch:
            for item in (*node.input, *node.output):
                if isinstance(item, FunctionCall):
                    self._called(item)
                elif isinstance(item, FunctionCallOutput):
                    self._answer(item)
                elif isinstance(item, Message) and item.role == "user":
                    self._open.clear()  # the talk went on without it
            if node.response.status != "completed":
                self._open.clear()  # what was cut off is owed nothing
        self._unfinished = bool(branch) and not branch[-1].response.terminal

    def mistake(self, items: Sequence[Item]) -> InvalidInput | None:
        for index, item in enumerate(items):
            if isinstance(item, FunctionCall):
                if item.status == "completed" and not (
                    item.arguments.strip() == "" or is_object(item.arguments)
                ):
                    return InvalidInput(
                        f"input[{index}].arguments must be a JSON object. Send a call that was "
                        "cut off with status incomplete: it is kept, and not shown to the model.",
                        param=f"input[{index}].arguments",
                        code="invalid_tool_arguments",
                    )
                self._called(item)
            elif isinstance(item, FunctionCallOutput):
                if item.call_id in self._answered:
                    return InvalidInput(
                        f"There is more than one tool output for call_id {item.call_id}.",
                        param=f"input[{index}].call_id",
                        code="duplicate_tool_output",
                    )
                if item.call_id not in self._known and not self._unfinished:
                    return _unknown(index, item)
                self._answer(item)
            elif isinstance(item, Message) and item.role == "user" and self._open:
                break
        return self._unanswered()

    def _called(self, call: FunctionCall) -> None:
        self._known.add(call.call_id)
        self._answered.discard(call.call_id)  # some servers number the calls of each answer anew
        if call.status == "completed":
            self._open[call.call_id] = None

    def _answer(self, output: FunctionCallOutput) -> None:
        self._answered.add(output.call_id)
        self._open.pop(output.call_id, None)

    def _unanswered(self) -> InvalidInput | None:
        for call_id in self._open:
            return InvalidInput(
                f"No tool output found for function call {call_id}.",
                param="input",
                code="tool_output_missing",
            )
        return None


def _unknown(index: int, output: FunctionCallOutput) -> InvalidInput:
    return InvalidInput(
        f"No tool call found for function call output with call_id {output.call_id}.",
        param=f"input[{index}].call_id",
        code="tool_call_not_found",
    )


async def _branch(store: Store, user_id: str, ask: Ask) -> Sequence[Node]:
    parent = ask.parent
    if parent == HEAD and ask.conversation_id is not None:
        parent = (await store.conversation(user_id, ask.conversation_id)).head
    return await store.branch(user_id, parent) if parent is not None else ()
