"""How GPT cells are shown, compared with the arm that is trained on fresh real text."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from sweep.cells.cell import Cell
from sweep.kinds.gpt.kind import Gpt
from sweep.kinds.gpt.summary import spread_in_words
from sweep.report.cell_runs import CellRun
from sweep.report.numbers import Number

LEGEND = """deviation: L1 distance of the next-token distributions from those of generation 1, mean
over contexts drawn from p(0), with its standard error (over runs; with one run, over contexts
alone, and another run may differ by more); control: the deviation of the arm trained on fresh real
text, and z their distance in standard errors, taken as independent; from p(0): distance from the
ground truth; val loss: the last loss on held-out real text, in nats; best: the smallest during
training; distinct 8: share of different 8-grams in the text that the model writes."""
EXTRA = {
    "from p(0)": ("deviation_p0/mean", 3),
    "val loss": ("loss/val", 4),
    "best": ("loss/val_best", 4),
    "distinct 8": ("distinct_n/8", 2),
}
"""Column head -> metric and number of digits."""


class GptDisplay:
    """The display of GPT cells, see `sweep.report.display.Display`."""

    columns = ("cell", "deviation", *EXTRA)
    mlflow_columns = ("deviation/mean", "deviation_p0/mean", "loss/val", "distinct_n/8")
    legend = LEGEND
    beside = ""
    collapses = False
    figure = "gpt"
    last_colours = True

    def row(self, run: CellRun) -> Mapping[str, str]:
        values = run.run.metrics
        kind = "se" if "deviation/se" in values else "se_contexts"
        error = values.get(f"deviation/{kind}", 0.0)
        deviation = f"{_number(values, 'deviation/mean', 3)} +- {error:.1g}"
        return {"deviation": deviation} | {
            head: _number(values, metric, digits) for head, (metric, digits) in EXTRA.items()
        }

    def extra(self, run: CellRun) -> Mapping[str, str]:
        if run.run.status != "FINISHED":
            return dict.fromkeys(EXTRA, run.run.status)
        return {
            head: _number(run.run.metrics, metric, digits, missing="")
            for head, (metric, digits) in EXTRA.items()
        }

    def numbers(self, name: str, run: CellRun, runs: Sequence[CellRun]) -> list[Number]:
        return against_control(name, run, runs)

    def initial(self, cell: Cell) -> str:
        assert isinstance(cell.kind, Gpt)
        recipe = cell.kind.recipe
        p0 = (
            "a network trained on it"
            if recipe.order is None
            else f"its Markov source of order {recipe.order}"
        )
        return f"of the text {recipe.corpus}, {cell.source.s} characters: {p0}"

    def note(self, metrics: Mapping[str, float]) -> str | None:
        return spread_in_words(metrics)


DISPLAY = GptDisplay()


def _number(values: Mapping[str, float], metric: str, digits: int, missing: str = "-") -> str:
    return f"{values[metric]:#.{digits}g}" if metric in values else missing


def _deviation(name: str, cell_run: CellRun) -> Number:
    """Return the deviation of the last generation; with one run its error is over contexts."""
    metrics, cell = cell_run.run.metrics, cell_run.cell
    assert isinstance(cell.kind, Gpt)
    several = "deviation/se" in metrics
    return Number(
        id=cell.id,
        cell=name,
        quantity="deviation",
        symbol=f"deviation_{cell.generations}",
        mean=metrics["deviation/mean"],
        se=metrics.get("deviation/se" if several else "deviation/se_contexts"),
        freedom=cell.replicates - 1 if several else cell.kind.recipe.measure.contexts - 1,
        contexts=not several,
    )


def against_control(name: str, cell_run: CellRun, cell_runs: Sequence[CellRun]) -> list[Number]:
    """Return sigma, and the deviation next to that of the control."""
    deviation, metrics = _deviation(name, cell_run), cell_run.run.metrics
    sigma = replace(
        deviation,
        quantity="sigma",
        symbol=f"sigma_{cell_run.cell.generations}",
        mean=metrics["sigma/mean"],
        se=metrics.get("sigma/se"),
        contexts=False,
    )
    arm = next((other for other in cell_runs if _is_control(other, cell_run.cell)), None)
    control = None if arm is None else _deviation("control", arm)
    return [sigma, replace(deviation, control=control)]


def _is_control(cell_run: CellRun, cell: Cell) -> bool:
    """Return whether it is the control of a cell: schedule real with the same size and p(1)."""
    other = cell_run.cell
    return (
        cell_run.run.status == "FINISHED"
        and other.schedule.name == "real"
        and cell.schedule.name != "real"
        and isinstance(other.kind, Gpt)
        and isinstance(cell.kind, Gpt)
        and other.schedule.total(1) == cell.schedule.total(1)
        and (other.source, other.seed, other.generations, other.replicates)
        == (cell.source, cell.seed, cell.generations, cell.replicates)
        and replace(other.kind.recipe, sampling=cell.kind.recipe.sampling) == cell.kind.recipe
    )
