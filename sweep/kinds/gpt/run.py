"""Compute a GPT cell, generation by generation, resumable within each.

    R, M, C, s, E    replicates, generations, contexts, vocabulary, evaluations

After each generation the state and all curves so far are kept, two deep, so
that one that cannot be read costs one generation.
"""

from collections.abc import Generator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.gpt.config import Recipe
from models.gpt.data_parallel import DataParallelGroup
from models.gpt.device import Device, deterministic
from models.recursion import loop, reference
from models.recursion.checkpoint_store import MissingCheckpointError
from models.recursion.loop import Record, State
from models.recursion.reference import Reference
from models.recursion.resume import Progress as Part
from models.recursion.setting import Setting
from sweep.cells.cell import Cell
from sweep.cells.outcome import CellProgress, Curves
from sweep.grid import corpus
from sweep.kinds.gpt.summary import stopped
from sweep.trial.disk_checkpoints import DiskCheckpoints

STATE = "state-{}"


def recurse(
    cell: Cell,
    recipe: Recipe,
    folder: Path,
    shared: Path,
    checkpoint_seconds: float,
    place: Device,
    team: DataParallelGroup | None = None,
) -> Generator[CellProgress, None, Curves]:
    """The curves of a GPT cell, each (R, M) and named like its metric, and besides

    laws (R, M, C, s): next-token laws, float32;  truth/laws (C, s) of p(0)
    retrained (R, C, s): of p(1) trained with another seed, where that is measured, and
    deviation/retrained (R,): how far from p(1) they are
    samples (R, M): text;  loss_curve/val, loss_curve/train (R, M, E)
    truth/NAME (): a metric at p(0);  collapse_time, absorption_time (R,)

    Collapsed is a run whose text is one token over and over.
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
                # Go back to before it; what was drawn from it is then drawn again, to equal bits.
                for m in range(missing.t, cell.generations + 1):
                    checkpoints.remove(STATE.format(m))
                    for r in range(cell.replicates):
                        checkpoints.remove(f"model-{r}-{m}")


def _run(
    cell: Cell, setting: Setting, checkpoints: DiskCheckpoints
) -> Generator[CellProgress, None, Curves]:
    """From wherever the checkpoints stands to the last generation."""
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
    """The last state that can be read, and the curves up to it; else the beginning."""
    for m in range(cell.generations, 0, -1):
        saved = checkpoints.load(STATE.format(m))
        if saved is None:
            continue
        first = saved.pop("state/first", None)
        if first is not None and saved["sigma"].shape == (cell.replicates, m):
            return State(m=m, first=first), saved
    return State(m=0, first=np.empty((cell.replicates, 0, 0))), {}


def _longer(curves: dict[str, NDArray[Any]], record: Record) -> dict[str, NDArray[Any]]:
    """Curves with one generation more, along their second axis."""
    new = {name: np.asarray(value)[:, None] for name, value in record.items()}
    return {
        name: np.concatenate([curves[name], value], axis=1) if curves else value
        for name, value in new.items()
    }


def _finished(curves: dict[str, NDArray[Any]], base: Reference) -> Curves:
    """With what is derived from them, and what stands at p(0)."""
    single = curves["support"] == 1
    T = np.where(single.any(axis=1), single.argmax(axis=1) + 1, 0)
    m = np.arange(1, single.shape[1] + 1)
    finished = curves | {
        "collapse_time": T,
        "absorption_time": np.zeros_like(T),
        "collapsed": (T[:, None] > 0) & (T[:, None] <= m),
        "truth/laws": base.laws.astype(np.float32),
    }
    if base.retrained is not None:
        finished["retrained"] = base.retrained.astype(np.float32)
        apart = curves["laws"][:, 0].astype(np.float64) - base.retrained
        finished["deviation/retrained"] = np.abs(apart).sum(axis=2).mean(axis=1)
    return finished | {f"truth/{name}": np.array(value) for name, value in base.record.items()}


class _ProgressReporter:
    """Tells the work of p(0), p(1) and the generations as progress of a cell.

    A training counts 1. p(1) is trained before generation 1, which measures it.
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
        """The same work, that of generation m; 0: of p(0) and p(1)."""
        while True:
            try:
                part = next(work)
            except StopIteration as end:
                return end.value
            yield self.progress(m, min(part.share, 1.0), part.what)

    def progress(
        self, m: int, share: float, what: str = "", curves: Curves | None = None
    ) -> CellProgress:
        begun = self._ends[m - 1] if m else 0.0
        done = begun + share * (self._ends[m] - begun)
        if self._last[:2] == (m, what):  # from one piece to another, some may have been there
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
