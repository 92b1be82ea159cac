"""search=optuna: the best point of continuous axes, by Optuna's TPE sampler.

Each cell of the grid is the base of a study. A study is replayed from its first
trial whenever the next trials are asked for. The sampler is seeded, so equal results
lead to equal trials, and an interrupted search resumes as if it had never stopped.
Trials of the same round are chosen independently.
"""

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, NamedTuple

from sweep import metrics
from sweep.cells.cell import Cell
from sweep.config.notice import Notice
from sweep.config.schema import Settings
from sweep.config.search import Optuna
from sweep.config.validate import Choice, ConfigError
from sweep.grid import cost
from sweep.grid.expand import expand
from sweep.search.base import Load, sweep_id_of
from sweep.tracking.base import Run

if TYPE_CHECKING:
    import optuna

FILE = "optuna.json"
DIGITS = 5
"""Significant digits of a value, so that names and params show exactly what was run."""


class Trial(NamedTuple):
    """A finished trial of a study."""

    cell: Cell
    value: float
    """The metric; NaN where it does not apply."""
    point: dict[str, float]
    """Axis -> value."""


@dataclass(frozen=True, kw_only=True)
class OptunaSearch:
    """All studies of a sweep, run together."""

    bases: Sequence[Cell]
    wanted: Optuna
    seed: int
    one_round: ClassVar[bool] = False

    def sweep_id(self, name: str) -> str:
        """Hash the experiment's name, the bases of the studies, their settings and the seed."""
        studies = [[base.id for base in self.bases], self.wanted.model_dump(), self.seed]
        return sweep_id_of(name, json.dumps(studies))

    def ask(self, results: Mapping[str, float]) -> list[Cell]:
        """Return the trials to run now, given the results by cell id; none: all are finished."""
        asked = [cell for base in self.bases for cell in self._replay(base, results)[0]]
        return list(dict.fromkeys(asked))

    def value(self, cell: Cell, run: Run, load: Load) -> float:
        """Return the metric of a finished trial; NaN where it does not apply."""
        return run.metrics.get(self.wanted.metric, math.nan)

    def state(self, results: Mapping[str, float]) -> str:
        """Count the finished trials."""
        finished = sum(len(self._replay(base, results)[1]) for base in self.bases)
        return f"{finished} of {len(self.bases) * self.wanted.trials} trials"

    def plan(self, states: Mapping[str, str]) -> str:
        """List the studies, and the cost of a trial."""
        axes = ", ".join(f"{name} {r.low:g}..{r.high:g}" for name, r in self.wanted.axes)
        lines = [
            f"{self._name(base)}: {self.wanted.trials} trials of {cost.seconds(base):.1f} "
            "core seconds"
            for base in self.bases
        ]
        return "\n".join([f"{self.wanted.direction} {self.wanted.metric} over {axes}", *lines])

    def messages(self, results: Mapping[str, float]) -> list[str]:
        """Report the best trial of each study."""
        return [
            f"best    {best.cell.name}: {self.wanted.metric} {best.value:.4g}"
            + "".join(f", {k} {v:g}" for k, v in best.point.items() if k == "learning_rate")
            for base in self.bases
            if (best := self._best(base, results)) is not None
        ]

    def _name(self, base: Cell) -> str:
        """Name a study by what its trials have in common."""
        varied = {name for name, _ in self.wanted.axes}
        return base.name_without(*varied)

    def _best(self, base: Cell, results: Mapping[str, float]) -> Trial | None:
        sign = 1 if self.wanted.direction == "minimize" else -1
        trials = [t for t in self._replay(base, results)[1] if not math.isnan(t.value)]
        return min(trials, key=lambda trial: sign * trial.value, default=None)

    def save(self, results: Mapping[str, float], folder: Path) -> dict[str, float]:
        """Write every trial to optuna.json, and return the best of each study as metrics."""
        studies, metrics_of_best = [], dict[str, float]()
        for base in self.bases:
            name = self._name(base)
            trials = [
                {**point, "cell": cell.id, "value": None if math.isnan(value) else value}
                for cell, value, point in self._replay(base, results)[1]
            ]
            studies.append({"base": name, "metric": self.wanted.metric, "trials": trials})
            best = self._best(base, results)
            if best is not None:
                key = name.replace("=", "_")
                metrics_of_best[f"best_{self.wanted.metric}/{key}"] = best.value
                metrics_of_best |= {f"best_{axis}/{key}": v for axis, v in best.point.items()}
        (folder / FILE).write_text(json.dumps(studies, indent=1))
        return metrics_of_best

    def _replay(self, base: Cell, results: Mapping[str, float]) -> tuple[list[Cell], list[Trial]]:
        """Return the missing trials of the first incomplete round, and the trials before it."""
        import optuna

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        # The seed depends on the base, so that studies are sampled independently.
        digest = hashlib.sha256(f"{self.seed} {base.id}".encode()).digest()
        sampler = optuna.samplers.TPESampler(seed=int.from_bytes(digest[:4], "big"))
        study = optuna.create_study(sampler=sampler, direction=self.wanted.direction)
        finished: list[Trial] = []
        while len(finished) < self.wanted.trials:
            count = min(self.wanted.at_once, self.wanted.trials - len(finished))
            asked = [study.ask(_distributions(self.wanted)) for _ in range(count)]
            points = [{k: _short(v) for k, v in trial.params.items()} for trial in asked]
            cells = [_at(base, point) for point in points]
            if missing := [cell for cell in cells if cell.id not in results]:
                return missing, finished
            for trial, cell, point in zip(asked, cells, points, strict=True):
                value = results[cell.id]
                state = optuna.trial.TrialState.FAIL if math.isnan(value) else None
                study.tell(trial, None if state else value, state=state)
                finished.append(Trial(cell, value, point))
        return [], finished


def search(settings: Settings, text: str | None) -> tuple[OptunaSearch, list[Notice]]:
    """Return the search of the settings, and notices. Raises ConfigError."""
    wanted = settings.optuna
    assert wanted is not None
    if find_spec("optuna") is None:
        raise ConfigError(
            "search: got optuna, which is not installed; pip install 'collapse-sweep[optuna]'"
        )
    keys = {metric.key for metric in metrics.ALL if not metric.key.startswith("grid/")}
    Choice(sorted(keys)).at("optuna.metric", wanted.metric)
    axes = dict(wanted.axes)
    for name in ("S0", "temperature"):
        values = settings.grid.values(name)
        if name in axes and values is not None:
            raise ConfigError(
                f"grid.{name}: got {list(values)} together with optuna.axes.{name}; give one"
            )
    if "S0" in axes:  # both ends must be possible
        ends = (axes["S0"].low, axes["S0"].high)
        grid = settings.grid.model_copy(update={"S0": ends})
        cells, notices = expand(settings.model_copy(update={"grid": grid}), text)
        cells = cells[:: len(ends)]
    else:
        cells, notices = expand(settings, text)
    return OptunaSearch(bases=cells, wanted=wanted, seed=settings.seed), notices


def _distributions(wanted: Optuna) -> "dict[str, optuna.distributions.BaseDistribution]":
    import optuna

    return {
        name: optuna.distributions.FloatDistribution(r.low, r.high, log=r.log)
        for name, r in wanted.axes
    }


def _short(value: float) -> float:
    return float(f"{value:.{DIGITS}g}")


def _at(base: Cell, point: Mapping[str, float]) -> Cell:
    """Return the cell at a point of the axes."""
    source = replace(base.source, S0=point["S0"]) if "S0" in point else base.source
    return replace(base, source=source, kind=base.kind.moved(point))
