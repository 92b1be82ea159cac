"""search=threshold: the largest harmless n of each problem, from runs and from theory.

A problem is a cell without its n, with a level and a generation m. Its probes are
ordinary cells. The results of all problems go to threshold.json, the source of
tables and figures.
"""

import contextlib
import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from sweep.cells.axes import AXES
from sweep.cells.cell import Cell
from sweep.config.notice import Notice
from sweep.config.schema import Settings
from sweep.config.validate import ConfigError
from sweep.grid import cost
from sweep.grid.expand import expand
from sweep.grid.memory import check_size
from sweep.models.schedules import RULES
from sweep.models.theory import threshold
from sweep.search import bracketing, criteria, threshold_result
from sweep.search.base import Load, sweep_id_of
from sweep.search.bracketing import Probe, Rules, Value
from sweep.search.threshold_result import (
    ExactValue,
    ProbeResult,
    ThresholdResult,
    ThresholdTheory,
)
from sweep.tracking.base import Run

CAP_RATIO = 10
"""Default cap, divided by N."""
CAP = 1000
"""Default cap without N."""
SHARE = 10
"""Default budget: the runs of every n up to the cap, divided by this."""


@dataclass(frozen=True, kw_only=True)
class Problem:
    """A question: up to which n is this harmless?"""

    cell: Cell
    """The cell with the smallest n, and generations m."""
    criterion: str
    rules: Rules

    @property
    def name(self) -> str:
        """Readable name, as in `partial N=100 S0=0.1 m=10 deviation < 0.2`."""
        parts = [self.cell.name_without("n")]
        if not self.cell.kind.trains_network:  # a network has that of its text
            parts.append(f"support={self.cell.source.support}")
        return f"{' '.join(parts)} m={self.cell.generations}"

    def replay(self, results: Mapping[str, Value]) -> tuple[list[Probe], dict[Probe, Value]]:
        """Return the probes to run now, and the results that count; results: by cell id."""
        return bracketing.replay(self.rules, lambda probe: results.get(self.probe(probe).id))

    def probe(self, probe: Probe) -> Cell:
        """Return the cell of a probe."""
        schedule = replace(self.cell.schedule, n=probe.n)
        return replace(self.cell, schedule=schedule, replicates=probe.R)


@dataclass(frozen=True, kw_only=True)
class ThresholdSearch:
    """All problems of a sweep, solved together."""

    problems: Sequence[Problem]
    one_round: ClassVar[bool] = False

    def sweep_id(self, name: str) -> str:
        """Hash the experiment's name, and the problems with their rules."""
        questions = [[p.cell.id, p.criterion, asdict(p.rules)] for p in self.problems]
        return sweep_id_of(name, json.dumps(questions))

    def ask(self, results: Mapping[str, Value]) -> list[Cell]:
        """Return the cells to run now, given the results by cell id; none: it is finished."""
        asked = [p.probe(probe) for p in self.problems for probe in p.replay(results)[0]]
        return list(dict.fromkeys(asked))

    def value(self, cell: Cell, run: Run, load: Load) -> Value:
        """Return the criterion of a finished cell, summed up over its runs."""
        criterion = self.problems[0].criterion
        return summed(criteria.values(criterion, cell, load([criteria.CURVE[criterion]])))

    def state(self, results: Mapping[str, Value]) -> str:
        """Count the answers."""
        answered = sum(not problem.replay(results)[0] for problem in self.problems)
        return f"{answered} of {len(self.problems)} answers"

    def messages(self, results: Mapping[str, Value]) -> list[str]:
        """Suggest a larger budget where it would narrow answers."""
        answers = [(p, bracketing.answer(p.rules, p.replay(results)[1])) for p in self.problems]
        short = [p for p, answer in answers if answer.ended == "budget"]
        if not short:
            return []
        most = max(p.rules.budget for p in short)
        return [
            f"{len(short)} of {len(answers)} answers ended with their budget; narrower: "
            f"threshold.budget={4 * most}"
        ]

    def plan(self, states: Mapping[str, str]) -> str:
        """List the questions, and the most that they can cost."""
        rows = [("question", "n", "runs, at most", "core seconds")]
        for problem in self.problems:
            rules = problem.rules
            seconds = cost.seconds(problem.probe(Probe(rules.cap, rules.budget)))
            name = f"{problem.name} {problem.criterion} < {rules.level:g}"
            rows.append(
                (name, f"{rules.first}..{rules.cap}", f"{rules.budget:,}", f"{seconds:.1f}")
            )
        widths = [max(len(row[k]) for row in rows) for k in range(4)]
        lines = [
            "  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])])
            for row in rows
        ]
        note = "probes are chosen round by round; finished probes are never rerun"
        return "\n".join([*lines, note])

    def save(self, results: Mapping[str, Value], folder: Path) -> dict[str, float]:
        """Compute theory, which can take minutes, write threshold.json, and return metrics."""
        shared: dict[str, Callable[[int], float] | None] = {}
        answers = [result_of(problem, results, shared) for problem in self.problems]
        threshold_result.write(answers, folder / threshold_result.FILE)
        return _metrics(answers)


def summed(criterion: NDArray[np.float64]) -> Value:
    """Sum up the runs of a probe; shape (R,)."""
    _, times = np.unique(criterion, return_counts=True)
    unlike = len(criterion) - int(times.max())
    return Value(float(criterion.mean()), float(criterion.std(ddof=1)), unlike)


def search(settings: Settings, text: str | None) -> tuple[ThresholdSearch, list[Notice]]:
    """Return the search of the settings, and notices. Raises ConfigError."""
    wanted = settings.threshold
    assert wanted is not None
    _refuse(settings)
    problems: dict[str, Problem] = {}
    notices: dict[Notice, None] = {}
    for support in wanted.support or (settings.source.support,):
        for m in wanted.m or (settings.generations,):
            cells, about_cells = expand(_with_n(settings, support, m), text)
            notices |= dict.fromkeys(about_cells)
            for cell in cells:
                for level in wanted.level:
                    problem = _problem(settings, cell, level)
                    problems[f"{cell.id} {level}"] = problem
    return ThresholdSearch(problems=list(problems.values())), list(notices)


def _with_n(settings: Settings, support: int, m: int) -> Settings:
    """Return the settings with the smallest n that is possible in all cells."""
    least = settings.model_section.least_n
    if "recent" in settings.grid.schedule:
        least = max(least, *(settings.grid.values("K") or (int(AXES["K"].default),)))
    start = settings.threshold.start if settings.threshold else None
    if start is not None and start < least:
        raise ConfigError(
            f"threshold.start: got {start}; allowed: from {least}, the smallest n that all cells "
            "can have"
        )
    return settings.model_copy(
        update={
            "grid": settings.grid.model_copy(update={"n": (start or least,)}),
            "source": settings.source.model_copy(update={"support": support}),
            "generations": m,
        }
    )


def _problem(settings: Settings, cell: Cell, level: float) -> Problem:
    wanted = settings.threshold
    assert wanted is not None
    first = cell.schedule.n or 1
    cap = wanted.cap or (CAP_RATIO * cell.schedule.N if cell.schedule.N else CAP)
    if cap < first:
        key = "threshold.cap" if wanted.cap else "threshold.start"
        raise ConfigError(
            f"{key}: the cap is {cap}, and the smallest n {first}; allowed: a cap (10 N unless "
            "threshold.cap says otherwise) of at least the smallest n"
        )
    if wanted.budget is not None and wanted.budget < cell.replicates:
        raise ConfigError(
            f"threshold.budget: got {wanted.budget}; allowed: from replicates, {cell.replicates}, "
            "the runs of one probe"
        )
    budget = wanted.budget or max(cell.replicates, (cap - first + 1) * cell.replicates // SHARE)
    problem = Problem(
        cell=cell,
        criterion=wanted.criterion,
        rules=Rules(
            level=level,
            first=first,
            cap=cap,
            replicates=cell.replicates,
            confidence=wanted.confidence,
            zone=wanted.zone,
            budget=budget,
            at_once=wanted.at_once,
            resolution=wanted.resolution,
            re_entry=wanted.re_entry,
            top=criteria.top(wanted.criterion, cell),
            share=wanted.criterion == "collapsed",
        ),
    )
    try:
        check_size(problem.probe(Probe(cap, budget)))
    except ConfigError as error:
        raise ConfigError(
            f"threshold.budget: {budget} runs at n = {cap} are too many for one cell ({error}); "
            "give a smaller budget, cap or m"
        ) from None
    return problem


def _refuse(settings: Settings) -> None:
    """Raise ConfigError for settings that a threshold search cannot use."""
    grid, wanted = settings.grid, settings.threshold
    axis = next((a for a in ("n", "alpha", "total", "zip") if getattr(grid, a)), None)
    if axis:
        raise ConfigError(
            f"grid.{axis}: got {list(getattr(grid, axis))} with search=threshold, which finds "
            f"n; write grid.{axis}=null, and threshold.start and threshold.cap for its range"
        )
    without = [s for s in grid.schedule if "n" not in RULES[s].axes or s == "matched"]
    if without:
        usable = [s for s in RULES if "n" in RULES[s].axes and s != "matched"]
        raise ConfigError(
            f"grid.schedule: got {without[0]!r} with search=threshold; allowed: "
            f"{', '.join(usable)}, whose n is free"
        )
    assert wanted is not None
    settings.model_section.check_threshold(wanted.criterion)
    if settings.replicates < 2:
        raise ConfigError(
            "replicates: got 1 with search=threshold; allowed: from 2, the first runs of each n, "
            "whose spread determines the confidence of an answer"
        )
    if wanted.m and min(wanted.m) < 2:
        raise ConfigError("threshold.m: got 1; allowed: from 2, since p(1) is the same for all n")


def result_of(
    problem: Problem,
    results: Mapping[str, Value],
    shared: dict[str, Callable[[int], float] | None],
) -> ThresholdResult:
    """Derive the answer to a problem from runs and from theory.

    shared: cell id -> exact criterion, a cache, since several levels use the same values.
    """
    rules, cell = problem.rules, problem.cell
    _, values = problem.replay(results)
    pooled = bracketing.pooled(values)
    return ThresholdResult(
        name=problem.name,
        model=cell.kind.model,
        schedule=cell.schedule.name,
        criterion=problem.criterion,
        level=rules.level,
        m=cell.generations,
        N=cell.schedule.N,
        K=cell.schedule.K,
        S0=cell.source.concentration,
        s=cell.source.s,
        support=cell.source.support,
        first=rules.first,
        cap=rules.cap,
        confidence=rules.confidence,
        zone=rules.zone,
        bracket=bracketing.answer(rules, values),
        grid_replicates=(rules.cap - rules.first + 1) * rules.replicates,
        probes=tuple(
            ProbeResult(
                *probe, value.mean, value.sd, *bracketing.interval(rules, probe, value, pooled)
            )
            for probe, value in sorted(values.items())
        ),
        theory=_theory(problem, values, shared),
    )


def _theory(
    problem: Problem,
    probes: Collection[Probe],
    shared: dict[str, Callable[[int], float] | None],
) -> ThresholdTheory:
    """Derive the theory of a problem."""
    rules, cell = problem.rules, problem.cell
    theory = ThresholdTheory()
    if cell.id not in shared:
        shared[cell.id] = cell.kind.expectation(problem.criterion, cell)
    expectation = shared[cell.id]
    if expectation is not None:
        below = cell.kind.surely_below(problem.criterion, cell, rules.level)
        try:
            crossing = threshold.first_crossing(
                expectation, level=rules.level, first=rules.first, cap=rules.cap, below=below,
                beyond=rules.re_entry,
            )  # fmt: skip
            theory = replace(theory, exact=crossing)
        except ValueError as error:
            theory = replace(theory, exact_missing=str(error))
        values = []
        for n in sorted({probe.n for probe in probes}):
            with contextlib.suppress(ValueError):  # too expensive
                values.append(ExactValue(n, expectation(n)))
        theory = replace(theory, exact_values=tuple(values))
    forms = cell.kind.closed_forms(problem.criterion, cell, rules.level, rules.cap)
    return replace(theory, normal=forms.get("normal"), paper=forms.get("paper"))


def _metrics(results: Sequence[ThresholdResult]) -> dict[str, float]:
    """Return the answers as metrics of the sweep's run; MLflow allows no equals sign in names."""
    metrics = {
        "search/probes": float(sum(result.bracket.probes for result in results)),
        "search/replicates": float(sum(result.bracket.replicates for result in results)),
        "search/grid_replicates": float(sum(result.grid_replicates for result in results)),
    }
    for result in results:
        name = f"{result.name} level={result.level:g}".replace("=", "_")
        bracket, exact = result.bracket, result.theory.exact
        ends = {"high": bracket.high}
        if result.has_lower_end:
            ends = {"low": bracket.low, **ends}
            if bracket.estimate is not None:
                ends["estimate"] = bracket.estimate
        metrics |= {f"harmless_n_{end}/{name}": float(n) for end, n in ends.items()}
        if exact is not None and exact.n >= (result.first if result.first > 1 else 0):
            metrics[f"harmless_n_exact/{name}"] = float(exact.n)
    return metrics
