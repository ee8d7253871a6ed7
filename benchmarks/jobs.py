"""What the client can be told to do, and what it answers; sent as lines of JSON."""

from __future__ import annotations

import msgspec

from benchmarks.dialect import System


class Load(msgspec.Struct, tag=True):
    """A closed loop of ``users``, each of whom takes ``turns``; they begin spread over ``ramp``
    seconds, at one of ``ports`` each."""

    system: System
    host: str
    ports: list[int]
    tokens: list[str]
    users: int
    turns: int
    chunks: int
    rate: int
    ramp: float = 0.0


class Seed(msgspec.Struct, tag=True):
    """Fill one user's account: ``chats`` chats, the last of them of ``turns`` turns."""

    system: System
    host: str
    port: int
    token: str
    chats: int
    turns: int
    chunks: int


class Read(msgspec.Struct, tag=True):
    """Read the list of chats, or with ``chat`` that one, and find ``expect`` entries."""

    system: System
    host: str
    port: int
    token: str
    times: int
    expect: int
    chat: str | None = None
    #: Whether the entries of an opened chat are counted; the bytes always are.
    check: bool = True


class Idle(msgspec.Struct, tag=True):
    """Hold ``connections`` to the feed until a line comes."""

    system: System
    host: str
    port: int
    tokens: list[str]
    connections: int


class Resume(msgspec.Struct, tag=True):
    """Users who read one answer each and lose their connection again and again, after ``most``
    seconds at most, and resume it at the next of ``ports`` after ``away`` seconds at most."""

    host: str
    ports: list[int]
    tokens: list[str]
    users: int
    chunks: int
    rate: int
    ramp: float
    most: float
    away: float
    seed: int


class Fair(msgspec.Struct, tag=True):
    """The first of two users sends so many messages at once, the second one in their midst."""

    host: str
    port: int
    tokens: list[str]
    messages: int
    chunks: int
    rate: int


Job = Load | Seed | Read | Idle | Resume | Fair


class Result(msgspec.Struct):
    """Of any job; what it has no word on stays 0. ``client_cpu``: share of one core."""

    seconds: float
    turns: int = 0
    errors: int = 0
    failures: dict[str, int] = {}
    first_p50_ms: float = 0.0
    first_p99_ms: float = 0.0
    gap_p50_ms: float = 0.0
    gap_p99_ms: float = 0.0
    resumes: int = 0
    resume_p50_ms: float = 0.0
    resume_p99_ms: float = 0.0
    #: Until the first word of the one message in the midst of many.
    other_ms: float = 0.0
    bytes_read: int = 0
    chat: str = ""
    client_cpu: float = 0.0
