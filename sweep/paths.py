"""Locations of this code and its configs."""

from pathlib import Path

SWEEP = Path(__file__).resolve().parent
"""The package `sweep`; `models` is next to it, and so are .git and the configs in a checkout."""
CONF = next(path for path in (SWEEP / "conf", SWEEP.parent / "conf") if path.is_dir())
"""The configs: inside the package in a wheel, next to it in a checkout."""
