"""Locations of this code and its configs."""

from pathlib import Path

SWEEP = Path(__file__).resolve().parent
"""The package `sweep`; in a checkout, .git, the configs and the folder that its link `models`
points to are next to it."""
CONF = next(path for path in (SWEEP / "conf", SWEEP.parent / "conf") if path.is_dir())
"""The configs: inside the package in a wheel, next to it in a checkout."""
