"""One terminal status, one usage row, one terminal frame."""

from __future__ import annotations

import asyncio
import json

import pytest
from tests.support.stores import ANN, BEN, Rig, outcome, words

from tertulia.domain.response import Failure, Usage
from tertulia.errors import Fenced, NotFound
from tertulia.ports.turns import HEAD, Finished


async def test_finishing_keeps_output_usage_and_the_last_number(rig: Rig) -> None:
    response = await rig.start(text="Hi")
    rig.clock.pass_by(3)
    usage = Usage(10, 20, 3, 4, 55)
    done = await rig.end(response, "Ho", usage=usage, last_sequence_number=42)
    assert done.response.status == "completed"
    assert done.response.usage == usage
    assert done.response.completed_at == rig.clock.now
    assert done.response.last_sequence_number == 42
    assert done.response.lease_until is None
    node = await rig.store.get(ANN, response.id)
    assert node.response == done.response
    assert words(node) == ("Hi", "Ho")
    assert await rig.usage_of(response.id) == [usage]


async def test_the_terminal_frame_tells_what_the_row_does(rig: Rig) -> None:
    done = await rig.end(await rig.start(), "Ho", last_sequence_number=42)
    assert (done.frame.sequence_number, done.frame.kind) == (42, "response.completed")
    told = json.loads(done.frame.data)["response"]
    assert told["status"] == "completed"
    assert told["output"][0]["content"][0]["text"] == "Ho"


@pytest.mark.parametrize(
    ("status", "more"),
    [
        ("failed", {"error": Failure("model_error", "It broke."), "text": ""}),
        ("incomplete", {"incomplete_reason": "max_output_tokens"}),
        ("cancelled", {}),
    ],
)
async def test_every_ending_is_kept(rig: Rig, status: str, more: dict[str, object]) -> None:
    done = await rig.end(await rig.start(), **{"status": status, **more})  # type: ignore[arg-type]
    found = (await rig.store.get(ANN, done.response.id)).response
    assert found == done.response
    assert found.status == status
    assert found.error == more.get("error")
    assert found.incomplete_reason == more.get("incomplete_reason")


async def test_a_second_end_is_refused(rig: Rig) -> None:
    response = await rig.start()
    await rig.end(response, "First")
    with pytest.raises(Fenced):
        await rig.end(response, "Second", "failed")
    assert words(await rig.store.get(ANN, response.id))[1] == "First"
    assert len(await rig.usage_of(response.id)) == 1


async def test_only_its_own_user_and_attempt_end_it(rig: Rig) -> None:
    response = await rig.start()
    for wrong in (
        outcome(response, attempt=2),
        outcome(response, user_id=BEN),
        outcome(response, response_id="resp_unknown"),
        outcome(response, status="queued"),
    ):
        with pytest.raises(Fenced):
            await rig.store.finish(wrong, rig.limits)
    queued = (await rig.submit()).response
    with pytest.raises(Fenced):
        await rig.end(queued)


async def test_one_of_many_ends_wins(rig: Rig) -> None:
    response = await rig.start()
    ends = await asyncio.gather(
        *(rig.end(response, str(n)) for n in range(8)), return_exceptions=True
    )
    won = [e for e in ends if isinstance(e, Finished)]
    assert len(won) == 1
    assert sum(isinstance(e, Fenced) for e in ends) == 7
    assert len(await rig.usage_of(response.id)) == 1


async def test_a_conversation_tells_of_the_end(rig: Rig) -> None:
    talk = await rig.talk()
    response = await rig.start(conversation=talk.id, parent=HEAD)
    position = await rig.store.feed_position(ANN)
    rig.clock.pass_by(9)
    await rig.end(response)
    told = await rig.feed(after=position.offset)
    assert [e["type"] for e in told] == ["response.ended", "conversation.updated"]
    assert told[0] == {
        "type": "response.ended",
        "response_id": response.id,
        "conversation_id": talk.id,
        "status": "completed",
    }
    assert (await rig.store.conversation(ANN, talk.id)).updated_at == rig.clock.now


async def test_an_answer_outlives_the_deletion_of_its_conversation(rig: Rig) -> None:
    talk = await rig.talk()
    response = await rig.start(conversation=talk.id, parent=HEAD)
    assert list(await rig.store.delete_conversation(ANN, talk.id)) == [response.id]
    await rig.end(response, "kept")
    await rig.store.restore_conversation(ANN, talk.id)
    assert words(await rig.store.get(ANN, response.id))[1] == "kept"


# --- cancelling -----------------------------------------------------------------------------


async def test_one_that_nobody_claimed_is_cancelled_at_once(rig: Rig) -> None:
    response = (await rig.submit()).response
    cancelled = await rig.store.request_cancel(ANN, response.id, rig.limits)
    done = cancelled.finished
    assert done is not None
    assert cancelled.response == done.response
    assert (done.response.status, done.response.last_sequence_number) == ("cancelled", 2)
    assert done.response.cancel_requested_at == rig.clock.now
    assert (done.frame.sequence_number, done.frame.kind) == (2, "response.incomplete")
    assert await rig.usage_of(response.id) == [Usage()]
    assert await rig.store.claim(response.id, "worker_1", 30.0) is None


async def test_a_claimed_one_is_left_to_its_worker(rig: Rig) -> None:
    response = await rig.start()
    cancelled = await rig.store.request_cancel(ANN, response.id, rig.limits)
    assert cancelled.finished is None
    assert cancelled.response.status == "in_progress"
    asked_at = cancelled.response.cancel_requested_at
    rig.clock.pass_by(1)
    again = await rig.store.request_cancel(ANN, response.id, rig.limits)
    assert again.response.cancel_requested_at == asked_at
    done = await rig.end(response, "so far", "cancelled")
    last = await rig.store.request_cancel(ANN, response.id, rig.limits)
    assert (last.response, last.finished) == (done.response, None)
    assert len(await rig.usage_of(response.id)) == 1


async def test_a_completion_that_was_first_wins(rig: Rig) -> None:
    response = await rig.start()
    ended, cancelled = await asyncio.gather(
        rig.end(response), rig.store.request_cancel(ANN, response.id, rig.limits)
    )
    assert ended.response.status == "completed"
    assert cancelled.finished is None
    assert (await rig.store.get(ANN, response.id)).response.status == "completed"


async def test_cancel_and_claim_at_once_have_one_winner(rig: Rig) -> None:
    for first in ("cancel", "claim"):
        response = (await rig.submit()).response
        cancel = rig.store.request_cancel(ANN, response.id, rig.limits)
        claim = rig.store.claim(response.id, "worker_1", 30.0)
        if first == "cancel":
            cancelled, claimed = await asyncio.gather(cancel, claim)
        else:
            claimed, cancelled = await asyncio.gather(claim, cancel)
        assert (cancelled.finished is None) == (claimed is not None)
        if claimed is not None:
            await rig.end(claimed.response, status="cancelled")


@pytest.mark.parametrize("user", [ANN, BEN])
async def test_what_is_not_there_cannot_be_cancelled(rig: Rig, user: str) -> None:
    response = await rig.answer(user=BEN)
    wanted = "resp_unknown" if user == BEN else response.id
    with pytest.raises(NotFound):
        await rig.store.request_cancel(user, wanted, rig.limits)


async def test_items_of_no_model_cannot_be_cancelled(rig: Rig) -> None:
    node = await rig.store.add_items(ANN, (await rig.talk()).id, ())
    with pytest.raises(NotFound):
        await rig.store.request_cancel(ANN, node.response.id, rig.limits)


# --- waiting too long -----------------------------------------------------------------------


async def test_what_nobody_claims_in_time_fails(rig: Rig) -> None:
    talk = await rig.talk()
    waiting = (await rig.submit(conversation=talk.id, parent=HEAD)).response
    claimed = await rig.start(user=BEN)
    rig.clock.pass_by(121)
    swept = await rig.store.sweep(
        rig.limits, waiting_seconds=120, take_over=False, ring_after_seconds=5
    )
    (done,) = swept.finished
    assert done.response.id == waiting.id
    assert done.response.status == "failed"
    assert done.response.error is not None
    assert done.response.error.code == "expired"
    assert (done.frame.sequence_number, done.frame.kind) == (2, "response.failed")
    assert await rig.usage_of(waiting.id) == [Usage()]
    assert (await rig.store.get(BEN, claimed.id)).response.status == "in_progress"
    assert "response.ended" in [e["type"] for e in await rig.feed()]
