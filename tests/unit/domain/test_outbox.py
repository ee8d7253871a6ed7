"""What waits for one connection: nothing is lost, nothing is sent twice, nobody is starved, and a
slow reader costs no more than the limits."""

from __future__ import annotations

from collections import Counter

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from tertulia.domain.frame import Frame
from tertulia.domain.outbox import Outbox

MAX_FRAMES, MAX_BYTES, BURST = 8, 100, 3
KEYS = ["a", "b", "c"]


def frame(number: int, size: int = 10) -> Frame:
    return Frame(number, "delta", b"x" * size)


class Connection(RuleBasedStateMachine):
    """Logs that grow, an outbox that is fed from them, and a reader that folds what it is sent."""

    def __init__(self) -> None:
        super().__init__()
        self.outbox = Outbox(MAX_FRAMES, MAX_BYTES, burst_frames=BURST, burst_bytes=60)
        self.logs: dict[str, list[Frame]] = {}
        #: How far the outbox was fed, and how far the reader is.
        self.fed: dict[str, int] = {}
        self.read: dict[str, int] = {}
        self.live: set[str] = set()
        self.slow: set[str] = set()

    @initialize()
    def subscribe_to_all(self) -> None:
        for key in KEYS:
            self.logs[key] = []
            self.resubscribe(key, 0)

    @rule(key=st.sampled_from(KEYS), share=st.integers(0, 4))
    def resubscribe(self, key: str, share: int) -> None:
        """Ask for the past again, from a position held."""
        self.outbox.open(key)
        start = len(self.logs[key]) * share // 4
        self.fed[key] = self.read[key] = min(start, self.read.get(key, 0))
        self.live.discard(key)
        self.slow.discard(key)

    @rule(key=st.sampled_from(KEYS), sizes=st.lists(st.integers(1, 40), max_size=5))
    def write(self, key: str, sizes: list[int]) -> None:
        log = self.logs[key]
        log += [frame(len(log) + i, size) for i, size in enumerate(sizes)]

    @rule(key=st.sampled_from(KEYS), count=st.integers(0, 20))
    def fetch(self, key: str, count: int) -> None:
        if not self.outbox.wants(key):
            assert key not in self.live
            return
        new = self.logs[key][self.fed[key] : self.fed[key] + count]
        if new:
            self.outbox.put(key, new)
            self.fed[key] += len(new)
        elif self.fed[key] == len(self.logs[key]):
            self.outbox.caught_up(key)
            self.live.add(key)

    @rule()
    def send(self) -> None:
        turn = self.outbox.take()
        if turn is None:
            return
        key = turn.response_id
        if turn.snapshot:
            assert key in self.live, "a replay was folded"
            self.read[key] = len(self.logs[key])
            self.outbox.folded(key, self.read[key] - 1)
            return
        assert len(turn.frames) <= BURST
        for each in turn.frames:
            assert each.sequence_number == self.read[key], "a gap, or a frame twice"
            self.read[key] += 1

    @invariant()
    def within_the_limits(self) -> None:
        frames, size = self.outbox.waiting
        assert frames <= 1 or (frames <= MAX_FRAMES and size <= MAX_BYTES)

    def teardown(self) -> None:
        """Whatever happened, the reader ends with everything."""
        for _ in range(10_000):
            for key in self.logs:
                self.fetch(key, 5)
            self.send()
        assert self.read == {key: len(log) for key, log in self.logs.items()}


TestConnection = Connection.TestCase
TestConnection.settings = settings(
    max_examples=60,
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)


@given(st.lists(st.integers(1, 60), min_size=2, max_size=6))
def test_turns_go_round(counts: list[int]) -> None:
    outbox = Outbox(10_000, 1 << 20, burst_frames=BURST)
    for key, count in enumerate(counts):
        outbox.open(str(key))
        outbox.put(str(key), [frame(n) for n in range(count)])
    left = {str(key): count for key, count in enumerate(counts)}
    while any(left.values()):
        waiting = {key for key, count in left.items() if count}
        turns = Counter[str]()
        for _ in waiting:
            turn = outbox.take()
            assert turn is not None
            turns[turn.response_id] += 1
            left[turn.response_id] -= len(turn.frames)
        assert turns == Counter(waiting)
    assert outbox.take() is None


def live(outbox: Outbox, *keys: str) -> None:
    for key in keys:
        outbox.open(key)
        outbox.caught_up(key)


def test_the_heaviest_is_folded_first() -> None:
    outbox = Outbox(8, 10_000)
    live(outbox, "light", "heavy")
    outbox.put("light", [frame(0)])
    outbox.put("heavy", [frame(n) for n in range(8)])
    first, second = outbox.take(), outbox.take()
    assert first is not None
    assert second is not None
    assert (first.response_id, first.snapshot) == ("light", False)
    assert (second.response_id, second.snapshot) == ("heavy", True)


def test_one_oversize_frame_may_exceed_the_limit() -> None:
    outbox = Outbox(8, 100)
    live(outbox, "a")
    outbox.put("a", [frame(0, 5000)])
    turn = outbox.take()
    assert turn is not None
    assert [len(f.data) for f in turn.frames] == [5000]


def test_frames_that_a_snapshot_held_are_not_sent_again() -> None:
    outbox = Outbox(2, 10_000)
    live(outbox, "a")
    outbox.put("a", [frame(n) for n in range(3)])
    outbox.put("a", [frame(3)])
    turn = outbox.take()
    assert turn is not None
    assert turn.snapshot
    outbox.folded("a", 5)
    outbox.put("a", [frame(n) for n in range(4, 7)])
    turn = outbox.take()
    assert turn is not None
    assert [f.sequence_number for f in turn.frames] == [6]


def test_a_dropped_subscription_has_no_turn() -> None:
    outbox = Outbox()
    outbox.open("a")
    outbox.put("a", [frame(0)])
    outbox.drop("a")
    outbox.drop("a")
    assert outbox.take() is None
