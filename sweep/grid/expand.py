"""From settings to the ordered cells of a sweep. Pure."""

import itertools
import math
from dataclasses import replace
from typing import Any

from sweep.cells.axes import AXES
from sweep.cells.cell import Cell
from sweep.cells.kinds import part
from sweep.config.notice import Notice
from sweep.config.schema import Settings
from sweep.config.validate import ConfigError
from sweep.grid.corpus import needs_text
from sweep.grid.memory import check_size
from sweep.models import corpus
from sweep.models.schedules import RULES, Schedule
from sweep.models.source import WITHOUT_S0, Source

TRAINS_ON_N = ("matched", "accumulate_subsample")
"""Schedules with real samples whose n is the size of the whole training set."""
LARGEST_SWEEP = 200_000
"""Most cells of one sweep."""


def expand(settings: Settings, text: str | None = None) -> tuple[list[Cell], list[Notice]]:
    """Return the cells, in the order of the axes as given, and notices for the user.

    An axis that a schedule does not use is dropped for it, and cells that are then equal appear
    once. text: the corpus, where `needs_text`; None stands for the embedded one. Raises
    ConfigError for values that are not compatible.
    """
    if needs_text(settings) and text is None:
        assert settings.corpus.path is None, "the text must be read first"
        text = corpus.embedded()
    kind = part(settings.model, "kind").from_settings
    cells: dict[Cell, None] = {}
    for name in settings.grid.schedule:
        points = _points(settings, name)
        reuses = settings.grid.reuse if name == "recent" else (False,)
        if len(cells) + len(points) * len(reuses) > LARGEST_SWEEP:
            raise ConfigError(f"grid: got over {LARGEST_SWEEP} cells; allowed: up to that many")
        for reuse in reuses:
            for point in points:
                of_schedule = {k: v for k, v in point.items() if AXES[k].of == "schedule"}
                try:
                    schedule = Schedule(name=name, reuse=reuse or None, **of_schedule)
                except ValueError as error:
                    raise ConfigError(f"grid.{error}") from None
                cell = Cell(
                    kind=kind(settings, schedule, text, point),
                    schedule=schedule,
                    source=_source(settings, point.get("S0"), text),
                    generations=settings.generations,
                    replicates=settings.replicates,
                    seed=settings.seed,
                )
                check_size(cell)
                cells[cell] = None
    return list(cells), _notices(settings, list(cells))


def _points(settings: Settings, name: str) -> list[dict[str, Any]]:
    """Values of the axes that the schedule uses, one dict per cell, in order."""
    grid = settings.grid
    axes = [axis for axis in AXES if axis in RULES[name].axes or axis in _axes_of(settings)]
    moved = [axis for axis in grid.zip if axis in axes]
    groups: list[list[dict[str, Any]]] = []
    if grid.alpha is not None:
        groups.append(_shares(settings, name))
        axes = [axis for axis in axes if axis not in ("n", "N")]
    for axis in axes:
        if axis in moved[1:]:
            continue
        together = moved if axis in moved else [axis]
        columns = [grid.values(a) or (AXES[a].default,) for a in together]
        groups.append([dict(zip(together, row, strict=True)) for row in zip(*columns, strict=True)])
    size = math.prod(len(group) for group in groups)
    if size > LARGEST_SWEEP:
        raise ConfigError(f"grid: got {size} cells; allowed: up to {LARGEST_SWEEP}")
    return [
        {axis: value for part in parts for axis, value in part.items()}
        for parts in itertools.product(*groups)
    ]


def _axes_of(settings: Settings) -> list[str]:
    """Axes that the kind of model uses, in addition to those of the schedules."""
    fixes_S0 = settings.source.family in WITHOUT_S0 and settings.grid.values("S0") is None
    return [axis for axis in settings.model_section.axes if axis != "S0" or not fixes_S0]


def _shares(settings: Settings, name: str) -> list[dict[str, Any]]:
    """n and N for each share and total; a schedule with only one of them gets the whole total."""
    points: list[dict[str, Any]] = []
    for total, alpha in itertools.product(settings.grid.total or (), settings.grid.alpha or ()):
        n = round(alpha * total)
        both = {"n": total if name in TRAINS_ON_N else n, "N": total - n}
        used = [axis for axis in ("n", "N") if axis in RULES[name].axes]
        points.append(both if len(used) == 2 else {used[0]: total})
    return points


def _source(settings: Settings, S0: float | None, text: str | None) -> Source:
    """The checked initial distribution."""
    fields = settings.source
    try:
        if text is not None:
            counts = corpus.counts_of(text)
            size = len(counts)
            source = Source(family="text", s=size, support=size, S0=S0, counts=counts)
            return replace(source, S0=None)
        source = Source(
            family=fields.family,
            s=fields.s,
            support=fields.support,
            S0=S0,
            seed=fields.seed if fields.family == "dirichlet" else None,
        )
        source.probabilities()
    except (ValueError, ArithmeticError) as error:
        section = "grid" if str(error).startswith("S0") else "source"
        raise ConfigError(f"{section}.{error}") from None
    return replace(source, S0=None) if fields.family == "uniform" else source


def _notices(settings: Settings, cells: list[Cell]) -> list[Notice]:
    """Notices, mostly about axes that were given and that some schedule does not use."""
    grid, notices = settings.grid, []
    for axis in (a for a in AXES if AXES[a].of == "schedule"):
        without = [s for s in grid.schedule if axis not in RULES[s].axes]
        if grid.values(axis) is not None and without:
            notices.append(_dropped(f"grid.{axis}", without))
    if any(
        c.schedule.name == "recent" and not c.schedule.reuse and c.schedule.K not in (None, 1)
        and c.schedule.total(1) == 1
        for c in cells
    ):  # fmt: skip
        notices.append(
            Notice(
                "",
                "recent: floor(n/K) = 1 for some cells, so generation 1 is one sample and T = 1; "
                "with K > 1 a collapse is not final, see absorption_time",
            )
        )
    without = [s for s in grid.schedule if s != "recent"]
    if any(grid.reuse) and without:
        notices.append(_dropped("grid.reuse", without))
    for other in AXES.values():
        unused = other.of != "schedule" and other.name not in settings.model_section.axes
        if unused and grid.values(other.name):
            key = f"grid.{other.name}"
            notices.append(Notice(key, f"{key} is not used by model={settings.model}: dropped"))
    if settings.source.seed != 0 and settings.source.family != "dirichlet":
        family = settings.source.family
        notices.append(
            Notice("source.seed", f"source.seed is not used by family {family}: dropped")
        )
    return notices


def _dropped(key: str, schedules: list[str]) -> Notice:
    return Notice(key, f"{key} is not used by {', '.join(schedules)}: dropped there")
