"""What tests of several rooms share: new stores, and which files are run first."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.helpers import stores


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
