"""Schedules: what data generation m is trained on, the table n_t^(m) of eq. (5).

    m          generation, 1, 2, ...
    t          index of the model a sample comes from, 0 <= t < m; t = 0 is the
               real corpus (samples of p(0), the initial distribution)
    n_t^(m)    how many samples of model t generation m is trained on
    n          synthetic samples per generation
    N          real samples
    K          window: how many of the latest models are drawn from

A schedule is pure data, and the same table serves every model that is trained
recursively; for a GPT, n and N count tokens. The schedule also determines which
samples are drawn for a generation (`Rule.draws`) and which later generations
reuse (`Rule.keeps`).

Sources: Seddik et al. 2024, "How Bad is Training on Synthetic Data?", sections
2.2 and 4.2 (full, partial, recent, random); Gerstgrasser et al. 2024,
arXiv:2404.01413 (accumulate); Kazdan et al. 2024, "Collapse or Thrive?"
(accumulate_subsample); Alemohammad et al. 2023, arXiv:2307.01850 (fresh). `real`
and `matched` are control arms.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

LARGEST_SAMPLE = 10**7
"""Largest n, N and K: the binomials are verified up to it."""
LARGEST_POOL = 2**31 - 1
"""Most samples a generation may be trained on: squares of counts are 64-bit whole numbers."""

Table = Callable[[int, int, int, int], dict[int, int]]
"""(m, n, N, K) -> {t: how many samples of model t}."""


@dataclass(frozen=True, kw_only=True)
class Rule:
    """What defines a schedule, apart from the values of its axes."""

    purpose: str
    """One line for users."""
    axes: tuple[str, ...]
    """Those of n, N and K that the table depends on."""
    table: Table | None
    """n_t^(m); None where the table itself is random."""
    draws: Table | None
    """Samples drawn for generation m, t rising; None if each of n samples picks its
    model uniformly from 0..m-1."""
    keeps: Literal["nothing", "real", "all", "window"] = "nothing"
    """Draws that later generations reuse: none; those of generation 1 (the real corpus);
    all; or those for the last K generations."""
    subsample: bool = False
    """True: generation m is trained on min(n, kept) of all kept samples, chosen
    without replacement."""
    reach: Callable[[int], int] | None = lambda K: 1
    """K -> number of latest models that later generations can draw from; None: all."""
    real_for_ever: bool = False
    """True: every generation can draw fresh samples of p(0)."""


def _last(m: int, n: int, N: int, K: int) -> dict[int, int]:
    return {m - 1: n}


def _real_then_last(m: int, n: int, N: int, K: int) -> dict[int, int]:
    return {0: N} if m == 1 else {m - 1: n}


def _partial(m: int, n: int, N: int, K: int) -> dict[int, int]:
    return {0: N} if m == 1 else {0: N, m - 1: n}


def _matched(m: int, n: int, N: int, K: int) -> dict[int, int]:
    return _partial(m, n - N, N, K)


def _matched_draws(m: int, n: int, N: int, K: int) -> dict[int, int]:
    return _real_then_last(m, n - N, N, K)


def _recent(m: int, n: int, N: int, K: int) -> dict[int, int]:
    return dict.fromkeys(range(max(0, m - K), m), n // K)


def _recent_draws_kept(m: int, n: int, N: int, K: int) -> dict[int, int]:
    return {m - 1: n // K}


def _accumulate(m: int, n: int, N: int, K: int) -> dict[int, int]:
    return {0: N} | dict.fromkeys(range(1, m), n)


def _real(m: int, n: int, N: int, K: int) -> dict[int, int]:
    return {0: N}


RULES: dict[str, Rule] = {
    "full": Rule(
        purpose="n samples of the previous model, nothing else (fully synthetic)",
        axes=("n",),
        table=_last,
        draws=_last,
    ),
    "partial": Rule(
        purpose="the same N real samples in every generation + n of the previous model",
        axes=("n", "N"),
        table=_partial,
        draws=_real_then_last,
        keeps="real",
    ),
    "matched": Rule(
        purpose="as partial, N real + n - N synthetic samples: the same total n as full",
        axes=("n", "N"),
        table=_matched,
        draws=_matched_draws,
        keeps="real",
    ),
    "recent": Rule(
        purpose="floor(n/K) samples of each of the K latest models, redrawn each generation",
        axes=("n", "K"),
        table=_recent,
        draws=_recent,
        reach=lambda K: K,
    ),
    "random": Rule(
        purpose="n samples, each of a model drawn uniformly from all past ones and p(0)",
        axes=("n",),
        table=None,
        draws=None,
        reach=None,
        real_for_ever=True,
    ),
    "accumulate": Rule(
        purpose="N real samples and n of every past model, all kept",
        axes=("n", "N"),
        table=_accumulate,
        draws=_real_then_last,
        keeps="all",
    ),
    "accumulate_subsample": Rule(
        purpose="n samples, without replacement, of all that accumulate has gathered",
        axes=("n", "N"),
        table=None,
        draws=_real_then_last,
        keeps="all",
        subsample=True,
    ),
    "fresh": Rule(
        purpose="N new real samples every generation + n of the previous model",
        axes=("n", "N"),
        table=_partial,
        draws=_partial,
        real_for_ever=True,
    ),
    "real": Rule(
        purpose="N new real samples every generation, nothing else: the control",
        axes=("N",),
        table=_real,
        draws=_real,
        real_for_ever=True,
    ),
}
RECENT_KEPT = Rule(
    purpose="floor(n/K) samples of each of the K latest models, each drawn once and reused",
    axes=("n", "K"),
    table=_recent,
    draws=_recent_draws_kept,
    keeps="window",
)
"""The rule of `recent` with reuse. A Dirac generation is then final, unlike when redrawn."""


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """A rule with the values of its axes.

    Raises ValueError, worded `field: got X; allowed ..`, for an unknown name,
    a value out of range, a missing axis, or an axis the rule does not use.
    """

    name: str
    """A key of `RULES`."""
    n: int | None = None
    """Synthetic samples per generation; for `matched`, real and synthetic together."""
    N: int | None = None
    """Real samples."""
    K: int | None = None
    """Window, in models; at most n, since floor(n/K) samples come from each."""
    reuse: bool | None = None
    """recent only: True if a model's samples are drawn once and kept while it is in
    the window; None: redrawn for each generation, the paper's reading."""

    def __post_init__(self) -> None:
        if self.name not in RULES:
            raise ValueError(f"schedule: got {self.name!r}; allowed: {', '.join(RULES)}")
        for axis in ("n", "N", "K"):
            value = getattr(self, axis)
            if (value is None) != (axis not in self.rule.axes):
                verb = "is needed by" if value is None else "is not used by"
                raise ValueError(f"{axis}: {verb} schedule {self.name}")
            if value is not None and not 1 <= value <= LARGEST_SAMPLE:
                raise ValueError(
                    f"{axis}: got {value}; allowed: whole numbers 1 to {LARGEST_SAMPLE}"
                )
        if self.K is not None and self.K > self._n:
            raise ValueError(
                f"K: got {self.K} with n={self.n}; allowed: 1 to n, "
                "since floor(n/K) samples are taken from each model"
            )
        if self.name == "matched" and self._N >= self._n:
            raise ValueError(
                f"N: got {self.N} with n={self.n}; allowed for matched: 1 to n - 1, "
                "since n counts real and synthetic samples together"
            )
        if self.reuse is not None and (self.name != "recent" or not self.reuse):
            raise ValueError("reuse: allowed: true for schedule recent, else left out")

    @property
    def rule(self) -> Rule:
        return RECENT_KEPT if self.reuse else RULES[self.name]

    @property
    def _n(self) -> int:
        return self.n or 0

    @property
    def _N(self) -> int:
        return self.N or 0

    def table(self, m: int) -> dict[int, int]:
        """{t: n_t^(m)} for generation m >= 1.

        Raises ValueError where the table is random (`Rule.table` is None).
        """
        if self.rule.table is None:
            raise ValueError(f"schedule {self.name}: the table n_t^(m) is random")
        return self.rule.table(m, self._n, self._N, self.K or 0)

    def draws(self, m: int) -> dict[int, int]:
        """{t: samples of model t drawn for generation m}, t rising.

        Raises ValueError where each sample picks its model (`Rule.draws` is None).
        """
        if self.rule.draws is None:
            raise ValueError(f"schedule {self.name}: each sample picks its model")
        return self.rule.draws(m, self._n, self._N, self.K or 0)

    def total(self, m: int) -> int:
        """n^(m), the number of samples generation m is trained on."""
        if self.rule.keeps == "all":
            gathered = self.gathered(m)
            return min(self._n, gathered) if self.rule.subsample else gathered
        return self._n if self.rule.table is None else sum(self.table(m).values())

    def gathered(self, m: int) -> int:
        """Number of samples held for generation m, from which its training set is chosen."""
        return self._N + (m - 1) * self._n if self.rule.keeps == "all" else self.total(m)

    def largest_total(self, generations: int) -> int:
        """max of n^(m) over m = 1..generations: totals never fall."""
        return self.total(generations)

    def largest_pool(self, generations: int) -> int:
        """max of `gathered` over m = 1..generations."""
        return max(self.largest_total(generations), self.gathered(generations))

    def reach(self, m: int) -> int:
        """Number of models among 1..m that generation m + 1 or later can draw from."""
        return m if self.rule.reach is None else min(m, self.rule.reach(self.K or 1))

    def last_real(self) -> int | None:
        """The last generation that draws fresh samples of p(0); None if every one can."""
        return None if self.rule.real_for_ever else self.reach(LARGEST_SAMPLE)
