"""The groups `corpus` and `model`: what every kind of model declares in its section."""

from typing import Annotated, ClassVar

from sweep.config.section import Section
from sweep.config.validate import Choice, ConfigError, Text, Whole
from sweep.models.gpt.config import TRUTHS


class Corpus(Section):
    """The real text, and how p(0) is derived from it."""

    name: Text
    path: Text | None
    """A UTF-8 file; None: the embedded text."""
    url: Text | None
    """Where to download the file if it is missing."""
    sha256: Text | None
    """Expected hash of the file."""
    truth: Annotated[str, Choice(TRUTHS)]
    order: Annotated[int, Whole(1, 8)]
    """Order of the Markov source."""


class ModelSection(Section, extra="ignore"):
    """The keys of one kind of model. Keys of other kinds are ignored, so that an experiment can
    be run with any kind. Each kind defines its section in its module `config`."""

    axes: ClassVar[tuple[str, ...]] = ()
    """The axes of the grid that it uses, in addition to those of the schedules."""
    continuous: ClassVar[tuple[str, ...]] = ()
    """What search=optuna can vary."""
    reads_text: ClassVar[bool] = False
    """Whether its p(0) comes from the corpus."""
    packages: ClassVar[tuple[str, ...]] = ()
    """Packages whose versions a sweep records, in addition to those of every sweep."""

    name: Text

    @property
    def least_n(self) -> int:
        """The smallest n that a cell can have."""
        return 1

    @property
    def shards(self) -> int | None:
        """Parts of a batch, which several processes can share; None: a run uses one process."""
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
        """Raise ConfigError if its cells do not support this criterion of a threshold search."""
        if criterion == "loss":
            raise ConfigError("threshold.criterion: got 'loss', which needs model=gpt")
