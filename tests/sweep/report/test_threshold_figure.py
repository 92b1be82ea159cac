"""The figure of a threshold search can be drawn of whatever is known."""

import io

import pytest

from sweep.report.figures.threshold import threshold_figure
from sweep.search.threshold_result import ThresholdResult, ThresholdTheory
from tests.helpers.thresholds import USUAL, result

NOTHING = result(low=0, high=1000, capped=True, probes=(), theory=ThresholdTheory())
"""What is known if every probe has failed, and theory says nothing."""


@pytest.mark.parametrize(
    ("answers", "others"),
    [([USUAL], []), ([NOTHING], []), ([USUAL, NOTHING], []), ([USUAL], [NOTHING])],
)
def test_it_can_be_drawn(answers: list[ThresholdResult], others: list[ThresholdResult]) -> None:
    figure = threshold_figure(answers, others, "title")
    file = io.BytesIO()
    figure.savefig(file, format="png")
    assert file.getvalue().startswith(b"\x89PNG")
    assert len(figure.axes) == 2 + bool(others)
    points = [len(drawn[0].get_xdata()) for drawn in figure.axes[1].containers]
    assert sum(points) == sum(len(answer.probes) for answer in answers)
