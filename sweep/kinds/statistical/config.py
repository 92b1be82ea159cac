"""The group `model` of the statistical model, with contexts or without."""

from typing import Annotated

from sweep.config.model import ModelSection
from sweep.config.validate import Choice, Whole
from sweep.models.statistical.contexts import DRAWS, UNSEEN


class StatisticalSection(ModelSection):
    """Settings of model=statistical."""

    axes = ("S0",)
    continuous = ("S0",)

    context_length: Annotated[int, Whole(0, 64)]
    """l; 0: one context, the model of the theory."""
    context_draw: Annotated[str, Choice(DRAWS)]
    """How contexts are drawn; see `models.statistical.contexts`."""
    unseen: Annotated[str, Choice(UNSEEN)]
    """What a context gets that no sample falls on."""


SECTION = StatisticalSection
