"""The compiled draws alone: exact in law, for n from 1 to 10 million.

Every statistical test here is a set of chi-square or Bernstein comparisons whose
false-failure odds are `ODDS` over all of them, so below 1e-6 for the file.
"""

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.special import gammaln
from scipy.stats import binom, chi2, hypergeom

from sweep.models.statistical import sampling, variates
from sweep.models.statistical.jit import compiled
from tests.helpers.paths import ROOT
from tests.reference import statistical

Counts = NDArray[np.int64]
ODDS = 1e-7
DRAWS = 400_000
KEY = (17, 4)
BINOMIALS = [
    *((n, p) for n in (1, 2, 7, 25, 100) for p in (1e-9, 1e-3, 0.1, 1 / 3, 0.4999, 0.5)),
    # The mean just below and above the change from inversion to rejection.
    *((n, p / n) for n in (20, 150, 10**4, 10**7) for p in (0.01, 1.0, 9.999, 10.0, 10.5)),
    *((n, p) for n in (400, 1200, 10**5, 10**6, 10**7) for p in (1e-4, 0.02, 0.3, 0.5)),
]
HYPERGEOMETRICS = [
    (1, 1, 1), (1, 5, 2), (3, 4, 5), (9, 50, 60), (95, 40, 60), (10, 10, 10), (25, 30, 500),
    (25, 500, 30), (300, 250, 250), (499, 250, 250), (700, 900, 100), (1000, 10**6, 10**6),
    (10**6, 10**6, 3 * 10**6), (3, 10**7, 10**7), (10**7 - 5, 10**7, 10**3), (10**6, 12, 10**7),
    (10**7, 10**9, 10**9),
]  # fmt: skip
"""(taken, good, bad)"""


@compiled
def _binomials(out: Counts, n: int, p: float, k0: int, k1: int) -> None:
    for i in range(out.size):
        u, v = variates.units(i, 1, 0, 5, k0, k1)
        out[i] = variates.binomial(n, p, u, v, i, 1, 0, 5, k0, k1)


@compiled
def _hypergeometrics(out: Counts, taken: int, good: int, bad: int, k0: int, k1: int) -> None:
    for i in range(out.size):
        u, v = variates.units(i, 1, 0, 5, k0, k1)
        out[i] = variates.hypergeometric(taken, good, bad, u, v, i, 1, 0, 5, k0, k1)


@compiled
def _all_ways(
    split, by_mass, pick, chosen_split, chosen_pick, size, ends, mass, words, pool, tree, k0, k1
) -> None:
    slots = ends.size - 1
    for r in range(split.shape[0]):
        sampling.split(split[r], size, ends, slots, words, 0, 3, r, 5, k0, k1)
        sampling.split(by_mass[r], size, mass, slots, words, 0, 4, r, 5, k0, k1)
        sampling.pick(pick[r], size, ends, slots, pool, words, 0, 5, r, 5, k0, k1)
        sampling.choose_by_splits(chosen_split[r], size, ends, slots, words, 6, r, 5, k0, k1)
        sampling.choose_by_picks(chosen_pick[r], size, ends, slots, words, tree, 7, r, 5, k0, k1)


@compiled
def _splits(out, size, ends, words, k0, k1) -> None:
    for r in range(out.shape[0]):
        sampling.split(out[r], size, ends, ends.size - 1, words, 0, 8, r, 5, k0, k1)


def drawn(sampler: Callable[..., object], *parameters: float) -> Counts:
    out = np.empty(DRAWS, np.int64)
    sampler(out, *parameters, *KEY)
    return out


def surprise(values: Counts, law: Any) -> float:
    """p-value of a chi-square over bins of equal odds and of the tails, each expects over 500.

    With so many in each bin the chi-square law holds well beyond the odds asked for.
    """
    levels = [0.002, 0.01, *np.arange(0.05, 0.96, 0.05), 0.99, 0.998]
    edges = np.unique(law.ppf(levels))
    masses = np.diff([0.0, *law.cdf(edges), 1.0])
    counts = np.bincount(np.searchsorted(edges, values), minlength=len(masses))
    observed, expected = [0.0], [0.0]
    for count, mass in zip(counts, masses, strict=True):
        observed[-1] += count
        expected[-1] += mass * len(values)
        if expected[-1] > 500:
            observed.append(0.0)
            expected.append(0.0)
    if len(expected) > 1:
        rest = observed.pop(), expected.pop()
        observed[-1] += rest[0]
        expected[-1] += rest[1]
    if len(expected) == 1:
        return 1.0
    o, e = np.array(observed), np.array(expected)
    return float(chi2.sf(((o - e) ** 2 / e).sum(), len(e) - 1))


def test_binomials_have_their_law() -> None:
    """50 laws: chi-square, and the sum of all draws, exactly Bin(draws n, p)."""
    allowed = ODDS / (3 * len(BINOMIALS))
    for n, p in BINOMIALS:
        values = drawn(_binomials, n, p)
        assert values.min() >= 0
        assert values.max() <= n
        assert surprise(values, binom(n, p)) > allowed, (n, p)
        total = binom(DRAWS * n, p)
        assert total.cdf(values.sum()) > allowed, (n, p)
        assert total.sf(values.sum() - 1) > allowed, (n, p)


def test_hypergeometrics_have_their_law() -> None:
    for taken, good, bad in HYPERGEOMETRICS:
        values = drawn(_hypergeometrics, taken, good, bad)
        assert values.min() >= max(0, taken - bad)
        assert values.max() <= min(taken, good)
        law = hypergeom(good + bad, good, taken)
        assert surprise(values, law) > ODDS / len(HYPERGEOMETRICS), (taken, good, bad)


def test_those_tests_have_power() -> None:
    """A mean off by a thousandth, and the normal approximation, would fail them."""
    values = drawn(_binomials, 10**5, 0.3)
    assert surprise(values, binom(10**5, 0.3 * 1.001)) < 1e-12
    rng = np.random.default_rng(0)
    normal = np.rint(rng.normal(25, np.sqrt(25 * 0.75), DRAWS)).astype(np.int64)
    assert surprise(normal, binom(100, 0.25)) < 1e-12


@pytest.mark.parametrize(("n", "p"), [(n, p) for n, p in BINOMIALS if n <= 10**6])
def test_binomials_equal_the_reference(n: int, p: float) -> None:
    slow = statistical.Draws(KEY, 0)
    out = np.empty(100, np.int64)
    _binomials(out, n, p, *KEY)
    assert out.tolist() == [slow.binomial(n, p, i, 1, 5) for i in range(100)]


@pytest.mark.parametrize(("taken", "good", "bad"), [h for h in HYPERGEOMETRICS if sum(h) < 10**7])
def test_hypergeometrics_equal_the_reference(taken: int, good: int, bad: int) -> None:
    slow = statistical.Draws(KEY, 0)
    out = np.empty(100, np.int64)
    _hypergeometrics(out, taken, good, bad, *KEY)
    assert out.tolist() == [slow.hypergeometric(taken, good, bad, i, 1, 5) for i in range(100)]


def log_ratio(n: int, p: float, x: NDArray[np.float64]) -> NDArray[np.float64]:
    """log f(x) / f(mode) of Bin(n, p), by log-gamma."""
    mode = np.floor((n + 1) * p)

    def log_mass(k: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(
            k * np.log(p) + (n - k) * np.log1p(-p) - gammaln(k + 1) - gammaln(n - k + 1)
        )

    return log_mass(x) - log_mass(np.asarray(mode))


REJECTED = [(n, p) for n, p in BINOMIALS if n * p >= variates.INVERTED]


@pytest.mark.parametrize(("n", "p"), REJECTED)
def test_the_rejection_is_exact(n: int, p: float) -> None:
    """Not statistics: under the hat lies the whole law, and what is accepted early is under it."""
    sd = np.sqrt(n * p * (1 - p))
    b = 1.15 + 2.53 * sd
    a = -0.0873 + 0.0248 * b + 0.01 * p
    u = np.concatenate(
        [
            np.linspace(-0.5, 0.5, 200_001)[1:-1],
            *(s * (0.5 - np.geomspace(1e-12, 0.07, 5000)) for s in (-1, 1)),
        ]
    )
    edge = 0.5 - np.abs(u)
    x = np.floor((2 * a / edge + b) * u + n * p + 0.5)
    inside = (x >= 0) & (x <= n)
    early = edge >= 0.07
    assert inside[early].all()
    hat = np.log((2.83 + 5.1 / b) * sd / (a / edge**2 + b))
    exact = log_ratio(n, p, x[inside])
    rounding = 1e-15 * n * np.log(n)  # of log-gamma
    assert (hat[inside] >= exact - rounding).all()
    squeezed = hat[early] + np.log(0.92 - 4.2 / b)
    assert (squeezed <= log_ratio(n, p, x[early]) + rounding).all()


@pytest.mark.parametrize(("n", "p"), REJECTED)
def test_the_shortcut_decides_as_the_law(n: int, p: float) -> None:
    """Heights just beyond the shortcut's reach, on both sides, at gaps all over its range."""
    variance, mode = n * p * (1 - p), np.floor((n + 1) * p)
    rounding = 1e-15 * n * np.log(n)
    for gap in np.unique(
        np.floor(np.geomspace(21, max(21, min(variance / 2, 12 * variance**0.5)), 300))
    ):
        for x in (mode - gap, mode + gap):
            if not 0 <= x <= n:
                continue
            exact = float(log_ratio(n, p, np.array([x]))[0])
            assert (
                variates.log_to_mode(n, p, variance, x, exact - 1e-9 - rounding)
                >= exact - 1e-9 - rounding
            )
            assert (
                variates.log_to_mode(n, p, variance, x, exact + 1e-9 + rounding)
                <= exact + 1e-9 + rounding
            )


def halved(taken: int, good: int, bad: int) -> tuple[int, int]:
    """What the sampler draws instead: the rarer kind, and the smaller of what is taken and left."""
    few, drawn = sorted((min(good, bad), min(taken, good + bad - taken)), reverse=True)
    return few, drawn


RATIO = [h for h in HYPERGEOMETRICS if halved(*h)[1] >= 10]
"""Those that are drawn by the ratio of uniforms; the others are inverted."""


def test_both_ways_to_draw_a_hypergeometric_are_tested() -> None:
    assert 8 <= len(RATIO) <= len(HYPERGEOMETRICS) - 5


@pytest.mark.parametrize(("taken", "good", "bad"), RATIO)
def test_the_ratio_of_uniforms_covers_the_hypergeometric(taken: int, good: int, bad: int) -> None:
    total = good + bad
    few, drawn = halved(taken, good, bad)
    share = few / total
    centre = drawn * share + 0.5
    variance = drawn * share * (1 - share) * (total - drawn) / (total - 1)
    width = 1.7155277699214135 * np.sqrt(variance + 0.5) + 0.8989161620588988
    mode = (drawn + 1) * (few + 1) // (total + 2)
    law = hypergeom(total, few, drawn)
    far = int(30 * np.sqrt(variance)) + 1
    k = np.arange(max(0, mode - far), min(drawn, mode + far) + 1)
    root = np.exp((law.logpmf(k) - law.logpmf(mode)) / 2)
    assert (root <= 1 + 1e-5).all()
    for corner in (k, k + 1):
        assert (np.abs(corner - centre) * root <= width / 2 * (1 + 1e-5)).all()


def test_ratios_of_factorials_keep_their_precision() -> None:
    for start in (0, 5, 1000, 1030, 10**5, 10**7, 10**9):
        for gap in (0, 1, 30, 2000):
            exact = float(np.log(np.arange(start + 1, start + gap + 1, dtype=np.longdouble)).sum())
            assert variates.log_factorials(float(start + gap), float(start)) == pytest.approx(
                exact, rel=1e-12, abs=1e-11
            )
            assert variates.log_factorials(float(start), float(start + gap)) == pytest.approx(
                -exact, rel=1e-12, abs=1e-11
            )


def test_splits_and_picks_have_the_multinomial_law() -> None:
    """Each slot's count is binomial: chi-square on every slot, both ways, and of p(0)."""
    counts = np.array([1, 40, 7, 7, 300, 2, 143])
    ends = np.concatenate([[0], np.cumsum(counts)])
    size, runs = 40, 40_000
    words = np.empty(2052, np.uint32)
    tree, pool = np.empty(8, np.int64), np.empty(4 * size, np.uint32)
    shape, few = (runs, counts.size), np.array([hypergeom(500, int(c), size) for c in counts])
    out = {name: np.zeros(shape, np.int64) for name in ("split", "mass", "pick", "held", "drawn")}
    _all_ways(*out.values(), size, ends, ends / counts.sum(), words, pool, tree, *KEY)
    for name, values in out.items():
        assert (values.sum(axis=1) == size).all()
        for j, count in enumerate(counts):
            law = few[j] if name in ("held", "drawn") else binom(size, count / 500)
            assert surprise(values[:, j], law) > ODDS / 35, (name, j)


def test_splits_hold_at_probabilities_near_one() -> None:
    """Binomials of p > 1/2 are those of the other half: n = 10^7, p from 1e-7 to 1 - 4e-7."""
    counts = np.array([9_999_989, 4, 1, 6])
    for weights in (counts, counts[::-1]):
        ends = np.concatenate([[0], np.cumsum(weights)])
        out = np.zeros((100_000, 4), np.int64)
        _splits(out, 10**7, ends, np.empty(16, np.uint32), *KEY)
        assert (out.sum(axis=1) == 10**7).all()
        for j, weight in enumerate(weights):
            assert surprise(out[:, j], binom(10**7, weight / ends[-1])) > ODDS / 8, (weights, j)


def test_a_change_in_a_compiled_file_is_never_missed(tmp_path: Path) -> None:
    """numba's own cache would keep the old sampler inside the callers in other files."""
    shutil.copytree(
        ROOT / "models", tmp_path / "models", ignore=shutil.ignore_patterns("__pycache__")
    )
    script = (
        "import numpy as np; from models.statistical import sampling; w = np.empty(40, np.uint32);"
        "out, past = np.zeros(3, np.int64), np.arange(3);"
        "sampling.split_mixed(out, 1000, np.arange(4) / 3, past, w, 2, 0, (6, 5, 4), 1, 2);"
        "print(out, sum(sampling.split_mixed.stats.cache_hits.values()), sep=';')"
    )

    def result() -> list[str]:
        done = subprocess.run(
            [sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=True
        )
        return done.stdout.strip().split(";")

    counts, hits = result()
    assert hits == "0"
    assert result() == [counts, "1"]
    file = tmp_path / "models" / "statistical" / "variates.py"
    text = file.read_text()
    assert "+ n * p + 0.5)" in text
    file.write_text(text.replace("+ n * p + 0.5)", "+ n * p + 9.5)"))
    other, hits = result()
    assert other != counts
    assert hits == "0"
