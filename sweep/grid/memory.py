"""How much memory a cell needs; cells that need too much are refused."""

from models.schedules import LARGEST_POOL
from sweep.cells.cell import Cell
from sweep.config.validate import ConfigError
from sweep.grid.gpt import check_tokens

LARGEST_CELL = 4 * 2**30
"""Most memory, in bytes, that one cell may need."""


def memory(cell: Cell) -> int:
    """Bytes that running the cell needs: the curves of all runs, and the models of one.

    Runs are simulated in blocks; a block of many small ones needs little.
    """
    curves = 2 * 8 * 8 * cell.replicates * cell.generations
    if cell.recipe is not None:  # besides its network, which is the device's matter
        laws = 4 * cell.recipe.measure.contexts * cell.source.s
        laws *= cell.replicates * cell.generations
        return curves + 4 * laws + 4 * cell.schedule.largest_pool(cell.generations)
    if cell.contexts is not None:
        law = 8 * cell.contexts.count(cell.source.s) * cell.source.s
        return curves + 12 * law * cell.replicates + law * (cell.generations + 1)
    # eight curves as recorded, and once more while they are stored; the loop at work:
    # words and pool (`models.statistical.steps.SPLIT` samples a token), ends of slots, some laws
    schedule, support = cell.schedule, cell.source.support
    alive = min(support, schedule.largest_total(cell.generations))
    most = max(schedule.n or 0, schedule.N or 0)
    words = 16 * min(support, most) + 16 * min(most, 24 * support)
    scratch = 8 * schedule.reach(cell.generations) * alive + 40 * alive + 80 * support
    return curves + models_memory(cell) + words + scratch


def models_memory(cell: Cell) -> int:
    """Bytes of the models that one run holds, and once more while a step copies them."""
    schedule, support = cell.schedule, cell.source.support
    alive = min(support, schedule.largest_total(cell.generations))
    window = (schedule.K or 0) if schedule.rule.keeps == "window" else 0
    return 2 * (12 * schedule.reach(cell.generations) * alive + 8 * (window + 2) * support)


def check_size(cell: Cell) -> None:
    """Raise ConfigError for a cell that is too large to run."""
    if cell.recipe is not None:
        check_tokens(cell.schedule, cell.recipe.network.context)
    largest = cell.schedule.largest_pool(cell.generations)
    if largest > LARGEST_POOL:
        raise ConfigError(
            f"generations: got {cell.generations}: the cell `{cell.name}` gathers {largest:.3g} "
            f"samples; allowed: up to {LARGEST_POOL}; use fewer generations or samples"
        )
    if memory(cell) > LARGEST_CELL:
        raise ConfigError(
            f"replicates: got {cell.replicates} with generations={cell.generations}: "
            f"the cell `{cell.name}` needs {memory(cell) / 2**30:.1f} GiB; allowed: up to "
            f"{LARGEST_CELL // 2**30} GiB; use fewer replicates or generations"
        )
