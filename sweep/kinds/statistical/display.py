"""How cells of the statistical model are shown, compared with theory."""

import math
from collections.abc import Mapping, Sequence

from sweep.cells.cell import Cell
from sweep.report.cell_runs import CellRun
from sweep.report.numbers import Number

FEW = 10
"""Fewest differing runs for a z: with fewer, the mean over runs is far from normal."""
LEGEND = """sigma: mean over runs of the sum of squared probabilities; deviation: mean L1 distance
from generation 1; E[T]: mean generation of first collapse, and where some runs have not collapsed
by M that of min(T, M), after ≥; collapsed: share of runs that have been a single token. s.e.: the
standard error of the mean over runs; exact: the expectation from theory; z: their distance in
standard errors. As the standard error is estimated from the same runs, z is compared with Student's
t, for means that are about normal, at 1 in 1,000 for all comparisons together; there is no z where
all but a few runs are equal. With few runs, skewed values differ more often than that."""


class Statistical:
    """The display of statistical cells, see `sweep.report.display.Display`."""

    columns = ("cell", "sigma", "exact", "deviation", "collapsed", "E[T]")
    mlflow_columns = ("sigma/mean", "sigma/exact", "deviation/mean", "collapsed/fraction")
    legend = LEGEND
    beside = " and theory"
    collapses = True
    figure = None
    last_colours = False

    def row(self, run: CellRun) -> Mapping[str, str]:
        values, cell = run.run.metrics, run.cell

        def number(key: str, digits: int = 4) -> str:
            return f"{values[key]:#.{digits}g}" if key in values else "-"

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

    def extra(self, run: CellRun) -> Mapping[str, str]:
        done = run.run.status == "FINISHED"
        share = run.run.metrics.get("collapsed/fraction", 0.0)
        return {"collapsed": f"{share:.0%}" if done else run.run.status}

    def numbers(self, name: str, run: CellRun, runs: Sequence[CellRun]) -> list[Number]:
        return against_theory(name, run)

    def initial(self, cell: Cell) -> str:
        source = cell.source
        draw = "" if source.seed is None else f" (draw {source.seed})"
        return f"{source.family} on {source.support} of {source.s} tokens{draw}"

    def note(self, metrics: Mapping[str, float]) -> str | None:
        return None


DISPLAY = Statistical()


def against_theory(name: str, cell_run: CellRun) -> list[Number]:
    """Return sigma and deviation of the last generation, and E[T], with their exact values."""
    metrics, cell = cell_run.run.metrics, cell_run.cell
    R, M = cell.replicates, cell.generations
    collapsed = metrics.get("collapsed/fraction", 0.0)
    numbers = [
        Number(
            id=cell.id,
            cell=name,
            quantity=quantity,
            symbol=f"{quantity}_{M}",
            mean=metrics[f"{quantity}/mean"],
            se=metrics.get(f"{quantity}/se"),
            freedom=R - 1,
            exact=metrics.get(f"{quantity}/exact"),
            # sigma is 1 in every collapsed run
            normal=quantity != "sigma" or collapsed == 0 or R * (1 - collapsed) >= FEW,
        )
        for quantity in ("sigma", "deviation")
        if f"{quantity}/mean" in metrics
    ]
    censored = metrics.get("censored", 0.0)
    kind = "restricted_" if censored else ""
    if f"collapse_time/{kind}mean" in metrics:
        spread = metrics.get(f"collapse_time/{kind}std")
        numbers.append(
            Number(
                id=cell.id,
                cell=name,
                quantity="time",
                symbol=f"E[min(T, {M})]" if censored else "E[T]",
                mean=metrics[f"collapse_time/{kind}mean"],
                se=None if spread is None else spread / math.sqrt(R),
                freedom=R - 1,
                exact=metrics.get(f"collapse_time/{kind}exact"),
                normal=not censored or R - censored >= FEW,  # min(T, M) is M in the other runs
            )
        )
    return numbers
