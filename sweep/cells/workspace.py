"""Where a cell is computed, and what it may use; plain data that travels to workers."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class Workspace:
    """What the computation of a cell is given besides the cell."""

    folder: Path
    """Has a folder for each cell, named by its id, for checkpoints."""
    shared: Path = Path()
    """Folder for what cells of the store share: texts, p(0), p(1)."""
    checkpoint_seconds: float = 60.0
    """How often a long cell keeps its state."""
    device: str = "auto"
    """Where a network runs, see `models.gpt.device.choose`."""
    compiled: bool | None = None
    """Whether a network is compiled, see there."""
    workers: int = 1
    """Processes that train one network together, see `models.gpt.data_parallel`."""
