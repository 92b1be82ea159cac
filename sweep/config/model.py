"""The groups `model` and `corpus`: what a kind of model has to say, and the statistical kind."""

from typing import Annotated, ClassVar

from models.gpt.config import TRUTHS
from sweep.config.section import Section
from sweep.config.validate import Choice, ConfigError, Text, Whole


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
    so that an experiment can be run with either. A kind has its own in its module `config`."""

    axes: ClassVar[tuple[str, ...]] = ()
    """The axes of the grid that it uses, besides those of the schedules."""
    continuous: ClassVar[tuple[str, ...]] = ()
    """What search=optuna can vary."""
    reads_text: ClassVar[bool] = False
    """Whether its p(0) is made of the corpus."""
    packages: ClassVar[tuple[str, ...]] = ()
    """Packages whose versions a sweep records, besides those of every sweep."""

    name: Text

    @property
    def least_n(self) -> int:
        """The smallest n that a cell can have."""
        return 1

    @property
    def shards(self) -> int | None:
        """Parts of a batch, which several processes can share; None: a run is one process."""
        return None

    @property
    def device_name(self) -> str:
        """auto, cpu or cuda."""
        return "auto"

    @property
    def compiled(self) -> bool | None:
        """Whether networks are compiled before training; None: on a GPU."""
        return None

    def check_corpus(self, corpus: Corpus) -> None:
        """Raise ConfigError for a text that this model cannot learn from."""

    def check_threshold(self, criterion: str) -> None:
        """Raise ConfigError where a threshold search cannot be made of its cells."""
        if criterion == "loss":
            raise ConfigError("threshold.criterion: got 'loss', which needs model=gpt")
