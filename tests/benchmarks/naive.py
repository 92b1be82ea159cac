"""The obvious composition, to compare with: one Tune trial a cell, Ray's own MLflow callback.

    python -m tests.benchmarks.naive CELLS FOLDER

Everything else as it comes: the same computation and metrics, reported once a
generation, defaults of Ray and MLflow. Prints the seconds that `fit` took.
"""

import sys
import time
from pathlib import Path
from typing import Any

import ray
from ray import tune
from ray.air.integrations.mlflow import MLflowLoggerCallback

from sweep.models.schedules import Schedule
from sweep.models.source import Source
from sweep.models.statistical import model


def trial(config: dict[str, Any]) -> None:
    setting = model.Setting(
        schedule=Schedule(name="accumulate", n=config["n"], N=1000),
        source=Source(family="zipf", s=600, support=52, S0=0.1),
        replicates=100,
        seed=0,
    )
    state = model.init(setting)
    for _ in range(50):
        state, record = model.step(setting, state)
        tune.report({f"{name}/mean": float(values.mean()) for name, values in record.items()})


def main() -> None:
    count, folder = int(sys.argv[1]), Path(sys.argv[2])
    ray.init(address="local", num_cpus=2)  # alone: it would join any cluster that runs here
    callback = MLflowLoggerCallback(
        tracking_uri=f"sqlite:///{folder / 'mlflow.db'}", experiment_name="naive"
    )
    tuner = tune.Tuner(
        trial,
        param_space={"n": tune.grid_search(list(range(1000, 1000 + count)))},
        run_config=tune.RunConfig(storage_path=str(folder / "tune"), callbacks=[callback]),
    )
    started = time.perf_counter()
    results = tuner.fit()
    seconds = time.perf_counter() - started
    if results.num_errors:
        raise RuntimeError(str(results.errors[0]))
    print(f"SECONDS {seconds:.3f}")


if __name__ == "__main__":
    main()
