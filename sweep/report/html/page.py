"""report.html: a self-contained page with the question and the results of one or more sweeps.

The templates, the style and the script are in `templates`; everything is written into
the page, which can be read without a network and without scripts.
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
"""Most bytes of a file that the page itself contains."""


@dataclass(frozen=True, kw_only=True)
class ReportContext:
    """A sweep, as the templates see it."""

    name: str
    """Name of its experiment."""
    parent: Run
    cell_runs: Sequence[CellRun]

    @property
    def purpose(self) -> str:
        tags = self.parent.tags
        return tags.get("purpose", tags.get("mlflow.note.content", ""))

    @property
    def commit(self) -> str:
        """The commit of the code, marked if there were changes; empty if unknown."""
        tags = self.parent.tags
        dirty = tags.get("mlflow.source.git.dirty") == "true"
        return tags.get("mlflow.source.git.commit", "") + " with changes" * dirty

    @property
    def steps(self) -> str:
        """The commands that reproduce it."""
        commit = self.commit.removesuffix(" with changes")
        command = self.parent.tags.get("command", "")
        return f"git checkout {commit}\nmake install\n{command}" if commit else command

    @property
    def origin(self) -> list[tuple[str, str]]:
        """What made the numbers, as pairs."""
        tags = self.parent.tags
        pairs = {
            "Sweep": self.parent.key,
            "MLflow run": f"{self.parent.id}; config.yaml, summary.csv and figures are in it",
            "Commit": self.commit.replace(" with changes", ", with changes that are not in it"),
            "Seed": str(self.cell_runs[0].cell.seed),
            "Environment": tags.get("environment", ""),
        }
        return [(key, value) for key, value in pairs.items() if value]

    @property
    def settings(self) -> dict[str, str]:
        cells = [cell_run.cell for cell_run in self.cell_runs]
        first = cells[0]
        return {
            "Model": first.kind.model,
            "Initial distribution": self.display.initial(first),
            "In every cell": labels(cells)[1] or "-",
            "Generations": str(first.generations),
            "Runs of each cell": str(first.replicates),
            "Seed": str(first.seed),
            "Cells": str(len(cells)),
        }

    @property
    def display(self) -> Display:
        return display_of([cell_run.cell for cell_run in self.cell_runs])

    @property
    def legend(self) -> str:
        return self.display.legend

    @property
    def caption(self) -> str:
        last = sorted({cell_run.cell.generations for cell_run in self.cell_runs})
        beside = self.display.beside
        what = f", simulation{beside}" if beside else ""
        return f"Generation {', '.join(map(str, last))}{what}"


def page(
    context: ReportContext,
    *,
    images: Sequence[tuple[Path, str]],
    chart: Mapping[str, Any],
    notes: Sequence[str],
    files: Sequence[Path],
    answers: Sequence[ThresholdResult] = (),
) -> str:
    """The page of a sweep.

    images: PNG files, each with what it shows in words. chart: `charts.data`.
    files: contained in the page if they are small. answers: results of a threshold search.
    """
    verdict = judge(context.cell_runs)
    return _render(
        "sweep.html",
        title=f"{context.name} {context.parent.key[:6]}",
        sweep=context,
        finished=sum(cell_run.run.status == "FINISHED" for cell_run in context.cell_runs),
        cells=len(context.cell_runs),
        verdict=verdict,
        images=_embedded(images),
        chart=chart,
        sheet=sheet(context.cell_runs, verdict, context.caption),
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
    """The page of several sweeps, called A, B, .. there."""
    letters = [letter(k) for k in range(len(sweeps))]
    settings = [context.settings | _params(context) for context in sweeps]
    keys = list(dict.fromkeys(key for values in settings for key in values))
    apart = [key for key in keys if len({values.get(key) for values in settings}) > 1]
    columns = [
        Column(
            group="",
            head=f"{name}: {context.name} {context.parent.key[:6]}",
            values=[values.get(key, "-") for key in apart],
        )
        for name, context, values in zip(letters, sweeps, settings, strict=True)
    ]
    verdicts = [judge(context.cell_runs) for context in sweeps]
    parts = list(zip(letters, sweeps, verdicts, strict=True))
    return _render(
        "compare.html",
        title=" and ".join(dict.fromkeys(context.name for context in sweeps)),
        differing=HtmlTable(caption="Settings that differ", names=apart, columns=columns),
        alike=", ".join(f"{key} {settings[0][key]}" for key in keys if key not in apart),
        images=_embedded(images),
        chart=chart,
        cells=sum(len(context.cell_runs) for context in sweeps),
        both=side_by_side(
            [(name, context.cell_runs, verdict) for name, context, verdict in parts],
            "Means with standard errors, sweeps side by side",
        ),
        sweeps=[
            (name, context, verdict, sheet(context.cell_runs, verdict, context.caption))
            for name, context, verdict in parts
        ],
        legends=list(dict.fromkeys(context.legend for context in sweeps)),
    )


def letter(k: int) -> str:
    """The name of the k-th sweep of a comparison."""
    return chr(ord("A") + k)


def _params(context: ReportContext) -> dict[str, str]:
    """The axes of the grid as given, which are params of the sweep's run."""
    return {k: v for k, v in sorted(context.parent.params.items()) if k != "cells"}


def _render(template: str, *, chart: Mapping[str, Any], **values: Any) -> str:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    # A script ends at the first </, even within a string.
    text = json.dumps(chart, separators=(",", ":"), ensure_ascii=True).replace("<", "\\u003c")
    drawn = len(chart.get("cells", ()))
    return environment.get_template(template).render(
        css=(TEMPLATES / "page.css").read_text(encoding="utf-8"),
        js=(TEMPLATES / "charts.js").read_text(encoding="utf-8"),
        chart=text if drawn else "",
        charted=drawn,
        **values,
    )


def _embedded(images: Sequence[tuple[Path, str]]) -> list[tuple[str, str]]:
    """The figures as WebP, a seventh of their PNG: a page is stored with every sweep."""
    embedded = []
    for path, words in images:
        small = io.BytesIO()
        with Image.open(path) as picture:
            picture.convert("RGB").save(small, "WEBP", quality=85)
        embedded.append((_address("image/webp", small.getvalue()), words))
    return embedded


def _address(kind: str, content: bytes) -> str:
    """The content as a data URL."""
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"
