"""A key is declared once: conf/, the models and the dataclasses they map onto name the same."""

from collections.abc import Iterator, Mapping
from dataclasses import fields
from typing import Any

import pytest
import yaml

from sweep.cells.kinds import KINDS
from sweep.config.schema import key_paths, keys, model_sections
from sweep.config.section import Section, key_tree, paths
from sweep.kinds.gpt.config import (
    GptSection,
    MeasureSection,
    NetworkSection,
    SamplingSection,
    TrainingSection,
)
from sweep.models.gpt.config import Measure, Network, Sampling, Training
from sweep.paths import CONF
from tests.helpers.configs import settings

GROUPS = sorted(path.name for path in CONF.iterdir() if path.is_dir() and path.name != "experiment")
EXPERIMENTS = sorted((CONF / "experiment").glob("*.yaml"))
FREE = "optuna.axes"
"""Its keys are names of axes, not of the config."""


def keys_of(values: Mapping[str, Any], at: str = "") -> Iterator[str]:
    for key, value in values.items():
        yield f"{at}{key}"
        if isinstance(value, dict) and f"{at}{key}" != FREE:
            yield from keys_of(value, f"{at}{key}.")


def loaded(path: str) -> dict[str, Any]:
    values = yaml.safe_load((CONF / path).read_text())
    return {key: value for key, value in values.items() if key not in ("defaults", "hydra")}


def test_conf_holds_every_key_and_no_other() -> None:
    held = set(keys_of(loaded("config.yaml"))) | set(GROUPS)
    for group in GROUPS:
        for file in sorted((CONF / group).glob("*.yaml")):
            held |= set(keys_of(loaded(f"{group}/{file.name}"), f"{group}."))
    assert held == set(key_paths())
    assert len(held) > 90


@pytest.mark.parametrize("file", EXPERIMENTS, ids=lambda path: path.stem)
def test_experiments_change_keys_that_there_are(file: Any) -> None:
    assert set(keys_of(loaded(f"experiment/{file.name}"))) <= set(key_paths())


def test_a_key_is_named_once_and_the_upper_level_first() -> None:
    every = key_paths()
    assert len(set(every)) == len(every)
    assert every[: len(keys())] == list(keys())
    assert {"model", "model.network", "model.network.context", "model.unseen"} <= set(every)


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_of_conf_holds_just_the_keys_of_its_kind(kind: str) -> None:
    assert set(keys_of(loaded(f"model/{kind}.yaml"))) == set(
        paths(key_tree(model_sections()[kind]))
    )


@pytest.mark.parametrize(
    ("kind", "section", "constants"),
    [
        (Network, NetworkSection, set()),
        (Training, TrainingSection, set()),
        (Sampling, SamplingSection, {"temperature"}),  # an axis of the grid
        (Measure, MeasureSection, set()),
    ],
)
def test_sections_check_the_fields_of_their_dataclass(
    kind: Any, section: type[Section], constants: set[str]
) -> None:
    assert set(section.model_fields) == {f.name for f in fields(kind)} - constants


def test_settings_are_frozen() -> None:
    given = settings("+experiment=gpt_demo")
    for part, key in ((given, "seed"), (given.grid, "n"), (given.cluster, "kind")):
        with pytest.raises(ValueError, match="frozen"):
            setattr(part, key, 1)
    assert isinstance(given.model_section, GptSection)
    assert given.model_section.network == Network(
        context=32, embedding=64, layers=2, heads=2, dropout=0.0, bias=False, tied=True
    )
