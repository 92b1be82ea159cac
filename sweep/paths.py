"""Where this code and its configs lie."""

from pathlib import Path

SWEEP = Path(__file__).resolve().parent
"""The package `sweep`; `models` is beside it, and in a checkout so are .git and the configs."""
CONF = next(path for path in (SWEEP / "conf", SWEEP.parent / "conf") if path.is_dir())
"""The configs: inside the package in a wheel, beside it in a checkout."""
