"""Names of random streams: hashes of what is drawn and of nothing else."""

import hashlib
import json
from dataclasses import asdict, is_dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .source import Source

STREAM = 2
"""Increased whenever the same setting gives other bits, so that stored results are not reused."""


def canonical(thing: Any) -> Any:
    """A dataclass as nested dicts without the fields that are None.

    A field added later, None by default, then changes no name made before it.
    """
    if is_dataclass(thing) and not isinstance(thing, type):
        thing = asdict(thing)
    if isinstance(thing, dict):
        return {key: canonical(value) for key, value in thing.items() if value is not None}
    return thing


def stream_key(seed: int, source: Source) -> NDArray[np.uint32]:
    """Two words that name the random numbers: a hash of the root seed and p(0).

    The schedule and its axes are left out on purpose: cells of one source are
    then compared under common random numbers, and share p(1) where they take
    equally many real samples.
    """
    text = json.dumps([STREAM, seed, canonical(source)], sort_keys=True)
    return np.frombuffer(hashlib.sha256(text.encode()).digest()[:8], dtype="<u4")


def derive(*parts: Any) -> int:
    """A seed in [0, 2^63): a hash of its purpose, given as numbers, texts or dataclasses."""
    text = json.dumps([canonical(part) for part in parts], sort_keys=True)
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "little") >> 1
