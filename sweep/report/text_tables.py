"""Tables of the results of a sweep: for an 80-column terminal, in Markdown and as CSV."""

import csv
import io
from collections.abc import Iterable, Sequence

from sweep.cells.labels import labels
from sweep.cells.thinning import MOST_ROWS, shown
from sweep.columns import aligned
from sweep.report.cell_runs import CellRun
from sweep.report.display import display_of


def row_of(run: CellRun, heads: Sequence[str]) -> dict[str, str]:
    """A line of the table as text, by column, without the name of the cell."""
    if run.run.status != "FINISHED":
        return dict.fromkeys(heads[1:], "") | {heads[1]: run.run.status}
    shown = display_of([run.cell]).row(run)
    return {head: shown.get(head, "-") for head in heads[1:]}


def text(cell_runs: Sequence[CellRun], width: int = 80) -> str:
    """The table for the terminal, at most `width` columns wide."""
    shared, rows = _rows(cell_runs)
    lines = [f"In every cell: {shared}"] if shared else []
    widths = [max(len(row[k]) for row in rows) for k in range(len(rows[0]))]
    spare = width - sum(widths[1:]) - 2 * (len(widths) - 1)
    widths[0] = min(widths[0], max(spare, 8))
    names = [row[0] if len(row[0]) <= widths[0] else ".." + row[0][2 - widths[0] :] for row in rows]
    heads, *body = aligned(
        [[name, *row[1:]] for name, row in zip(names, rows, strict=True)], widths
    )
    rule = "-" * min(width, sum(widths) + 2 * (len(widths) - 1))
    lines += [heads, rule, *body]
    return "\n".join([*lines, *_cut(len(rows) - 1, len(cell_runs))])


def markdown(cell_runs: Sequence[CellRun], most: int) -> str:
    """The table in Markdown, of at most `most` cells.

    Columns are set apart by wide spaces, since MLflow drops all style.
    """
    shared, rows = _rows(cell_runs, most)
    lines = [f"In every cell: {shared}", ""] if shared else []
    body = ["| " + " | &emsp;".join(row) + " |" for row in rows]
    lines += [body[0], "|" + "---|" * len(rows[0]), *body[1:]]
    cut = _cut(len(rows) - 1, len(cell_runs))
    return "\n".join([*lines, *([""] if cut else []), *cut])


def _rows(cell_runs: Sequence[CellRun], most: int = MOST_ROWS) -> tuple[str, list[list[str]]]:
    """What all cells share, and the table of the cells that are shown, heads first."""
    cells = [cell_run.cell for cell_run in cell_runs]
    names, shared = labels(cells)
    horizons = sorted({cell.generations for cell in cells})
    heads = display_of(cells).columns
    rows = [list(heads)]
    for i in shown(len(cell_runs), most):
        rows.append([names[i], *row_of(cell_runs[i], heads).values()])
    rows[0][1] += f"_{horizons[0]}" if len(horizons) == 1 else "_M"
    return shared, rows


def _cut(visible: int, count: int) -> list[str]:
    cut = f"{visible} of {count} cells shown; all are in summary.csv"
    return [cut] if visible < count else []


def csv_text(cell_runs: Sequence[CellRun]) -> str:
    """All cells with their parameters, status and last metrics, a line each."""
    params = _union(cell_run.run.params for cell_run in cell_runs)
    metrics = _union(
        [key for key in cell_run.run.metrics if not key.startswith("grid/")]
        for cell_run in cell_runs
    )
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow([*params, "status", *metrics])
    for cell_run in cell_runs:
        writer.writerow(
            [
                *(cell_run.run.params.get(key, "") for key in params),
                cell_run.run.status,
                *(cell_run.run.metrics.get(key, "") for key in metrics),
            ]
        )
    return buffer.getvalue()


def _union(names: Iterable[Iterable[str]]) -> list[str]:
    ordered: dict[str, None] = {}
    for group in names:
        ordered |= dict.fromkeys(sorted(group))
    return list(ordered)
