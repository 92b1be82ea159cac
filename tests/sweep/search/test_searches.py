"""Every search is driven in the same way; a grid is the one that asks once."""

import pytest

from sweep.cells.cell import sweep_id
from sweep.config.validate import ConfigError
from sweep.grid.expand import expand
from sweep.search.registry import SEARCHES
from tests.helpers.configs import settings

GIVEN = {
    "grid": ("+experiment=smoke",),
    "threshold": ("+experiment=threshold",),
    "optuna": ("+experiment=smoke", "search=optuna", "optuna.axes={S0:[0.1,0.5]}"),
}


def test_the_config_allows_the_searches_there_are() -> None:
    with pytest.raises(ConfigError) as refused:
        settings("+experiment=smoke", "search=nope")
    for name in SEARCHES:
        assert name in str(refused.value)
    assert set(GIVEN) == set(SEARCHES)


@pytest.mark.parametrize("name", GIVEN)
def test_the_first_round_depends_on_the_settings_alone(name: str) -> None:
    made = settings(*GIVEN[name])
    assert made.search == name
    search, _ = SEARCHES[name].search(made, None)
    same, _ = SEARCHES[name].search(made, None)
    first = search.ask({})
    assert first
    assert same.ask({}) == first
    assert search.sweep_id("a") == same.sweep_id("a") != search.sweep_id("b")
    other, _ = SEARCHES[name].search(made.model_copy(update={"seed": made.seed + 1}), None)
    assert other.sweep_id("a") != search.sweep_id("a")
    assert search.one_round is (name == "grid")


def test_a_grid_asks_for_its_cells_once() -> None:
    made = settings("+experiment=smoke")
    cells, _ = expand(made)
    grid, _ = SEARCHES["grid"].search(made, None)
    assert grid.ask({}) == cells
    assert grid.ask({cell.id: None for cell in cells[:2]}) == cells[2:]
    assert grid.ask({cell.id: None for cell in cells}) == []
    assert grid.sweep_id("smoke") == sweep_id("smoke", cells)


def test_ids_of_searches_are_those_of_earlier_versions() -> None:
    """Recorded: another id would not find the sweep that an earlier version has begun."""
    searches = {name: SEARCHES[name].search(settings(*GIVEN[name]), None)[0] for name in GIVEN}
    assert {name: search.sweep_id("x") for name, search in searches.items()} == {
        "grid": "b924cd8a380a",
        "threshold": "0cbed6160f45",
        "optuna": "e007356bf647",
    }
