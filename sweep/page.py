"""report.html: one self-contained page that says what a sweep asked and found."""

import base64
from collections.abc import Sequence
from html import escape
from pathlib import Path

from sweep.tables import GPT_COLUMNS, Entry, columns, figures_of, labels, shown

STYLE = """
:root { color-scheme: light dark; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.6rem; margin-bottom: .2rem; } h2 { font-size: 1.15rem; margin-top: 2rem; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .25rem .8rem; text-align: right; border-bottom: 1px solid #8884; }
th:first-child, td:first-child { text-align: left; }
img { max-width: 100%; height: auto; background: #fff; border-radius: 4px; }
code, pre { font: 14px ui-monospace, monospace; }
pre { overflow-x: auto; padding: .8rem; background: #8882; }
@media print { body { margin: 0; } }
"""

LEGEND = """sigma: mean over runs of the sum of squared probabilities; exact: its expectation from
theory; deviation: mean L1 distance from generation 1; collapsed: share of runs that have been a
single token; E[T]: mean generation of first collapse and its standard error; where some runs have
not collapsed by M, E[T] is at least the mean of min(T, M) that is shown."""
GPT_LEGEND = """deviation: L1 distance of the next-token laws from those of generation 1, mean over
contexts drawn from p(0), with its standard error (over runs, or contexts if there is one run);
from p(0): the same from the ground truth; val loss: last one on held-out real text, nats; best: the
smallest while training; distinct 8: share of different
8-grams in a text of the model's own."""


def page(
    *,
    name: str,
    purpose: str,
    sweep: str,
    command: str,
    commit: str,
    entries: Sequence[Entry],
    images: Sequence[tuple[Path, str]],
    notes: Sequence[str],
) -> str:
    """The page as text. `images`: PNG files, each with what it shows in words."""
    cells = [entry.cell for entry in entries]
    names, shared = labels(cells)
    first = cells[0]
    draw = "" if first.source.seed is None else f" (draw {first.source.seed})"
    law = f"{first.source.family} on {first.source.support} of {first.source.s} tokens{draw}"
    if first.recipe is not None:
        p0 = (
            "a network trained on it"
            if first.recipe.order is None
            else (f"its Markov source of order {first.recipe.order}")
        )
        law = f"{first.recipe.corpus}, {first.source.s} different characters; p(0) is {p0}"
    settings = [
        ("Text" if first.recipe is not None else "Initial law", law),
        ("In every cell", shared or "-"),
        ("Generations", str(first.generations)),
        ("Runs of each cell", str(first.replicates)),
        ("Seed", str(first.seed)),
        ("Cells", str(len(cells))),
    ]
    finished = sum(entry.row.status == "FINISHED" for entry in entries)
    heads = columns(entries)
    head = "".join(f"<th scope=col>{escape(c)}</th>" for c in heads)
    body = "".join(
        f"<tr><td>{escape(n)}</td>"
        + "".join(f"<td>{escape(v)}</td>" for v in figures_of(entry, heads).values())
        + "</tr>\n"
        for n, entry in ((names[i], entries[i]) for i in shown(len(entries)))
    )
    cut = (
        f"<p>{len(shown(len(entries)))} of {len(entries)} cells shown; all are in summary.csv.</p>"
        if len(shown(len(entries))) < len(entries)
        else ""
    )
    pictures = "".join(
        f'<p><img alt="{escape(alt)}" src="data:image/png;base64,{_base64(path)}"></p>\n'
        for path, alt in images
    )
    remarks = "".join(f"<li>{escape(note)}</li>" for note in notes)
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(name)} {sweep[:6]}</title><style>{STYLE}</style></head><body>
<h1>{escape(name)}</h1><p>{escape(purpose)}</p>
<p>{finished} of {len(entries)} cells finished.</p>
<h2>Figures</h2>
{pictures}
<h2>Last generation{"" if heads == GPT_COLUMNS else ", simulation against theory"}</h2>
<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>
{body}</tbody></table></div>{cut}
<p>{GPT_LEGEND if heads == GPT_COLUMNS else LEGEND}</p>
{f"<h2>Remarks</h2><ul>{remarks}</ul>" if remarks else ""}
<h2>Settings</h2>
<table><tbody>{"".join(f"<tr><td>{escape(k)}</td><td>{escape(v)}</td></tr>" for k, v in settings)}
</tbody></table>
<h2>Reproduce</h2><pre>{escape(command)}</pre>
<p>Sweep <code>{sweep}</code>{f", commit <code>{escape(commit)}</code>" if commit else ""}.</p>
</body></html>
"""


def _base64(path: Path) -> str:
    return base64.b64encode(path.read_bytes()).decode()
