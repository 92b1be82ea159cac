"""Figures: from the store and from the table the same lines, whatever the cell is."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from sweep import plot
from sweep.cells import labels
from sweep.report import cell_curves, dataframe, draw
from sweep.report.cell_curves import CellCurves
from sweep.report.cell_runs import CellRun
from sweep.report.figures import axes as primitives
from sweep.report.figures.curves import MOST_POINTS, curves_figure, schedules_figure
from sweep.report.figures.gpt import gpt_figure
from sweep.report.html import charts
from sweep.report.series import BOUNDS, generations_of, series_of
from sweep.tracking.folder_tracker import FolderTracker
from tests.helpers.gpt_cells import TINY
from tests.helpers.jobs import ran
from tests.helpers.shells import sweep

Ran = tuple[FolderTracker, list[CellRun]]


def panels(made: Ran) -> list[CellCurves]:
    tracker, entries = made
    names, _ = labels.labels([entry.cell for entry in entries])
    work = dict.fromkeys(range(len(entries)), 10**8)
    stored = {*charts.NEEDED, "loss_curve/val", "loss_curve/step"}
    return list(cell_curves.load(tracker, entries, names, stored, work).values())


def table(made: Ran, *, runs: bool = False) -> pd.DataFrame:
    tracker, entries = made
    (parent,) = tracker.runs(None)
    return dataframe.table(tracker, parent, [entry.run for entry in entries], runs=runs)


def lines(figure: Figure, axes: int = 0) -> dict[str, list[tuple[Any, Any]]]:
    """Label -> x and y of each line that has it."""
    found: dict[str, list[tuple[Any, Any]]] = {}
    for line in figure.axes[axes].lines:
        found.setdefault(str(line.get_label()), []).append((line.get_xdata(), line.get_ydata()))
    return found


def names(figure: Figure) -> list[str]:
    (legend,) = figure.legends
    return [text.get_text() for text in legend.get_texts()]


@pytest.fixture(scope="module")
def statistical(tmp_path_factory: pytest.TempPathFactory) -> Ran:
    """Cells with every kind of theory: full has bounds on T, partial on the deviation."""
    return ran(
        tmp_path_factory.mktemp("cells"), "+experiment=smoke", "replicates=15",
        "source.s=4", "source.support=4", "grid.S0=0.4", "grid.N=2000", "grid.n=[2,30]",
    )  # fmt: skip


@pytest.fixture(scope="module")
def networks(tmp_path_factory: pytest.TempPathFactory) -> Ran:
    """GPTs that write the same over and over: one ends after a generation, one does not."""
    cold = (*TINY, "grid.temperature=0.02", "model.measure.tokens=450")
    return ran(
        tmp_path_factory.mktemp("networks"), *cold, "grid.schedule=[full,real]",
        "model.measure.stop_below=1",
    )  # fmt: skip


def test_the_store_and_the_table_give_the_same_lines(statistical: Ran) -> None:
    cells = panels(statistical)
    of_store = curves_figure(cells, "title", ("sigma", "deviation"))
    of_table = plot.curves(table(statistical))
    of_runs = plot.curves(table(statistical, runs=True))
    assert len(of_store.axes) == len(of_table.axes) == len(of_runs.axes) == 2 * len(cells)
    kinds = set()
    for k in range(len(of_store.axes)):
        stored, tidy, single = lines(of_store, k), lines(of_table, k), lines(of_runs, k)
        theory = stored.keys() & {name for _, _, name in primitives.THEORY.values()}
        kinds |= theory
        for name in ("mean of runs", *theory):
            for other in (tidy, single):
                for (x, y), (u, v) in zip(stored[name], other[name], strict=True):
                    np.testing.assert_array_equal(x, u)
                    np.testing.assert_allclose(y, v, rtol=1e-12, equal_nan=True)
        bands = [
            np.asarray(figure.axes[k].collections[0].get_paths()[0].vertices, dtype=float)
            for figure in (of_store, of_table, of_runs)
        ]
        np.testing.assert_allclose(bands[1], bands[0], rtol=1e-12)
        np.testing.assert_allclose(bands[2], bands[0], rtol=1e-12)
    assert kinds == {"exact", "bound", "bound, Theorem 4", "upper bound"}
    assert names(of_store) == names(of_runs) == ["each run", *names(of_table)]


def test_a_series_is_the_mean_and_spread_of_the_stored_runs(statistical: Ran) -> None:
    cell = panels(statistical)[0]
    at = generations_of(cell, 7)
    assert list(at[[0, -1]]) == [1, cell.cell.generations]
    assert len(at) == 7
    runs = cell.curves["sigma"][:, at - 1]
    made = series_of(cell, "sigma", at, spread=True)
    assert made is not None
    assert made.se is not None
    assert made.band is not None
    np.testing.assert_allclose(made.mean, runs.mean(0))
    np.testing.assert_allclose(made.se, runs.std(0, ddof=1) / 15**0.5)
    np.testing.assert_allclose(made.band[1], np.quantile(runs, 0.95, axis=0))
    collapsed = series_of(cell, "collapsed", at)
    assert collapsed is not None
    T = cell.curves["collapse_time"]
    np.testing.assert_allclose(collapsed.mean, [((T > 0) & (m >= T)).mean() for m in at])
    assert set(collapsed.bounds) == {"lower", "upper"} <= set(BOUNDS)
    assert series_of(cell, "loss/val", at) is None


def test_long_horizons_are_thinned(tmp_path: Path) -> None:
    long = ran(tmp_path, "+experiment=full", "grid.n=3", "generations=3000", "replicates=2")
    (x, _), *_ = lines(curves_figure(panels(long), "title", ("sigma",)))["mean of runs"]
    assert len(x) == MOST_POINTS
    assert (x[0], x[-1]) == (1, 3000)


def test_a_cell_that_ended_early_is_drawn_as_far_as_it_came(networks: Ran) -> None:
    cells = panels(networks)
    assert {cell.curves["sigma"].shape[1] for cell in cells} == {1}
    assert {cell.cell.generations for cell in cells} == {3}
    for figure in (schedules_figure(cells, "title"), gpt_figure(cells, "title")):
        axes = figure.axes[0]
        drawn = [line for line in axes.lines if np.size(line.get_xdata()) == 1]
        assert len(drawn) >= len(cells)
        low, high = axes.get_xlim()
        assert low < 1 < high  # not half a marker
    assert {len(cell["steps"]) for cell in charts.data([cells], [""])["cells"]} == {1}


def test_the_real_law_of_a_gpt_is_a_level_and_no_generation(networks: Ran) -> None:
    tidy = table(networks)
    assert set(tidy.generation) == {0, 1}
    figure = plot.curves(tidy, ["sigma", "deviation"])
    truth = tidy[tidy.generation == 0].sigma.iloc[0]
    drawn = lines(figure)
    ((_, level),) = drawn["p(0)"]
    np.testing.assert_array_equal(level, truth)
    assert list(drawn["mean of runs"][0][0]) == [1]
    assert names(figure) == ["mean of runs", "p(0)", "p(1), another seed"]
    assert "p(0)" in names(plot.compare(tidy, "sigma"))


def test_single_generations_stand_inside_the_axes(tmp_path: Path) -> None:
    made = ran(tmp_path, "+experiment=partial", "generations=1", "replicates=1")
    for figure in (curves_figure(panels(made), "title", ("sigma",)), plot.curves(table(made))):
        axes = figure.axes[0]
        low, high = axes.get_xlim()
        assert low < 1 < high
        figure.draw_without_rendering()
        assert [tick for tick in axes.get_xticks() if low <= tick <= high] == [1]
        assert {line.get_marker() for line in axes.lines} == {"o", "_"}


def test_the_last_generation_is_not_split_by_what_was_found(statistical: Ran) -> None:
    """The column support is a result, and differs between all cells."""
    tidy = table(statistical)
    assert tidy.groupby("cell").support.last().nunique() > tidy.schedule.nunique()
    figure = plot.last(tidy, "sigma")
    assert len(names(figure)) == tidy.schedule.nunique() + 1  # and exact


def test_cells_of_one_name_are_all_in_the_legend(statistical: Ran) -> None:
    tidy = table(statistical)
    (one, *_) = tidy.groupby("cell", sort=False).groups
    first = tidy[tidy.cell == one]
    twice = pd.concat([first, first.assign(cell="another")])
    name = first.name.iloc[0]
    assert names(plot.compare(twice)) == [name, name, "exact"]


def test_hundred_cells_look_different() -> None:
    looks = [tuple(primitives.look(k).values()) for k in range(100)]
    assert len(set(looks)) == 100
    assert looks[0] == (primitives.COLOURS[0], primitives.MARKERS[0])


def test_a_scale_is_from_zero_and_holds_all_that_share_it() -> None:
    figure = Figure()
    left, right = figure.subplots(1, 2, sharey=True)
    left.plot([1, 2], [0.4, 0.5])
    right.plot([1, 2], [0.4, 2.0])
    primitives.from_zero(left)
    assert right.get_ylim() == pytest.approx((0, 2.1))
    flat = Figure().subplots()
    flat.plot([1, 2], [0, 1e-59])
    primitives.from_zero(flat)
    assert flat.get_ylim() == (0, 1)


def test_many_cells_on_the_same_axes_are_thinned(statistical: Ran, tmp_path: Path) -> None:
    tracker, entries = statistical
    (parent,) = tracker.runs(None)
    parent = replace(parent, tags={**parent.tags, "figure": "schedules"})
    many = (entries * 10)[:50]
    drawn = draw.draw(tracker, parent, many, tmp_path)
    ((path, words),) = drawn.images
    assert path == drawn.files[0] == tmp_path / "sweep.png"
    assert "and 32 others" in words  # 8 by name, 40 in all


def test_the_users_style_of_matplotlib_is_not_used(tmp_path: Path) -> None:
    """It is read from the folder of the command; LaTeX would be needed with it."""
    (tmp_path / "matplotlibrc").write_text("text.usetex: True\n")
    done = sweep(tmp_path, "+experiment=smoke", "replicates=2", "cluster=inline", "tracking=memory")
    assert done.returncode == 0, done.stderr
    assert [*tmp_path.glob("outputs/*/smoke.png")]
