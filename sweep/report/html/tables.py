"""The tables of a page: simulation next to theory, and sweeps side by side."""

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
    """A column, with its head and a head that neighbours share."""

    group: str
    head: str
    values: list[str]
    """A text for each row."""
    odd: frozenset[int] = frozenset()
    """Rows whose value differs by more than chance."""


@dataclass(frozen=True, kw_only=True)
class HtmlTable:
    """A table with two rows of heads."""

    caption: str
    names: list[str]
    """Heads of the rows."""
    columns: list[Column]

    @property
    def groups(self) -> list[tuple[str, list[Column]]]:
        """Shared heads, each with its columns."""
        return [
            (group, list(columns))
            for group, columns in groupby(self.columns, lambda column: column.group)
        ]


def sheet(cell_runs: Sequence[CellRun], verdict: Verdict, caption: str) -> HtmlTable:
    """A line for each cell, or for some of many: means, standard errors, exact values and z."""
    names, _ = labels([cell_run.cell for cell_run in cell_runs])
    listed = [cell_runs[i] for i in shown(len(cell_runs))]
    if len(listed) < len(cell_runs):
        caption += f". {len(listed)} of {len(cell_runs)} cells; all are in summary.csv"
    display = display_of([cell_run.cell for cell_run in cell_runs])
    columns = [
        column
        for quantity, title in TITLES.items()
        if quantity != "time" or any(_collapsed(cell_run) for cell_run in listed)
        for column in _columns(title, listed, _of(verdict.numbers, quantity), verdict.odd)
    ]
    extra = [display.extra(cell_run) for cell_run in listed]
    for head in extra[0] if extra else ():
        columns.append(Column(group="", head=head, values=[values[head] for values in extra]))
    return HtmlTable(
        caption=caption, names=[names[i] for i in shown(len(cell_runs))], columns=columns
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
    """A line for each label of a cell, with the means of each sweep (name, cells, verdict)."""
    rows: dict[str, dict[str, CellRun]] = {}
    for name, cell_runs, _ in sweeps:
        names, _ = labels([cell_run.cell for cell_run in cell_runs])
        for label, cell_run in zip(names, cell_runs, strict=True):
            rows.setdefault(label, {})[name] = cell_run
    picked = [list(rows)[i] for i in shown(len(rows))]
    if len(picked) < len(rows):
        caption += f". {len(picked)} of {len(rows)} cells"
    columns = []
    for quantity, title in TITLES.items():
        for name, cell_runs, verdict in sweeps:
            if quantity == "time" and not any(_collapsed(cell_run) for cell_run in cell_runs):
                continue
            by_cell = _of(verdict.numbers, quantity)
            values = []
            for label in picked:
                match = rows[label].get(name)
                number = None if match is None else by_cell.get(match.cell.id)
                values.append("" if number is None else _mean(number))
            if any(values):
                columns.append(Column(group=title, head=name, values=values))
    return HtmlTable(caption=caption, names=picked, columns=columns)


def _columns(
    title: str, listed: Sequence[CellRun], by_cell: Mapping[str, Number], odd: Sequence[Number]
) -> Iterator[Column]:
    """Columns of the mean, its reference and z, each if any cell has it."""
    numbers = [by_cell.get(cell_run.cell.id) for cell_run in listed]
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


def _of(numbers: Sequence[Number], quantity: str) -> dict[str, Number]:
    """Cell id -> its number for a quantity."""
    return {number.id: number for number in numbers if number.quantity == quantity}


def _mean(number: Number) -> str:
    bound = "≥ " if number.symbol.startswith("E[min") else ""
    return bound + about(number.mean, number.se, PM)


def _collapsed(cell_run: CellRun) -> float:
    """The share of runs that have collapsed; 0 if the kind does not show collapse."""
    if not display_of([cell_run.cell]).collapses:
        return 0.0
    return cell_run.run.metrics.get("collapsed/fraction", 0.0)
