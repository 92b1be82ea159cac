"""Whatever is refused is refused in one line that begins with the field."""

from typing import Any

import pytest

from sweep.config.schema import parse
from sweep.config.section import Section, checked
from sweep.config.validate import ConfigError
from tests.helpers.configs import config, settings

PARTIAL = (
    "grid.n=0", "grid.n=[10,1.5]", "grid.N=true", "grid.K=ten", "grid.n=[]", "grid.n=[[1]]",
    "grid.n=nan", "grid.S0=x", "grid.S0=1", "grid.alpha=2", "grid.schedule=3",
    "grid.schedule=[full,nope]", "grid.reuse=yes", "grid.zip=n,m", "grid.temperature=[1,200]",
    "source.s=1", "source.seed=-1", "source.family=zipff", "generations=null",
    "replicates=1e400", "seed=x", "seed=1e30", "name=a/b", "purpose=3", "figure=curve",
    "dry_run=1", "force=yes", "output=null", "search=best", "source=3", "grid=null",
    "+grid.m=3", "+foo=3", "+threshold.levl=3", "+model.network.contxt=3", "tracking.uri=null",
    "tracking.kind=mlfow", "tracking.detail=cells", "tracking.patience_seconds=-1",
    "tracking.experiment=3", "cluster.kind=locl", "cluster.num_cpus=0",
    "cluster.cpus_per_trial=null", "cluster.gpus_per_trial=1.5", "cluster.workers_per_trial=0",
    "cluster.workers_per_trial=false", "cluster.checkpoint_seconds=x",
    "cluster.limit_seconds=0", "cluster.max_failures=-1", "+cluster.address=h:1",
    "model.context_length=65", "model.context_draw=x", "model.unseen=x", "model.name=gtp",
    "corpus.truth=known", "corpus.order=0", "corpus.path=3", "seed=???", "~seed",
)  # fmt: skip
GPT = (
    "model.network.context=1", "model.network.heads=x", "model.network.dropout=1",
    "model.network.bias=1", "+model.network.depth=3", "model.training.steps=0",
    "model.training.warmup=900", "model.training.decay=x", "model.training.clip=-1",
    "model.training.real_share=2", "model.training.shards=3", "model.device=tpu",
    "model.sampling.sampler=hopp", "model.sampling.document=3", "model.sampling.top_k=0",
    "model.compile=1", "model.measure.validation=20", "model.measure.stop_below=2",
    "~model.network", "+model.sampling.temperature=1",
)  # fmt: skip
THRESHOLD = (
    "threshold.criterion=x", "threshold.level=3", "threshold.level=x", "threshold.level=???",
    "threshold.m=0", "threshold.support=1", "threshold.cap=1.5", "threshold.confidence=1",
    "threshold.budget=0", "threshold.at_once=65", "threshold.resolution=0.0001",
    "threshold.resolution=false", "threshold.re_entry=1",
)  # fmt: skip
CASES = [
    *(("+experiment=partial", override) for override in PARTIAL),
    *(("+experiment=gpt_demo", override) for override in GPT),
    *(("+experiment=threshold", override) for override in THRESHOLD),
]


def refusal(*overrides: str) -> str:
    with pytest.raises(ConfigError) as caught:
        settings(*overrides)
    return str(caught.value)


@pytest.mark.parametrize(("experiment", "override"), CASES, ids=lambda part: part)
def test_one_line_that_begins_with_the_field(experiment: str, override: str) -> None:
    line = refusal(experiment, override)
    field = override.split("=")[0].lstrip("+~")
    assert line.startswith(f"{field}: "), line
    assert "\n" not in line
    assert len(line) > len(field) + 10
    assert "validation error" not in line
    assert "Input should" not in line


def test_the_table_is_long() -> None:
    assert len(set(CASES)) == len(CASES) > 60


def test_null_is_no_number_of_workers() -> None:
    """It is put right by the schema; 0 and false are refused, though a 0 stands for it inside."""
    assert settings("+experiment=partial").cluster.workers_per_trial == 1
    assert "got 0; allowed: whole numbers" in refusal(
        "+experiment=partial", "cluster.workers_per_trial=0"
    )


def test_a_key_of_another_kind_is_no_matter_but_a_wrong_name_is() -> None:
    given = settings("+experiment=gpt_demo", "model=statistical", "+model.training.shards=x")
    assert given.model == "statistical"
    assert settings("+experiment=simplex", "model=gpt").model == "gpt"
    line = refusal("+experiment=gpt_demo", "model=statistical", "+model.training.shrads=2")
    assert line == "model.training.shrads: unknown key; did you mean model.training.shards?"


def test_sections_of_a_search_that_is_not_asked_for_are_not_looked_at() -> None:
    given = settings("+experiment=partial", "threshold.level=9", "optuna.axes=3")
    assert given.threshold is None
    assert given.optuna is None
    assert "threshold.level: got 9" in refusal("+experiment=threshold", "threshold.level=9")


@pytest.mark.parametrize(
    ("axes", "line"),
    [
        ("{S0:[0.5,0.1]}", "optuna.axes.S0: got [0.5, 0.1]; allowed: [low, high] with low below"),
        ("{S0:[0,0.1]}", "optuna.axes.S0: got 0; allowed: [low, high] within 1e-06 to 1"),
        ("{S0:0.1}", "optuna.axes.S0: got 0.1; allowed: [low, high] with low below high"),
        ("{S1:[0.1,0.2]}", "optuna.axes: got 'S1'; allowed: S0, temperature, learning_rate; did"),
        ("{temperature:[1,2]}", "optuna.axes with model=statistical: got 'temperature'; allowed: "),
        ("[]", "optuna.axes: got []; allowed: ranges of S0, temperature, learning_rate"),
    ],
)
def test_axes_of_optuna(axes: str, line: str) -> None:
    found = refusal("+experiment=full", "search=optuna", f"optuna.axes={axes}")
    assert found.startswith(line)


def test_keys_of_a_cluster_follow_from_its_kind() -> None:
    plain = config("+experiment=partial")
    del plain["cluster"]["num_cpus"]
    with pytest.raises(ConfigError, match=r"^cluster.num_cpus: is missing$"):
        parse(plain)
    plain["cluster"] |= {"kind": "ray", "storage": "/mnt/lab"}
    with pytest.raises(ConfigError, match=r"^cluster.address: is missing$"):
        parse(plain)


@pytest.mark.parametrize(
    ("values", "line"),
    [
        ({}, "part.count: is missing"),
        ({"count": "x"}, "part.count: got 'x'; Input should be a valid integer"),
        ({"count": 1, "more": 2}, "part.more: unknown key"),
        ({"count": "???"}, "part.count: is required; write part.count=VALUE"),
        ([], "part: got []; Input should be a valid dictionary"),
    ],
)
def test_errors_of_pydantic_itself_are_one_line_too(values: Any, line: str) -> None:
    class Part(Section):
        count: int

    with pytest.raises(ConfigError) as caught:
        checked(Part, values, "part")
    assert str(caught.value).startswith(line)
    assert "\n" not in str(caught.value)


def test_a_value_of_several_lines_is_refused_in_one() -> None:
    server = ("tracking=server", "tracking.uri='x\ny'")
    line = refusal("+experiment=partial", "cluster=ray", "cluster.storage=/mnt/lab", *server)
    assert line.startswith("tracking.uri: got x y with cluster=ray")
