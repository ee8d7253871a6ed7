"""What comes after an answer, outside its turn: for now, a better title.

The conversation already has a title from its first message, given in the submit transaction, so
nothing is lost when this is.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import aclosing

from tertulia.domain.conversation import CUT, TITLE_STRENGTH, derived_title
from tertulia.domain.item import Item
from tertulia.domain.item import Message as MessageItem
from tertulia.domain.response import Response
from tertulia.errors import TertuliaError
from tertulia.ports.model import Call, Message, TextChunk, TextPart
from tertulia.turns.parts import Parts

#: Characters of question and answer that the title is made from, and tokens it may take.
EXCERPT, TITLE_TOKENS = 2000, 24

_PROMPT = (
    "Write a title of at most six words for the conversation below, in its language. "
    "Answer with the title alone, without quotes."
)


def wants_title(response: Response, asked: Sequence[Item]) -> bool:
    """Whether the answer to ``asked`` was the first of a conversation that is not named by it.

    A message short enough to be its own title is one: a second call of the model, which is paid
    for as the answer is, would hardly better it.
    """
    if response.conversation_id is None or response.previous_response_id is not None:
        return False
    if response.status != "completed":
        return False
    said = (i.text for i in asked if isinstance(i, MessageItem) and i.role == "user")
    title = derived_title(next(said, ""))
    return title is None or title.endswith(CUT)


async def entitle(parts: Parts, response: Response) -> str | None:
    """Let a capable model title a conversation after its first answer; None when it needs none.

    Never raises for a model or store that fails: the title from the message stays.
    """
    if response.conversation_id is None:
        return None
    try:
        model = parts.models.get(response.request.model, admin=True)
        if not model.info.capable:
            return None
        user_id, conversation_id = response.user_id, response.conversation_id
        conversation = await parts.store.conversation(user_id, conversation_id)
        if TITLE_STRENGTH[conversation.title_source] >= TITLE_STRENGTH["model"]:
            return None
        node = await parts.store.get(user_id, response.id)
        spoken = [i for i in (*node.input, *node.output) if isinstance(i, MessageItem)]
        excerpt = "\n\n".join(f"{m.role}: {m.text[:EXCERPT]}" for m in spoken)
        call = Call(
            model=model.info.id,
            entries=[
                Message("system", (TextPart(_PROMPT),)),
                Message("user", (TextPart(excerpt),)),
            ],
            max_output_tokens=TITLE_TOKENS,
            response_id=response.id,
        )
        words: list[str] = []
        async with aclosing(model.generate(call)) as batches:
            async for batch in batches:
                words += [c.text for c in batch if isinstance(c, TextChunk)]
        title = derived_title("".join(words).strip().strip("\"'“”«»"))
        if title is None:
            return None
        await parts.store.update_conversation(
            user_id, conversation_id, title=title, title_source="model"
        )
    except TertuliaError:
        return None
    return title
