"""Named tuples of arrays: what the compiled functions read and write.

    R     replicates, A tokens of the support, W models held in the ring
    C     slots of one model: at most min(A, n^(m)) tokens are alive in it
    G     generations advanced in one call: m0 + 1 .. m1

Model t is at place t mod W of the ring.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

KEEP_NOTHING, KEEP_REAL, KEEP_ALL, KEEP_WINDOW = 0, 1, 2, 3
"""Which samples later generations are trained on again; see `models.schedules.Rule.keeps`."""


class Plan(NamedTuple):
    """What the generations of one call draw and keep; see `models.schedules.Rule`."""

    starts: Ints
    """(G + 1,) generation m has entries starts[row] .. starts[row + 1] - 1 of `sources` and
    `sizes`, row = m - m0 - 1."""
    sources: Ints
    """(entries,) the model t that is drawn from; 0 is p(0)."""
    sizes: Ints
    """(entries,) number of samples."""
    mixed: int
    """n where each sample picks its model, else 0."""
    last_real: int
    """The last generation that draws from p(0)."""
    keeps: int
    """One of the KEEP_ codes."""
    chosen: int
    """Number of kept samples that a generation is trained on; 0: all."""
    largest: int
    """Most samples drawn from one source, or chosen."""


class Initial(NamedTuple):
    """p(0)."""

    cdf: Floats
    """(A + 1,) from 0 to 1."""
    p: Floats
    """(A,)"""


class Models(NamedTuple):
    """The W latest models of every replicate; written in place."""

    ids: NDArray[np.int32]
    """(R, W, C) living tokens, rising."""
    counts: Ints
    """(R, W, C) training samples of each."""
    alive: Ints
    """(R, W) number of living tokens; 0 where no model is held."""


class Pool(NamedTuple):
    """Samples kept for later generations; written in place."""

    kept: Ints
    """(R, A) counts, or (R, 0)."""
    sets: Ints
    """(R, K, A) counts drawn for the K latest generations, m at m mod K, or (R, 0, 0)."""


class Results(NamedTuple):
    """The measurements; written in place."""

    p1: Ints
    """(R, A + 1) counts of p(1), and their sum."""
    collapsed_at: Ints
    """(R,) first generation that is a Dirac mass; 0 while there is none."""
    absorbed_at: Ints
    """(R,) generation after which no model can change; 0 before."""
    curves: Floats
    """(8, R, G) in the order of `models.statistical.model.CURVES`."""


class Scratch(NamedTuple):
    """Buffers of one replicate."""

    words: NDArray[np.uint32]
    """Random words."""
    pool: NDArray[np.uint32]
    """Slot of every sample of a small model, see `models.statistical.sampling.pick`."""
    tree: Ints
    """(A + 1,) see `models.statistical.sampling.choose_by_picks`; (0,) without subsamples."""
    ends: Ints
    """(W, C + 1) cumulative weights of each model's slots, by which it is drawn from."""
    past: Ints
    """(A,) weights of all past models together, where splits draw from them; else (0,)."""
    drawn: Ints
    """(A,) counts by slot of the source that is drawn from."""
    tally: Ints
    """(A,) counts by token of the training set; 0 between generations."""
    met: NDArray[np.int32]
    """(A,) the tokens of `tally`."""


class Batch(NamedTuple):
    """Models that are measured together, their living tokens one model after the other."""

    noted: Floats
    """(2, tokens) p(m) and p(0) of each token."""
    terms: Floats
    """(3, tokens) see `models.statistical.measures`."""
    sums: Floats
    """(models, 4) curves of each model that are sums of whole numbers."""
    alive: Ints
    """(models,) number of living tokens."""
