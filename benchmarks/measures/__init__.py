"""All measures, in the order of the report."""

from __future__ import annotations

from benchmarks.measures import fair, install, reading, resting, turns
from benchmarks.measures.base import OF, Figures, Measure, Row, Scale

MEASURES: tuple[Measure, ...] = (
    *turns.MEASURES,
    *fair.MEASURES,
    *resting.MEASURES,
    *reading.MEASURES,
    *install.MEASURES,
)

__all__ = ["MEASURES", "OF", "Figures", "Measure", "Row", "Scale"]
