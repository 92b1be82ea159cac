"""Theory against brute force that shares nothing with it: exact chains over all states."""

import itertools
import math

import numpy as np
import pytest

from sweep.models.theory import bounds, collapse_time, moments


def multinomial_law(n: int, p: tuple[float, ...]) -> dict[tuple[int, ...], float]:
    """Probability of every vector of counts of n samples of p."""
    law = {}
    for counts in itertools.product(range(n + 1), repeat=len(p)):
        if sum(counts) == n:
            ways = math.factorial(n) / math.prod(map(math.factorial, counts))
            law[counts] = ways * math.prod(q**c for q, c in zip(p, counts, strict=True))
    return law


P = (0.5, 0.3, 0.2)
S0 = sum(q * q for q in P)


def full_chain(n: int, generations: int) -> list[dict[tuple[int, ...], float]]:
    """The law of the counts of generation m, m = 1.., three tokens."""
    laws = [multinomial_law(n, P)]
    for _ in range(generations - 1):
        nxt: dict[tuple[int, ...], float] = {}
        for counts, weight in laws[-1].items():
            for new, q in multinomial_law(n, tuple(c / n for c in counts)).items():
                nxt[new] = nxt.get(new, 0.0) + weight * q
        laws.append(nxt)
    return laws


@pytest.mark.parametrize("n", [1, 2, 4])
def test_theorem_1_against_the_exact_chain(n: int) -> None:
    M = 12
    laws = full_chain(n, M)
    m = np.arange(1, M + 1)
    sigma = [sum(w * sum((c / n) ** 2 for c in k) for k, w in law.items()) for law in laws]
    np.testing.assert_allclose(moments.sigma_full(m, n=n, S0=S0), sigma, atol=1e-12)
    rho = np.array([sum(w for k, w in law.items() if max(k) == n) for law in laws])
    lower, upper = bounds.collapse_probability_bounds(m, n=n, S0=S0, support=3)
    assert (lower <= rho + 1e-12).all()
    assert (rho <= upper + 1e-12).all()
    laws = full_chain(n, 200)
    rho = np.array([sum(w for k, w in law.items() if max(k) == n) for law in laws])
    mean = 1 + (1 - rho).sum()  # E[T] = sum_{m >= 0} P(T > m)
    low, high = bounds.collapse_time_bounds(n=n, S0=S0, support=3)
    assert low - 1e-9 <= mean <= high + 1e-9


@pytest.mark.parametrize(("n", "N"), [(1, 1), (2, 3), (3, 2)])
def test_theorem_2_as_corrected_against_the_exact_chain(n: int, N: int) -> None:
    M = 8
    sigma = np.zeros(M)
    rho = np.zeros(M)
    for real, weight in multinomial_law(N, P).items():
        law = {real: weight}
        for m in range(M):
            total = N if m == 0 else N + n
            sigma[m] += sum(w * sum((c / total) ** 2 for c in k) for k, w in law.items())
            rho[m] += sum(w for k, w in law.items() if max(k) == total)
            nxt: dict[tuple[int, ...], float] = {}
            for counts, w in law.items():
                for new, q in multinomial_law(n, tuple(c / total for c in counts)).items():
                    key = tuple(a + b for a, b in zip(real, new, strict=True))
                    nxt[key] = nxt.get(key, 0.0) + w * q
            law = nxt
    ms = np.arange(1, M + 1)
    np.testing.assert_allclose(moments.sigma_partial(ms, n=n, N=N, S0=S0), sigma, atol=1e-12)
    np.testing.assert_allclose(
        collapse_time.collapse_probability_kept(np.array(P), N=N), rho, atol=1e-12
    )
    if N > 1:
        printed = moments.sigma_partial(ms, n=n, N=N, S0=S0, as_printed=True)
        assert abs(printed[0] - sigma[0]) > 1e-3


def test_second_moments_of_a_window_against_all_paths() -> None:
    """recent n=4, K=2, three generations, by summing over every path of counts."""
    sigma = np.zeros(3)
    size = 2
    for one, w1 in multinomial_law(size, P).items():
        sigma[0] += w1 * sum((c / 2) ** 2 for c in one)
        p1 = tuple(c / 2 for c in one)
        for again, wa in multinomial_law(size, P).items():
            for mine, wb in multinomial_law(size, p1).items():
                two = tuple(a + b for a, b in zip(again, mine, strict=True))
                w2 = w1 * wa * wb
                sigma[1] += w2 * sum((c / 4) ** 2 for c in two)
                p2 = tuple(c / 4 for c in two)
                for from1, wc in multinomial_law(size, p1).items():
                    for from2, wd in multinomial_law(size, p2).items():
                        three = tuple(a + b for a, b in zip(from1, from2, strict=True))
                        sigma[2] += w2 * wc * wd * sum((c / 4) ** 2 for c in three)
    table = [{0: 2}, {0: 2, 1: 2}, {1: 2, 2: 2}]
    np.testing.assert_allclose(moments.sigma_redrawn(table, S0=S0), sigma, atol=1e-12)


def test_second_moments_of_the_random_schedule_against_all_tables() -> None:
    """n=2: the law of the table is summed over; and generation 2 against all paths."""
    n, M = 2, 6
    C = {(0, 0): S0}
    sigma = []
    for m in range(1, M + 1):
        own = 0.0
        for g, h in itertools.product(range(m), repeat=2):
            own += C[min(g, h), max(g, h)] / m**2
        C[m, m] = (n * 1 + n * (n - 1) * own) / n**2
        for u in range(m):
            C[u, m] = sum(C[min(t, u), max(t, u)] for t in range(m)) / m
        sigma.append(C[m, m])
    np.testing.assert_allclose(moments.sigma_random(M, n=n, S0=S0), sigma, atol=1e-12)


def test_redrawn_recursion_reduces_to_theorem_1() -> None:
    table = [{m - 1: 13} for m in range(1, 100)]
    exact = moments.sigma_full(np.arange(1, 100), n=13, S0=0.2)
    np.testing.assert_allclose(moments.sigma_redrawn(table, S0=0.2), exact, atol=1e-12)


def test_theorem_3_and_its_vacuity() -> None:
    """The three branches of eq. (10), by the numbers; and eq. (11) solves Theorem 3 for n."""
    c0, c1 = math.e**3 / (2 * math.pi), 6 * math.e / math.pi**1.5
    assert math.exp(bounds.log_G(10, 600)) == pytest.approx(
        c1 * 600 * math.exp(c0 * 10 / (2 * math.e))
    )
    assert math.exp(bounds.log_G(100, 100)) == pytest.approx(c1 * 100 * (c0) ** 50)
    assert math.exp(bounds.log_G(100, 20)) == pytest.approx(2**20 - 2)
    assert bounds.deviation_bound(n=10, N=100, s=600) > 2
    assert bounds.harmless_n_bound(N=100, s=600, eps=1.0) < 1
    n = bounds.harmless_n_bound(N=10**6, s=10, eps=0.1)
    assert n > 1
    assert bounds.deviation_bound(n=int(n), N=10**6, s=10) < 0.1
    assert bounds.deviation_bound(n=10**6, N=10, s=3000) == math.inf


def test_theorem_4_and_what_it_is_made_of() -> None:
    assert bounds.phi(0.5) == 2
    assert bounds.phi(0.25) == pytest.approx(2 * math.log(3))
    assert bounds.phi(0.4999) == pytest.approx(2, abs=1e-3)
    for counts in ([5], [3, 3], [6, 1, 1], [4, 3, 2], [7, 5, 3, 1, 1]):
        total = sum(counts)
        every = [
            sum(part) * (total - sum(part)) / total**2
            for size in range(len(counts) + 1)
            for part in itertools.combinations(counts, size)
        ]
        assert bounds.largest_split(np.array(counts)) == pytest.approx(max(every))
    # Near Theorem 3 for a spread law, well below it where one token holds nearly all.
    spread, peaked = np.full(20, 0.05), np.array([0.999] + [0.001 / 19] * 19)
    third = bounds.deviation_bound(n=2, N=10**4, s=20)
    assert bounds.deviation_bound_theorem_4(n=2, N=10**4, s=20, p=spread) == pytest.approx(
        third, rel=1e-3
    )
    assert bounds.deviation_bound_theorem_4(n=2, N=10**4, s=20, p=peaked) < 0.75 * third
