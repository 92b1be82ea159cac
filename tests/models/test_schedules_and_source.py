"""Schedules and initial laws: definitions, and refusals that name field and remedy."""

from typing import Any

import numpy as np
import pytest

from sweep.models.schedules import RULES, Schedule
from sweep.models.seeding import stream_key
from sweep.models.source import FAMILIES, TOLERANCE, WITHOUT_S0, Source


def test_tables_follow_the_paper() -> None:
    full = Schedule(name="full", n=7)
    assert [full.table(m) for m in (1, 2, 9)] == [{0: 7}, {1: 7}, {8: 7}]
    partial = Schedule(name="partial", n=7, N=3)
    assert [partial.table(m) for m in (1, 2, 9)] == [{0: 3}, {0: 3, 1: 7}, {0: 3, 8: 7}]
    recent = Schedule(name="recent", n=10, K=3)
    assert [recent.table(m) for m in (1, 2, 5)] == [
        {0: 3},
        {0: 3, 1: 3},
        {2: 3, 3: 3, 4: 3},
    ]
    with pytest.raises(ValueError, match="random"):
        Schedule(name="random", n=4).table(2)


@pytest.mark.parametrize("name", RULES)
def test_totals_and_reach_agree_with_the_table(name: str) -> None:
    values = {"n": 12, "N": 5, "K": 4}
    axes: dict[str, Any] = {axis: values[axis] for axis in RULES[name].axes}
    schedule = Schedule(name=name, **axes)
    M = 30
    assert schedule.largest_total(M) == max(schedule.total(m) for m in range(1, M + 1))
    if schedule.rule.table is None:
        return
    for m in range(1, M + 1):
        row = schedule.table(m)
        assert schedule.total(m) == sum(row.values())
        drawn = [t for t in schedule.draws(m) if t > 0]
        assert all(m - schedule.reach(m - 1) <= t < m for t in drawn)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"name": "parital", "n": 1}, "schedule: got 'parital'; allowed: full"),
        ({"name": "full", "n": 0}, "n: got 0; allowed"),
        ({"name": "full"}, "n: is needed by schedule full"),
        ({"name": "full", "n": 3, "N": 4}, "N: is not used by schedule full"),
        ({"name": "recent", "n": 3, "K": 4}, "K: got 4 with n=3; allowed: 1 to n"),
    ],
)
def test_schedules_refuse(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message.replace("(", r"\(")):
        Schedule(**fields)


@pytest.mark.parametrize("family", [f for f in FAMILIES if f not in WITHOUT_S0])
@pytest.mark.parametrize("support", [2, 3, 52, 5000])
@pytest.mark.parametrize("at", [0.0, 1e-9, 0.01, 0.3, 0.9, 0.999999])
def test_laws_have_the_concentration_asked_for(family: str, support: int, at: float) -> None:
    S0 = 1 / support + at * (1 - 1 / support)
    seed = 3 if family == "dirichlet" else None
    p = Source(family=family, s=support, support=support, S0=S0, seed=seed).probabilities()
    assert abs(float((p**2).sum()) - S0) <= TOLERANCE
    assert abs(p.sum() - 1) <= 1e-12
    assert (p >= 0).all()
    assert (np.diff(p) <= 0).all()
    assert p.shape == (support,)


def test_laws_are_the_families_they_say() -> None:
    rank = np.arange(1, 53)
    p = Source(family="zipf", s=60, support=52, S0=0.1).probabilities()
    slopes = np.diff(np.log(p)) / np.diff(np.log(rank))
    np.testing.assert_allclose(slopes, slopes[0], rtol=1e-9)
    p = Source(family="geometric", s=60, support=52, S0=0.1).probabilities()
    np.testing.assert_allclose(p[1:] / p[:-1], p[1] / p[0], rtol=1e-9)
    a = Source(family="dirichlet", s=60, support=52, S0=0.1, seed=1).probabilities()
    b = Source(family="dirichlet", s=60, support=52, S0=0.1, seed=2).probabilities()
    assert not np.allclose(a, b)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"family": "zipff"}, "family: got 'zipff'"),
        ({"support": 61}, "support: got 61 with s=60"),
        ({"support": 1}, "support: got 1"),
        ({"S0": 1.0}, "S0: got 1.0 with support=52"),
        ({"S0": 0.001}, "S0: got 0.001 with support=52"),
        ({"S0": None}, "S0: is needed by family zipf"),
        ({"seed": 3}, "seed: is needed by family dirichlet, and by no other"),
        ({"family": "uniform"}, "S0: got 0.1; a uniform law has S0 = 1/support"),
    ],
)
def test_sources_refuse(fields: dict[str, Any], message: str) -> None:
    good = {"family": "zipf", "s": 60, "support": 52, "S0": 0.1}
    with pytest.raises(ValueError, match=message):
        Source(**{**good, **fields})


def test_stream_keys_are_what_they_were() -> None:
    """Stored results stand for these; a change of them has to raise streams.STREAM."""
    source = Source(family="zipf", s=600, support=52, S0=0.1)
    assert stream_key(0, source).tolist() == [1267012445, 1653084868]
