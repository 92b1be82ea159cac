"""Every metric that is logged is described, once, and everything described is logged."""

from pathlib import Path

from sweep import metrics
from sweep.cells.cell import Cell
from sweep.grid.expand import expand
from sweep.kinds.statistical.simulate import simulate
from sweep.results import summary
from sweep.results.theory import theory_of
from tests.helpers.configs import settings
from tests.helpers.jobs import finish

SWEEPS = (
    ("+experiment=schedules", "generations=30"),
    ("+experiment=full", "grid.n=3", "generations=100"),
    ("+experiment=full", "grid.n=300"),
    ("+experiment=simplex", "generations=5"),
    ("+experiment=partial", "source.s=2", "source.support=2", "grid.S0=0.6", "grid.n=1",
     "grid.N=[100,5000]"),
)  # fmt: skip


def logged(cell: Cell) -> set[str]:
    curves, theory = finish(simulate(cell, Path("nowhere"))), theory_of(cell)
    found = [*summary.points(cell, curves, theory), *summary.totals(cell, curves, theory)]
    return {point.key for point in found}


def test_every_key_is_described_once() -> None:
    keys = [metric.key for metric in metrics.ALL]
    columns = [metrics.column(key) for key in keys]
    assert len(set(keys)) == len(keys)
    assert len(set(columns)) == len(columns)
    found: set[str] = set()
    for sweep in SWEEPS:
        cells, _ = expand(settings(*sweep, "replicates=10"))
        for cell in cells:
            found |= logged(cell)
    counted = {metric.key for metric in (*metrics.EVERY, *metrics.WHOLE)}
    assert found <= counted
    assert counted - found == {"grid/temperature"}  # of a GPT: tests/sweep/trial/test_gpt_cells.py
