"""Titles: from the message at once, from a capable model after the first answer."""

from __future__ import annotations

from dataclasses import replace

from tests.turns.house import Declaring, House

#: Too long to be a title of its own.
LONG = "echo: " + "hello " * 12


async def title(house: House, conversation_id: str) -> tuple[str | None, str | None]:
    held = await house.parts.store.conversation(house.user.user_id, conversation_id)
    return held.title, held.title_source


def capable(house: House) -> House:
    """Its models are good enough for titles, and its workers end what comes after an answer."""
    models = Declaring(house.parts.models, capable=True)
    return house.with_(models=models, timing=replace(house.parts.timing, grace=10))


async def answered(house: House, text: str) -> str:
    """One answer, and everything that comes after it."""
    worker = house.work()
    conversation = await house.conversation()
    response = await house.say(text, conversation_id=conversation)
    await house.end(response.id)
    await worker.stop()
    return conversation


async def test_a_title_comes_with_the_first_message(house: House) -> None:
    conversation = await house.conversation()
    await house.say("# What is a tertulia?\nTell me.", conversation_id=conversation)
    assert await title(house, conversation) == ("What is a tertulia?", "message")


async def test_a_weak_model_titles_nothing(house: House) -> None:
    conversation = await answered(house, "echo: hello")
    assert await title(house, conversation) == ("echo: hello", "message")


async def test_a_message_that_is_a_title_costs_no_second_call(house: House) -> None:
    conversation = await answered(capable(house), "echo: hello")
    assert await title(house, conversation) == ("echo: hello", "message")
    assert len(house.models.calls()) == 1


async def test_a_capable_model_titles_after_the_first_answer(house: House) -> None:
    other = capable(house)
    conversation = await answered(other, LONG)
    named, source = await title(house, conversation)
    assert source == "model"
    assert named
    assert [c.entries for c in house.models.calls()] == [1, 2]


async def test_a_title_of_the_users_own_stays(house: House) -> None:
    other = capable(house)
    worker = other.work()
    conversation = await house.conversation()
    await house.parts.store.update_conversation(house.user.user_id, conversation, title="Mine")
    response = await other.say(LONG, conversation_id=conversation)
    await other.end(response.id)
    await worker.stop()
    assert await title(house, conversation) == ("Mine", "user")
    assert len(house.models.calls()) == 1


async def test_a_model_that_fails_leaves_the_title_from_the_message(house: House) -> None:
    class Failing(Declaring):
        asked = 0

        def get(self, model_id: str | None, *, admin: bool = False) -> object:  # type: ignore[override]
            Failing.asked += 1
            if Failing.asked > 2:
                model_id = "no-such-model"
            return super().get(model_id, admin=admin)

    failing = capable(house).with_(models=Failing(house.parts.models, capable=True))
    conversation = await answered(failing, LONG)
    named, source = await title(house, conversation)
    assert (named or "").endswith("hello…")
    assert source == "message"


async def test_only_the_first_answer_is_titled(house: House) -> None:
    other = capable(house)
    conversation = await answered(other, LONG)
    worker = other.work()
    second = await other.say(LONG, conversation_id=conversation)
    await other.end(second.id)
    await worker.stop()
    assert len(house.models.calls()) == 3
