"""What people see: the pages of MLflow and the report, in a real browser.

One real sweep, a server started as the sweep says, and Chromium without a window.
"""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from sweep.report.figures.files import PREVIEW
from tests.helpers import browser, shells

if TYPE_CHECKING:
    from playwright.sync_api import Browser, ConsoleMessage, FrameLocator, Locator, Page, Request

EXECUTABLE = browser.find()
# The machine may have no browser, and playwright is not made to download one here.
pytestmark = pytest.mark.skipif(
    EXECUTABLE is None, reason=f"no browser on the PATH: {', '.join(browser.NAMES)}"
)

SWEEP = (
    "+experiment=smoke", "grid.schedule=[full,partial]", "grid.n=[10,20]", "cluster=inline",
)  # fmt: skip
CELLS = (
    "full n=10 S0=0.1", "full n=20 S0=0.1", "partial n=10 N=100 S0=0.1",
    "partial n=20 N=100 S0=0.1",
)  # fmt: skip
CURVES = "path.js-line"
"""A drawn line of a chart; a chart without values has none."""
TOLERATED = (
    # MLflow asks who is logged in, also of servers without log-in, which have no such page.
    (r"404 \(Not Found\)", r"/ajax-api/2\.0/mlflow/users/current$"),
    # Chromium's word for a layout that takes two frames; nothing is lost.
    (r"^null ResizeObserver loop completed with undelivered notifications\.$", r""),
)
"""Errors in the console that are MLflow's own: message, and where it comes from."""


class Watched:
    """A page, and all that went wrong on it."""

    def __init__(self, page: "Page") -> None:
        self.page = page
        self.errors: list[str] = []
        self.requests: list[str] = []
        page.on("console", self._said)
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("request", self._asked)

    def _said(self, message: "ConsoleMessage") -> None:
        where = message.location.get("url", "")
        known = any(re.search(m, message.text) and re.search(u, where) for m, u in TOLERATED)
        if message.type == "error" and not known:
            self.errors.append(f"{message.text} ({where})")

    def _asked(self, request: "Request") -> None:
        self.requests.append(request.url)


def images(where: "Locator | FrameLocator | Page") -> list[int]:
    """Widths of the images as loaded; 0 for one that is broken."""
    found = where.locator("img")
    found.first.wait_for()
    script = "all => Promise.all(all.map(async one => (await one.decode(), one.naturalWidth)))"
    return [int(width) for width in found.evaluate_all(script)]


@pytest.fixture(scope="module")
def swept(make_store_folder: Callable[[str], Path]) -> tuple[Path, str]:
    """The folder of a sweep, and what it printed."""
    folder = make_store_folder("browser")
    done = shells.sweep_here(folder, *SWEEP)
    assert done.returncode == 0, done.stderr
    return folder, done.stdout


@pytest.fixture(scope="module")
def address(swept: tuple[Path, str]) -> Iterator[str]:
    with browser.mlflow_ui(swept[0]) as address:
        yield address


@pytest.fixture(scope="module")
def chromium() -> Iterator["Browser"]:
    assert EXECUTABLE is not None
    with browser.browser(EXECUTABLE) as opened:
        yield opened


@pytest.fixture
def watched(chromium: "Browser") -> Iterator[Watched]:
    """A new page of a new visitor; afterwards there must have been no errors."""
    context = chromium.new_context(viewport={"width": 1440, "height": 1000})
    page = Watched(context.new_page())
    yield page
    context.close()
    assert page.errors == []


def printed_link(swept: tuple[Path, str], address: str) -> str:
    (link,) = re.findall(r"^http://127\.0\.0\.1:5000/(#\S+)$", swept[1], flags=re.M)
    return f"{address}/{link}"


def chart(page: "Page", title: str) -> "Locator":
    return page.get_by_test_id("experiment-view-compare-runs-card").filter(has_text=title)


def drawn(where: "Locator", lines: int) -> None:
    """Wait until so many curves are drawn; each is there twice, the second time as smoothed."""
    where.locator(CURVES).nth(2 * lines - 1).wait_for(state="attached")
    paths = where.locator(CURVES).evaluate_all("all => all.map(one => one.getAttribute('d'))")
    assert min(map(len, paths)) > len("M0,0L1,1"), paths


def test_the_printed_link_opens_the_cells_with_theory_beside_simulation(
    swept: tuple[Path, str], address: str, watched: Watched
) -> None:
    page = watched.page
    page.goto(printed_link(swept, address))
    for cell in CELLS:
        page.get_by_role("link", name=cell, exact=True).wait_for()
    for metric in ("sigma", "deviation"):
        drawn(chart(page, f"{metric}/mean vs {metric}/exact"), lines=2 * len(CELLS))
    page.get_by_text("Last generation").scroll_into_view_if_needed()
    across = chart(page, "grid/n").first
    across.scroll_into_view_if_needed()
    across.locator("path.point").nth(len(CELLS) - 1).wait_for(state="attached")


def test_the_run_of_a_sweep_says_what_was_asked_and_found(
    swept: tuple[Path, str], address: str, watched: Watched
) -> None:
    page = watched.page
    page.goto(f"{address}/#/experiments/1/runs?workflowType=machine_learning")
    page.get_by_role("link", name=re.compile("^smoke [0-9a-f]{6}$")).click()
    note = page.get_by_test_id("note-editor-preview-content")
    note.get_by_text("Does one small cell of each of").wait_for()
    page.get_by_text("Show more").click()
    rows = note.locator("tr").all_inner_texts()
    table = [line.split() for line in swept[1].splitlines() if re.match("(full|partial) n=", line)]
    assert [row.split() for row in rows[1:]] == table
    assert len(table) == len(CELLS)
    assert images(note) == [PREVIEW]
    with page.context.expect_page() as opened:
        page.get_by_role("link", name="report", exact=True).click()
    report = Watched(opened.value)
    frame = report.page.frame_locator("iframe")
    frame.get_by_role("heading", name="Figures").wait_for()
    assert min(images(frame)) > 0
    assert report.errors == []


def test_views_of_the_experiment_are_one_click_away(
    swept: tuple[Path, str], address: str, watched: Watched
) -> None:
    watched.page.goto(f"{address}/#/experiments/1/runs?workflowType=machine_learning")
    for view, groups in {"All cells": len(CELLS), "Mean by schedule": 2}.items():
        with watched.page.context.expect_page() as opened:
            watched.page.get_by_role("link", name=view, exact=True).click()
        page = Watched(opened.value)
        drawn(chart(page.page, "sigma/mean vs sigma/exact"), lines=2 * groups)
        assert page.errors == []
    watched.page.get_by_role("button", name="Views").click()
    watched.page.get_by_text("Mean by model and schedule").last.wait_for()


def test_a_cell_has_its_charts_and_its_curves(
    swept: tuple[Path, str], address: str, watched: Watched
) -> None:
    page = watched.page
    page.goto(printed_link(swept, address))
    page.get_by_role("link", name=CELLS[0], exact=True).click()
    page.get_by_text("zipf S0=0.1").first.wait_for()  # the data set
    page.get_by_role("tab", name="Model metrics").click()
    page.get_by_placeholder("Search metric charts").fill("sigma")
    for title in ("mean", "exact"):
        drawn(chart(page, title).first, lines=1)
    page.get_by_role("tab", name="Artifacts").click()
    page.get_by_text("curves.npz").first.wait_for()


def test_the_report_stands_alone(swept: tuple[Path, str], watched: Watched) -> None:
    (report,) = (swept[0] / "outputs").glob("*/report.html")
    watched.page.goto(report.as_uri())
    assert min(images(watched.page)) > 0
    assert [url for url in watched.requests if not url.startswith("data:")] == [report.as_uri()]
