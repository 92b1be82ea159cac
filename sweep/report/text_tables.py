"""Tables: what a sweep found, for an 80-column terminal and as CSV."""

import csv
import io
from collections.abc import Iterable, Sequence

from sweep.cells.labels import labels
from sweep.cells.thinning import MOST_ROWS, shown
from sweep.report.cell_runs import CellRun

COLUMNS = ("cell", "sigma", "exact", "deviation", "collapsed", "E[T]")
GPT_COLUMNS = ("cell", "deviation", "from p(0)", "val loss", "best", "distinct 8")


def columns(entries: Sequence[CellRun]) -> tuple[str, ...]:
    """Heads of the table: those of a GPT if all cells are."""
    return GPT_COLUMNS if all(e.cell.recipe is not None for e in entries) else COLUMNS


def figures_of(entry: CellRun, heads: Sequence[str]) -> dict[str, str]:
    """One line of the table, by column, as text."""
    values, cell = entry.run.metrics, entry.cell
    if entry.run.status != "FINISHED":
        return dict.fromkeys(heads[1:], "") | {heads[1]: entry.run.status}

    def number(key: str, digits: int = 4) -> str:
        return f"{values[key]:#.{digits}g}" if key in values else "-"

    if heads == GPT_COLUMNS:
        kind = "se" if "deviation/se" in values else "se_contexts"
        error = values.get(f"deviation/{kind}", 0.0)
        return {
            "deviation": f"{number('deviation/mean', 3)} +- {error:.1g}",
            "from p(0)": number("deviation_p0/mean", 3),
            "val loss": number("loss/val"),
            "best": number("loss/val_best"),
            "distinct 8": number("distinct_n/8", 2),
        }
    kind = "" if "collapse_time/mean" in values else "restricted_"
    time = f"{values.get(f'collapse_time/{kind}mean', cell.generations):.4g}"
    if spread := values.get(f"collapse_time/{kind}std", 0.0) / cell.replicates**0.5:
        time += f" +- {spread:.2g}"
    if kind:  # runs that have not collapsed by M count as M
        time = f">= {time}"
    return {
        "sigma": number("sigma/mean"),
        "exact": number("sigma/exact"),
        "deviation": number("deviation/mean", 3),
        "collapsed": f"{values.get('collapsed/fraction', 0.0):.0%}",
        "E[T]": time,
    }


def text(entries: Sequence[CellRun], width: int = 80) -> str:
    """The table for the terminal, at most `width` columns wide."""
    shared, rows = _rows(entries)
    lines = [f"In every cell: {shared}"] if shared else []
    widths = [max(len(row[k]) for row in rows) for k in range(len(rows[0]))]
    spare = width - sum(widths[1:]) - 2 * (len(widths) - 1)
    widths[0] = min(widths[0], max(spare, 8))
    for number, row in enumerate(rows):
        name = row[0] if len(row[0]) <= widths[0] else ".." + row[0][2 - widths[0] :]
        cellstext = [name.ljust(widths[0])]
        cellstext += [value.rjust(w) for value, w in zip(row[1:], widths[1:], strict=True)]
        lines.append("  ".join(cellstext).rstrip())
        if number == 0:
            lines.append("-" * min(width, sum(widths) + 2 * (len(widths) - 1)))
    return "\n".join([*lines, *_cut(len(rows) - 1, len(entries))])


def markdown(entries: Sequence[CellRun], most: int) -> str:
    """The table for a page in Markdown, of at most so many cells.

    Wide spaces stand before the columns, since MLflow drops all style.
    """
    shared, rows = _rows(entries, most)
    lines = [f"In every cell: {shared}", ""] if shared else []
    body = ["| " + " | &emsp;".join(row) + " |" for row in rows]
    lines += [body[0], "|" + "---|" * len(rows[0]), *body[1:]]
    cut = _cut(len(rows) - 1, len(entries))
    return "\n".join([*lines, *([""] if cut else []), *cut])


def _rows(entries: Sequence[CellRun], most: int = MOST_ROWS) -> tuple[str, list[list[str]]]:
    """What all cells share, and the table, heads first, of the cells that are shown."""
    cells = [entry.cell for entry in entries]
    names, shared = labels(cells)
    horizons = sorted({cell.generations for cell in cells})
    heads = columns(entries)
    rows = [list(heads)]
    for i in shown(len(entries), most):
        rows.append([names[i], *figures_of(entries[i], heads).values()])
    rows[0][1] += f"_{horizons[0]}" if len(horizons) == 1 else "_M"
    return shared, rows


def _cut(visible: int, count: int) -> list[str]:
    cut = f"{visible} of {count} cells shown; all are in summary.csv"
    return [cut] if visible < count else []


def csv_text(entries: Sequence[CellRun]) -> str:
    """All cells with their parameters, status and last metrics, one line each."""
    params = _union(entry.run.params for entry in entries)
    metrics = _union(
        [key for key in entry.run.metrics if not key.startswith("grid/")] for entry in entries
    )
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow([*params, "status", *metrics])
    for entry in entries:
        writer.writerow(
            [
                *(entry.run.params.get(key, "") for key in params),
                entry.run.status,
                *(entry.run.metrics.get(key, "") for key in metrics),
            ]
        )
    return buffer.getvalue()


def _union(names: Iterable[Iterable[str]]) -> list[str]:
    ordered: dict[str, None] = {}
    for group in names:
        ordered |= dict.fromkeys(sorted(group))
    return list(ordered)
