"""The exact expected deviation E||p(m) - p(1)||_1, fully and partially synthetic.

    n, N     synthetic and real samples per generation
    p        p(0), shape (support,)
    r        copies of one token among the samples of generation 1
    c_m      copies of that token among the synthetic samples of generation m
    W(r)     expected number of tokens with r copies: sum_i P(Bin(N, p_i) = r)
    e_m(r)   E|p_i(m) - p_i(1)| of a token with r copies

One token at a time, the chain is a Markov chain of counts:

    partial   c_2 ~ Bin(n, r/N), c_{m+1} ~ Bin(n, (r + c_m) / (N + n)),
              |p_i(m) - p_i(1)| = n / (N + n) |c_m / n - r / N|
    full      r ~ Bin(n, p_i), c_2 ~ Bin(n, r/n), c_{m+1} ~ Bin(n, c_m / n),
              |p_i(m) - p_i(1)| = |c_m - r| / n

so E||p(m) - p(1)||_1 = sum_r W(r) e_m(r), and e_m does not depend on p(0).
The probability left out in tails keeps the total error below `ERROR`.

Source: the definitions, section 2.2 of Seddik et al. 2024; the paper has only
bounds (Theorems 3 and 4). Exact up to `ERROR`.

Not covered: schedules that draw from more models than the last.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln, xlog1py, xlogy

Floats = NDArray[np.float64]

ERROR = 1e-9
"""Bound on the absolute error of every value."""
LARGEST_TABLE = 10**7
"""Most entries of the table of binomial laws, (N + n + 1) (n + 1): 80 MB."""
LARGEST_WORK = 2 * 10**10
"""Most multiplications, estimated in advance: some ten seconds."""


def deviation_partial(
    generations: int, *, n: int, N: int, p: Floats, most_work: int = LARGEST_WORK
) -> Floats:
    """E||p(m) - p(1)||_1, m = 1..generations, with N kept real samples; 0 at m = 1.

    Raises ValueError if it would take more memory than `LARGEST_TABLE` or more
    multiplications than `most_work`.
    """
    _fits(N + n, n, p)
    weight, cut = _weights(N, p), _cut(generations, p)
    starts = _starts(weight)
    spread = min(n + 1, int(40 * np.sqrt(n / 4 + 1)))
    _refuse(generations * len(starts) * (spread**2 // 8 + 10**5), most_work, n, N)
    rows = _binomial_laws(n, N + n)
    total = np.zeros(generations)
    counts = np.arange(n + 1)
    for r in starts:
        if r in (0, N):
            continue  # no real sample is this token, or every one: its probability never changes
        gap = np.abs(counts / n - r / N) * (n / (N + n))
        law = _binomial_law(n, r / N)
        low, high = _window(law, cut)
        law = law[low:high]
        for m in range(1, generations):
            total[m] += weight[r] * (law @ gap[low:high])
            first, last = _reach(rows, r + low, r + high - 1, cut)
            law = law @ rows[r + low : r + high, first:last]
            low, high = _window(law, cut)
            law, low, high = law[low:high], first + low, first + high
    return total


def deviation_full(generations: int, *, n: int, p: Floats, most_work: int = LARGEST_WORK) -> Floats:
    """E||p(m) - p(1)||_1, m = 1..generations, fully synthetic; 0 at m = 1.

    Raises ValueError if it would take more memory than `LARGEST_TABLE` or more
    multiplications than `most_work`.
    """
    _fits(n, n, p)
    weight = _weights(n, p)
    starts = _starts(weight)
    _refuse(generations * len(starts) * (n + 1) ** 2 // 8, most_work, n, None)
    rows = _binomial_laws(n, n)
    laws = np.zeros((len(starts), n + 1))
    laws[np.arange(len(starts)), starts] = 1.0
    gap = np.abs(np.arange(n + 1)[None, :] - starts[:, None]) / n
    total = np.zeros(generations)
    for m in range(1, generations):
        laws = laws @ rows
        total[m] = weight[starts] @ (laws * gap).sum(axis=1)
        if weight[starts] @ laws[:, 1:-1].sum(axis=1) < ERROR / 4:
            total[m + 1 :] = total[m]  # every token has reached 0 or n copies
            break
    return total


def deviation_real(*, N: int, p: Floats) -> float:
    """E||p(m) - p(1)||_1, m >= 2, with N fresh real samples every generation: the control.

    Two independent counts X, Y ~ Bin(N, p_i) differ by E|X - Y| = 2 sum_k F(k) (1 - F(k)).
    Raises ValueError if N times the number of distinct p_i is above `LARGEST_TABLE`.
    """
    _fits(N, 0, p)
    total = 0.0
    values, times = np.unique(p[p > 0], return_counts=True)
    for value, many in zip(values, times, strict=True):
        F = np.minimum(1.0, np.cumsum(_binomial_law(N, float(value))))
        total += many * 2 / N * float((F * (1 - F)).sum())
    return total


def _fits(total: int, n: int, p: Floats) -> None:
    """Raise ValueError, before anything is built, if it would take too much memory."""
    entries = (total + 1) * max(n + 1, len(np.unique(p)))
    if entries > LARGEST_TABLE:
        raise ValueError(
            f"n: got {n} of {total} samples; the exact deviation is computed while the samples "
            f"times n, and times the distinct probabilities, are below {LARGEST_TABLE}; simulate"
        )


def _weights(N: int, p: Floats) -> Floats:
    """W(r), r = 0..N, shape (N + 1,); tokens of equal probability are counted together."""
    weight = np.zeros(N + 1)
    values, times = np.unique(p[p > 0], return_counts=True)
    for value, many in zip(values, times, strict=True):
        weight += many * _binomial_law(N, float(value))
    return weight


def _starts(weight: Floats) -> NDArray[np.intp]:
    """The r that matter: all but some that together weigh less than a quarter of `ERROR`."""
    order = np.argsort(weight)
    dropped = int(np.searchsorted(np.cumsum(weight[order]), ERROR / 4))
    return np.sort(order[dropped:])


def _cut(generations: int, p: Floats) -> float:
    """The probability that may be left out in one tail: 4 tails a generation and token."""
    return ERROR / (8 * max(2, len(p)) * (generations + 1))


def _binomial_law(n: int, q: float) -> Floats:
    """P(Bin(n, q) = c), c = 0..n, shape (n + 1,)."""
    c = np.arange(n + 1)
    ways = gammaln(n + 1) - gammaln(c + 1) - gammaln(n - c + 1)
    return np.asarray(np.exp(ways + xlogy(c, q) + xlog1py(n - c, -q)), np.float64)


def _binomial_laws(n: int, total: int) -> Floats:
    """Row k: the law of Bin(n, k / total); shape (total + 1, n + 1)."""
    c = np.arange(n + 1)
    k = np.arange(total + 1)[:, None]
    ways = gammaln(n + 1) - gammaln(c + 1) - gammaln(n - c + 1)
    rows = np.exp(ways + xlogy(c, k / total) + xlog1py(n - c, -k / total))
    rows /= rows.sum(axis=1, keepdims=True)
    return np.asarray(rows, np.float64)


def _window(law: Floats, cut: float) -> tuple[int, int]:
    """The range low..high-1 outside which a law has at most `cut` on either side."""
    below = np.cumsum(law)
    low = int(np.searchsorted(below, cut))
    high = int(np.searchsorted(below, below[-1] - cut, side="left")) + 1
    return min(low, len(law) - 1), max(high, low + 1)


def _reach(rows: Floats, lowest: int, highest: int, cut: float) -> tuple[int, int]:
    """The columns that the rows lowest..highest reach with more than `cut`."""
    return _window(rows[lowest], cut)[0], _window(rows[highest], cut)[1]


def _refuse(work: int, most_work: int, n: int, N: int | None) -> None:
    if work > most_work:
        real = "" if N is None else f" with N={N}"
        raise ValueError(
            f"n: got {n}{real}; the exact deviation would take {work:.0e} steps; allowed: "
            f"{most_work:.0e}; use fewer generations, or simulate"
        )
