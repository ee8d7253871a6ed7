"""A message that cannot be answered is refused before it is accepted; one that clearly can be is
accepted without a look at the past."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest
from tests.turns.house import Declaring, House, message

from tertulia.domain.response import Request, Response
from tertulia.errors import ContextTooLong, NotFound
from tertulia.ports.turns import HEAD
from tertulia.turns.ask import Ask
from tertulia.turns.submit import submit

WINDOW = 1000
LONG = "echo: " + "word " * 180


@dataclass
class Watched:
    """The house's store, which tells what was asked of it."""

    store: Any
    asked: list[str] = field(default_factory=list)

    def __getattr__(self, name: str) -> Any:
        self.asked.append(name)
        return getattr(self.store, name)


@pytest.fixture
async def small(house: House) -> House:
    """Its model has a narrow window."""
    models = Declaring(house.parts.models, context_window=WINDOW, max_output_tokens=100)
    plain = house.with_(models=models)
    house.workers.append(plain.work())
    return plain.with_(store=Watched(house.parts.store))


def asked_of(house: House) -> list[str]:
    assert isinstance(house.parts.store, Watched)
    found, house.parts.store.asked = house.parts.store.asked, []
    return found


async def say(house: House, text: str, parent: str | None, **more: Any) -> Response:
    """Submits without leave to leave anything out, unless ``truncation`` gives it."""
    request = Request(model="scripted", truncation=more.pop("truncation", "disabled"))
    ask = Ask(request=request, input=(message(text),), parent=parent, **more)
    return (await submit(house.parts, house.user, ask)).response


async def grown(house: House, **more: Any) -> Response:
    """A conversation that fills its window almost; its last response."""
    last: Response | None = None
    for _ in range(3):
        last = await say(house, LONG, last.id if last else None, **more)
        await house.end(last.id)
    assert last is not None
    return last


async def test_what_is_too_long_with_its_past_is_refused(small: House) -> None:
    last = await grown(small)
    with pytest.raises(ContextTooLong, match="truncation=auto") as refused:
        await say(small, LONG, last.id)
    assert (refused.value.code, refused.value.param) == ("context_length_exceeded", "input")
    accepted = await say(small, LONG, last.id, truncation="auto")
    assert (await small.end(accepted.id)).output


async def test_a_refused_message_moves_no_head(small: House) -> None:
    conversation = await small.conversation()
    last: Response | None = None
    for _ in range(3):
        last = await say(small, LONG, HEAD, conversation_id=conversation)
        await small.end(last.id)
    with pytest.raises(ContextTooLong):
        await say(small, LONG, HEAD, conversation_id=conversation)
    assert last is not None
    held = await small.parts.store.conversation(small.user.user_id, conversation)
    assert held.head == last.id


async def test_a_past_that_may_be_too_long_is_read_and_found_short(small: House) -> None:
    last = await grown(small)
    asked_of(small)
    accepted = await say(small, "echo: short", last.id)
    assert asked_of(small) == ["submit", "branch", "submit"]
    assert (await small.end(accepted.id)).response.status == "completed"


async def test_a_past_that_is_clearly_short_is_not_read(small: House) -> None:
    first = await say(small, "echo: hi", None)
    await small.end(first.id)
    asked_of(small)
    await say(small, "echo: hi", first.id)
    assert asked_of(small) == ["submit"]


async def test_an_unfinished_parent_is_waited_for(small: House) -> None:
    first = await say(small, "chunks=1 hang at 0", None)
    second = await say(small, "echo: hi", first.id)
    assert second.admitted_at is None


async def test_with_leave_to_leave_out_no_past_is_read(small: House) -> None:
    last = await grown(
        small,
    )
    asked_of(small)
    await say(small, LONG, last.id, truncation="auto")
    assert asked_of(small) == ["submit"]


async def test_what_is_too_long_by_itself(small: House) -> None:
    for truncation in ("auto", "disabled"):
        with pytest.raises(ContextTooLong, match="The input has about"):
            await say(small, "word " * 1100, None, truncation=truncation)
    request = Request(model="scripted", instructions="word " * 900)
    ask = Ask(request=request, input=(message("word " * 200),))
    with pytest.raises(ContextTooLong):
        await submit(small.parts, small.user, ask)


async def test_a_parent_that_is_not_there(small: House) -> None:
    with pytest.raises(NotFound) as missing:
        await say(small, "echo: hi", "resp_gone")
    assert missing.value.code == "previous_response_not_found"
