"""n*: exact, by brute force; the search, on values of known law and on real sweeps."""

import json
import math
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

from sweep.models.source import Source
from sweep.models.theory import deviation, threshold
from sweep.search import bracketing, threshold_result
from sweep.search.bracketing import Probe, Rules, Value
from sweep.search.threshold_result import ThresholdResult
from tests.helpers.configs import settings
from tests.helpers.shells import sweep_here

LAW = Source(family="zipf", s=600, support=52, S0=0.1).probabilities()


USUAL = Rules(
    level=0.2, first=1, cap=1000, replicates=100, confidence=0.99, zone=0.02, budget=10_000,
    at_once=4, resolution=0.0, re_entry=True,
)  # fmt: skip


def rules(**changes: Any) -> Rules:
    return replace(USUAL, **changes)


# --- exact ---------------------------------------------------------------------------


def test_first_crossing_and_re_entry_of_the_known_example() -> None:
    """N = 20, m = 2, eps = 0.22: harmless for n = 1..4 and again from 77 on."""
    values = {n: float(deviation.deviation_partial(2, n=n, N=20, p=LAW)[-1]) for n in range(1, 201)}
    above = [n for n, value in values.items() if value >= 0.22]
    assert (min(above), max(above)) == (5, 76)
    found = threshold.first_crossing(values.__getitem__, level=0.22, first=1, cap=200)
    assert found == threshold.Crossing(n=4, capped=False, re_entry=77)


def test_first_crossing_at_the_ends() -> None:
    assert threshold.first_crossing(lambda n: 1.0, level=0.5, first=3, cap=9).n == 2
    capped = threshold.first_crossing(lambda n: 0.1, level=0.5, first=1, cap=9)
    assert (capped.n, capped.capped, capped.re_entry) == (9, True, None)
    dip = [0.1, 0.2, 0.6, 0.4, 0.9]
    found = threshold.first_crossing(lambda n: dip[n - 1], level=0.5, first=1, cap=5)
    assert (found.n, found.re_entry) == (2, 4)


@pytest.mark.parametrize(("n", "N", "m"), [(1, 7, 4), (6, 5, 2), (40, 13, 9)])
def test_relative_variance_is_that_of_the_chain(n: int, N: int, m: int) -> None:
    """Against the whole law of the counts, token by token: V_m is free of q."""
    for r in range(1, N):
        q, law = r / N, np.zeros(n + 1)
        c = np.arange(n + 1)
        law = deviation._binomial_law(n, q)
        for _ in range(m - 2):
            law = sum(law[k] * deviation._binomial_law(n, (r + k) / (N + n)) for k in range(n + 1))
        p = (r + c) / (N + n)
        found = float(law @ (p - q) ** 2) / (q * (1 - q))
        assert found == pytest.approx(threshold.relative_variance(m, n=n, N=N), rel=1e-9)
    assert threshold.relative_variance(1, n=n, N=N) == 0


@pytest.mark.parametrize(("n", "N"), [(1, 10), (10, 100), (100, 100), (700, 60)])
def test_the_bound_of_second_moments_holds_and_is_near(n: int, N: int) -> None:
    upper = threshold.deviation_upper(12, n=n, N=N, p=LAW)
    exact = deviation.deviation_partial(12, n=n, N=N, p=LAW)
    assert (exact <= upper + 1e-9).all()
    assert (exact[1:] > 0.3 * upper[1:]).all()


def test_the_closed_form_is_near_the_exact_answer() -> None:
    """For N = 200, eps = 0.15, m = 10 n* is 117; generations without end change little."""
    scale = threshold.deviation_scale(N=200, p=LAW)
    found = threshold.first_crossing(
        lambda n: float(deviation.deviation_partial(10, n=n, N=200, p=LAW)[-1]),
        level=0.15,
        first=1,
        cap=130,
        below=lambda n: scale * threshold.relative_variance(10, n=n, N=200) ** 0.5 < 0.15,
    )
    normal = threshold.harmless_n_normal(10, N=200, p=LAW, eps=0.15)
    limit = 200 * threshold.critical_ratio_limit(N=200, p=LAW, eps=0.15)
    assert found.n == 117
    assert normal == pytest.approx(found.n, rel=0.02)
    assert limit == pytest.approx(normal, rel=0.01)
    assert threshold.critical_ratio_limit(N=1000, p=LAW, eps=0.15) == math.inf


# --- the search, on values of known law --------------------------------------------------


def run(made: Rules, mean: dict[int, float], seed: int, sd: float = 0.03) -> bracketing.Bracket:
    """A search among normal values; the same (n, R) always gives the same."""

    def result(probe: Probe) -> Value:
        draws = np.random.default_rng([seed, *probe]).normal(mean[probe.n], sd, probe.R)
        return Value(float(draws.mean()), float(draws.std(ddof=1)), probe.R - 1)

    asked, known = bracketing.replay(made, result)
    assert not asked
    return bracketing.answer(made, known)


def test_intervals_hold_the_answer() -> None:
    """40 searches at a confidence of 1 - 1e-8 each: one is wrong with odds of 4e-7 at most."""
    mean = {n: 0.3 * n / (n + 60.3) for n in range(1, 1001)}
    truth = max(n for n, value in mean.items() if value < 0.2)
    for seed in range(40):
        found = run(rules(confidence=1 - 1e-8), mean, seed)
        assert found.low <= truth <= found.high
        assert found.replicates <= 10_000
        assert found.probes <= rules().tests


def test_with_more_replicates_the_interval_closes() -> None:
    """Noise of 1e-6 against steps of 1e-4: exact, but for the zone. Odds of failure below 1e-9."""
    mean = {n: 0.3 * n / (n + 60.3) for n in range(1, 1001)}
    found = run(rules(zone=1e-6), mean, seed=0, sd=1e-6)
    assert (found.low, found.high, found.estimate) == (120, 120, 120)
    assert found.ended == "found"


def test_a_re_entry_is_found() -> None:
    mean = {n: 0.3 if 5 <= n < 77 else 0.1 for n in range(1, 201)}
    found = run(rules(cap=200), mean, seed=0, sd=1e-6)
    assert (found.low, found.high) == (4, 4)
    assert found.re_entry == (76, 77)


def test_none_above_and_all_above() -> None:
    found = run(rules(), dict.fromkeys(range(1, 1001), 0.1), seed=0, sd=1e-6)
    assert (found.low, found.high, found.capped) == (1000, 1000, True)
    found = run(rules(), dict.fromkeys(range(1, 1001), 0.3), seed=0, sd=1e-6)
    assert (found.low, found.high, found.capped) == (0, 0, False)


def test_ties_end_the_search() -> None:
    """Every n within the zone of the level: nothing can be decided, and little is spent on it."""
    mean = {n: 0.05 if n < 30 else 0.199 if n < 90 else 0.4 for n in range(1, 1001)}
    found = run(rules(budget=10**9), mean, seed=0, sd=0.001)
    assert found.low == 29
    assert found.high == 89
    assert found.ended == "found"


def test_results_beyond_those_asked_for_change_nothing() -> None:
    mean = {n: 0.3 * n / (n + 60.3) for n in range(1, 1001)}
    extra = {Probe(n, 100): Value(mean[n], 0.03, 99) for n in range(1, 1001)}
    first, known = bracketing.replay(rules(), lambda probe: None)
    assert known == {}
    half = {probe: extra[probe] for probe in first[:2]}
    assert bracketing.replay(rules(), half.get) == (first[2:], {})


def test_shares_have_exact_intervals() -> None:
    """No hit in 100 runs is no proof of zero: Clopper and Pearson, not a spread of 0."""
    made = rules(share=True, level=0.05)
    low, high = bracketing.interval(made, Probe(1, 100), Value(0.0, 0.0, 0), 0.0)
    assert low == 0
    error = 0.01 / (2 * made.tests)
    assert (1 - high) ** 100 == pytest.approx(error)


def test_runs_that_are_all_alike_are_no_certainty() -> None:
    """100 runs of value 0 leave room for rare ones of value 2."""
    made = rules(top=2.0, level=1e-3)
    low, high = bracketing.interval(made, Probe(1, 100), Value(0.0, 0.0, 0), 0.0)
    assert low < 0 < made.level < high
    assert (1 - high / 2) ** 100 == pytest.approx(0.01 / (2 * made.tests))


def test_few_runs_have_the_freedom_of_one_probe() -> None:
    made = rules(replicates=4)
    low, high = bracketing.interval(made, Probe(1, 4), Value(0.1, 0.05, 3), 0.02)
    t = float(stats.t.isf(0.01 / (2 * made.tests), 3))
    assert (high - low) / 2 == pytest.approx(t * 0.02 / 2)


# --- whole sweeps ---------------------------------------------------------------------


def answers(folder: Path) -> list[ThresholdResult]:
    (path,) = folder.glob("**/mlflow-artifacts/**/threshold.json")
    return threshold_result.read(path)


SMALL = (
    "+experiment=threshold", "grid.N=20", "generations=3", "threshold.level=[0.15,0.22]",
    "threshold.cap=60", "cluster=inline",
)  # fmt: skip


def test_a_search_is_a_sweep_that_resumes(store_folder: Path) -> None:
    """Every probe a run, the answer with the parent; the exact one in the interval.

    Two answers at 99%, fixed seed: what is found is always found.
    """
    first = sweep_here(store_folder, *SMALL)
    assert first.returncode == 0, first.stderr
    found = answers(store_folder)
    assert len(found) == 2
    for answer in found:
        exact, bracket = answer.theory.exact, answer.bracket
        assert exact is not None
        assert bracket.low <= exact.n <= bracket.high
        assert bracket.replicates <= answer.grid_replicates / 10
    assert "vacuous" in first.stdout
    lines = [line for line in first.stdout.splitlines() if not line.startswith("http")]
    assert max(map(len, lines)) <= 80
    again = sweep_here(store_folder, *SMALL)
    assert again.returncode == 0, again.stderr
    (cells,) = re.findall(r"^(\d+) of \1 cells finished;", first.stdout, flags=re.M)
    assert f"{cells} of {cells} cells finished, {cells} of them earlier" in again.stdout
    assert answers(store_folder) == found


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["grid.n=10"], "grid.n: got [10] with search=threshold"),
        (["grid.schedule=real"], "grid.schedule: got 'real'"),
        (["replicates=1"], "replicates: got 1 with search=threshold"),
        (["threshold.criterion=loss"], "threshold.criterion: got 'loss', which needs model=gpt"),
        (["threshold.level=3"], "threshold.level: got 3"),
        (["threshold.m=[2,1]"], "threshold.m: got 1"),
        (["threshold.start=5", "threshold.cap=4"], "threshold.start: got 5"),
        (["search=best"], "search: got 'best'"),
        (["threshold.budget=50"], "threshold.budget: got 50; allowed: from replicates, 100"),
        (
            ["grid.schedule=recent", "grid.N=null", "grid.K=4", "threshold.start=2"],
            "threshold.start: got 2; allowed: from 4",
        ),
    ],
)
def test_what_cannot_be_searched_is_refused(
    tmp_path: Path, arguments: list[str], said: str
) -> None:
    found = sweep_here(tmp_path, *SMALL[:-2], *arguments, "cluster=inline")
    assert found.returncode == 2
    assert said in found.stderr
    assert not list(tmp_path.iterdir())


def test_dry_run_shows_the_questions(tmp_path: Path) -> None:
    found = sweep_here(tmp_path, "+experiment=threshold", "dry_run=true")
    assert found.returncode == 0, found.stderr
    assert found.stdout.count("deviation <") == 8


def test_a_single_real_sample_and_schedules_without_any(store_folder: Path) -> None:
    """N = 1 never deviates; `full` has no N: both are told and drawn."""
    options = ("threshold.cap=8", "threshold.level=0.3", "generations=2", "cluster=inline")
    both = sweep_here(
        store_folder, "+experiment=threshold", "grid.schedule=[full,partial]", "grid.N=[1,9]",
        *options,
    )  # fmt: skip
    assert both.returncode == 0, both.stderr
    found = {(answer.schedule, answer.N): answer for answer in answers(store_folder)}
    single = found["partial", 1]
    assert single.bracket.capped
    assert single.theory.exact is not None
    assert single.theory.exact.capped
    assert ("full", None) in found
    assert len({answer.name for answer in found.values()}) == 3


def test_a_first_n_that_is_above_is_no_answer(store_folder: Path) -> None:
    """From 20 on all are above: n* is some n below 20, and theory says no more."""
    found = sweep_here(
        store_folder, "+experiment=threshold", "grid.N=25", "threshold.level=0.1",
        "threshold.start=20", "threshold.cap=60", "cluster=inline", "grid.n=null",
        "optuna.trials=3",
    )  # fmt: skip
    assert found.returncode == 0, found.stderr
    (line,) = re.findall(r"^n\* +<.*$", found.stdout, flags=re.M)
    assert line.split().count("<") == 2
    assert line.split().count("20") == 2
    assert "notice: optuna.trials: used only by search=optuna: ignored" in found.stdout
    (answer,) = answers(store_folder)
    assert answer.theory.exact is not None
    assert answer.exact_n is None


def test_settings_of_the_experiment() -> None:
    made = settings("+experiment=threshold")
    assert made.search == "threshold"
    assert made.threshold is not None
    assert made.threshold.confidence == 0.99


# --- optuna ---------------------------------------------------------------------------

BEST = (
    "+experiment=smoke", "search=optuna", "optuna.axes={S0:[0.1,0.5]}", "optuna.trials=6",
    "optuna.at_once=3", "grid.schedule=[full,partial]", "cluster=inline", "figure=schedules",
)  # fmt: skip


def trials(folder: Path) -> list[dict[str, object]]:
    (path,) = folder.glob("**/mlflow-artifacts/**/optuna.json")
    found: list[dict[str, object]] = json.loads(path.read_text())
    return found


def test_optuna_resumes_where_it_was(make_store_folder: Callable[[str], Path]) -> None:
    """The first three trials alone, then all six: the same as six at once."""
    a, b = make_store_folder("a"), make_store_folder("b")
    whole = sweep_here(a, *BEST)
    assert whole.returncode == 0, whole.stderr
    assert "best  " in whole.stdout
    part = sweep_here(b, *BEST[:3], "optuna.trials=3", *BEST[4:])
    assert part.returncode == 0, part.stderr
    rest = sweep_here(b, *BEST)
    assert rest.returncode == 0, rest.stderr
    both = b.glob("mlflow-artifacts/**/optuna.json")
    found = max((json.loads(path.read_text()) for path in both), key=lambda f: len(f[0]["trials"]))
    assert found == trials(a)
    values = [trial["value"] for study in found for trial in study["trials"]]
    assert len(set(values)) == len(values) == 12  # six of each schedule


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["optuna.axes={S0:[0.5,0.1]}"], "optuna.axes.S0: got [0.5, 0.1]"),
        (["optuna.axes={S0:[0.001,0.1]}"], "grid.S0: got 0.001 with support=52; allowed: 1/supp"),
        (["optuna.axes={temperature:[0.5,1]}"], "optuna.axes with model=statistical"),
        (["optuna.axes=null"], "optuna.axes: got None"),
        (["optuna.axes={S0:[0.1,0.5]}", "optuna.metric=deviation/men"], "optuna.metric: got"),
        (
            ["optuna.axes={S0:[0.1,0.5]}", "grid.S0=0.2"],
            "grid.S0: got [0.2] together with optuna.axes.S0",
        ),
    ],
)
def test_what_optuna_cannot_search_is_refused(
    tmp_path: Path, arguments: list[str], said: str
) -> None:
    found = sweep_here(tmp_path, *BEST[:2], *BEST[3:], *arguments)
    assert found.returncode == 2
    assert said in found.stderr
    assert not list(tmp_path.iterdir())
