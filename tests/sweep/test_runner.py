"""Notices: what the user gave and no cell uses."""

from sweep.config.notice import Notice
from sweep.runner import prepare
from tests.helpers.configs import config

INLINE = ("cluster=inline", "tracking=memory")


def notices(*overrides: str) -> list[Notice]:
    given = [override.split("=")[0].lstrip("+") for override in overrides]
    return prepare(config(*overrides, *INLINE), given).notices


def test_a_notice_is_for_who_gave_its_key() -> None:
    dropped = "grid.N is not used by full, recent, random: dropped there"
    assert notices("+experiment=smoke", "grid.N=50") == [Notice("grid.N", dropped)]
    assert not notices("+experiment=schedules")  # whose file gives K, which most do not use


def test_a_notice_without_a_key_is_for_everybody() -> None:
    (notice,) = notices("+experiment=full", "grid.schedule=recent", "generations=5", "grid.n=3")
    assert notice.key == ""
    assert notice.message.startswith("recent: floor(n/K) = 1 for some cells")


def test_keys_of_a_search_that_is_not_asked_for() -> None:
    (notice,) = notices("+experiment=full", "optuna.trials=3", "optuna.at_once=2")
    assert notice.message == ("optuna.at_once, optuna.trials: used only by search=optuna: ignored")
