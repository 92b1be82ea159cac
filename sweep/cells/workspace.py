"""Where a cell is computed, and what it may use: plain data that is sent to workers."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class Workspace:
    """Everything that the computation of a cell gets besides the cell."""

    folder: Path
    """Folder for checkpoints, with a subfolder for each cell, named by its id."""
    shared: Path = Path()
    """Folder for what the cells of a store share: texts, p(0), p(1)."""
    checkpoint_seconds: float = 60.0
    """Seconds between two checkpoints of a long cell."""
    device: str = "auto"
    """Device of a network, see `models.gpt.device.choose`."""
    compiled: bool | None = None
    """Whether a network is compiled; None: on a GPU only."""
    workers: int = 1
    """Number of processes that train one network together, see `models.gpt.data_parallel`."""
