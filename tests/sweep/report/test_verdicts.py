"""What is said of simulation against theory: recomputed from curves, and made wrong on purpose."""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from sweep.report import numbers, verdicts
from sweep.report.cell_runs import CellRun
from sweep.report.html.tables import sheet, side_by_side
from sweep.results import arrays
from sweep.results.theory import theory_of
from sweep.tracking.folder_tracker import FolderTracker
from tests.helpers.gpt_cells import TINY
from tests.helpers.jobs import ran


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> tuple[FolderTracker, list[CellRun]]:
    """Cells that have all collapsed, partly, and not at all by generation 200."""
    folder = tmp_path_factory.mktemp("full")
    return ran(
        folder, "+experiment=full", "grid.schedule=[full,partial]", "grid.n=[5,100,400]",
        "generations=200", "replicates=150",
    )  # fmt: skip


def test_numbers_are_those_of_the_stored_curves(
    full: tuple[FolderTracker, list[CellRun]], tmp_path: Path
) -> None:
    tracker, entries = full
    found = verdicts.numbers(entries)
    seen = set()
    for entry in entries:
        curves = arrays.load(tracker.download_artifact(entry.run.id, entry.run.curves, tmp_path))
        law, M, R = theory_of(entry.cell), 200, 150
        T = np.where(curves["collapse_time"] > 0, curves["collapse_time"], M)
        complete = (curves["collapse_time"] > 0).all()
        which = f"collapse_time/{'' if complete else 'restricted_'}exact"
        samples = {"time": (T, law.values.get(which))}
        for name in ("sigma", "deviation"):
            ends = law.curves.get(f"{name}/exact", [None])
            samples[name] = (curves[name][:, -1], ends[-1])
        for number in (number for number in found if number.id == entry.cell.id):
            values, exact = samples[number.quantity]
            assert number.mean == pytest.approx(values.mean())
            assert number.se == pytest.approx(values.std(ddof=1) / math.sqrt(R))
            assert number.exact == (None if exact is None else pytest.approx(float(exact)))
            if number.z is not None and number.exact is not None and number.se is not None:
                assert number.z == pytest.approx((values.mean() - number.exact) / number.se)
                seen.add((entry.cell.schedule.name, number.quantity, complete))
    assert seen >= {
        ("full", "deviation", True), ("full", "time", True), ("full", "sigma", False),
        ("full", "time", False), ("partial", "sigma", False), ("partial", "deviation", False),
    }  # fmt: skip


def test_simulation_agrees_with_theory(full: tuple[FolderTracker, list[CellRun]]) -> None:
    """Odds of a false failure, were the seed another: 1e-6 for means that are normal."""
    judged = [number for number in verdicts.numbers(full[1]) if number.z is not None]
    assert len(judged) >= 10
    for number in judged:
        assert abs(number.z or 0.0) < stats.t.isf(1e-6 / 2 / len(judged), number.freedom), number
    verdict = verdicts.judge(full[1])
    assert verdict.odd == []
    assert verdict.overall[0].startswith(f"Theory: {len(judged)} of {len(judged)} agree: ")


def test_no_z_where_a_mean_cannot_be_normal(full: tuple[FolderTracker, list[CellRun]]) -> None:
    by = {(n.cell, n.quantity): n for n in verdicts.numbers(full[1])}
    absorbed = by["full n=5", "sigma"]  # 1 in every run
    assert (absorbed.mean, absorbed.se, absorbed.z) == (1.0, 0.0, None)
    assert "no z" in verdicts.line(absorbed)
    untouched = by["full n=400", "time"]  # no run has collapsed
    assert untouched.z is None
    assert untouched.symbol == "E[min(T, 200)]"
    few = replace(absorbed, se=1e-4, normal=False)
    assert few.z is None


def test_a_wrong_law_is_told(full: tuple[FolderTracker, list[CellRun]]) -> None:
    """The same runs against an expectation ten standard errors away."""
    entries = list(full[1])
    at = next(i for i, e in enumerate(entries) if e.cell.name.startswith("partial n=100 "))
    metrics = dict(entries[at].run.metrics)
    metrics["sigma/exact"] = metrics["sigma/mean"] + 10 * metrics["sigma/se"]
    entries[at] = replace(entries[at], run=replace(entries[at].run, metrics=metrics))
    verdict = verdicts.judge(entries)
    (odd,) = verdict.odd
    assert (odd.cell, odd.quantity) == ("partial n=100 N=100", "sigma")
    assert odd.z == pytest.approx(-10.0)
    assert "1 differs (look)" in verdict.overall[0]
    printed = verdicts.text(entries)
    assert max(map(len, printed.splitlines())) <= 80, printed
    assert "(z = -10.0)" in printed
    table = sheet(entries, verdict, "all")
    marked = [(table.names[row], column.group) for column in table.columns for row in column.odd]
    assert marked == [("partial n=100 N=100", "sigma")]


def test_the_limit_keeps_its_level_over_all_comparisons(
    full: tuple[FolderTracker, list[CellRun]],
) -> None:
    number = verdicts.numbers(full[1])[0]
    for count in (1, 7, 500):
        tail = 2 * stats.t.sf(number.limit(count), number.freedom)
        assert tail * count == pytest.approx(numbers.LEVEL)


def test_one_run_and_failed_cells_have_no_verdict(tmp_path: Path) -> None:
    _, entries = ran(tmp_path, "+experiment=smoke", "replicates=1")
    verdict = verdicts.judge(entries)
    assert verdict.overall == []
    assert all(line.endswith("(one run: no z)") for line in verdict.lines)
    assert verdicts.text(entries) == ""
    failed = [replace(e, run=replace(e.run, status="FAILED")) for e in entries]
    assert verdicts.numbers(failed) == []
    assert sheet(failed, verdicts.judge(failed), "none").columns[-1].values == ["FAILED"] * 4


def test_words_of_a_number() -> None:
    number = numbers.Number(
        id="x", cell="n=100", quantity="time", symbol="E[T]", mean=126.14, se=5.31, freedom=99,
        exact=127.98,
    )  # fmt: skip
    assert verdicts.line(number) == "n=100: E[T] = 126.1 +- 5.3, exact 128.0 (z = -0.3)"
    control = replace(number, mean=0.58, se=0.05, exact=None)
    arm = replace(
        number, cell="full", symbol="deviation_6", mean=1.12, se=0.05, exact=None, control=control
    )
    assert verdicts.line(arm) == (
        "full: deviation_6 = 1.120 +- 0.050, above the control (0.580 +- 0.050) by 0.540 (z = 7.6)"
    )
    assert verdicts.about(12345.6, 789.0) == "12346 +- 789"


@pytest.fixture(scope="module")
def gpt(tmp_path_factory: pytest.TempPathFactory) -> list[CellRun]:
    return ran(tmp_path_factory.mktemp("gpt"), *TINY, "grid.temperature=[0.8,1.0]")[1]


def test_a_gpt_is_held_against_its_control(gpt: list[CellRun]) -> None:
    by_name = {entry.cell.name.split(" ")[0] + entry.cell.name[-4:]: entry for entry in gpt}
    assert len(by_name) == len(gpt) == 6
    found = {n.id: n for n in verdicts.numbers(gpt) if n.quantity == "deviation"}
    for entry in gpt:
        number, metrics = found[entry.cell.id], entry.run.metrics
        if entry.cell.schedule.name == "real":
            assert number.control is None
            continue
        own = next(
            e.run.metrics for e in gpt
            if e.cell.schedule.name == "real"
            and e.cell.axes["temperature"] == entry.cell.axes["temperature"]
        )  # fmt: skip
        assert number.control is not None
        assert number.freedom == 19
        apart = metrics["deviation/mean"] - own["deviation/mean"]
        error = math.hypot(metrics["deviation/se_contexts"], own["deviation/se_contexts"])
        assert number.z == pytest.approx(apart / error)
    verdict = verdicts.judge(gpt)
    assert verdict.odd == []
    assert verdict.overall[0].startswith("Control: ")
    assert max(map(len, verdicts.text(gpt).splitlines())) <= 80


def test_another_size_of_the_real_sample_is_no_control(gpt: list[CellRun]) -> None:
    smaller = [
        replace(e, cell=replace(e.cell, schedule=replace(e.cell.schedule, N=45)))
        if e.cell.schedule.name == "real"
        else e
        for e in gpt
    ]
    assert all(number.control is None for number in verdicts.numbers(smaller))
    assert verdicts.judge(smaller).overall == []


def test_sweeps_side_by_side_meet_in_rows(full: tuple[FolderTracker, list[CellRun]]) -> None:
    entries = full[1]
    parts = [[e for e in entries if e.cell.schedule.name == name] for name in ("full", "partial")]
    told = [(n, p, verdicts.judge(p)) for n, p in zip("AB", parts, strict=True)]
    table = side_by_side(told, "both")
    assert table.names == ["n=5", "n=100", "n=400"]
    sigma = [c for c in table.columns if c.group == "sigma"]
    assert [c.head for c in sigma] == ["A", "B"]
    means = [n for n in told[1][2].numbers if n.quantity == "sigma"]
    assert sigma[1].values == [verdicts.about(n.mean, n.se, " ± ") for n in means]
