"""A GPT cell that has clearly collapsed ends there, and changes nothing for the others."""

from pathlib import Path

import numpy as np

from sweep.cells.outcome import Curves
from sweep.grid import corpus as texts
from sweep.grid.expand import expand
from sweep.kinds.gpt.run import recurse
from sweep.models import corpus
from tests.helpers.configs import settings
from tests.helpers.gpt_cells import CPU, TINY, recipe_of
from tests.helpers.jobs import finish
from tests.helpers.shells import metric_rows, sweep_here

COLD = (*TINY, "grid.schedule=full", "grid.temperature=0.02", "model.measure.tokens=450")
"""Cold enough to write the same over and over."""


def curves(folder: Path, *options: str) -> Curves:
    (cell, *_), _ = expand(settings(*COLD, *options))
    texts.keep(folder / "shared", corpus.embedded())
    return finish(recurse(cell, recipe_of(cell), folder / "pieces", folder / "shared", 1e9, CPU))


def test_cells_that_go_on_are_the_same_and_those_that_end_are_their_beginning(
    tmp_path: Path,
) -> None:
    whole = curves(tmp_path)
    beyond = curves(tmp_path, "model.measure.stop_below=1e-9")
    ended = curves(tmp_path, "model.measure.stop_below=1")
    M = whole["sigma"].shape[1]
    assert M > 1
    assert (whole["distinct_n/8"][:, 0] < 1).all()  # so that 1 ends it at once
    for name in ("sigma", "deviation", "loss/val", "laws", "distinct_n/8"):
        np.testing.assert_array_equal(whole[name], beyond[name])
        np.testing.assert_array_equal(whole[name][:, :1], ended[name])


def test_what_is_saved_is_told(store_folder: Path) -> None:
    done = sweep_here(store_folder, *COLD, "model.measure.stop_below=1")
    assert done.returncode == 0, done.stderr
    assert "generations saved in 1 cells that had clearly collapsed" in done.stdout
    rows = metric_rows(store_folder)
    (saved,) = {value for _, key, _, value in rows if key == "generations_saved"}
    assert saved >= 1
    assert max(step for _, key, step, _ in rows if key == "deviation/mean") == 1
    again = sweep_here(store_folder, *COLD, "model.measure.stop_below=1")
    assert "1 of them earlier" in again.stdout
