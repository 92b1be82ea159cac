"""The statistical engine against numpy's multinomial, its floor, and the cost model.

The setting is figure 6's: zipf, s = 600, support s~ = 52, S0 = 0.1, R = 100 runs
of 500 generations, schedule `full`.
"""

import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sweep.cells.cell import Cell
from sweep.grid import cost
from sweep.kinds.statistical.kind import Statistical
from sweep.kinds.statistical.simulate import simulate
from sweep.models.schedules import Schedule
from sweep.models.source import Source
from sweep.models.statistical import model, sampling, variates
from sweep.models.statistical.jit import compiled
from tests.benchmarks import Table, fastest
from tests.helpers.jobs import finish

R, M = 100, 500
GOALS = {10: 50.0, 100: 12.0, 400: 4.0, 10**6: 1.5}
"""How many times faster than numpy over the vocabulary the engine has to be, by n."""
CELLS = [
    (Schedule(name="full", n=10), 52, 500, 100),
    (Schedule(name="full", n=400), 52, 500, 100),
    (Schedule(name="full", n=10**6), 52, 500, 100),
    (Schedule(name="full", n=20_000), 5000, 100, 20),
    (Schedule(name="partial", n=200, N=100), 52, 500, 100),
    (Schedule(name="recent", n=100, K=5), 52, 500, 100),
    (Schedule(name="random", n=10), 52, 500, 100),
    (Schedule(name="random", n=10**5), 52, 200, 100),
    (Schedule(name="accumulate", n=100, N=100), 52, 500, 100),
    (Schedule(name="accumulate_subsample", n=100, N=100), 52, 500, 100),
    (Schedule(name="fresh", n=100, N=100), 52, 500, 100),
    (Schedule(name="real", N=5000), 52, 200, 100),
]
"""(schedule, support, generations, replicates)"""


def source(s: int = 600, support: int = 52) -> Source:
    return Source(family="zipf", s=s, support=support, S0=0.1 if support == 52 else 0.01)


def multinomial(n: int, p0: NDArray[np.float64]) -> Callable[[], object]:
    """The peer: one `Generator.multinomial` a generation for all runs; sigma and deviation."""

    def run() -> object:
        rng = np.random.default_rng(0)
        sigma, deviation = np.empty((R, M)), np.empty((R, M))
        first = p = rng.multinomial(n, p0, size=R) / n
        for m in range(M):
            if m > 0:
                p = rng.multinomial(n, p) / n
            sigma[:, m] = np.einsum("ri,ri->r", p, p)
            deviation[:, m] = np.abs(p - first).sum(axis=1)
        return sigma, deviation

    return run


def engine(
    schedule: Schedule, law: Source, generations: int = M, replicates: int = R
) -> Callable[[], tuple[model.State, model.Record]]:
    setting = model.Setting(schedule=schedule, source=law, replicates=replicates, seed=1)
    return lambda: model.step(setting, model.init(setting), generations)


def against_numpy() -> Table:
    law = source()
    p52 = law.probabilities()
    p600 = np.concatenate([p52, np.zeros(600 - 52)])
    rows = []
    for n in (10, 100, 400, 4000, 10**5, 10**6, 10**7):
        mine = engine(Schedule(name="full", n=n), law)
        state, curves = mine()
        working = (state.absorbed_at[:, None] == 0) | (
            np.arange(1, M + 1) <= state.absorbed_at[:, None]
        )
        times = fastest(mine, multinomial(n, p600), multinomial(n, p52), rounds=9)
        goal = f"x{GOALS[n]:g}" if n in GOALS else ""
        ratios = [f"x{peer / times[0]:.1f}" for peer in times[1:]]
        alive = f"{curves['support'][working].mean():.1f}"
        rows.append([f"{n:,}", alive, *(f"{1e3 * t:.1f}" for t in times), *ratios, goal])
    return Table(
        title=f"full, R = {R}, {M} generations, s = 600, support 52: milliseconds on one core",
        header=["n", "living", "engine", "numpy s", "numpy s~", "by s", "by s~", "goal"],
        rows=rows,
        note="living: tokens alive, mean over generations before absorption. numpy s: one "
        "multinomial a generation over the vocabulary of 600; numpy s~: over the 52 tokens of "
        "the support alone, a peer that was told which tokens can never occur. It records "
        "sigma and deviation, the engine those and six more curves.",
    )


def flat() -> Table:
    rows = []
    for n in (10, 400, 10**6):
        small, large = fastest(
            *(engine(Schedule(name="full", n=n), source(s)) for s in (600, 60_000)), rounds=7
        )
        rows.append([f"{n:,}", f"{1e3 * small:.1f}", f"{1e3 * large:.1f}", f"{large / small:.2f}"])
    return Table(
        title="the same at support 52 and another vocabulary: milliseconds",
        header=["n", "s = 600", "s = 60,000", "ratio"],
        rows=rows,
    )


@compiled
def _words(words: NDArray[np.uint32], rounds: int) -> None:
    for m in range(rounds):
        variates.philox(words, words.size - 4, 0, m, 0, 1, 5, 6)


@compiled
def _bare(counts: NDArray[np.int64], pool: NDArray[np.uint32], words: NDArray[np.uint32]) -> None:
    """The floor: a word, its multiple's upper half, a gather and a count; nothing else."""
    for start in range(0, pool.size, 1024):
        size = min(1024, pool.size - start)
        variates.philox(words, size, start, 1, 0, 1, 5, 6)
        for i in range(size):
            counts[pool[(np.uint64(words[i]) * np.uint64(pool.size)) >> np.uint64(32)]] += 1


@compiled
def _picks(times, counts, size, ends, pool, words, filled, bare) -> None:
    for _ in range(times):
        if bare:
            _bare(counts, filled, words)
        else:
            sampling.pick(counts, size, ends, ends.size - 1, pool, words, 0, 1, 0, 1, 5, 6)


def floor() -> Table:
    rows = []
    words = np.empty(1028, np.uint32)
    (word,) = fastest(lambda: _words(words, 1000))
    for size, slots in ((20, 5), (100, 10), (1000, 50), (100_000, 10_000)):
        ends = np.linspace(0, size, slots + 1).astype(np.int64)
        pool, counts = np.zeros(4 * size, np.uint32), np.zeros(slots, np.int64)
        filled = np.repeat(np.arange(slots, dtype=np.uint32), np.diff(ends))
        times = 1_000_000 // size
        arguments = (times, counts, size, ends, pool, words, filled)
        bare, whole = fastest(partial(_picks, *arguments, True), partial(_picks, *arguments, False))
        picks = times * size
        rows.append([f"{size:,}", f"{slots:,}", f"{1e9 * bare / picks:.2f}",
                     f"{1e9 * whole / picks:.2f}", f"x{whole / bare:.1f}"])  # fmt: skip
    return Table(
        title="nanoseconds a pick",
        header=["picks", "living", "floor", "engine", "ratio"],
        rows=rows,
        note=f"Floor: a Philox word ({1e9 * word / 1000 / 1024:.2f} ns), its product's upper "
        "half, a gather and a count. The engine also writes the pool out and rejects bias.",
    )


def run(cell: Cell, folder: Path) -> None:
    finish(simulate(cell, folder))


def predicted() -> Table:
    rows = []
    for schedule, support, generations, replicates in CELLS:
        cell = Cell(
            kind=Statistical(), schedule=schedule, source=source(10**5, support),
            generations=generations, replicates=replicates, seed=1,
        )  # fmt: skip
        with tempfile.TemporaryDirectory() as folder:
            (seconds,) = fastest(partial(run, cell, Path(folder)), rounds=3)
        guess = cost.seconds(cell) - cost.logging_seconds(cell)
        rows.append([cell.name, f"{support:,}", f"{1e3 * guess:.1f}", f"{1e3 * seconds:.1f}",
                     f"x{guess / seconds:.1f}"])  # fmt: skip
    return Table(
        title="milliseconds of a cell: what the packer expects, and what it takes",
        header=["cell", "support", "expected", "measured", "ratio"],
        rows=rows,
    )


def main() -> Iterator[Table]:
    engine(Schedule(name="full", n=10), source(), 2, 2)()  # compiles
    yield against_numpy()
    yield flat()
    yield floor()
    yield predicted()
