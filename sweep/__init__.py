"""The experiment shell: configuration, grids, trials, tracking, reports.

In a notebook: `from sweep import run, load, plot`.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sweep.api import load, run

__version__ = "0.1.0"
__all__ = ["load", "plot", "run"]


def __getattr__(name: str) -> Any:
    """What a notebook uses is imported when it is used: the command line needs none of it."""
    if name == "plot":
        return importlib.import_module("sweep.plot")
    if name in __all__:
        return getattr(importlib.import_module("sweep.api"), name)
    raise AttributeError(f"module 'sweep' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
