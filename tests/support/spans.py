"""What a process traces, for a test to look at."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tertulia.telemetry.traces import Span


@pytest.fixture
def spans() -> Iterator[list[Span]]:
    """All that end while the test runs."""
    # Not above: what is imported as a plugin comes before coverage is measured.
    from tertulia.telemetry import traces

    made: list[Span] = []
    traces.export(made.append)
    yield made
    traces.export(None)
