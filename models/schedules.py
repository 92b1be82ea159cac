"""Schedules: what data generation m is trained on, the table n_t^(m) of eq. (5).

    m          generation, 1, 2, ...
    t          index of the model a sample comes from, 0 <= t < m; t = 0 is the
               real corpus (samples of the initial law p(0))
    n_t^(m)    how many samples of model t generation m is trained on
    n          synthetic samples per generation
    N          real samples
    K          window: how many of the latest models are drawn from

A schedule is pure data, and the same table serves every model that is trained
recursively; for a GPT, n and N count tokens.

Source: Seddik et al. 2024, "How Bad is Training on Synthetic Data?", sections
2.2 and 4.2.
"""

from collections.abc import Callable
from dataclasses import dataclass

LARGEST_SAMPLE = 10**7
"""Most samples a generation may be trained on: pools are held token by token."""


@dataclass(frozen=True, kw_only=True)
class Rule:
    """What defines a schedule, apart from the values of its axes."""

    purpose: str
    """One line for people."""
    axes: tuple[str, ...]
    """Which of n, N and K the table depends on."""
    table: Callable[[int, int, int, int], dict[int, int]] | None
    """(m, n, N, K) -> {t: n_t^(m)}; None where the table itself is random:
    each of the n samples picks its model uniformly from 0..m-1."""
    reach: Callable[[int], int] | None
    """K -> how many of the latest models later generations can draw from;
    None if all of them."""
    keeps_real: bool = False
    """True: one real corpus is drawn once and reused by every generation.
    False: whatever is taken from t = 0 is drawn anew."""


def _full(m: int, n: int, N: int, K: int) -> dict[int, int]:
    return {m - 1: n}


def _partial(m: int, n: int, N: int, K: int) -> dict[int, int]:
    return {0: N} if m == 1 else {0: N, m - 1: n}


def _recent(m: int, n: int, N: int, K: int) -> dict[int, int]:
    return dict.fromkeys(range(max(0, m - K), m), n // K)


RULES: dict[str, Rule] = {
    "full": Rule(
        purpose="n samples of the previous model, nothing else (fully synthetic)",
        axes=("n",),
        table=_full,
        reach=lambda K: 1,
    ),
    "partial": Rule(
        purpose="the same N real samples in every generation + n of the previous model",
        axes=("n", "N"),
        table=_partial,
        reach=lambda K: 1,
        keeps_real=True,
    ),
    "recent": Rule(
        purpose="floor(n/K) samples of each of the K latest models, redrawn each generation",
        axes=("n", "K"),
        table=_recent,
        reach=lambda K: K,
    ),
    "random": Rule(
        purpose="n samples, each of a model drawn uniformly from all past ones and p(0)",
        axes=("n",),
        table=None,
        reach=None,
    ),
}


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """A rule with the values of its axes.

    Raises ValueError, worded `field: got X; allowed ..`, for an unknown name,
    a value out of range, a missing axis, or an axis the rule does not use.
    """

    name: str
    """A key of `RULES`."""
    n: int | None = None
    """Synthetic samples per generation."""
    N: int | None = None
    """Real samples."""
    K: int | None = None
    """Window, in models; at most n, since floor(n/K) samples come from each."""

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
        if None not in (self.n, self.K) and (self.K or 0) > (self.n or 0):
            raise ValueError(
                f"K: got {self.K} with n={self.n}; allowed: 1 to n, "
                "since floor(n/K) samples are taken from each model"
            )

    @property
    def rule(self) -> Rule:
        return RULES[self.name]

    def table(self, m: int) -> dict[int, int]:
        """{t: n_t^(m)} for generation m >= 1.

        Raises ValueError where the table is random (`Rule.table` is None).
        """
        if self.rule.table is None:
            raise ValueError(f"schedule {self.name}: the table n_t^(m) is random")
        return self.rule.table(m, self.n or 0, self.N or 0, self.K or 0)

    def total(self, m: int) -> int:
        """n^(m), the number of samples generation m is trained on."""
        if self.rule.table is None:
            assert self.n is not None
            return self.n
        return sum(self.table(m).values())

    def largest_total(self, generations: int) -> int:
        """max of n^(m) over m = 1..generations."""
        settled = min(generations, (self.K or 1) + 1)
        return max(self.total(m) for m in range(1, settled + 1))

    def reach(self, m: int) -> int:
        """How many of the models 1..m generation m + 1 or later can draw from."""
        return m if self.rule.reach is None else min(m, self.rule.reach(self.K or 1))
