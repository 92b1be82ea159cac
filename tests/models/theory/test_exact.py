"""The exact laws of T and of the deviation, and S_m with contexts, against simulation and by hand.

Every random comparison is a bound that holds for any law of the given range;
false-failure odds 1e-6 over all comparisons of this file (four tests of 2.5e-7).
"""

import itertools
import math

import numpy as np
import pytest

from sweep.models.schedules import Schedule
from sweep.models.source import Source
from sweep.models.statistical import contexts, model
from sweep.models.theory import bounds, collapse_time, deviation
from sweep.models.theory import moments as theory
from tests.helpers.bounds import bernstein

ODDS = 2.5e-7
LAWS = [
    Source(family="zipf", s=600, support=52, S0=0.1),
    Source(family="geometric", s=40, support=40, S0=0.6),
    Source(family="uniform", s=3, support=3),
]


def simulated(
    schedule: Schedule, source: Source, M: int, R: int
) -> tuple[model.State, model.Record]:
    setting = model.Setting(schedule=schedule, source=source, replicates=R, seed=77)
    return model.step(setting, model.init(setting), M)


def test_occupancy_by_counting_all_throws() -> None:
    """Four boxes, k balls: every one of the 4^k ways."""
    P = collapse_time.occupancy(4)
    for k in range(5):
        ways = [len(set(throw)) for throw in itertools.product(range(4), repeat=k)]
        expected = [ways.count(j) / 4**k for j in range(5)]
        np.testing.assert_allclose(P[k], expected, atol=1e-15)


def test_law_of_T_for_two_samples_by_hand() -> None:
    """n = 2: generation 1 agrees with probability S0, each later one collapses with 1/2."""
    p = np.array([0.5, 0.3, 0.2])
    S0 = float(p @ p)
    rho = collapse_time.collapse_probability(10, n=2, p=p)
    np.testing.assert_allclose(rho, 1 - (1 - S0) * 0.5 ** np.arange(10), atol=1e-14)
    moments = collapse_time.collapse_time(n=2, p=p)
    assert moments.mean == pytest.approx(1 + (1 - S0) * 2)
    second = 1 * S0 + (1 - S0) * sum(t * t * 0.5 ** (t - 1) for t in range(2, 200))
    assert moments.variance == pytest.approx(second - moments.mean**2)


@pytest.mark.parametrize("n", [3, 50, 300])
def test_moments_of_T_are_those_of_its_law(n: int) -> None:
    p = LAWS[0].probabilities()
    rho = collapse_time.collapse_probability(60 * n, n=n, p=p)
    tail = np.concatenate([[1.0], 1 - rho])
    m = np.arange(len(tail))
    moments = collapse_time.collapse_time(n=n, p=p)
    assert moments.mean == pytest.approx(tail.sum(), rel=1e-9)
    assert moments.variance == pytest.approx(((2 * m + 1) * tail).sum() - moments.mean**2, rel=1e-7)
    low, high = bounds.collapse_time_bounds(n=n, S0=0.1, support=52)
    assert low <= moments.mean <= high
    lower, upper = bounds.collapse_probability_bounds(m[1:], n=n, S0=0.1, support=52)
    assert (lower <= rho + 1e-12).all()
    assert (rho <= upper + 1e-12).all()


def test_large_n_formula_has_the_stated_error() -> None:
    p = LAWS[0].probabilities()
    for n, stated in ((100, 0.0119), (1000, 0.0016)):
        ratio = (
            collapse_time.collapse_time_large_n(n=n, p=p)
            / collapse_time.collapse_time(n=n, p=p).mean
        )
        assert ratio - 1 == pytest.approx(stated, abs=1e-4)


def test_law_of_T_against_simulation() -> None:
    """P(T <= m) is the mean of a variable in {0, 1}: Bernstein with its own variance."""
    M, R = 60, 20_000
    cases = list(itertools.product(LAWS, (1, 2, 10, 40)))
    for source, n in cases:
        state, _ = simulated(Schedule(name="full", n=n), source, M, R)
        T = state.collapsed_at
        observed = ((T[:, None] > 0) & (T[:, None] <= np.arange(1, M + 1))).mean(0)
        rho = collapse_time.collapse_probability(M, n=n, p=source.probabilities())
        allowed = bernstein(rho, low=0.0, replicates=R, comparisons=len(cases) * M, odds=ODDS)
        assert (np.abs(observed - rho) <= allowed).all(), (source, n)


def test_deviation_against_simulation() -> None:
    """The deviation lies in [0, 2], so half of it in [0, 1]."""
    M, R = 40, 20_000
    schedules = [
        *(Schedule(name="full", n=n) for n in (1, 2, 10, 60)),
        *(Schedule(name="partial", n=n, N=N) for n in (1, 10, 60) for N in (1, 8, 50)),
        Schedule(name="matched", n=30, N=10),
        Schedule(name="real", N=1),
        Schedule(name="real", N=30),
    ]
    for source, schedule in itertools.product(LAWS, schedules):
        p = source.probabilities()
        n, N = schedule.n or 0, schedule.N or 0
        if schedule.name == "full":
            exact = deviation.deviation_full(M, n=n, p=p)
        elif schedule.name == "real":
            exact = np.where(np.arange(M) > 0, deviation.deviation_real(N=N, p=p), 0.0)
        else:
            exact = deviation.deviation_partial(M, n=schedule.draws(2)[1], N=N, p=p)
        _, curves = simulated(schedule, source, M, R)
        allowed = 2 * bernstein(
            exact / 2,
            low=0.0,
            replicates=R,
            comparisons=len(LAWS) * len(schedules) * M,
            odds=ODDS,
        )
        gap = np.abs(curves["deviation"].mean(0) - exact)
        assert (gap <= allowed + 1e-9).all(), (source, schedule, gap.max())


def test_deviation_of_one_sample_by_hand() -> None:
    """full, n = 1: the first token for ever. partial, n = N = 1: likewise."""
    p = np.array([0.7, 0.3])
    assert deviation.deviation_full(5, n=1, p=p).max() <= deviation.ERROR
    assert deviation.deviation_partial(5, n=1, N=1, p=p).max() <= deviation.ERROR
    # real, N = 1: another token with probability 2 * 0.7 * 0.3, then a distance of 2.
    assert deviation.deviation_real(N=1, p=p) == pytest.approx(2 * 2 * 0.7 * 0.3)


def test_deviation_full_by_all_counts() -> None:
    """n = 3, two tokens, generation 3: the chain of counts written out."""
    n, p = 3, np.array([0.6, 0.4])

    def law(q: float) -> list[float]:
        return [math.comb(n, c) * q**c * (1 - q) ** (n - c) for c in range(n + 1)]

    expected = 0.0
    for r, second, third in itertools.product(range(n + 1), repeat=3):
        weight = law(0.6)[r] * law(r / n)[second] * law(second / n)[third]
        expected += weight * 2 * abs(third - r) / n
    assert deviation.deviation_full(3, n=n, p=p)[2] == pytest.approx(expected, abs=1e-9)


def test_the_laws_refuse_what_they_cannot_do() -> None:
    p = LAWS[0].probabilities()
    with pytest.raises(ValueError, match="n: got 5000; the exact law of T is computed up to"):
        collapse_time.collapse_time(n=5000, p=p)
    with pytest.raises(ValueError, match="the exact deviation"):
        deviation.deviation_partial(50, n=100_000, N=100_000, p=p)
    with pytest.raises(ValueError, match="the exact deviation would take"):
        deviation.deviation_full(10**6, n=1000, p=p)


@pytest.mark.parametrize("unseen", contexts.UNSEEN)
def test_sigma_with_contexts_against_theory(unseen: str) -> None:
    """27 contexts, some unseen; 2,000 runs of means over contexts, in [1/3, 1]."""
    M, R = 12, 2000
    source = Source(family="dirichlet", s=3, support=3, S0=0.5, seed=1)
    setting = contexts.Setting(
        schedule=Schedule(name="full", n=60),
        source=source,
        contexts=contexts.Contexts(length=3, draw="uniform", unseen=unseen),
        replicates=R,
        seed=5,
    )
    state, means = contexts.init(setting), []
    np.testing.assert_allclose((state.p0**2).sum(1), 0.5, atol=1e-12)
    for _ in range(M):
        state, record = contexts.step(setting, state)
        means.append(record["sigma"].mean())
    exact = theory.sigma_contexts(M, n=60, c=27, s=3, S0=0.5, keep_unseen=unseen == "keep")
    allowed = bernstein(exact, low=1 / 3, replicates=R, comparisons=2 * M, odds=ODDS)
    assert (np.abs(np.array(means) - exact) <= allowed).all()


def test_contexts_as_text_and_extended_runs() -> None:
    def run(replicates: int, draw: str, schedule: Schedule) -> list[np.ndarray]:
        setting = contexts.Setting(
            schedule=schedule,
            source=Source(family="zipf", s=4, support=3, S0=0.5),
            contexts=contexts.Contexts(length=2, draw=draw, unseen="keep"),
            replicates=replicates,
            seed=0,
        )
        state, out = contexts.init(setting), []
        for _ in range(6):
            state, record = contexts.step(setting, state)
            out.append(record["deviation"][:, 0])
            np.testing.assert_allclose(state.p.sum(axis=2), 1, atol=1e-12)
        return out

    for draw in contexts.DRAWS:
        for schedule in (
            Schedule(name="full", n=50),
            Schedule(name="partial", n=20, N=30),
            Schedule(name="fresh", n=20, N=30),
        ):
            few, many = run(2, draw, schedule), run(4, draw, schedule)
            for a, b in zip(few, many, strict=True):
                assert np.array_equal(a, b[:2])
    kept = run(3, "uniform", Schedule(name="partial", n=1, N=500))
    assert max(x.max() for x in kept) < 0.1  # the real corpus holds it


def test_text_follows_its_contexts() -> None:
    """A law that always says 'next = last + 1' makes a cycle: contexts are visited in turn."""
    law = np.zeros((3, 3))
    law[[0, 1, 2], [1, 2, 0]] = 1.0
    counts = contexts._sample("text", np.random.default_rng(0), law, 300)
    assert np.array_equal(counts, 100 * law)


def test_too_many_contexts_are_refused() -> None:
    with pytest.raises(ValueError, match="context_length: got 4 with s=65"):
        contexts.Contexts(length=4, draw="text", unseen="keep").count(65)
    with pytest.raises(ValueError, match="schedule: got 'random' with contexts"):
        contexts.Setting(
            schedule=Schedule(name="random", n=5),
            source=LAWS[0],
            contexts=contexts.Contexts(length=1, draw="text", unseen="keep"),
            replicates=1,
            seed=0,
        )
