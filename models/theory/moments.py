"""Closed forms and exact second moments of recursive training; independent of the engine.

    p(m)       model of generation m, a random distribution on s tokens; p(0) is given
    S_m        E[sigma_m] = E[sum_i p_i(m)^2]; S0 is that of p(0)
    rho_m      P(T <= m), T the first generation at which p(m) is a Dirac mass
    n, N       synthetic and real samples per generation
    s~         support size of p(0)
    n_t^(m)    samples of model t that generation m is trained on (eq. 5)
    alpha      n / (N + n)

Source: Seddik et al. 2024, "How Bad is Training on Synthetic Data?", cited by
theorem and equation. Eq. (9) is corrected: the sign of its last bracket is
wrong as printed. An argument m may be an array of generations.

Not covered here: the exact law of T (`models.theory.collapse_time`) and of the deviation
(`models.theory.deviation`).
"""

import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]


def sigma_full(m: ArrayLike, *, n: int, S0: float) -> Floats:
    """S_m of the fully synthetic chain; exact (Theorem 1, eq. 6)."""
    return 1 - (1 - 1 / n) ** np.asarray(m, np.float64) * (1 - S0)


def sigma_partial(m: ArrayLike, *, n: int, N: int, S0: float, as_printed: bool = False) -> Floats:
    """S_m, m >= 1, with N kept real samples and n synthetic; exact (Theorem 2, eq. 9).

    The paper prints `- alpha beta^m / N` in the second bracket. With that sign
    S_1 is not 1/N + (1 - 1/N) S0, the second moment of N independent samples;
    `as_printed` returns it nevertheless, for comparison.
    """
    alpha = n / (N + n)
    beta = alpha * ((1 + 1 / N) * alpha - 1 / N)
    power = beta ** (np.asarray(m, np.float64) - 1)
    sign = -1 if as_printed else 1
    first = (1 + 2 * alpha - (1 - 1 / N) * alpha * power) / N
    second = (1 - 1 / N) * S0 * (1 + alpha + sign * alpha * power / N)
    return (first + second) / (1 + (1 + 1 / N) * alpha)


def sigma_redrawn(table: Sequence[Mapping[int, int]], *, S0: float) -> Floats:
    """S_m, m = 1..M, for any schedule that redraws its samples; exact.

    Args:
        table: row m - 1 is {t: n_t^(m)}.

    Given the models before m, the samples are independent, so the second
    moments C_{t,u} = E<p(t), p(u)> obey, with w_t = n_t^(m) / n^(m),

        C_{m,u} = sum_t w_t C_{t,u}                                  (u < m)
        C_{m,m} = sum_{t,r} w_t w_r C_{t,r} + sum_t w_t^2 (1 - C_{t,t}) / n_t

    (two samples of one model agree with probability C_{t,t}, a sample with
    itself always). Models that no later row uses are dropped: O(M W^2) with W
    models kept.
    """
    last_use = {t: m for m, row in enumerate(table, start=1) for t in row}
    live, C = [0], np.array([[S0]])
    sigma = np.empty(len(table))
    for m, row in enumerate(table, start=1):
        size = np.array([row.get(t, 0) for t in live], np.float64)
        w = size / size.sum()
        cross = C @ w
        drawn = size > 0
        same = (w[drawn] ** 2 * (1 - np.diag(C)[drawn]) / size[drawn]).sum()
        sigma[m - 1] = w @ cross + same
        C = np.block([[C, cross[:, None]], [cross[None, :], sigma[m - 1]]])
        live.append(m)
        keep = [k for k, t in enumerate(live) if last_use.get(t, 0) > m]
        live, C = [live[k] for k in keep], C[np.ix_(keep, keep)]
    return sigma


def sigma_random(generations: int, *, n: int, S0: float) -> Floats:
    """S_m, m = 1..generations, where each sample picks its model uniformly; exact.

    Two samples of generation m come from two independent uniform models, so
    they agree with probability A_m / m^2, A_m = sum_{t,u < m} C_{t,u}; and as
    E<p(m), p(u)> is the mean of C_{t,u} over t, A_{m+1} = A_m (1 + 2/m) + S_m.
    """
    sigma = np.empty(generations)
    A = S0
    for m in range(1, generations + 1):
        sigma[m - 1] = 1 / n + (1 - 1 / n) * A / m**2
        A = A * (1 + 2 / m) + sigma[m - 1]
    return sigma


def sigma_window_kept(generations: int, *, k: int, K: int, S0: float) -> Floats:
    """S_m, m = 1..generations, where k samples of each model are drawn once; exact.

    Generation m is trained on the sample sets of the models max(0, m-K)..m-1. With
    q_{t,u} the probability that a sample of set t and one of set u agree (other
    samples, where t = u), and q~_{u,u} = 1/k + (1 - 1/k) q_{u,u} if the same one
    may be taken twice,

        S_m = mean of q~_{t,u} over the window, q_{m,m} = S_m,
        q_{m,u} = mean of q~_{t,u} over t in the window.
    """
    q = np.array([[S0]])  # for the sets in the window
    sigma = np.empty(generations)
    for m in range(1, generations + 1):
        same = q + np.diag((1 - np.diag(q)) / k)
        sigma[m - 1] = same.mean()
        cross = same.mean(axis=0)
        q = np.block([[q, cross[:, None]], [cross[None, :], sigma[m - 1]]])[-K:, -K:]
    return sigma


def sigma_accumulate(generations: int, *, n: int, N: int, S0: float) -> Floats:
    """S_m, m = 1..generations, with N real samples and n of every model, all kept; exact.

    1 - S_m = (1 - S0) (1 - 1/N) prod_{k=1}^{m-1} (1 - n / (N + k n)^2): with
    g = N + (m-1) n samples gathered, n picks from them leave 1 - S_{m+1} =
    (1 - S_m) (1 - n / (g + n)^2). The product converges, so S_m stays below 1.
    """
    k = np.arange(1, generations, dtype=np.float64)
    log_product = np.concatenate([[0.0], np.cumsum(np.log1p(-n / (N + k * n) ** 2))])
    return np.asarray(1 - (1 - S0) * (1 - 1 / N) * np.exp(log_product), np.float64)


def sigma_accumulate_limit(*, n: int, N: int, S0: float) -> float:
    """The limit of S_m as m grows, all data kept; exact. It is below 1: no total collapse.

    With x = N/n and h = 1/sqrt(n), 1 - n / (N + k n)^2 = (1 - h/(k+x)) (1 + h/(k+x)),
    so the product is Gamma(1+x)^2 / (Gamma(1+x-h) Gamma(1+x+h)).
    """
    from scipy.special import gammaln, polygamma

    x, h = N / n, 1 / math.sqrt(n)
    if x < 100:
        log_product = 2 * gammaln(1 + x) - gammaln(1 + x - h) - gammaln(1 + x + h)
    else:  # the difference cancels: its Taylor series in h, to 1e-11
        log_product = -(h**2) * polygamma(1, 1 + x) - h**4 / 12 * polygamma(3, 1 + x)
    return float(1 - (1 - S0) * (1 - 1 / N) * np.exp(log_product))


def sigma_accumulate_subsample(generations: int, *, n: int, N: int, S0: float) -> Floats:
    """S_m, m = 1..generations, trained on min(n, pool) of all data gathered; exact.

    The pool of g samples is N real ones and n of every model so far. With a the
    probability that two of its samples agree, a training set of k drawn without
    replacement has S_m = 1/k + (1 - 1/k) a; n samples of model m then join:

        g'(g'-1) a' = g (g-1) a + 2 g n [1/g + (1 - 1/g) a] + n (n-1) S_m.
    """
    sigma = np.empty(generations)
    g, a = N, S0
    for m in range(1, generations + 1):
        k = min(n, g)
        sigma[m - 1] = 1 / k + (1 - 1 / k) * a
        pairs = g * (g - 1) * a + 2 * n * (1 + (g - 1) * a) + n * (n - 1) * sigma[m - 1]
        g += n
        a = pairs / (g * (g - 1))
    return sigma


def sigma_contexts(
    generations: int, *, n: int, c: int, s: int, S0: float, keep_unseen: bool
) -> Floats:
    """Mean over c contexts of S_m, m = 1..generations, fully synthetic; exact.

    n samples fall on contexts uniformly, so a context gets n_j ~ Bin(n, 1/c),
    independent of its distribution. With a = P(n_j = 0) and b = E[1/n_j; n_j > 0],

        S_m = a u + b + (1 - a - b) S_{m-1},

    u = 1/s if an unseen context gets the uniform distribution, else (from m = 2 on)
    S_{m-1}. Not covered: contexts rolled out as text, whose n_j depend on the models.
    """
    from scipy.stats import binom

    k = np.arange(n + 1)
    law = binom.pmf(k, n, 1 / c)
    a, b = float(law[0]), float((law[1:] / k[1:]).sum())
    sigma = np.empty(generations)
    S = S0
    for m in range(1, generations + 1):
        u = S if keep_unseen and m > 1 else 1 / s
        S = a * u + b + (1 - a - b) * S
        sigma[m - 1] = S
    return sigma
