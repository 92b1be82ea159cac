"""The groups `model` and `corpus`: what a kind of model has to say, and the statistical kind."""

from typing import Annotated, ClassVar

from models.gpt.config import TRUTHS
from models.statistical.contexts import DRAWS, UNSEEN
from sweep.config.section import Section
from sweep.config.validate import Choice, Text, Whole


class Corpus(Section):
    """The real text, and what p(0) is made of it."""

    name: Text
    path: Text | None
    """A UTF-8 file; None: the embedded text."""
    url: Text | None
    """Where to get the file if it is not there."""
    sha256: Text | None
    """What it must hash to."""
    truth: Annotated[str, Choice(TRUTHS)]
    order: Annotated[int, Whole(1, 8)]
    """Of the Markov source."""


class ModelSection(Section, extra="ignore"):
    """The keys of one kind of model; those of other kinds may stand there too and are ignored,
    so that an experiment can be run with either."""

    continuous: ClassVar[tuple[str, ...]]
    """What search=optuna can vary."""

    name: Text

    @property
    def shards(self) -> int | None:
        """Parts of a batch, which several processes can share; None: a run is one process."""
        return None

    def check_corpus(self, corpus: Corpus) -> None:
        """Raise ConfigError for a text that this model cannot learn from."""


class Statistical(ModelSection):
    """Settings of model=statistical."""

    continuous = ("S0",)

    context_length: Annotated[int, Whole(0, 64)]
    """l; 0: one context, the model of the theory."""
    context_draw: Annotated[str, Choice(DRAWS)]
    """How contexts are drawn; see `models.statistical.contexts`."""
    unseen: Annotated[str, Choice(UNSEEN)]
    """What a context gets that no sample falls on."""
