"""Locations of this code and its configs."""

from pathlib import Path

SWEEP = Path(__file__).resolve().parent
"""The package `sweep`; in a checkout, .git, conf/ and models/ are next to it, and its `models` is
a link to the latter."""
CONF = next(path for path in (SWEEP / "conf", SWEEP.parent / "conf") if path.is_dir())
"""The configs: inside the package in a wheel, next to it in a checkout."""
