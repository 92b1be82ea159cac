"""report.html: one self-contained page that says what a sweep asked and found, or several.

The templates, the style and the script lie in `templates`; everything is
written into the page, which needs no network and no script to be read.
"""

import base64
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2
from PIL import Image

from sweep.cells.labels import labels
from sweep.report.cell_runs import CellRun
from sweep.report.display import Display, display_of
from sweep.report.html.tables import Column, HtmlTable, of_answers, sheet, side_by_side
from sweep.report.verdicts import judge
from sweep.search.scaling import scaling
from sweep.search.threshold_result import ThresholdResult
from sweep.search.threshold_table import LEGEND as LEGEND_OF_ANSWERS
from sweep.tracking.base import Run

TEMPLATES = Path(__file__).resolve().parent / "templates"
LARGEST_FILE = 200_000
"""Bytes of a file that is offered in the page itself."""


@dataclass(frozen=True, kw_only=True)
class ReportContext:
    """A sweep as a page tells it."""

    name: str
    """Of its experiment."""
    parent: Run
    entries: Sequence[CellRun]

    @property
    def purpose(self) -> str:
        tags = self.parent.tags
        return tags.get("purpose", tags.get("mlflow.note.content", ""))

    @property
    def commit(self) -> str:
        """Of the code, marked if it had changes; empty if unknown."""
        tags = self.parent.tags
        dirty = tags.get("mlflow.source.git.dirty") == "true"
        return tags.get("mlflow.source.git.commit", "") + " with changes" * dirty

    @property
    def steps(self) -> str:
        """The commands that make it again."""
        commit = self.commit.removesuffix(" with changes")
        command = self.parent.tags.get("command", "")
        return f"git checkout {commit}\nmake install\n{command}" if commit else command

    @property
    def origin(self) -> list[tuple[str, str]]:
        """Where the numbers come from."""
        tags = self.parent.tags
        pairs = {
            "Sweep": self.parent.key,
            "MLflow run": f"{self.parent.id}; config.yaml, summary.csv and figures are in it",
            "Commit": self.commit.replace(" with changes", ", with changes that are not in it"),
            "Seed": str(self.entries[0].cell.seed),
            "Environment": tags.get("environment", ""),
        }
        return [(key, value) for key, value in pairs.items() if value]

    @property
    def settings(self) -> dict[str, str]:
        cells = [entry.cell for entry in self.entries]
        first = cells[0]
        return {
            "Model": first.kind.model,
            "Initial law": self.display.initial(first),
            "In every cell": labels(cells)[1] or "-",
            "Generations": str(first.generations),
            "Runs of each cell": str(first.replicates),
            "Seed": str(first.seed),
            "Cells": str(len(cells)),
        }

    @property
    def display(self) -> Display:
        return display_of([entry.cell for entry in self.entries])

    @property
    def legend(self) -> str:
        return self.display.legend

    @property
    def caption(self) -> str:
        last = sorted({entry.cell.generations for entry in self.entries})
        beside = self.display.beside
        what = f", simulation{beside}" if beside else ""
        return f"Generation {', '.join(map(str, last))}{what}"


def page(
    told: ReportContext,
    *,
    images: Sequence[tuple[Path, str]],
    chart: Mapping[str, Any],
    notes: Sequence[str],
    files: Sequence[Path],
    answers: Sequence[ThresholdResult] = (),
) -> str:
    """The page of one sweep.

    images: PNG files, each with what it shows in words. chart: `charts.data`.
    files: offered in the page, if they are small. answers: of a threshold search.
    """
    verdict = judge(told.entries)
    return _render(
        "sweep.html",
        title=f"{told.name} {told.parent.key[:6]}",
        told=told,
        finished=sum(entry.run.status == "FINISHED" for entry in told.entries),
        cells=len(told.entries),
        verdict=verdict,
        images=_pictures(images),
        chart=chart,
        sheet=sheet(told.entries, verdict, told.caption),
        notes=notes,
        answers=of_answers(answers) if answers else None,
        answers_legend=LEGEND_OF_ANSWERS,
        laws=[str(law) for law in scaling(answers)],
        files=[
            (file.name, _address("text/plain;charset=utf-8", file.read_bytes()))
            for file in files
            if file.stat().st_size <= LARGEST_FILE
        ],
    )


def comparison(
    sweeps: Sequence[ReportContext], *, images: Sequence[tuple[Path, str]], chart: Mapping[str, Any]
) -> str:
    """The page of several sweeps; they are called A, B, .. in it."""
    letters = [letter(k) for k in range(len(sweeps))]
    settings = [told.settings | _params(told) for told in sweeps]
    keys = list(dict.fromkeys(key for own in settings for key in own))
    apart = [key for key in keys if len({own.get(key) for own in settings}) > 1]
    columns = [
        Column(
            group="",
            head=f"{name}: {told.name} {told.parent.key[:6]}",
            values=[own.get(key, "-") for key in apart],
        )
        for name, told, own in zip(letters, sweeps, settings, strict=True)
    ]
    verdicts = [judge(told.entries) for told in sweeps]
    parts = list(zip(letters, sweeps, verdicts, strict=True))
    return _render(
        "compare.html",
        title=" and ".join(dict.fromkeys(told.name for told in sweeps)),
        differing=HtmlTable(caption="Settings that differ", names=apart, columns=columns),
        alike=", ".join(f"{key} {settings[0][key]}" for key in keys if key not in apart),
        images=_pictures(images),
        chart=chart,
        cells=sum(len(told.entries) for told in sweeps),
        both=side_by_side(
            [(name, told.entries, verdict) for name, told, verdict in parts],
            "Means with standard errors, sweeps side by side",
        ),
        sweeps=[
            (name, told, verdict, sheet(told.entries, verdict, told.caption))
            for name, told, verdict in parts
        ],
        legends=list(dict.fromkeys(told.legend for told in sweeps)),
    )


def letter(k: int) -> str:
    """What the k-th sweep of a comparison is called."""
    return chr(ord("A") + k)


def _params(told: ReportContext) -> dict[str, str]:
    """The axes of the grid as given; the run of a sweep has them as params."""
    return {k: v for k, v in sorted(told.parent.params.items()) if k != "cells"}


def _render(template: str, *, chart: Mapping[str, Any], **values: Any) -> str:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    # A script ends at the first </, also within a string of it.
    text = json.dumps(chart, separators=(",", ":"), ensure_ascii=True).replace("<", "\\u003c")
    drawn = len(chart.get("cells", ()))
    return environment.get_template(template).render(
        css=(TEMPLATES / "page.css").read_text(encoding="utf-8"),
        js=(TEMPLATES / "charts.js").read_text(encoding="utf-8"),
        chart=text if drawn else "",
        charted=drawn,
        **values,
    )


def _pictures(images: Sequence[tuple[Path, str]]) -> list[tuple[str, str]]:
    """The figures as WebP, a seventh of their PNG: a page is stored with every sweep."""
    found = []
    for path, words in images:
        small = io.BytesIO()
        with Image.open(path) as picture:
            picture.convert("RGB").save(small, "WEBP", quality=85)
        found.append((_address("image/webp", small.getvalue()), words))
    return found


def _address(kind: str, content: bytes) -> str:
    """The content itself as an address."""
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"
