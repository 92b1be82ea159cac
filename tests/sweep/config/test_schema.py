"""What is refused, and in which words; what is accepted, and as what."""

import pytest

from sweep.config.schema import parse
from sweep.config.validate import ConfigError
from sweep.grid.expand import expand
from tests.helpers.configs import config, settings

PARTIAL = "+experiment=partial"


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("grid.n=0", "grid.n: got 0; allowed: whole numbers from 1"),
        ("grid.n=1.5", "grid.n: got 1.5; allowed: whole numbers from 1"),
        ("grid.n=[10,-1]", "grid.n: got -1; allowed: whole numbers from 1"),
        ("grid.n=true", "grid.n: got True; allowed: whole numbers"),
        ("grid.n=ten", "grid.n: got 'ten'; allowed: whole numbers"),
        ("grid.n=[]", "grid.n: got an empty list; allowed: at least one value"),
        ("grid.n=[[1]]", "grid.n: got [[1]]; allowed: a value or a flat list"),
        ("grid.n=nan", "grid.n: got nan; allowed: a finite number"),
        ("grid.N=inf", "grid.N: got inf; allowed: a finite number"),
        ("grid.N=0", "grid.N: got 0; allowed: whole numbers from 1"),
        ("grid.K=0", "grid.K: got 0; allowed: whole numbers from 1"),
        ("grid.S0=1", "grid.S0: got 1; allowed: 1/support up to, not including, 1"),
        ("grid.S0=0", "grid.S0: got 0; allowed: 1/support"),
        ("grid.S0=0.001", "grid.S0: got 0.001 with support=52; allowed: 1/support = 0.0192308"),
        ("grid.S0=nan", "grid.S0: got nan; allowed: a finite number"),
        ("source.support=601", "source.support: got 601 with s=600; allowed: whole numbers 2 to s"),
        (
            "source.family=zipff",
            "allowed: zipf, geometric, dirichlet, uniform, text; did you mean zipf?",
        ),
        ("grid.schedule=parital", "did you mean partial?"),
        ("grid.schedule=[]", "grid.schedule: got an empty list"),
        ("+grid.m=3", "grid.m: unknown key; did you mean grid.n?"),
        ("+generation=3", "generation: unknown key; did you mean generations?"),
        ("generations=0", "generations: got 0; allowed: whole numbers from 1"),
        ("replicates=0", "replicates: got 0; allowed: whole numbers from 1"),
        ("replicates=1e400", "replicates: got inf; allowed: a finite number"),
        ("seed=-1", "seed: got -1; allowed: whole numbers from 0"),
        ("generations=1e7", "allowed: up to 4 GiB; use fewer replicates or generations"),
        ("dry_run=1", "dry_run: got 1; allowed: true or false"),
        ("tracking=server", "tracking.uri: is required; write tracking.uri=VALUE"),
        ("grid.zip=[n,N]", "grid.zip: n has 4, N has 1 values; allowed: lists of one length"),
        ("grid.zip=[n,m]", "grid.zip: got 'm'; allowed: n, N, K, S0"),
        ("grid.alpha=0.5", "grid.total: is missing; grid.alpha and grid.total go together"),
        ("grid.reuse=yes", "grid.reuse: got 'yes'; allowed: true or false"),
        ("source=3", "source: got 3; it is a group of keys: source.family"),
    ],
)
def test_refused(override: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        expand(settings(PARTIAL, override))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_refused_for_two_axes_together() -> None:
    with pytest.raises(ConfigError, match=r"grid.K: got 20 with n=10; allowed: 1 to n"):
        expand(settings("+experiment=smoke", "grid.n=[30,10]", "grid.K=20"))
    with pytest.raises(ConfigError, match=r"grid.S0: got 0.1; a uniform law has S0 = 1/support"):
        expand(settings(PARTIAL, "source.family=uniform", "grid.S0=0.1"))


def test_shares_refuse_what_they_replace() -> None:
    shares = (PARTIAL, "grid.alpha=[0.5]", "grid.total=10")
    with pytest.raises(
        ConfigError, match=r"grid.n: got \[10, 50, 100, 200\] together with grid.alpha"
    ):
        settings(*shares)
    with pytest.raises(ConfigError, match=r"grid.alpha: got 0.001 of a total of 10; allowed"):
        settings(*shares, "grid.n=null", "grid.N=null", "grid.alpha=[0.001]")
    with pytest.raises(ConfigError, match=r"grid.N: got 10 with n=10; allowed for matched"):
        expand(settings(PARTIAL, "grid.schedule=matched", "grid.n=10", "grid.N=10"))
    with pytest.raises(ConfigError, match=r"gathers 2.99e\+09 samples; allowed: up to 2147483647"):
        expand(settings(PARTIAL, "grid.schedule=accumulate", "grid.n=1e7", "generations=300"))


def test_a_missing_key_is_named() -> None:
    plain = config(PARTIAL)
    del plain["seed"]
    with pytest.raises(ConfigError, match="seed: is missing"):
        parse(plain)


def test_whole_floats_scalars_and_repeats() -> None:
    assert settings(PARTIAL, "grid.n=1e3").grid.values("n") == (1000,)
    assert settings(PARTIAL, "grid.n=[20,10,20]").grid.values("n") == (20, 10)
    assert settings("grid.n=5", PARTIAL).grid.values("n") == (
        5,
    )  # the command line wins in any order
    assert settings("grid.schedule=full", PARTIAL).grid.schedule == ("full",)


def test_the_uniform_law_logs_its_own_concentration() -> None:
    cells, _ = expand(settings(PARTIAL, "source.family=uniform", "grid.n=5"))
    assert cells[0].params["S0"] == str(1 / 52)
    again, _ = expand(settings(PARTIAL, "source.family=uniform", "grid.n=5", f"grid.S0={1 / 52!r}"))
    assert cells == again


@pytest.mark.parametrize("empty", ["null", "''"])
def test_an_empty_purpose_or_experiment_is_the_name(empty: str) -> None:
    made = settings(PARTIAL, f"purpose={empty}", f"tracking.experiment={empty}")
    assert (made.purpose, made.tracking.experiment) == ("partial", "partial")
