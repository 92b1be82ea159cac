"""Figures as files: for paper, and small for a note."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PREVIEW = 700
"""Pixels across of the figure in a note, which MLflow does not scale."""


@contextmanager
def own_style() -> Iterator[None]:
    """Draw with matplotlib's defaults, whatever the user's matplotlibrc says, and restore it.

    With `text.usetex: True` in it, for one, drawing would need LaTeX.
    """
    import matplotlib

    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        yield


def save(figure: "Figure", folder: Path, name: str) -> list[Path]:
    """Write the figure as PNG (200 dpi) and PDF; the same figure gives the same bytes."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{name}.png", folder / f"{name}.pdf"]
    figure.savefig(paths[0], dpi=200, metadata={"Software": None})
    figure.savefig(paths[1], metadata={"CreationDate": None})
    return paths


def preview(figure: "Figure", path: Path) -> None:
    """Write the figure as a PNG of `PREVIEW` pixels across."""
    figure.savefig(path, dpi=PREVIEW / figure.get_figwidth(), metadata={"Software": None})
