"""Run the checks, print statistic, threshold and verdict of each, draw QQ plots of T.

python -m tests.verification [OUTPUT]       (default outputs/verify)
"""

import sys
import time
from pathlib import Path

import numpy as np

from sweep.models.schedules import Schedule
from sweep.models.theory import collapse_time
from sweep.report.figures import axes as draw
from sweep.report.figures.files import save
from tests.verification.checks import CHECKS, ZIPF, run
from tests.verification.searches import searches


def quantile_plots(folder: Path) -> list[Path]:
    """Quantiles of T over 20,000 runs against those of its exact law."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 3.7), layout="constrained")
    for axes, n in zip(figure.subplots(1, 3), (10, 100, 400), strict=True):
        M = 20 * n
        state, _ = run(Schedule(name="full", n=n), ZIPF, M, 20_000)
        levels = np.arange(0.005, 1, 0.01)
        T = np.quantile(np.where(state.collapsed_at > 0, state.collapsed_at, M), levels)
        rho = collapse_time.collapse_probability(M, n=n, p=ZIPF.probabilities())
        exact = 1 + np.searchsorted(rho, levels)
        axes.plot(exact, exact, color=draw.EXACT, lw=1.2)
        axes.plot(exact, T, "x", color=draw.MEAN, ms=4)
        axes.set_xlabel("quantile of the exact law of $T$")
        axes.set_ylabel("quantile of 20,000 runs" if n == 10 else "")
        axes.set_title(f"full, $n={n}$", fontsize=10)
        draw.style(axes)
    return save(figure, folder, "collapse_time_quantiles")


def main() -> None:
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "outputs/verify")
    failed = total = 0
    for check in (*CHECKS, searches):
        start = time.monotonic()
        print(f"\n{check.__name__}: {(check.__doc__ or '').splitlines()[0]}")
        for line in check():
            total += 1
            failed += not line.holds
            verdict = "holds" if line.holds else "FAILS"
            print(f"  {line.what:<52} {line.statistic:9.4f} <= {line.threshold:8.4f}  {verdict}")
        print(f"  ({time.monotonic() - start:.0f} s)")
    for path in quantile_plots(folder):
        print(path)
    print(f"\n{total - failed} of {total} checks hold" + (f"; {failed} FAIL" if failed else ""))
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
