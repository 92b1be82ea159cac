"""The tables of a page: simulation beside theory, and sweeps beside each other."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from sweep.cells.labels import labels
from sweep.cells.thinning import shown
from sweep.report.cell_runs import CellRun
from sweep.report.display import display_of
from sweep.report.numbers import Number
from sweep.report.verdicts import Verdict, about, rounded
from sweep.search import threshold_table
from sweep.search.threshold_result import ThresholdResult

PM = " ± "
TITLES = {"sigma": "sigma", "deviation": "deviation", "time": "E[T]"}


@dataclass(frozen=True, kw_only=True)
class Column:
    """One column, with a head of its own and one that neighbours share."""

    group: str
    head: str
    values: list[str]
    """One text a row."""
    odd: frozenset[int] = frozenset()
    """Rows whose value is more than chance gives."""


@dataclass(frozen=True, kw_only=True)
class HtmlTable:
    """A table with two rows of heads."""

    caption: str
    names: list[str]
    """Heads of the rows."""
    columns: list[Column]

    @property
    def groups(self) -> list[tuple[str, list[Column]]]:
        """Shared heads, and the columns that each stands over."""
        return [(group, list(own)) for group, own in groupby(self.columns, lambda c: c.group)]


def sheet(entries: Sequence[CellRun], verdict: Verdict, caption: str) -> HtmlTable:
    """A line for each cell, or for some of many: means, standard errors, exact values and z."""
    names, _ = labels([entry.cell for entry in entries])
    listed = [entries[i] for i in shown(len(entries))]
    if len(listed) < len(entries):
        caption += f". {len(listed)} of {len(entries)} cells; all are in summary.csv"
    display = display_of([entry.cell for entry in entries])
    columns = [
        column
        for quantity, title in TITLES.items()
        if quantity != "time" or any(_collapsed(entry) for entry in listed)
        for column in _columns(title, listed, _of(verdict.numbers, quantity), verdict.odd)
    ]
    extra = [display.extra(entry) for entry in listed]
    for head in extra[0] if extra else ():
        columns.append(Column(group="", head=head, values=[values[head] for values in extra]))
    return HtmlTable(
        caption=caption, names=[names[i] for i in shown(len(entries))], columns=columns
    )


def of_answers(answers: Sequence[ThresholdResult]) -> HtmlTable:
    """A line for each answer of a threshold search."""
    heads, *rows = threshold_table.sheet(answers)
    columns = [
        Column(group="", head=head, values=[row[k] for row in rows])
        for k, head in enumerate(heads)
        if k
    ]
    return HtmlTable(
        caption=f"n* of {threshold_table.shared(answers)}",
        names=[row[0] for row in rows],
        columns=columns,
    )


def side_by_side(
    sweeps: Sequence[tuple[str, Sequence[CellRun], Verdict]], caption: str
) -> HtmlTable:
    """A line for each label of a cell, and for each sweep (name, cells, verdict) its means."""
    rows: dict[str, dict[str, CellRun]] = {}
    for name, entries, _ in sweeps:
        for label, entry in zip(labels([e.cell for e in entries])[0], entries, strict=True):
            rows.setdefault(label, {})[name] = entry
    picked = [list(rows)[i] for i in shown(len(rows))]
    if len(picked) < len(rows):
        caption += f". {len(picked)} of {len(rows)} cells"
    columns = []
    for quantity, title in TITLES.items():
        for name, entries, verdict in sweeps:
            if quantity == "time" and not any(_collapsed(entry) for entry in entries):
                continue
            own = _of(verdict.numbers, quantity)
            values = []
            for label in picked:
                found = rows[label].get(name)
                number = None if found is None else own.get(found.cell.id)
                values.append("" if number is None else _mean(number))
            if any(values):
                columns.append(Column(group=title, head=name, values=values))
    return HtmlTable(caption=caption, names=picked, columns=columns)


def _columns(
    title: str, listed: Sequence[CellRun], own: Mapping[str, Number], odd: Sequence[Number]
) -> Iterator[Column]:
    """Mean, what it is compared with, and z, each where any cell has it."""
    numbers = [own.get(entry.cell.id) for entry in listed]
    there = [number for number in numbers if number is not None]
    if not there:
        return
    head = f"mean{PM}s.e." if any(number.se for number in there) else "mean"
    means = ["" if number is None else _mean(number) for number in numbers]
    yield Column(group=title, head=head, values=means)
    if any(number.reference is not None for number in there):
        references = [
            ""
            if number is None or number.reference is None
            else rounded(number.reference, number.se)
            for number in numbers
        ]
        control = any(number.control is not None for number in there)
        yield Column(group=title, head="control" if control else "exact", values=references)
    if any(number.z is not None for number in there):
        scores = [
            "" if number is None or number.z is None else f"{number.z:z.1f}".replace("-", "−")
            for number in numbers
        ]
        marked = frozenset(k for k, number in enumerate(numbers) if number in odd)
        yield Column(group=title, head="z", values=scores, odd=marked)


def _of(found: Sequence[Number], quantity: str) -> dict[str, Number]:
    """Cell id -> its number of one quantity."""
    return {number.id: number for number in found if number.quantity == quantity}


def _mean(number: Number) -> str:
    bound = "≥ " if number.symbol.startswith("E[min") else ""
    return bound + about(number.mean, number.se, PM)


def _collapsed(entry: CellRun) -> float:
    """The share of runs that have collapsed, where its kind shows collapse."""
    if not display_of([entry.cell]).collapses:
        return 0.0
    return entry.run.metrics.get("collapsed/fraction", 0.0)
