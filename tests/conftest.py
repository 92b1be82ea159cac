"""What tests of several rooms share: new stores, and which files come first."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.helpers import stores

LONGEST = (
    "test_faults", "test_server", "test_gpt_cells", "test_cli", "test_browser", "test_docs",
    "test_golden_store", "test_data_parallel", "test_progress", "test_packaging", "test_api",
    "test_model", "test_html", "test_variates", "test_threshold", "test_replays",
)  # fmt: skip
"""The files of tests that take longest, from 90 s to 12 s on one quiet core."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest files first, so that all workers of a run end at about the same time."""
    last = len(LONGEST)
    rank = {name: at for at, name in enumerate(LONGEST)}
    items.sort(key=lambda item: rank.get(item.path.stem, last))


@pytest.fixture(scope="session")
def store_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of a new store, made once for all workers of a run."""
    top = tmp_path_factory.getbasetemp()
    shared = top.parent if "PYTEST_XDIST_WORKER" in os.environ else top
    return stores.make_template(shared / "new-store")


@pytest.fixture(scope="session")
def make_store_folder(
    tmp_path_factory: pytest.TempPathFactory, store_template: Path
) -> Callable[[str], Path]:
    """Makes folders with a new store in them, for fixtures of a module."""
    return lambda name: stores.put(store_template, tmp_path_factory.mktemp(name))


@pytest.fixture
def store_folder(tmp_path: Path, store_template: Path) -> Path:
    """`tmp_path` with a new store in it: what a sweep finds that is not the first of its folder."""
    return stores.put(store_template, tmp_path)
