"""Simulate a cell with the statistical model; it can be resumed from its last checkpoint.

Replicates are simulated in blocks, and a block in steps of several generations, to
bound memory and the time between two checkpoints. Neither changes a bit of the result.
"""

import time
import zipfile
from collections.abc import Generator, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from sweep.cells.cell import Cell
from sweep.cells.outcome import CellProgress, Curves
from sweep.kinds.statistical import cost
from sweep.results.arrays import joined, load, save

if TYPE_CHECKING:
    from sweep.models.statistical import model as statistical

STEP_SECONDS = 0.2
"""Target time of one step."""
BLOCK_BYTES = 2**27
"""Most memory for the models of a block that has more than one run."""
STEP_GENERATIONS = 10_000
"""Most generations of one step; each needs a row in the table of draws, prepared in Python."""
CHECKPOINT_SECONDS = 20.0
"""Time between two checkpoints."""


def simulate(
    cell: Cell, folder: Path, checkpoint_seconds: float = CHECKPOINT_SECONDS
) -> Generator[CellProgress, None, Curves]:
    """Compute the curves of a cell, see `sweep.cells.outcome.Curves`, and yield its progress.

    folder: where the checkpoint of a long cell is stored; an unreadable one is ignored,
    and the cell starts again.
    """
    from sweep.models.statistical import (
        model as statistical,  # compiles on first use, so only in workers
    )

    path = folder / cell.id / "checkpoint.npz"
    finished, state, records = _load(path)
    cached: float | None = None
    last_saved = time.monotonic()
    for first, count in _blocks(cell):
        if first < sum(len(block["collapse_time"]) for block in finished):
            continue
        setting = statistical.Setting(
            schedule=cell.schedule,
            source=cell.source,
            replicates=count,
            first_replicate=first,
            seed=cell.seed,
        )
        state = state or statistical.init(setting)
        for generations in _steps(cell, count, state.m):
            if cached is None:
                cached = (first + count * state.m / cell.generations) / cell.replicates
            state, record = statistical.step(setting, state, generations)
            records.append(record)
            share = (first + count * state.m / cell.generations) / cell.replicates
            what = f"generation {state.m}/{cell.generations}"
            if count < cell.replicates:
                what += f" of runs {first}-{first + count - 1}"
            yield CellProgress(cell=cell.id, what=what, share=share, cached=cached)
            if time.monotonic() - last_saved > checkpoint_seconds:
                records = [joined(records, axis=1)]
                _save(path, finished, state, records[0])
                last_saved = time.monotonic()
        block = joined(records, axis=1)
        block["collapse_time"], block["absorption_time"] = state.collapsed_at, state.absorbed_at
        finished.append(block)
        state, records = None, []
    curves = joined(finished, axis=0)
    curves["support"] = curves["support"].astype(np.int64)
    T = curves["collapse_time"]
    curves["collapsed"] = (T[:, None] > 0) & (T[:, None] <= np.arange(1, cell.generations + 1))
    return curves


def _blocks(cell: Cell) -> Iterator[tuple[int, int]]:
    """Yield (first replicate, count) of each block, which takes about one step in total."""
    run = cell.generations * cost.generation_seconds(cell, 1)
    most = min(STEP_SECONDS / run, BLOCK_BYTES / cost.models_memory(cell))
    size = max(1, min(cell.replicates, int(most)))
    for first in range(0, cell.replicates, size):
        yield first, min(size, cell.replicates - first)


def _steps(cell: Cell, replicates: int, m: int) -> Iterator[int]:
    """Yield the number of generations of each step from generation m to the last."""
    slowest = max(cost.generation_seconds(cell, t) for t in (1, cell.generations))
    size = max(1, min(STEP_GENERATIONS, int(STEP_SECONDS / (replicates * slowest))))
    while m < cell.generations:
        yield min(size, cell.generations - m)
        m += size


def _save(path: Path, finished: list[Curves], state: "statistical.State", record: Curves) -> None:
    """Write the finished blocks (as one), and the state and record of the current block."""
    done = joined(finished, axis=0) if finished else {}
    arrays = {f"done/{k}": v for k, v in done.items()}
    arrays |= {f"state/{k}": np.asarray(v) for k, v in asdict(state).items()}
    arrays |= {f"record/{k}": v for k, v in record.items()}
    path.parent.mkdir(parents=True, exist_ok=True)
    save(path, arrays)


def _load(path: Path) -> tuple[list[Curves], "statistical.State | None", list[Curves]]:
    """Read what `_save` wrote; return no blocks, state or record if it cannot be read."""
    from sweep.models.statistical import model as statistical

    try:
        arrays = load(path)
        parts: dict[str, Curves] = {"done": {}, "state": {}, "record": {}}
        for key, value in arrays.items():
            part, name = key.split("/")
            parts[part][name] = value
        fields = parts["state"]
        state = statistical.State(m=int(fields.pop("m")), **fields)
    except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile):
        return [], None, []
    return [parts["done"]] if parts["done"] else [], state, [parts["record"]]
