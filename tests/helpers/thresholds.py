"""Answers of a threshold search, made up."""

from dataclasses import replace
from typing import Any

from sweep.models.theory.threshold import Crossing
from sweep.search.bracketing import Bracket
from sweep.search.threshold_result import (
    ExactValue,
    ProbeResult,
    ThresholdResult,
    ThresholdTheory,
)

USUAL = ThresholdResult(
    name="partial N=100 S0=0.1 support=52 m=10", model="statistical", schedule="partial",
    criterion="deviation", level=0.2, m=10, N=100, K=None, S0=0.1, s=600, support=52, first=1,
    cap=1000, confidence=0.99, zone=0.02,
    bracket=Bracket(
        low=30, high=40, capped=False, estimate=36, re_entry=(90, 200), probes=2,
        replicates=500, ended="budget",
    ),
    grid_replicates=100_000,
    probes=(ProbeResult(1, 100, 0.1, 0.02, 0.08, 0.12), ProbeResult(64, 400, 0.3, 0.1, 0.2, 0.4)),
    theory=ThresholdTheory(
        exact=Crossing(n=35, capped=False, re_entry=180),
        exact_values=(ExactValue(1, 0.11), ExactValue(64, 0.29)),
        normal=36.5,
        paper=-5.0,
    ),
)  # fmt: skip


def result(
    *, low: int = 30, high: int = 40, capped: bool = False, **changes: Any
) -> ThresholdResult:
    bracket = replace(USUAL.bracket, low=low, high=high, capped=capped)
    return replace(USUAL, bracket=bracket, **changes)


def crossing(n: int, *, capped: bool = False) -> ThresholdTheory:
    return ThresholdTheory(exact=Crossing(n=n, capped=capped, re_entry=None))
