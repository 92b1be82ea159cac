"""Compute a GPT cell, generation by generation; each generation can be resumed.

    R, M, C, s, E    replicates, generations, contexts, vocabulary, evaluations

The states after the last two generations are stored, with all curves so far, so
that an unreadable one costs one generation.
"""

from collections.abc import Generator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sweep.cells.cell import Cell
from sweep.cells.outcome import CellProgress, Curves
from sweep.grid import corpus
from sweep.kinds.gpt.summary import stopped
from sweep.models.gpt.config import Recipe
from sweep.models.gpt.data_parallel import DataParallelGroup
from sweep.models.gpt.device import Device, deterministic
from sweep.models.recursion import loop, reference
from sweep.models.recursion.checkpoint_store import MissingCheckpointError
from sweep.models.recursion.loop import Record, State
from sweep.models.recursion.reference import Reference
from sweep.models.recursion.resume import Progress as Part
from sweep.models.recursion.setting import Setting
from sweep.trial.disk_checkpoints import DiskCheckpoints

STATE = "state-{}"
"""Name of the checkpoint after a generation."""


def recurse(
    cell: Cell,
    recipe: Recipe,
    folder: Path,
    shared: Path,
    checkpoint_seconds: float,
    place: Device,
    team: DataParallelGroup | None = None,
) -> Generator[CellProgress, None, Curves]:
    """Compute the curves of a GPT cell. Each is named like its metric and has shape (R, M), except

    laws (R, M, C, s): next-token distributions, float32;  truth/laws (C, s): those of p(0)
    retrained (R, C, s): those of p(1) trained with another seed, where that is measured
    deviation/retrained (R,): L1 distance of p(1) from its retrained copy
    samples (R, M): text;  loss_curve/step, and in nats loss_curve/val, loss_curve/train (R, M, E)
    truth/NAME (): a metric at p(0);  collapse_time, absorption_time (R,): generations

    A run has collapsed when its text is a single repeated token. checkpoint_seconds: time
    between two checkpoints within a generation. Raises MissingCheckpointError if a model that is
    needed cannot be read, and is missing again after it was trained again.
    """
    checkpoints = DiskCheckpoints(
        folder / cell.id, shared, owner=cell.id, machine=place.fingerprint
    )
    setting = Setting(
        schedule=cell.schedule,
        recipe=recipe,
        text=corpus.find(shared, recipe.digest),
        replicates=cell.replicates,
        seed=cell.seed,
        device=place,
        every=checkpoint_seconds,
        team=team,
    )
    with deterministic(place):
        lost: set[int] = set()
        while True:
            try:
                return (yield from _run(cell, setting, checkpoints))
            except MissingCheckpointError as missing:
                if missing.t in lost:
                    raise
                lost.add(missing.t)
                # Return to before it; what was drawn from it is then drawn again, with equal bits.
                for m in range(missing.t, cell.generations + 1):
                    checkpoints.remove(STATE.format(m))
                    for r in range(cell.replicates):
                        checkpoints.remove(f"model-{r}-{m}")


def _run(
    cell: Cell, setting: Setting, checkpoints: DiskCheckpoints
) -> Generator[CellProgress, None, Curves]:
    """Run from the last stored generation to the end of the cell."""
    reporter = _ProgressReporter(cell, reference.trainings(setting), checkpoints)
    base = yield from reporter.follow(reference.prepare(setting, checkpoints), 0)
    state, curves = _resumed(cell, checkpoints)
    stop_below = setting.recipe.measure.stop_below
    while state.m < cell.generations and not (state.m and stopped(stop_below, curves)):
        m = state.m + 1
        work = loop.step(setting, base, state, checkpoints)
        state, record = yield from reporter.follow(work, m)
        curves = _longer(curves, record)
        checkpoints.save(STATE.format(m), curves | {"state/first": state.first})
        checkpoints.remove(STATE.format(m - 2))
        yield reporter.progress(m, 1.0, curves=_finished(curves, base))
    return _finished(curves, base)


def _resumed(cell: Cell, checkpoints: DiskCheckpoints) -> tuple[State, dict[str, NDArray[Any]]]:
    """Return the last readable state and the curves up to it; without one, the initial state."""
    for m in range(cell.generations, 0, -1):
        saved = checkpoints.load(STATE.format(m))
        if saved is None:
            continue
        first = saved.pop("state/first", None)
        if first is not None and saved["sigma"].shape == (cell.replicates, m):
            return State(m=m, first=first), saved
    return State(m=0, first=np.empty((cell.replicates, 0, 0))), {}


def _longer(curves: dict[str, NDArray[Any]], record: Record) -> dict[str, NDArray[Any]]:
    """Append one generation to the curves, along their second axis."""
    new = {name: np.asarray(value)[:, None] for name, value in record.items()}
    return {
        name: np.concatenate([curves[name], value], axis=1) if curves else value
        for name, value in new.items()
    }


def _finished(curves: dict[str, NDArray[Any]], base: Reference) -> Curves:
    """Add the curves that derive from others, and those of p(0)."""
    single = curves["support"] == 1
    T = np.where(single.any(axis=1), single.argmax(axis=1) + 1, 0)
    m = np.arange(1, single.shape[1] + 1)
    finished = curves | {
        "collapse_time": T,
        "absorption_time": np.zeros_like(T),
        "collapsed": (T[:, None] > 0) & (T[:, None] <= m),
        "truth/laws": base.next_token_probs.astype(np.float32),
    }
    if base.retrained is not None:
        finished["retrained"] = base.retrained.astype(np.float32)
        apart = curves["laws"][:, 0].astype(np.float64) - base.retrained
        finished["deviation/retrained"] = np.abs(apart).sum(axis=2).mean(axis=1)
    return finished | {f"truth/{name}": np.array(value) for name, value in base.record.items()}


class _ProgressReporter:
    """Converts the progress of p(0), p(1) and the generations into that of the cell.

    The unit is one training. p(1) is trained before generation 1, which measures it.
    """

    def __init__(self, cell: Cell, trainings: int, checkpoints: DiskCheckpoints) -> None:
        self._cell, self._checkpoints = cell, checkpoints
        R, M = cell.replicates, cell.generations
        ends = [trainings, *(trainings + R * (loop.MEASURING + m) for m in range(M))]
        self._ends = [end / ends[-1] for end in ends]
        self._made = 0.0
        self._last = (-1, "", 0.0)

    def follow(
        self, work: Generator[Part, None, Any], m: int
    ) -> Generator[CellProgress, None, Any]:
        """Do the work of generation m, or of p(0) and p(1) for m = 0, and return its result."""
        while True:
            try:
                part = next(work)
            except StopIteration as end:
                return end.value
            yield self.progress(m, min(part.share, 1.0), part.what)

    def progress(
        self, m: int, share: float, what: str = "", curves: Curves | None = None
    ) -> CellProgress:
        """Return the progress of the cell when this share of generation m is done."""
        begun = self._ends[m - 1] if m else 0.0
        done = begun + share * (self._ends[m] - begun)
        # A step to another piece is not counted: some pieces may have been cached.
        if self._last[:2] == (m, what):
            self._made += max(0.0, done - self._last[2])
        self._last = (m, what, done)
        notes = tuple(self._checkpoints.refused)
        self._checkpoints.refused.clear()
        name = f"generation {m}/{self._cell.generations}" if m else "p(0) and p(1)"
        return CellProgress(
            cell=self._cell.id,
            what=what if what.startswith("waits") else name,
            share=done,
            cached=max(0.0, done - self._made),
            curves=curves,
            notes=notes,
        )
