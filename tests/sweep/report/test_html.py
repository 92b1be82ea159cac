"""report.html: whole, self-contained, true to the stored curves; several sweeps on one page."""

import itertools
import json
import re
from collections.abc import Callable, Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sweep.cells import labels
from sweep.cells.thinning import steps
from sweep.config.validate import ConfigError
from sweep.report import __main__, build, cell_runs
from sweep.report.html import charts, page
from sweep.results import arrays
from sweep.results.theory import theory_of
from sweep.tracking.base import Run
from sweep.tracking.mlflow_tracker import MlflowTracker
from tests.helpers.gpt_cells import TINY
from tests.helpers.jobs import ran
from tests.helpers.shells import sweep_here

VOID = {"meta", "img", "br", "link", "input", "hr"}


class Reader(HTMLParser):
    """The elements of a page; raises where a tag closes another than the open one."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[tuple[str, str]] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        assert len(dict(attrs)) == len(attrs), f"twice the same attribute: {tag} {attrs}"
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open, tag
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open:
            self.text.append((self.open[-1], data))

    def of(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]

    def data(self) -> Any:
        (text,) = (data for tag, data in self.text if tag == "script" and data.startswith("{"))
        return json.loads(text)


@pytest.fixture(scope="module")
def store(make_store_folder: Callable[[str], Path]) -> Path:
    """A real store with three sweeps: two of the statistical model, one of a GPT."""
    folder = make_store_folder("store")
    for arguments in (
        ("+experiment=smoke", "cluster=inline"),
        ("+experiment=smoke", "cluster=inline", "grid.n=[10,50]", "grid.schedule=[full,partial]"),
        TINY,
    ):
        done = sweep_here(folder, *arguments)
        assert done.returncode == 0, done.stderr
    return folder


def parents(store: Path) -> list[tuple[MlflowTracker, Run]]:
    """The sweeps, in the order they were started."""
    found = []
    for name in ("smoke", "gpt_demo"):
        tracker = MlflowTracker(f"sqlite:///{store / 'mlflow.db'}", name)
        found += [(tracker, row) for row in tracker.runs(None)]
    return sorted(found, key=lambda pair: pair[1].start_ms)


def rebuilt(store: Path, output: Path, sweep: str) -> Path:
    """report.html of the sweeps, from the store alone."""
    options = __main__.OPTIONS | {
        "sweep": sweep, "tracking.uri": f"sqlite:///{store / 'mlflow.db'}", "output": str(output),
    }  # fmt: skip
    return __main__.rebuild(options).files[-1]


def pages(store: Path) -> Iterator[str]:
    for path in sorted(store.glob("outputs/*/report.html")):
        yield path.read_text(encoding="utf-8")


def check(text: str) -> Reader:
    """What holds for every page."""
    read = Reader(text)
    assert re.match(r'<!doctype html>\n<html lang="en">', text)
    for tag, attributes in read.elements:
        for key in ("src", "href", "srcset", "action", "data", "poster"):
            assert (attributes.get(key) or "data:").startswith("data:"), (tag, attributes)
    outside = re.sub(r"base64,[A-Za-z0-9+/=]*", "", text)
    assert not re.search(r"https?://|//www|url\(|@import|fetch\(|XMLHttp", outside)
    levels = [int(tag[1]) for tag, _ in read.elements if re.fullmatch(r"h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(b <= a + 1 for a, b in itertools.pairwise(levels)), levels
    assert all((image.get("alt") or "").strip() for image in read.of("img"))
    assert len(read.of("caption")) == len(read.of("table"))
    assert all(head.get("scope") for head in read.of("th"))
    ids = [a["id"] for _, a in read.elements if "id" in a]
    assert len(set(ids)) == len(ids)
    assert len(text) < 2_000_000
    return read


def test_pages_are_whole_and_need_no_network(store: Path) -> None:
    found = [check(text) for text in pages(store)]
    assert len(found) == 3
    assert all(len(read.of("img")) >= 1 for read in found)


def test_a_page_says_what_made_it(store: Path) -> None:
    for (_, parent), arguments in zip(parents(store), ("", "grid.n=[10,50]", "gpt"), strict=True):
        (folder,) = store.glob(f"outputs/*-{parent.key[:8]}")
        text = (folder / "report.html").read_text(encoding="utf-8")
        said = parent.tags["environment"]
        assert re.search(r"Python 3\.\d+\.\d+, .*numpy \d.* mlflow \d.* cores?$", said)
        assert ("torch" in said) == (arguments == "gpt")
        assert "ray" not in said.split(", ")  # not used here
        for part in (said, parent.key, parent.id, "Theory: " if arguments != "gpt" else "Control"):
            assert part in text
        assert f"python -m sweep +experiment={parent.tags['experiment']}" in text
        assert {a["download"] for a in Reader(text).of("a")} == {"summary.csv", "config.yaml"}


def test_charts_hold_the_stored_curves(store: Path, tmp_path: Path) -> None:
    """Every mean, standard error, quantile and law, to the five digits that are kept."""
    for tracker, parent in parents(store):
        (folder,) = store.glob(f"outputs/*-{parent.key[:8]}")
        data = Reader((folder / "report.html").read_text(encoding="utf-8")).data()
        entries = cell_runs.sorted_cell_runs(tracker.runs(parent.id))
        assert [cell["name"] for cell in data["cells"]] == labels.labels([e.cell for e in entries])[
            0
        ]
        for entry, cell in zip(entries, data["cells"], strict=True):
            curves = arrays.load(
                tracker.download_artifact(entry.run.id, entry.run.curves, tmp_path)
            )
            at = steps(entry.cell.generations, 200)
            assert cell["steps"] == at.tolist()
            last = "loss/val" if entry.cell.params["model"] == "gpt" else "collapsed"
            assert list(cell["curves"]) == ["sigma", "deviation", last]
            for quantity in cell["curves"]:
                values = curves[quantity][:, at - 1].astype(float)
                drawn = cell["curves"][quantity]
                wanted = {"mean": values.mean(0)}
                if len(values) > 1:
                    wanted["se"] = values.std(0, ddof=1) / np.sqrt(len(values))
                    if quantity != "collapsed":
                        wanted["low"], wanted["high"] = np.quantile(values, (0.05, 0.95), axis=0)
                elif quantity == "deviation":
                    wanted["se"] = curves["deviation/se_contexts"][0]
                law = theory_of(entry.cell).curves.get(f"{quantity}/exact")
                if law is not None:
                    wanted["exact"] = law[at - 1]
                assert drawn.keys() == wanted.keys()
                for name, row in wanted.items():
                    assert drawn[name] == pytest.approx(list(row), rel=6e-5, abs=1e-12)
        assert [chart["key"] for chart in data["charts"]] == list(data["cells"][0]["curves"])
        for chart in data["charts"]:
            assert bool(chart["levels"]) == (parent.tags["experiment"] == "gpt_demo")


def test_rebuilt_pages_are_the_same(store: Path, tmp_path: Path) -> None:
    for _, parent in parents(store)[1:]:
        (folder,) = store.glob(f"outputs/*-{parent.key[:8]}")
        again = rebuilt(store, tmp_path, parent.key[:7])
        assert again.read_bytes() == (folder / "report.html").read_bytes()


def test_sweeps_side_by_side(store: Path, tmp_path: Path) -> None:
    (_, smoke), (_, grid), (_, gpt) = parents(store)
    path = rebuilt(store, tmp_path, f"{gpt.key},{grid.key[:8]}")
    assert re.fullmatch(r"compare-[0-9a-f]{8}", path.parent.name)
    text = path.read_text(encoding="utf-8")
    read = check(text)
    data = read.data()
    assert data["groups"] == ["A gpt_demo", "B smoke"]
    assert [cell["group"] for cell in data["cells"]] == [0] * 3 + [1] * 4
    heads = "".join(piece for tag, piece in read.text if tag == "th")
    for part in (f"A: gpt_demo {gpt.key[:6]}", f"B: smoke {grid.key[:6]}", "Model", "Generations"):
        assert part in heads
    assert gpt.id in text
    assert smoke.id not in text
    everything = rebuilt(store, tmp_path, "all")
    assert everything.parent != path.parent
    assert len(check(everything.read_text(encoding="utf-8")).data()["groups"]) == 3


def test_ids_that_cannot_be_followed_are_refused(store: Path, tmp_path: Path) -> None:
    (_, one), (_, other), _ = parents(store)
    for asked, message in (
        (f"{one.key},nope", "sweep: got 'nope'; this store has: "),
        (f"{one.key},", "sweep: got ''; this store has: "),
    ):
        with pytest.raises(ConfigError, match=re.escape(message)) as error:
            rebuilt(store, tmp_path, asked)
        assert "\n" not in str(error.value)
    from sweep.report.find import MOST_SWEEPS, pick

    tracker = parents(store)[0][0]
    twins = [(tracker, one), (tracker, other)]
    shared = [(t, Run(**(vars(r) | {"key": f"ab{k}"}))) for k, (t, r) in enumerate(twins)]
    with pytest.raises(ConfigError, match="got 'ab', which begins several: ab0, ab1; write more"):
        pick(shared, "ab")
    assert [row.key for _, row in pick(shared, "ab1")] == ["ab1"]
    assert [row.key for _, row in pick(shared, "")] == ["ab1"]  # the latest
    many = [(tracker, Run(**(vars(one) | {"key": f"k{i}"}))) for i in range(MOST_SWEEPS + 1)]
    with pytest.raises(ConfigError, match=f"all are {MOST_SWEEPS + 1} here"):
        pick(many, "all")


def test_forty_cells_of_a_long_horizon_stay_below_two_megabytes(tmp_path: Path) -> None:
    ns = ",".join(str(n) for n in range(5, 15))
    tracker, entries = ran(
        tmp_path, "+experiment=smoke", f"grid.n=[{ns}]", "generations=2000", "replicates=5"
    )
    (parent,) = tracker.runs(None)
    built = build.build(tracker, parent, [entry.run for entry in entries], tmp_path)
    read = check(built.files[-1].read_text(encoding="utf-8"))
    data = read.data()
    assert len(data["cells"]) == charts.MOST_CELLS == 40
    assert {len(cell["steps"]) for cell in data["cells"]} == {100}
    assert all(cell["steps"][-1] == 2000 for cell in data["cells"])


def test_text_of_users_stays_text(store: Path) -> None:
    tracker, parent = parents(store)[0]
    nasty = "</script><script>alert(1)</script> & <b>"
    tags = parent.tags | {"mlflow.note.content": nasty, "command": nasty}
    row = Run(**(vars(parent) | {"tags": tags}))
    told = page.ReportContext(
        name=nasty, parent=row, cell_runs=cell_runs.sorted_cell_runs(tracker.runs(parent.id))
    )
    chart = {"groups": [nasty], "charts": [], "cells": [{"name": nasty}]}
    text = page.page(told, images=[], chart=chart, notes=[nasty], files=[])
    read = check(text)
    assert len(read.of("script")) == 2
    assert read.data()["groups"] == [nasty]
    assert not read.of("b")
