"""The experiment shell: configuration, grids, trials, tracking, reports.

A notebook uses `from sweep import run, load, plot`, and the errors that they raise:
`from sweep import ConfigError, OutageError, StoreError`.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sweep.api import load, run
    from sweep.config.validate import ConfigError
    from sweep.tracking.base import OutageError, StoreError

__version__ = "0.1.0"
__all__ = ["ConfigError", "OutageError", "StoreError", "load", "plot", "run"]

_MODULES = {
    "ConfigError": "sweep.config.validate",
    "OutageError": "sweep.tracking.base",
    "StoreError": "sweep.tracking.base",
    "load": "sweep.api",
    "run": "sweep.api",
}


def __getattr__(name: str) -> Any:
    """Import what a notebook uses at its first use; the command line needs none of it."""
    if name == "plot":
        return importlib.import_module("sweep.plot")
    if name in _MODULES:
        return getattr(importlib.import_module(_MODULES[name]), name)
    raise AttributeError(f"module 'sweep' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
