"""The checks: lines of what is compared, a statistic and a threshold it must not exceed.

Every threshold is a bound for any law of the given range; the false-failure
odds are `ODDS` for each check over all its comparisons, so below 1e-6 for all six.
"""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy.stats import chi2

from sweep.cells.cell import Cell
from sweep.kinds.statistical.kind import Statistical
from sweep.models.schedules import Schedule
from sweep.models.source import Source
from sweep.models.statistical import model
from sweep.models.theory import collapse_time, deviation, moments
from sweep.results.theory import theory_of
from tests.helpers.bounds import bernstein

ODDS = 1e-7
ZIPF = Source(family="zipf", s=600, support=52, S0=0.1)
SOURCES = [
    ZIPF,
    Source(family="zipf", s=5000, support=2000, S0=0.01),
    Source(family="geometric", s=40, support=40, S0=0.6),
    Source(family="dirichlet", s=30, support=8, S0=0.9, seed=4),
    Source(family="uniform", s=2, support=2),
]
SCHEDULES = [
    *(Schedule(name="full", n=n) for n in (1, 10, 300)),
    *(Schedule(name="partial", n=n, N=N) for n, N in ((1, 100), (10, 10), (300, 20))),
    *(Schedule(name="matched", n=n, N=N) for n, N in ((20, 19), (200, 10))),
    *(Schedule(name="recent", n=n, K=K) for n, K in ((10, 3), (300, 7))),
    *(Schedule(name="recent", n=n, K=K, reuse=True) for n, K in ((10, 3), (300, 7))),
    *(Schedule(name="random", n=n) for n in (2, 100)),
    *(Schedule(name="accumulate", n=n, N=N) for n, N in ((1, 5), (100, 20))),
    *(Schedule(name="accumulate_subsample", n=n, N=N) for n, N in ((3, 40), (100, 20))),
    *(Schedule(name="fresh", n=n, N=N) for n, N in ((1, 1), (100, 20))),
    *(Schedule(name="real", N=N) for N in (2, 200)),
]


EXPECTED = {
    **{k: {"sigma", "deviation", "collapsed"} for k in ("full", "partial", "matched", "real")},
    "accumulate": {"sigma", "collapsed"},
}
"""Which laws a schedule must have; sigma for those not named."""


@dataclass(frozen=True, kw_only=True)
class Line:
    """One comparison, or the worst of several."""

    what: str
    statistic: float
    threshold: float

    @property
    def holds(self) -> bool:
        return self.statistic <= self.threshold


def run(
    schedule: Schedule, source: Source, M: int, R: int, seed: int = 11
) -> tuple[model.State, model.Record]:
    setting = model.Setting(schedule=schedule, source=source, replicates=R, seed=seed)
    return model.step(setting, model.init(setting), M)


def every_law() -> Iterator[Line]:
    """sigma, deviation and rho_m of every schedule and source: the worst generation of each."""
    M, R = 60, 10_000
    cases = list(itertools.product(SCHEDULES, SOURCES))
    comparisons = 3 * len(cases) * M
    for schedule in SCHEDULES:
        worst = {"sigma": 0.0, "deviation": 0.0, "collapsed": 0.0}
        for source in SOURCES:
            cell = Cell(
                kind=Statistical(), schedule=schedule, source=source,
                generations=M, replicates=R, seed=11,
            )  # fmt: skip
            state, curves = run(schedule, source, M, R)
            T = state.collapsed_at[:, None]
            curves["collapsed"] = ((T > 0) & (T <= np.arange(1, M + 1))).astype(float)
            exact = theory_of(cell).curves
            missing = EXPECTED.get(schedule.name, {"sigma"}) - {
                key.split("/")[0] for key in exact if key.endswith("/exact")
            }
            if missing:
                yield Line(what=f"no exact {missing} for {schedule}", statistic=1, threshold=0)
            for name, scale, low in (
                ("sigma", 1, 1 / source.support), ("deviation", 2, 0), ("collapsed", 1, 0),
            ):  # fmt: skip
                if f"{name}/exact" in exact:
                    law = np.asarray(exact[f"{name}/exact"])
                    allowed = scale * bernstein(
                        law / scale, low=low, replicates=R, comparisons=comparisons, odds=ODDS
                    )
                    gap = np.abs(curves[name].mean(0) - law) / (allowed + 1e-9)
                    worst[name] = max(worst[name], float(gap.max()))
        label = " ".join(
            str(part)
            for part in (
                schedule.name, f"n={schedule.n}" if schedule.n else "",
                f"N={schedule.N}" if schedule.N else "", f"K={schedule.K}" if schedule.K else "",
                "kept" if schedule.reuse else "",
            )
            if part
        )  # fmt: skip
        for name in sorted(EXPECTED.get(schedule.name, {"sigma"})):
            yield Line(what=f"{name}: {label}", statistic=worst[name], threshold=1.0)


def theorem_2() -> Iterator[Line]:
    """Eq. (9) as corrected holds; as printed it fails, by the same bound."""
    R, M, n, N = 400_000, 5, 50, 4
    source = SOURCES[2]
    _, curves = run(Schedule(name="partial", n=n, N=N), source, M, R)
    m = np.arange(1, M + 1)
    for printed in (False, True):
        law = moments.sigma_partial(m, n=n, N=N, S0=0.6, as_printed=printed)
        allowed = bernstein(law, low=1 / 40, replicates=R, comparisons=2 * M, odds=ODDS)
        gap = float((np.abs(curves["sigma"].mean(0) - law) / allowed).max())
        if printed:
            yield Line(what="as printed: 1 / gap", statistic=1 / gap, threshold=1.0)
        else:
            yield Line(what="as corrected: gap", statistic=gap, threshold=1.0)


def proposition_1() -> Iterator[Line]:
    """The token that is left has law p(0): chi-square over 20,000 absorbed runs."""
    R = 20_000
    for n in (5, 30):
        state, _ = run(Schedule(name="full", n=n), ZIPF, 60 * n, R)
        assert (state.absorbed_at > 0).all()
        last = np.bincount(state.ids[:, 0, 0], minlength=52)
        expected = R * ZIPF.probabilities()
        statistic = float(((last - expected) ** 2 / expected).sum())
        yield Line(
            what=f"chi-square, 51 degrees of freedom, n={n}",
            statistic=statistic,
            threshold=float(chi2.isf(ODDS / 2, 51)),
        )


def law_of_T() -> Iterator[Line]:
    """The whole law of T: Kolmogorov's distance, against the bound of Massart (1990)."""
    R = 20_000
    for n in (2, 10, 100, 400):
        M = 20 * n
        state, _ = run(Schedule(name="full", n=n), ZIPF, M, R)
        T = np.where(state.collapsed_at > 0, state.collapsed_at, M + 1)
        empirical = (T[:, None] <= np.arange(1, M + 1)[None, :: max(1, M // 400)]).mean(0)
        rho = collapse_time.collapse_probability(M, n=n, p=ZIPF.probabilities())
        distance = float(np.abs(empirical - rho[:: max(1, M // 400)]).max())
        bound = float(np.sqrt(np.log(2 * 4 / ODDS) / (2 * R)))
        yield Line(what=f"sup |F - rho|, n={n}", statistic=distance, threshold=bound)


def msprime_lineages() -> Iterator[Line]:
    """The number of ancestors, by a simulator nobody here wrote: msprime's discrete Wright-Fisher.

    Ploidy 2 and N = n/2 is a population of n genomes; after end_time = k
    generations the roots of the one tree are the A_k ancestors of its n samples.
    """
    import msprime

    R, n = 2000, 20
    ks = (1, 3, 10, 30)
    bound = float(np.sqrt(np.log(2 * len(ks) / ODDS) / (2 * R)))
    law = np.zeros(n + 1)
    law[n] = 1.0
    exact = {}
    for k in range(1, max(ks) + 1):
        law = law @ collapse_time.occupancy(n)
        exact[k] = law.copy()
    for k in ks:
        roots = [
            tree_sequence.first().num_roots
            for tree_sequence in msprime.sim_ancestry(
                samples=n // 2, population_size=n // 2, ploidy=2, model="dtwf",
                end_time=k, num_replicates=R, random_seed=1 + k,
            )
        ]  # fmt: skip
        empirical = np.bincount(roots, minlength=n + 1) / R
        distance = float(np.abs(np.cumsum(empirical) - np.cumsum(exact[k])).max())
        yield Line(what=f"sup |F - law of A_{k}|, n={n}", statistic=distance, threshold=bound)


def deviation_at_scale() -> Iterator[Line]:
    """The exact deviation at n = N = 1000, where a wrong truncation would show."""
    R, M, n = 2000, 25, 1000
    p = ZIPF.probabilities()
    for schedule, exact in (
        (Schedule(name="full", n=n), deviation.deviation_full(M, n=n, p=p)),
        (Schedule(name="partial", n=n, N=n), deviation.deviation_partial(M, n=n, N=n, p=p)),
    ):
        _, curves = run(schedule, ZIPF, M, R)
        values = curves["deviation"]
        allowed = 2 * bernstein(exact / 2, low=0.0, replicates=R, comparisons=2 * M, odds=ODDS)
        gap = float((np.abs(values.mean(0) - exact) / (allowed + 1e-9)).max())
        z = np.abs(values.mean(0) - exact)[1:] / (values.std(0)[1:] / np.sqrt(R))
        yield Line(
            what=f"{schedule.name}: gap (largest z {z.max():.1f})", statistic=gap, threshold=1.0
        )


CHECKS = (
    every_law, theorem_2, proposition_1, law_of_T, msprime_lineages, deviation_at_scale,
)  # fmt: skip
