"""The cells of a sweep: which, in what order, with which ids."""

import pytest

from sweep.cells.cell import sweep_id
from sweep.cells.kinds import cell_from_params
from sweep.config.compose import experiments
from sweep.grid import packing
from sweep.grid.cost import seconds
from sweep.grid.expand import expand
from sweep.grid.memory import memory
from sweep.models import corpus
from sweep.search import threshold
from tests.helpers.configs import settings
from tests.helpers.paths import GOLDEN


@pytest.mark.parametrize("name", sorted(experiments()))
def test_experiments_expand_as_recorded(name: str) -> None:
    """Ids name stored results: a change here makes every user compute anew, so it is deliberate.

    To record anew, delete the file and run the test twice.
    """
    embedded = ["corpus=embedded"] * (name == "gpt")  # its own text has to be downloaded
    made = settings(f"+experiment={name}", *embedded)
    if made.search == "threshold":
        search, _ = threshold.search(
            made, corpus.embedded() if made.model_section.reads_text else None
        )
        cells = [problem.cell for problem in search.problems]  # with the smallest n
    else:
        cells, _ = expand(made)
    text = "".join(f"{cell.id}  {cell.name}\n" for cell in cells)
    path = GOLDEN / f"{name}.txt"
    if not path.exists():
        path.write_text(text)
        pytest.fail(f"recorded {path}: look at it and run again")
    assert text == path.read_text()


def test_unused_axes_are_dropped_and_named_once() -> None:
    cells, notices = expand(settings("+experiment=smoke", "grid.N=[5,6]", "grid.n=[3,4]"))
    assert [cell.name for cell in cells if cell.schedule.name != "partial"] == [
        "full n=3 S0=0.1",
        "full n=4 S0=0.1",
        "recent n=3 K=2 S0=0.1",
        "recent n=4 K=2 S0=0.1",
        "random n=3 S0=0.1",
        "random n=4 S0=0.1",
    ]
    assert notices[0].message == "grid.N is not used by full, recent, random: dropped there"
    assert notices[1].message.startswith("recent: floor(n/K) = 1 for some cells")  # n = 3, K = 2
    assert len(notices) == 2
    assert "N" not in cells[0].params
    assert len({cell.id for cell in cells}) == len(cells) == 10


def test_ids_depend_on_the_science_alone() -> None:
    def ids(*overrides: str) -> list[str]:
        return [cell.id for cell in expand(settings("+experiment=partial", *overrides))[0]]

    base = ids()
    assert ids("cluster=inline", "tracking=memory", "output=x", "force=true") == base
    assert ids("source.seed=9") == base  # zipf draws nothing
    for change in ("seed=1", "generations=51", "replicates=99", "grid.S0=0.2", "source.s=601"):
        assert not set(ids(change)) & set(base)


def test_params_give_the_cell_back() -> None:
    for family in ("zipf", "dirichlet", "uniform"):
        for cell in expand(settings("+experiment=smoke", f"source.family={family}"))[0]:
            again = cell_from_params(cell.params)
            assert again == cell
            assert again.id == cell.params["cell"]


def test_sweeps_are_named_by_experiment_and_cells() -> None:
    cells, _ = expand(settings("+experiment=smoke"))
    assert sweep_id("a", cells) != sweep_id("b", cells)
    assert sweep_id("a", cells) != sweep_id("a", cells[:-1])


def test_memory_covers_the_models_that_random_keeps() -> None:
    cells, _ = expand(settings("+experiment=smoke", "grid.schedule=[full,random]", "grid.n=60"))
    full, random = cells
    assert memory(random) > memory(full) + 2 * 12 * 19 * 52  # one run at a time


@pytest.mark.parametrize("count", [0, 1, 3, 100, 5000])
@pytest.mark.parametrize("slots", [1, 2, 64])
def test_packs_hold_every_cell_once(count: int, slots: int) -> None:
    costs = [0.05 + (i * 7919 % 13) for i in range(count)]
    packs = packing.pack(costs, slots)
    assert sorted(i for pack in packs for i in pack) == list(range(count))
    assert all(packs)
    assert all(pack == sorted(pack) for pack in packs)


def test_packs_share_the_cost_of_a_trial_and_the_work() -> None:
    assert len(packing.pack([0.05] * 20, 2)) == 1  # a second of work is not worth two trials
    packs = packing.pack([0.1] * 2000, 2)
    assert 8 <= len(packs) <= 45
    loads = [len(pack) for pack in packs]
    assert max(loads) - min(loads) <= 1
    assert len(packing.pack([60.0] * 6, 2)) == 6  # long cells go alone


def test_tiny_networks_are_spread_over_cores() -> None:
    """Steps of 0.1 M operations are estimated by what calls and texts cost: a second a cell."""
    tiny = ("model.training.batch=4", "model.training.steps=40")
    cells, _ = expand(settings("+experiment=gpt_demo", *tiny))
    costs = [seconds(cell) for cell in cells]
    assert all(1 < cost < 3 for cost in costs)
    assert len(packing.pack(costs, 2)) == 3


def test_axes_that_move_together() -> None:
    def names(*overrides: str) -> list[str]:
        return [cell.name for cell in expand(settings("+experiment=partial", *overrides))[0]]

    assert names("grid.n=[1,2,2]", "grid.N=[9,8,7]", "grid.zip=[n,N]", "grid.S0=[0.1,0.2]") == [
        "partial n=1 N=9 S0=0.1",
        "partial n=1 N=9 S0=0.2",
        "partial n=2 N=8 S0=0.1",
        "partial n=2 N=8 S0=0.2",
        "partial n=2 N=7 S0=0.1",
        "partial n=2 N=7 S0=0.2",
    ]
    shares = ("grid.n=null", "grid.N=null", "grid.alpha=[0.1,0.75]", "grid.total=40")
    assert names(*shares) == ["partial n=4 N=36 S0=0.1", "partial n=30 N=10 S0=0.1"]
    assert names(*shares, "grid.schedule=[full,real,matched]") == [
        "full n=40 S0=0.1",
        "real N=40 S0=0.1",
        "matched n=40 N=36 S0=0.1",
        "matched n=40 N=10 S0=0.1",
    ]


def test_a_kept_window_is_another_cell() -> None:
    cells, notices = expand(
        settings("+experiment=smoke", "grid.schedule=[recent,full]", "grid.reuse=[false,true]")
    )
    assert [cell.name for cell in cells] == [
        "recent n=10 K=2 S0=0.1",
        "recent n=10 K=2 S0=0.1 kept",
        "full n=10 S0=0.1",
    ]
    assert [notice.message for notice in notices] == [
        "grid.reuse is not used by full: dropped there"
    ]
    assert cell_from_params(cells[1].params) == cells[1]
