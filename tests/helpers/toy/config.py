"""The toy has no keys of its own, and an axis besides S0 of its initial distribution."""

from sweep.config.model import ModelSection


class ToySection(ModelSection):
    axes = ("S0", "rate")


SECTION = ToySection
