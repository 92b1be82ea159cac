"""Simulate a cell with the statistical model, resumable from its last saved generation."""

import time
import zipfile
from dataclasses import asdict
from pathlib import Path

import numpy as np

from models import recursion
from sweep import spool
from sweep.grid import Cell
from sweep.summary import Curves

STEP_WORK = 2 * 10**7
"""Samples drawn in one step: about a tenth of a second."""
CHECKPOINT_SECONDS = 20.0
"""A run that lasts longer saves its state this often."""


def simulate(cell: Cell, folder: Path, checkpoint_seconds: float = CHECKPOINT_SECONDS) -> Curves:
    """The curves of a cell, see `sweep.summary.Curves`.

    `folder` holds the checkpoint of a long run; one that cannot be read is
    ignored, and the run starts anew.
    """
    from models import statistical  # compiles on first use: workers only

    setting = statistical.Setting(
        schedule=cell.schedule, source=cell.source, replicates=cell.replicates, seed=cell.seed
    )
    path = folder / cell.id / "checkpoint.npz"
    state, records = statistical.init(setting), []
    try:
        saved = spool.load(path)
        record = {name: saved.pop(name) for name in statistical.CURVES}
        state = statistical.State(m=int(saved.pop("m")), **saved)
        records.append(record)
    except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile):
        pass
    most = cell.schedule.largest_total(cell.generations)
    size = max(1, STEP_WORK // (cell.replicates * most))
    last_saved = time.monotonic()
    for generations in recursion.chunks(state.m, cell.generations, size):
        state, record = statistical.step(setting, state, generations)
        records.append(record)
        if time.monotonic() - last_saved > checkpoint_seconds and state.m < cell.generations:
            records = [_joined(records)]
            path.parent.mkdir(parents=True, exist_ok=True)
            spool.save(path, {**asdict(state), "m": np.array(state.m), **records[0]})
            last_saved = time.monotonic()
    curves = _joined(records)
    curves["support"] = curves["support"].astype(np.int64)
    T = state.collapsed_at
    generation = np.arange(1, cell.generations + 1)
    curves["collapsed"] = (T[:, None] > 0) & (T[:, None] <= generation)
    curves["collapse_time"], curves["absorption_time"] = T, state.absorbed_at
    return curves


def _joined(records: list[Curves]) -> Curves:
    return {name: np.concatenate([r[name] for r in records], axis=1) for name in records[0]}
