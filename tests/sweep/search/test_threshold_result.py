"""Answers of a threshold search: their file, their words, and their scaling law."""

import json
from dataclasses import replace

import pytest

from sweep.search import threshold_result, threshold_table
from sweep.search.scaling import scaling
from sweep.search.threshold_result import ThresholdResult, ThresholdTheory
from tests.helpers.paths import GOLDEN
from tests.helpers.thresholds import USUAL, crossing, result


def test_a_file_of_an_earlier_version_is_read_and_written_alike() -> None:
    (path,) = (GOLDEN / "store" / "artifacts").glob("*/artifacts/threshold.json")
    results = threshold_result.read(path)
    assert [answer.N for answer in results] == [8, 12]
    assert [answer.bracket.low for answer in results] == [1, 2]
    assert [answer.exact_n for answer in results] == [3, 5]
    assert json.dumps([answer.to_json() for answer in results], indent=1) == path.read_text()


@pytest.mark.parametrize(
    ("theory", "keys"),
    [
        (USUAL.theory, {"exact", "exact_values", "normal", "paper"}),
        (ThresholdTheory(), set()),
        (
            ThresholdTheory(exact_missing="too long", exact_values=()),
            {"exact_missing", "exact_values"},
        ),
    ],
)
def test_what_is_written_is_read_back(theory: ThresholdTheory, keys: set[str]) -> None:
    """What theory does not say is absent from the file."""
    made = replace(USUAL, theory=theory)
    data = json.loads(json.dumps(made.to_json()))
    assert ThresholdResult.from_json(data) == made
    known = {"exact", "exact_missing", "exact_values", "normal", "paper"}
    assert data.keys() & known == keys


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (result(), "30..40 (36)"),
        (result(low=40), "40"),
        (result(low=1000, high=1000, capped=True), ">= 1000"),
        (result(low=0, high=1000, capped=True), ">= 0"),
        (result(low=19, high=1000, capped=True, first=20), "unknown"),
        (result(low=19, high=25, first=20), "< 26"),
    ],
)
def test_an_interval_claims_what_is_known(answer: ThresholdResult, words: str) -> None:
    assert threshold_table.interval(answer) == words


@pytest.mark.parametrize(
    ("theory", "first", "words", "n"),
    [
        (ThresholdTheory(), 1, "-", None),
        (crossing(35), 1, "35", 35),
        (crossing(0), 1, "0", None),
        (crossing(1000, capped=True), 1, ">= 1000", None),
        (crossing(19), 20, "< 20", None),
    ],
)
def test_the_exact_answer_claims_what_is_known(
    theory: ThresholdTheory, first: int, words: str, n: int | None
) -> None:
    answer = result(theory=theory, first=first)
    assert threshold_table.exact(answer) == words
    assert answer.exact_n == n


def test_the_table_leaves_out_what_says_nothing() -> None:
    other = result(level=0.5, theory=ThresholdTheory(normal=1000.0))
    assert threshold_table.sheet([USUAL, other]) == [
        ("", "n*", "exact", "normal", "eq. (11)", "n*/N", "probes", "runs"),
        ("level=0.2", "30..40 (36)", "35", "36.5", "vacuous", "0.36", "2", "0%"),
        ("level=0.5", "30..40 (36)", "-", ">= 1000", "-", "0.36", "2", "0%"),
    ]
    bare = replace(USUAL, theory=ThresholdTheory(), N=None, K=3, schedule="recent")
    assert threshold_table.sheet([bare])[0] == ("", "n*", "probes", "runs")
    assert threshold_table.shared([bare]) == (
        "deviation below its level; recent K=3 S0=0.1 support=52 m=10 level=0.2"
    )
    assert threshold_table.lines([USUAL]) == [
        "n*: n* 30..40 (36), exact 35",
        "n*: below the level again from n = 180 on, exactly",
    ]


def test_scaling_law_is_recovered() -> None:
    """n* = N^1.5 level^2 up to rounding to whole n: exponents within their own intervals."""
    made = [
        result(N=N, level=level, capped=True, theory=crossing(round(N**1.5 * level**2)))
        for N in (200, 400, 800, 1600)
        for level in (0.1, 0.2, 0.3)
    ]
    (law,) = scaling(made)
    assert law.of == "exact"
    assert law.exponents["N"][0] == pytest.approx(1.5, abs=0.01)
    assert law.exponents["level"][0] == pytest.approx(2.0, abs=0.01)
    assert scaling([*made, result(schedule="full", N=None)]) == []
