"""The definition of every logged metric: `python -m sweep.metrics > docs/metrics.md`.

R   runs of a cell (replicates)
M   the last generation
"""

from dataclasses import dataclass

from sweep.cells.axes import AXES


@dataclass(frozen=True, kw_only=True)
class Metric:
    """A metric, by its name in MLflow."""

    key: str
    text: str
    """Its definition, with the unit."""
    source: str = ""
    """Source of the formula or definition; equations are those of Seddik et al. 2024."""


def column(metric: str) -> str:
    """The column of the table for a metric: without mean, and with underscores for slashes."""
    for kind in ("/mean", "/fraction"):
        metric = metric.removesuffix(kind)
    return metric.replace("/", "_")


def _spread(name: str, what: str) -> tuple[Metric, ...]:
    return (
        Metric(key=f"{name}/mean", text=f"{what}, mean of the R runs"),
        Metric(key=f"{name}/se", text="standard error of that mean; absent for R = 1"),
        Metric(key=f"{name}/q05", text="5% quantile over runs"),
        Metric(key=f"{name}/q95", text="95% quantile over runs"),
    )


def _mean(name: str, what: str) -> Metric:
    return Metric(key=f"{name}/mean", text=f"{what}, mean of the runs")


EVERY = (
    *_spread("sigma", "sigma_m, the sum of squared probabilities; 1 is a single token"),
    Metric(
        key="sigma/exact", text="S_m, its expectation",
        source="Theorems 1 and 2, eqs. (6) and (9) corrected; `models/theory/moments.py` for the "
        "others",
    ),
    *_spread("deviation", "L1 distance of p(m) from p(1), 0 to 2"),
    Metric(
        key="deviation/exact", text="its expectation, error below 1e-9",
        source="`models/theory/deviation.py`",
    ),
    Metric(
        key="deviation/upper", text="bound on it from exact second moments, partial and matched",
        source="`models/theory/threshold.py`",
    ),
    Metric(key="deviation/bound", text="bound on it, where it is below 2", source="Theorem 3"),
    Metric(
        key="deviation/bound_theorem_4", text="bound on it, where it is below 2",
        source="Theorem 4, eq. (16)",
    ),
    _mean("deviation_p0", "L1 distance of p(m) from p(0)"),
    _mean("p_max", "largest probability"),
    _mean("support", "tokens still alive"),
    _mean("survival", "share of the tokens of p(0) that are still alive"),
    _mean("entropy", "Shannon entropy, nats"),
    _mean("entropy_ratio", "entropy over that of p(0)"),
    _mean("js_p0", "Jensen-Shannon divergence from p(0), nats"),
    _mean("tail", "mass on the tokens that are rarer than average in p(0)"),
    Metric(key="collapsed/fraction", text="share of runs with T <= m"),
    Metric(
        key="collapsed/exact", text="rho_m, its expectation",
        source="`models/theory/collapse_time.py`; where real data are kept, sum_i p_i^N",
    ),
    Metric(key="collapsed/lower", text="lower bound on rho_m", source="Theorem 1, eq. (7)"),
    Metric(key="collapsed/upper", text="upper bound on rho_m", source="Theorem 1, eq. (7)"),
)  # fmt: skip
"""One value per generation, step = m."""

WHOLE = (
    *(
        Metric(key=f"grid/{name}", text=f"{axis.text}, as a number to sort by")
        for name, axis in AXES.items()
    ),
    Metric(key="censored", text="runs that have not collapsed by M"),
    Metric(key="collapse_time/mean", text="T, mean of the runs; absent if some have not collapsed"),
    Metric(key="collapse_time/std", text="standard deviation of T over runs"),
    Metric(key="collapse_time/restricted_mean", text="mean of min(T, M), if some have not"),
    Metric(key="collapse_time/restricted_std", text="its standard deviation over runs"),
    Metric(key="collapse_time/exact", text="E[T]", source="`models/theory/collapse_time.py`"),
    Metric(
        key="collapse_time/restricted_exact",
        text="E[min(T, M)]",
        source="`models/theory/collapse_time.py`",
    ),
    Metric(key="collapse_time/lower", text="lower bound on E[T]", source="Theorem 1, eq. (8)"),
    Metric(key="collapse_time/upper", text="upper bound on E[T]", source="Theorem 1, eq. (8)"),
    _mean("absorption_time", "first generation from which the token never changes"),
    _mean("extinction_time", "first generation that has lost a token of p(0)"),
)
"""One value per cell."""

GPT_EVERY = (
    Metric(key="loss/val", text="nats per token on held-out real text, at the end of training"),
    Metric(key="loss/val_best", text="the smallest such loss during training"),
    Metric(key="loss/train", text="nats per token on the corpus that it is trained on"),
    _mean("self_perplexity", "perplexity of the text that it writes"),
    *(
        Metric(
            key=f"distinct_n/{k}", text=f"share of different {k}-grams in the text that it writes"
        )
        for k in (1, 2, 3, 4, 8)
    ),
    Metric(key="deviation/se_contexts", text="standard error of the deviation over contexts"),
    Metric(key="tokens_per_second/train", text="tokens per second in training"),
    Metric(key="tokens_per_second/sample", text="tokens per second in generating text"),
)
"""One value per generation, for GPTs only."""

GPT_WHOLE = (
    Metric(
        key="deviation/retrained", text="L1 distance of p(1) from itself trained with another seed"
    ),
    Metric(
        key="generations_saved",
        text="generations not run because model.measure.stop_below ended a collapsed cell",
    ),
    Metric(
        key="spread/retraining",
        text="spread (L2) of the next-token distributions of p(1) over seeds of training",
    ),
    Metric(key="spread/corpus", text="spread (L2) that other real samples add to it"),
)
"""One value per cell, for GPTs only."""

ALL = (*EVERY, *WHOLE, *GPT_EVERY, *GPT_WHOLE)

HEAD = """# Metrics

Generated by `python -m sweep.metrics > docs/metrics.md` from `sweep/metrics.py`. Step = generation
m, 1 to M. The second column is the name in the table that `from sweep import load` returns.
Inapplicable theory, theory that costs too much, and vacuous bounds are omitted, never NaN.
"""
GPT = """A GPT also has the metrics above, as means over contexts drawn from p(0); step 0 has those
of p(0). It has collapsed if its text repeats a single token; support counts the tokens that its
text still uses.
"""
TABLES = (
    ("Every generation", "", EVERY),
    ("Whole runs", "One value per cell, at step 0.\n", WHOLE),
    ("Every generation of a GPT", GPT, GPT_EVERY),
    ("A GPT as a whole", "", GPT_WHOLE),
)
TAIL = """
## The run of a sweep

A search logs `search/probes`, `search/replicates` and `search/grid_replicates` (the runs of all
probes, and those of every n up to the cap), and for each answer `harmless_n_low/..`,
`harmless_n_high/..`, `harmless_n_estimate/..`, `harmless_n_exact/..`; search=optuna logs
`best_METRIC/..` and `best_AXIS/..`.

## Artifacts

`curves.npz` of a cell holds every run and generation, arrays named like the metrics, shape (R, M),
no pickles. For a GPT it also holds the next-token distributions (`laws`, shape (R, M, contexts,
tokens)), and `samples.txt` is next to it. A search adds `threshold.json` or `optuna.json` to the
run of the sweep.
"""


def markdown() -> str:
    """The text of docs/metrics.md."""
    parts = [HEAD]
    for title, text, metrics in TABLES:
        parts.append(f"\n## {title}\n\n" + (f"{text}\n" if text else ""))
        parts.append("| metric | column | meaning | source |\n|---|---|---|---|\n")
        for metric in metrics:
            name = "" if metric.key.startswith("grid/") else f"`{column(metric.key)}`"
            parts.append(f"| `{metric.key}` | {name} | {metric.text} | {metric.source} |\n")
    return "".join([*parts, TAIL])


if __name__ == "__main__":
    print(markdown(), end="")
