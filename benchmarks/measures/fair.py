"""How long one message waits behind a hundred of somebody else."""

from __future__ import annotations

from benchmarks.dialect import System
from benchmarks.jobs import Fair
from benchmarks.measures.base import Figures, Measure, Row, Scale, stage
from benchmarks.processes import Client
from benchmarks.systems import HOST, Bench

#: Fewer than those of which some are kept for newcomers.
_SLOTS = 2
#: The many are one user's, who may send and hold so many here alone.
_RAISED = {
    "TERTULIA_TURNS__SLOTS": str(_SLOTS),
    "TERTULIA_TURNS__WAITING_SECONDS": "600",
    "TERTULIA_TURNS__SHED_WAIT_SECONDS": "600",
    "TERTULIA_LIMITS__WAITING_PER_USER": "1000",
    "TERTULIA_LIMITS__CONNECTIONS_PER_USER": "1000",
}


def fair(bench: Bench, scale: Scale, system: System) -> Figures:
    """``turnovers``: the one's wait, in times for which an answer holds a slot."""
    with stage(bench, system, (scale.fair_chunks, scale.rate), changes=_RAISED) as on:
        server = on.server
        job = Fair(
            host=HOST,
            port=server.port,
            tokens=list(server.tokens[:2]),
            messages=scale.fair_messages,
            chunks=scale.fair_chunks,
            rate=scale.rate,
        )
        with Client(job, server.folder) as client:
            client.say("go")
            result = client.result()
    for kind, count in result.failures.items():
        print(f"    {server.system}: {count} × {kind}")
    turnover = 1000 * result.seconds * _SLOTS / max(result.turns, 1)
    return {
        "turns": result.turns,
        "errors": result.errors,
        "turnover_ms": turnover,
        "many_p50_ms": result.first_p50_ms,
        "one_ms": result.other_ms,
        "turnovers": result.other_ms / turnover,
    }


MEASURES = (
    Measure(
        "fair",
        "two slots; one user sends 100 messages at once, another sends one when half are answered",
        fair,
        (
            Row(
                "wait behind another's 100 messages, in slot turnovers",
                "turnovers",
                "",
                1,
            ),
            Row("errors of these messages", "errors", "", 0),
        ),
        floorless=True,
    ),
)
