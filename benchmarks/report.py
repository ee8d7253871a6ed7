"""The table: floor and product side by side, and whether the product keeps to its aims."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.measures import OF, Row
from benchmarks.session import Session, Taken

#: A floor this much slower than the one that the aims were set by must be explained.
SLOW_FLOOR = 1.25

#: Others that took this share of a core meanwhile have spoilt a run.
BUSY = 0.2

_SHARES = ("server_cpu", "client_cpu", "upstream_cpu", "others_cpu")


@dataclass(frozen=True, slots=True)
class Line:
    """A row with its figures; ``passed`` is None where the aim cannot be judged."""

    row: Row
    floor: float | None
    product: float | None

    @property
    def ratio(self) -> float | None:
        """The product's multiple of the floor."""
        return self.product / self.floor if self.product is not None and self.floor else None

    @property
    def passed(self) -> bool | None:
        limit = self.row.aim
        if self.row.times_floor:
            if self.floor is None:
                return None
            limit *= self.floor
        if self.product is None:
            return None
        return self.product >= limit if self.row.more else self.product <= limit

    @property
    def slowness(self) -> float | None:
        """How many times slower the floor was than when the aims were set."""
        if self.row.table is None or not self.floor:
            return None
        return self.row.table / self.floor if self.row.more else self.floor / self.row.table


def lines(session: Session) -> list[Line]:
    return [
        Line(row, taken.median("floor", row.figure), taken.median("product", row.figure))
        for taken in session.taken
        for row in taken.measure.rows
    ]


def markdown(session: Session) -> str:
    """The report, as it is printed and as the documentation carries it."""
    found = lines(session)
    runs = max((len(r) for taken in session.taken for r in taken.runs.values()), default=0)
    head = (
        f"Measured on {session.date} by `{session.command}`"
        + (f" at {session.commit}" if session.commit else "")
        + f", {'one run' if runs == 1 else f'medians of {runs} runs'}, on {session.machine}.\n"
    )
    parts = [head, _table(found), _apart(session), _shares(session), _slow(found), _busy(session)]
    return "\n".join(part for part in parts if part)


def _table(found: list[Line]) -> str:
    out = [
        "| measure | floor | product | ratio | aim | |",
        "|---|--:|--:|--:|--:|---|",
    ]
    for line in found:
        ratio = "" if line.ratio is None else f"{line.ratio:.2f}"
        verdict = {True: "pass", False: "**miss**", None: ""}[line.passed]
        row = line.row
        out.append(
            f"| {row.title} | {_figure(line.floor, row.unit)} | "
            f"{_figure(line.product, row.unit)} | {ratio} | {_aim(row)} | {verdict} |"
        )
    return "\n".join(out) + "\n"


def _aim(row: Row) -> str:
    sign = "≥" if row.more else "≤"
    if row.times_floor:
        return f"{sign} {row.aim:g} × floor"
    return f"{sign} {_figure(row.aim, row.unit)}" if row.aim else "0"


def _figure(value: float | None, unit: str) -> str:
    """Three digits, or whole."""
    if value is None:
        return "–"
    digits = 0 if value >= 100 or value == int(value) else 1 if value >= 10 else 2
    return f"{value:,.{digits}f} {unit}".rstrip()


def _apart(session: Session) -> str:
    """CPU a turn of each part of the product, and of each service beside it."""
    out: list[str] = []
    for taken in session.taken:
        figures = taken.runs.get("product", [{}])[0]
        names = [name for name in figures if name.startswith(OF)]
        if not names:
            continue
        if not out:
            shown = " | ".join(name.removeprefix(OF) for name in names)
            out += [f"| CPU per turn, ms | {shown} |", "|---|" + "--:|" * len(names)]
        values = [_figure(taken.median("product", name), "") for name in names]
        out.append(f"| {taken.measure.about} | {' | '.join(values)} |")
    return "\n".join(out) + "\n" if out else ""


def _shares(session: Session) -> str:
    """What server, client, model server and everything else on the machine took of a core, so
    that it can be seen what was the limit."""
    out = []
    for taken in session.taken:
        for system in taken.runs:
            shares = [_share(taken, system, name) for name in _SHARES]
            if None not in shares:
                shown = " | ".join(f"{100 * (share or 0):.0f} %" for share in shares)
                out.append(f"| {taken.measure.about} | {system} | {shown} |")
    if not out:
        return ""
    head = ["| share of one core | | server | client | upstream | others |"]
    head.append("|---|---|--:|--:|--:|--:|")
    return "\n".join([*head, *out]) + "\n"


def _share(taken: Taken, system: Any, name: str) -> float | None:
    return taken.median(system, name) if name in taken.runs[system][0] else None


def _slow(found: list[Line]) -> str:
    slow = [
        f"{line.row.title} ({line.slowness:.2f} ×)"
        for line in found
        if line.slowness is not None and line.slowness > SLOW_FLOOR
    ]
    if not slow:
        return ""
    return (
        f"The floor was more than {SLOW_FLOOR - 1:.0%} slower here than when the aims were set, "
        f"in: {'; '.join(slow)}. This machine is slower or was busier: judge absolute aims by the "
        "floor beside them.\n"
    )


def _busy(session: Session) -> str:
    busy = [
        f"{taken.measure.name} ({system})"
        for taken in session.taken
        for system in taken.runs
        if (_share(taken, system, "others_cpu") or 0.0) > BUSY
    ]
    if not busy:
        return ""
    return f"Other work took more than {BUSY:.0%} of a core during: {', '.join(busy)}.\n"


def record(session: Session) -> dict[str, Any]:
    """Everything, for programs."""
    return {
        "date": session.date,
        "command": session.command,
        "commit": session.commit,
        "machine": asdict(session.machine),
        "runs": {taken.measure.name: taken.runs for taken in session.taken},
        "rows": [
            {
                "title": line.row.title,
                "floor": line.floor,
                "product": line.product,
                "ratio": line.ratio,
                "aim": _aim(line.row),
                "passed": line.passed,
            }
            for line in lines(session)
        ],
    }


def put_between(page: Path, name: str, text: str) -> None:
    """Replace what the page has between the marks of this name.

    Raises:
        ValueError: it has no such marks.
    """
    begin, end = f"<!-- {name}: made by `make bench` -->\n", f"<!-- end of {name} -->\n"
    whole = page.read_text(encoding="utf-8")
    before, found, rest = whole.partition(begin)
    _, closed, after = rest.partition(end)
    if not (found and closed):
        raise ValueError(f"{page.name} has no place for {name}")
    page.write_text(f"{before}{begin}\n{text}\n{end}{after}", encoding="utf-8")
