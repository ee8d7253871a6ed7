"""The tables that the reference page is made of name what the code sends and takes, all of it."""

from __future__ import annotations

import re
from pathlib import Path

import tertulia
from tertulia.transports import feed_commands, feed_messages, own_events, standard_events
from tertulia.transports import responses_socket_messages as socket

SOURCE = Path(tertulia.__file__).parent


def written(pattern: str, *files: str) -> set[str]:
    """What the sources name."""
    found: set[str] = set()
    for file in files:
        for path in SOURCE.glob(file):
            found.update(re.findall(pattern, path.read_text(encoding="utf-8")))
    return found


def test_the_standards_events() -> None:
    sent = written(r'"(response\.[a-z_.]+)"', "domain/event.py", "domain/compose.py")
    assert set(standard_events.STANDARD) == sent | {"response.in_progress", "error"}


def test_our_events() -> None:
    assert set(own_events.OURS) == written(r'= "(tertulia:\w+)"', "transports/own_events.py")
    assert written(r'"(tertulia:\w+)"', "**/*.py") == set(own_events.OURS)


def test_the_feeds_messages() -> None:
    file = "transports/feed_messages.py"
    sent = written(r'"type": "(\w+)"', file) | written(r'\{"type":"(\w+)"', file)
    assert set(feed_messages.MESSAGES) == sent


def test_the_feeds_entries() -> None:
    names = r'"((?:conversation|head|response)\.[a-z]+)"'
    assert set(feed_messages.ENTRIES) == written(names, "adapters/store/scripts/*.py")


def test_the_devices_messages() -> None:
    taken = written(r'"([a-z.]+)": (?:\w+\.)?_\w+,', "transports/feed_commands.py")
    assert set(feed_commands.COMMANDS) == taken


def test_every_close_code_is_explained() -> None:
    assert set(feed_messages.CLOSES) == set(feed_messages.Close)
    assert set(socket.CLOSES) == set(socket.Close)
    assert all(code.do for code in feed_messages.Close)
