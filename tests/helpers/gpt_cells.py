"""Small GPT cells, and what their stores hold."""

from pathlib import Path

from sweep.cells.cell import Cell
from sweep.kinds.gpt.kind import Gpt
from sweep.models.gpt.config import Recipe
from sweep.models.gpt.device import Device
from tests.helpers.shells import metric_rows, wait_for

TINY = (
    "+experiment=gpt_demo", "cluster=inline", "grid.n=90", "grid.N=90", "generations=3",
    "model.network.context=8", "model.network.embedding=8", "model.network.layers=1",
    "model.training.steps=8", "model.training.batch=4", "model.training.warmup=1",
    "model.training.evaluations=2", "model.sampling.streams=4", "model.measure.contexts=20",
    "model.measure.validation=45", "model.measure.tokens=45",
)  # fmt: skip


CPU = Device(name="cpu", bfloat16=False, compiled=False)


SLOW = (
    *TINY, "grid.schedule=partial", "grid.n=450", "model.training.steps=60",
    "cluster.checkpoint_seconds=0", "model.measure.retrain=false",
)  # fmt: skip
"""A cell of a few seconds that keeps its state after every step and block."""


def numbers(folder: Path) -> list[tuple[str, str, int, float]]:
    """All points but the speeds, which differ; none of either is there twice."""
    rows = metric_rows(folder)
    assert len({row[:3] for row in rows}) == len(rows)
    return [row for row in rows if not row[1].startswith("tokens_per_second")]


def wait_for_piece(folder: Path, pattern: str) -> None:
    wait_for(lambda: [*folder.glob(f"mlflow-state/**/{pattern}.npz")], pattern)


def recipe_of(cell: Cell) -> Recipe:
    assert isinstance(cell.kind, Gpt)
    return cell.kind.recipe
