"""All measures, in the order of the report."""

from __future__ import annotations

from benchmarks.measures import turns
from benchmarks.measures.base import Figures, Measure, Row, Scale

MEASURES: tuple[Measure, ...] = (turns.CPU300, turns.FIRST20, turns.CHAT20, turns.UNPACED)

__all__ = ["MEASURES", "Figures", "Measure", "Row", "Scale"]
