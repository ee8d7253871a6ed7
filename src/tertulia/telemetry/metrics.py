"""Counting, and the text that Prometheus reads (exposition format 0.0.4).

Instruments are plain numbers in dictionaries: to count costs well under a microsecond, and nothing
is imported for it. They belong to the process and are written on its event loop alone.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from typing import ClassVar, TypeVar

#: What `Registry.text` returns is of this media type.
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
#: Sets of labels that one instrument keeps apart; those that come later are counted together.
MOST_SERIES = 1000
#: Stands for every label of theirs.
OTHER = "other"

Labels = tuple[str, ...]


class Instrument:
    """``labels`` are names; their values, in the same order, are given with each count.

    A value must be one of few, and never an id, an address or something a person wrote.
    """

    kind: ClassVar[str]

    def __init__(self, name: str, help: str, labels: Sequence[str] = ()) -> None:  # noqa: A002
        self.name = name
        self.help = help
        self.labels = tuple(labels)

    def lines(self) -> Iterator[str]:
        """The samples, one a line."""
        raise NotImplementedError

    def names(self) -> Sequence[str]:
        """Names of the samples, as a query may use them."""
        return (self.name,)


class Counter(Instrument):
    """Only rises. ``name`` ends in ``_total``. ``values``: all that its one label may be."""

    kind = "counter"

    def __init__(
        self,
        name: str,
        help: str,  # noqa: A002
        labels: Sequence[str] = (),
        values: Sequence[str] = (),
    ) -> None:
        super().__init__(name, help, labels)
        self.values = tuple(values)
        # A rise is only seen from a first sample of 0.
        known = [(value,) for value in values] if labels else [()]
        self._values: dict[Labels, float] = dict.fromkeys(known, 0)

    def inc(self, *labels: str, by: float = 1) -> None:
        values = self._values
        try:
            values[labels] += by
        except KeyError:
            key = _bounded(values, self.labels, labels)
            values[key] = values.get(key, 0) + by

    def value(self, *labels: str) -> float:
        return self._values.get(labels, 0)

    def clear(self) -> None:
        """Forget all values; until the next one there are no samples."""
        self._values.clear()

    def lines(self) -> Iterator[str]:
        for labels, value in self._values.items():
            yield _line(self.name, self.labels, labels, value)


class Gauge(Counter):
    """Rises and falls."""

    kind = "gauge"

    def dec(self, *labels: str, by: float = 1) -> None:
        self.inc(*labels, by=-by)

    def set(self, value: float, *labels: str) -> None:
        self._values[_bounded(self._values, self.labels, labels)] = value


class Histogram(Instrument):
    """Seconds, counted by the first of ``buckets`` (upper bounds, rising) that holds them."""

    kind = "histogram"

    def __init__(
        self,
        name: str,
        help: str,  # noqa: A002
        labels: Sequence[str] = (),
        *,
        buckets: Sequence[float],
    ) -> None:
        super().__init__(name, help, labels)
        self.buckets = tuple(buckets)
        self._counts: dict[Labels, list[int]] = {}
        self._sums: dict[Labels, float] = {}
        if not labels:
            self._begin(())

    def _begin(self, labels: Labels) -> list[int]:
        self._sums[labels] = 0.0
        counts = self._counts[labels] = [0] * (len(self.buckets) + 1)
        return counts

    def observe(self, value: float, *labels: str) -> None:
        counts = self._counts.get(labels)
        if counts is None:
            labels = _bounded(self._counts, self.labels, labels)
            counts = self._counts.get(labels) or self._begin(labels)
        counts[bisect_left(self.buckets, value)] += 1
        self._sums[labels] += value

    def count(self, *labels: str) -> int:
        """How many values were observed."""
        return sum(self._counts.get(labels, ()))

    def lines(self) -> Iterator[str]:
        name, names = self.name, (*self.labels, "le")
        bounds = [*(_number(bound) for bound in self.buckets), "+Inf"]
        for labels, counts in self._counts.items():
            below = 0
            for bound, count in zip(bounds, counts, strict=True):
                below += count
                yield _line(f"{name}_bucket", names, (*labels, bound), below)
            yield _line(f"{name}_sum", self.labels, labels, self._sums[labels])
            yield _line(f"{name}_count", self.labels, labels, below)

    def names(self) -> Sequence[str]:
        return tuple(f"{self.name}_{part}" for part in ("bucket", "sum", "count"))


Kind = TypeVar("Kind", bound=Instrument)


class Registry:
    """All instruments of a process, in the order in which they were made."""

    def __init__(self) -> None:
        self.instruments: list[Instrument] = []

    def add(self, instrument: Kind) -> Kind:
        if any(one.name == instrument.name for one in self.instruments):
            msg = f"{instrument.name} is there already"
            raise ValueError(msg)
        self.instruments.append(instrument)
        return instrument

    def text(self) -> str:
        """All samples, as `CONTENT_TYPE` says."""
        out: list[str] = []
        for one in self.instruments:
            out.append(f"# HELP {one.name} {_escaped(one.help)}\n# TYPE {one.name} {one.kind}\n")
            out += (f"{line}\n" for line in one.lines())
        return "".join(out)


def _bounded(known: Mapping[Labels, object], names: Labels, labels: Labels) -> Labels:
    """``labels``, or what is counted in their place."""
    if len(labels) != len(names):
        msg = f"labels are {names}, not {labels}"
        raise ValueError(msg)
    if labels in known or len(known) < MOST_SERIES:
        return labels
    return (OTHER,) * len(names)


def _line(name: str, names: Labels, labels: Labels, value: float) -> str:
    if not names:
        return f"{name} {_number(value)}"
    pairs = zip(names, labels, strict=True)
    within = ",".join(f'{key}="{_escaped(text, quote=True)}"' for key, text in pairs)
    return f"{name}{{{within}}} {_number(value)}"


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else repr(float(value))


def _escaped(text: str, *, quote: bool = False) -> str:
    text = text.replace("\\", r"\\").replace("\n", r"\n")
    return text.replace('"', r"\"") if quote else text
