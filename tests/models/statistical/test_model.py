"""The engine: against a literal reference, against theory, and against itself."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import ks_2samp

from sweep.models.schedules import Schedule
from sweep.models.source import Source
from sweep.models.statistical import model, steps, variates
from sweep.models.theory import moments
from tests.helpers.bounds import bernstein
from tests.reference import statistical as reference

ZIPF = Source(family="zipf", s=60, support=20, S0=0.1)
SCHEDULES = [
    Schedule(name="full", n=7),
    Schedule(name="full", n=150),
    Schedule(name="partial", n=9, N=5),
    Schedule(name="partial", n=3, N=40),
    Schedule(name="recent", n=11, K=3),
    Schedule(name="recent", n=4, K=4),
    Schedule(name="recent", n=9, K=3, reuse=True),
    Schedule(name="random", n=6),
    Schedule(name="matched", n=12, N=5),
    Schedule(name="accumulate", n=3, N=5),
    Schedule(name="accumulate_subsample", n=4, N=6),
    Schedule(name="accumulate_subsample", n=6, N=2),
    Schedule(name="fresh", n=5, N=3),
    Schedule(name="real", N=7),
    # Beyond 24 samples a living token: splits, at first or once tokens have died.
    Schedule(name="full", n=700),
    Schedule(name="partial", n=600, N=900),
    Schedule(name="recent", n=1300, K=2),
    Schedule(name="recent", n=1300, K=2, reuse=True),
    Schedule(name="random", n=500),
    Schedule(name="matched", n=1200, N=100),
    Schedule(name="accumulate", n=550, N=50),
    Schedule(name="accumulate_subsample", n=520, N=60),
    Schedule(name="fresh", n=600, N=490),
    Schedule(name="real", N=481),
]


def run(
    schedule: Schedule, source: Source, replicates: int, seed: int, steps: list[int]
) -> tuple[model.State, model.Record]:
    setting = model.Setting(schedule=schedule, source=source, replicates=replicates, seed=seed)
    state, records = model.init(setting), []
    for generations in steps:
        state, record = model.step(setting, state, generations)
        records.append(record)
    return state, {k: np.concatenate([r[k] for r in records], axis=1) for k in model.CURVES}


@pytest.mark.parametrize(
    ("counter", "key", "expected"),
    [
        ((0, 0, 0, 0), (0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
        (
            (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
            (0xA4093822, 0x299F31D0),
            (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
        ),
    ],
)
def test_philox_gives_the_published_vectors(
    counter: tuple[int, int, int, int], key: tuple[int, int], expected: tuple[int, ...]
) -> None:
    """Random123's kat_vectors, for the engine and for the reference."""
    assert reference.philox(counter, key) == expected
    words = np.zeros(4, np.uint32)
    variates.philox(words, 4, 4 * counter[0], *counter[1:], *key)
    assert tuple(int(w) for w in words) == expected


@pytest.mark.parametrize("schedule", SCHEDULES, ids=str)
def test_engine_equals_the_literal_reference(schedule: Schedule) -> None:
    """Same random numbers, so not a statistical test: equal up to rounding of sums."""
    _, curves = run(schedule, ZIPF, 3, 5, [25])
    for replicate in range(3):
        slow = reference.simulate(schedule, ZIPF, 5, replicate, 25)
        for name, row in slow.items():
            np.testing.assert_allclose(curves[name][replicate], row, rtol=0, atol=1e-12)


def test_biased_picks_are_rejected() -> None:
    """A bound that does not divide 2^32 by far: the engine redraws, as the reference does."""
    bound = 3 * 2**30
    key = (1, 2)
    slow = reference.Draws(key, 0)
    words = np.zeros(403, np.uint32)
    variates.philox(words, 400, 0, 9, 0, steps.PHASE_PICK, *key)
    picked = [variates.below(words[i], bound, i, 9, 0, steps.PHASE_PICK, *key) for i in range(400)]
    assert picked == [slow.below(bound, i, 9, reference.PICK) for i in range(400)]
    naive = [int(words[i]) * bound >> 32 for i in range(400)]
    assert picked != naive


@pytest.mark.parametrize("schedule", SCHEDULES, ids=str)
def test_cutting_a_run_moves_no_bit(schedule: Schedule) -> None:
    whole_state, whole = run(schedule, ZIPF, 12, 3, [60])
    cut_state, cut = run(schedule, ZIPF, 12, 3, [1, 1, 5, 13, 40])
    for name in model.CURVES:
        assert np.array_equal(whole[name], cut[name])
    assert np.array_equal(whole_state.collapsed_at, cut_state.collapsed_at)
    assert np.array_equal(whole_state.absorbed_at, cut_state.absorbed_at)


@pytest.mark.parametrize("schedule", SCHEDULES, ids=str)
def test_longer_horizon_and_more_replicates_extend_the_shorter_run(schedule: Schedule) -> None:
    _, short = run(schedule, ZIPF, 5, 3, [20])
    _, long = run(schedule, ZIPF, 9, 3, [45])
    for name in model.CURVES:
        assert np.array_equal(short[name], long[name][:5, :20])


def test_cells_share_what_they_have_in_common() -> None:
    """p(1) where the real samples are as many; a window of one is the full schedule."""
    _, full = run(Schedule(name="full", n=30), ZIPF, 6, 1, [20])
    _, recent = run(Schedule(name="recent", n=30, K=1), ZIPF, 6, 1, [20])
    _, kept = run(Schedule(name="partial", n=4, N=30), ZIPF, 6, 1, [20])
    _, mixed = run(Schedule(name="random", n=30), ZIPF, 6, 1, [20])
    for name in model.CURVES:
        assert np.array_equal(full[name], recent[name])
        # The kept corpus is summed up in another order.
        np.testing.assert_allclose(full[name][:, 0], kept[name][:, 0], rtol=0, atol=1e-14)
        assert np.array_equal(full[name][:, 0], mixed[name][:, 0])


def test_seeds_and_sources_draw_apart() -> None:
    _, a = run(Schedule(name="full", n=30), ZIPF, 6, 1, [5])
    _, b = run(Schedule(name="full", n=30), ZIPF, 6, 2, [5])
    assert not np.array_equal(a["sigma"], b["sigma"])


def test_collapse_and_absorption() -> None:
    """full: the first Dirac is final; recent: only when all live models agree."""
    state, curves = run(Schedule(name="full", n=4), ZIPF, 50, 0, [80])
    assert (state.collapsed_at > 0).all()
    assert np.array_equal(state.collapsed_at, state.absorbed_at)
    for r, T in enumerate(state.collapsed_at):
        assert (curves["sigma"][r, T - 1 :] == 1).all()
        assert T == 1 or curves["sigma"][r, T - 2] < 1
        assert np.ptp(curves["deviation"][r, T - 1 :]) == 0
    state, curves = run(Schedule(name="recent", n=4, K=2), ZIPF, 400, 0, [200])
    later = state.absorbed_at > state.collapsed_at
    assert later.any()
    assert (state.absorbed_at >= state.collapsed_at)[state.absorbed_at > 0].all()
    regained = [
        r
        for r in range(400)
        if state.collapsed_at[r] and (curves["support"][r, state.collapsed_at[r] :] > 1).any()
    ]
    assert regained  # randomness comes back after a first Dirac, as the paper says
    for r in range(400):
        if state.absorbed_at[r]:
            assert (curves["sigma"][r, state.absorbed_at[r] - 2 :] == 1).all()


def test_a_kept_window_never_regains_randomness() -> None:
    state, _ = run(Schedule(name="recent", n=4, K=2, reuse=True), ZIPF, 300, 0, [100])
    assert (state.collapsed_at > 0).sum() > 200
    assert np.array_equal(state.collapsed_at, state.absorbed_at)


def test_real_data_every_generation_is_never_absorbed() -> None:
    for schedule in (Schedule(name="real", N=1), Schedule(name="fresh", n=1, N=1)):
        state, curves = run(schedule, ZIPF, 50, 0, [40])
        assert (state.collapsed_at > 0).any()
        assert (state.absorbed_at == 0).all()
    _, curves = run(Schedule(name="real", N=1), ZIPF, 50, 0, [40])
    assert np.ptp(curves["deviation"][:, 1:]) == 2  # another token, or the same again


def test_a_subsample_of_one_token_is_not_absorbed_while_the_pool_has_others() -> None:
    state, curves = run(Schedule(name="accumulate_subsample", n=2, N=8), ZIPF, 200, 0, [60])
    assert (state.collapsed_at > 0).any()
    early = (state.collapsed_at > 0) & (state.collapsed_at < 20)
    assert (curves["support"][early][:, 20:] > 1).any()


def test_kept_corpus_of_one_token_is_absorbed_at_once() -> None:
    state, curves = run(Schedule(name="partial", n=5, N=1), ZIPF, 20, 0, [10])
    assert (state.absorbed_at == 1).all()
    assert (curves["deviation"] == 0).all()


GRID = [
    *(Schedule(name="full", n=n) for n in (1, 2, 10, 60)),
    *(Schedule(name="partial", n=n, N=N) for n in (1, 10, 80) for N in (1, 20, 100)),
    *(Schedule(name="recent", n=n, K=K) for n, K in ((2, 2), (10, 3), (40, 5), (41, 40))),
    *(Schedule(name="recent", n=n, K=K, reuse=True) for n, K in ((2, 2), (10, 3), (41, 40))),
    *(Schedule(name="random", n=n) for n in (1, 10, 60)),
    *(Schedule(name="matched", n=n, N=N) for n, N in ((2, 1), (30, 10))),
    *(Schedule(name="accumulate", n=n, N=N) for n, N in ((1, 1), (10, 3), (5, 40))),
    *(Schedule(name="accumulate_subsample", n=n, N=N) for n, N in ((1, 1), (10, 3), (5, 40))),
    *(Schedule(name="fresh", n=n, N=N) for n, N in ((1, 1), (20, 4))),
    *(Schedule(name="real", N=N) for N in (1, 30)),
    # Splits from the first generation on.
    *(Schedule(name="full", n=n) for n in (1300, 10**7)),
    *(Schedule(name="partial", n=n, N=N) for n, N in ((2000, 20), (3000, 1300))),
    Schedule(name="recent", n=4000, K=3),
    Schedule(name="recent", n=4000, K=3, reuse=True),
    Schedule(name="random", n=1300),
    Schedule(name="matched", n=4000, N=1300),
    Schedule(name="accumulate", n=1300, N=30),
    Schedule(name="accumulate_subsample", n=1300, N=30),
    Schedule(name="fresh", n=1300, N=1300),
    Schedule(name="real", N=10**7),
]
SOURCES = [
    Source(family="zipf", s=600, support=52, S0=0.1),
    Source(family="geometric", s=100, support=100, S0=0.5),
    Source(family="dirichlet", s=30, support=8, S0=0.9, seed=4),
    Source(family="uniform", s=2, support=2),
]


def exact_sigma(schedule: Schedule, S0: float, M: int) -> np.ndarray:
    """By closed forms where there are, else by the moment recursions."""
    n, N, K = schedule.n or 0, schedule.N or 0, schedule.K or 0
    m = np.arange(1, M + 1)
    match schedule.name:
        case "full":
            return moments.sigma_full(m, n=n, S0=S0)
        case "partial":
            return moments.sigma_partial(m, n=n, N=N, S0=S0)
        case "matched":
            return moments.sigma_partial(m, n=n - N, N=N, S0=S0)
        case "random":
            return moments.sigma_random(M, n=n, S0=S0)
        case "recent" if schedule.reuse:
            return moments.sigma_window_kept(M, k=n // K, K=K, S0=S0)
        case "accumulate":
            return moments.sigma_accumulate(M, n=n, N=N, S0=S0)
        case "accumulate_subsample":
            return moments.sigma_accumulate_subsample(M, n=n, N=N, S0=S0)
    return moments.sigma_redrawn([schedule.table(t) for t in range(1, M + 1)], S0=S0)


def test_sigma_agrees_with_theory_at_4000_replicates() -> None:
    """All schedules x 4 laws x 40 generations; false-failure odds 1e-6 over all of them."""
    M, R = 40, 4000
    comparisons = len(GRID) * len(SOURCES) * M
    for source in SOURCES:
        for schedule in GRID:
            _, curves = run(schedule, source, R, 2024, [M])
            exact = exact_sigma(schedule, source.concentration, M)
            allowed = bernstein(
                exact,
                low=1 / source.support,
                replicates=R,
                comparisons=comparisons,
                odds=1e-6,
            )
            gap = np.abs(curves["sigma"].mean(0) - exact)
            assert (gap <= allowed + 1e-12).all(), (schedule, source, gap.max())


@pytest.mark.parametrize("n", [1300, 10**5, 10**7])
def test_large_samples_have_the_law_of_a_multinomial(n: int) -> None:
    """numpy's multinomial as a second simulator: exact two-sample Kolmogorov-Smirnov tests.

    3 n x 2 curves x 4 generations at odds of 1e-6 in all. At n = 10^7 Bernstein's
    bound sees nothing of the drift; this test sees a sixth of its standard deviation.
    """
    R, M, source = 4000, 30, SOURCES[0]
    _, curves = run(Schedule(name="full", n=n), source, R, 2024, [M])
    rng = np.random.default_rng(1)
    first = p = rng.multinomial(n, source.probabilities(), size=R) / n
    for m in range(1, M + 1):
        if m > 1:
            p = rng.multinomial(n, p) / n
        if m in (1, 2, 10, 30):
            peer = {"sigma": (p**2).sum(1), "deviation": np.abs(p - first).sum(1)}
            for name, values in peer.items():
                mine = curves[name][:, m - 1]
                if m > 1 or name == "sigma":
                    assert ks_2samp(mine, values).pvalue > 1e-6 / 24, (name, m)


def test_splits_are_taken_and_do_not_hang_on_block_or_horizon() -> None:
    """Cells on both sides of the rule, simulated from another first replicate."""
    for n in (24 * 20, 24 * 20 + 1, 10**6):
        setting = model.Setting(
            schedule=Schedule(name="full", n=n), source=ZIPF, replicates=6, seed=3
        )
        _, whole = model.step(setting, model.init(setting), 30)
        tail = replace(setting, first_replicate=4, replicates=2)
        _, part = model.step(tail, model.init(tail), 20)
        for name in model.CURVES:
            assert np.array_equal(whole[name][4:, :20], part[name])


def test_that_test_has_power() -> None:
    """Theorem 2 as printed, and a window off by one, would fail it."""
    R, M = 4000, 40
    source = SOURCES[1]
    _, curves = run(Schedule(name="partial", n=80, N=2), source, R, 2024, [M])
    printed = moments.sigma_partial(np.arange(1, M + 1), n=80, N=2, S0=0.5, as_printed=True)
    allowed = bernstein(printed, low=1 / 100, replicates=R, comparisons=3200, odds=1e-6)
    assert (np.abs(curves["sigma"].mean(0) - printed) > allowed).any()
    source = SOURCES[0]
    _, curves = run(Schedule(name="recent", n=12, K=3), source, R, 2024, [M])
    wrong = exact_sigma(Schedule(name="recent", n=12, K=4), 0.1, M)
    allowed = bernstein(wrong, low=1 / 52, replicates=R, comparisons=3200, odds=1e-6)
    assert (np.abs(curves["sigma"].mean(0) - wrong) > allowed).any()
