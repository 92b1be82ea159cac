"""Overrides that Hydra cannot use, or would use for something else."""

import pytest

from sweep.config.compose import arguments_of, from_arguments
from sweep.config.validate import ConfigError

PARTIAL = "+experiment=partial"


@pytest.mark.parametrize(
    ("override", "line"),
    [
        ("grid.n=10,37", "grid.n: got 10,37; write a list: grid.n=[10,37]"),
        ("grid.n=range(1,3)", "grid.n: got range(1,3); write a list: grid.n=[10,37]"),
        ("model=gpt,statistical", "model: got gpt,statistical; allowed: one name"),
        ("model=3", "model: got 3; allowed: one name"),
        ("cluster=null", "cluster: got null; allowed: one name"),
        ("cluster=[1,2]", "cluster: got [1,2]; allowed: one name"),
        ("tracking=[null]", "tracking: got [null]; allowed: one name"),
        ("model=[gpt]", "model: got [gpt]; allowed: one name"),
        ("model=gtp", "model: got 'gtp'; allowed: gpt, statistical; did you mean gpt?"),
        ("hydra/launcher=nope", "hydra/launcher: got 'nope'; allowed: basic"),
        ("+experiment=full", "experiment: is given 2 times; give one"),
        ("grid.n=[1,", "grid.n=[1,: cannot be read; write key=value, and a list as key=[1,2]"),
        ("grid.n='a", "grid.n='a: cannot be read; write key=value, and a list as key=[1,2]"),
        ("nonsense", "nonsense: cannot be read; write key=value, and a list as key=[1,2]"),
        ("grid.m=3", "grid.m: unknown key; did you mean grid.n?"),
        ("foo.bar=3", "foo.bar: unknown key"),
        ("seed.x=3", "seed.x: unknown key; did you mean seed?"),
        ("grid.n.x=3", "grid.n.x: unknown key; did you mean grid.n?"),
        ("grid.n.x.y=3", "grid.n.x.y: unknown key; did you mean grid.n?"),
        ("patience_seconds=3", "patience_seconds: unknown key; did you mean tracking.patience_se"),
        ("model@other=gpt", "model@other: unknown key"),
        ("model.network.context=3", "model.network.context: is not a key of the model chosen; lea"),
        ("cluster.address=h:1", "cluster.address: is not a key of the cluster chosen; leave it ou"),
        ("seed=${nope}", "seed: Interpolation key 'nope' not found"),
        ("hydra.run=3", "hydra.run: Invalid type assigned"),
        ("+seed=3", "Could not append to config. An item is already at 'seed'."),
    ],
)
def test_refused(override: str, line: str) -> None:
    with pytest.raises(ConfigError) as caught:
        from_arguments([PARTIAL, override])
    assert str(caught.value).startswith(line)
    assert "\n" not in str(caught.value)


def test_a_group_can_be_deleted() -> None:
    """What is missing then is named by the schema."""
    assert "model" not in from_arguments([PARTIAL, "~model"])


def test_experiments_are_not_merged() -> None:
    """Two lists of overrides would give the grid of one with the replicates of the other."""
    with pytest.raises(ConfigError, match=r"experiment: got \[smoke,full\]; allowed: one name"):
        from_arguments(["+experiment=[smoke,full]"])


def test_an_experiment_is_named_with_the_plus_once() -> None:
    for override in ("experiment=full", "++experiment=full"):
        with pytest.raises(ConfigError, match="experiment: write \\+experiment=NAME, with the pl"):
            from_arguments([override])
    # After a plus, the last word counts, as for any group.
    assert from_arguments([PARTIAL, "experiment=full"])["name"] == "full"


@pytest.mark.parametrize(
    "text", ["it's", "a\\", "\\'", "${seed}", "true", " ", "a: {b}, [c]", "x\ny", "%"]
)
def test_any_text_survives_hydra(text: str) -> None:
    assert from_arguments(arguments_of("partial", {"purpose": text}))["purpose"] == text
