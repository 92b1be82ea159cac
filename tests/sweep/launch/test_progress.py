"""The time left: right within a factor of two; the bar and the lines: what people see."""

import json
import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator
from fcntl import ioctl
from pathlib import Path
from typing import Any

import pytest

from sweep.cells.outcome import Stage
from sweep.grid import cost
from sweep.grid.expand import expand
from sweep.launch.eta import TimeLeft
from tests.helpers.configs import settings
from tests.helpers.paths import GOLDEN
from tests.helpers.shells import SMOKE, sweep, sweep_here

TRACES = json.loads((GOLDEN / "progress.json").read_text())
"""What two real sweeps told their driver, and when: 15 counting cells whose costs differ by a
factor of 100, and gpt_demo; on two cores that others used as well. events: seconds, cells (by
number) that ended, [cell, share, found] of those at work."""


@pytest.mark.parametrize("trace", TRACES, ids=["counting", "gpt"])
def test_the_time_left_of_recorded_sweeps(trace: dict[str, Any]) -> None:
    """After 10% of the time, the total that is stated is within a factor of two of the true one."""
    cells, _ = expand(settings(*trace["arguments"]))
    forecast = TimeLeft({cell.id: cost.seconds(cell) for cell in cells})
    forecast.slots = trace["slots"]
    begun, end = trace["events"][0][0], trace["seconds"]
    ratios = []
    for now, ended, at in trace["events"]:
        stages = {cells[k].id: Stage(share, found, "") for k, share, found in at}
        forecast.update(now, [cells[k].id for k in ended], stages)
        left = forecast.left()
        assert left is not None
        if now - begun >= 0.1 * (end - begun):
            ratios.append((now + left) / end)
    assert len(ratios) > 20
    assert 0.5 < min(ratios)
    assert max(ratios) < 2
    assert forecast.left() == pytest.approx(0, abs=1e-6)
    assert forecast.share() == 1


def test_a_cell_that_was_begun_before_does_not_look_fast() -> None:
    """Half of a cell of 100 s was there: one more tenth in 10 s leaves 40 s, not 7."""
    forecast = TimeLeft({"a": 100.0, "b": 1e-9})
    forecast.update(0, [], {"a": Stage(0.5, 0.5, "")})
    forecast.update(10, [], {"a": Stage(0.6, 0.5, "")})
    assert forecast.share() == pytest.approx(0.6)
    assert forecast.left() == pytest.approx(40, rel=0.02)


def test_the_longest_cell_has_one_worker() -> None:
    forecast = TimeLeft({"long": 90.0, **{f"short {k}": 1.0 for k in range(10)}}, ["short 0"])
    forecast.slots = 10
    forecast.update(0)
    assert forecast.left() == pytest.approx(90)
    forecast.update(1, [f"short {k}" for k in range(1, 10)], {"long": Stage(1 / 90, 0, "")})
    assert forecast.left() == pytest.approx(89)
    assert forecast.rate() == pytest.approx(9 + 1 / 90)


@pytest.mark.slow
def test_plain_lines_of_a_real_sweep(tmp_path: Path) -> None:
    """Costs from 0.1 to 6 s; every line after a tenth of the time is within a factor of two."""
    done = sweep(
        tmp_path, "+experiment=full", "grid.schedule=[full,random,accumulate_subsample]",
        "grid.n=[10,100,20000,50000]", "generations=300", "replicates=1600", "cluster=inline",
        "tracking=memory",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    text = re.sub(r"\n +", " ", done.stderr)
    (total,) = re.findall(r"^12/12 cells in ([0-9.]+) s$", text, flags=re.M)
    lines = re.findall(r"^\d+/12 cells in ([0-9.]+) s.* about (\d+) s left", text, flags=re.M)
    late = [(float(at), float(left)) for at, left in lines if float(at) >= 0.1 * float(total)]
    assert late, text
    for at, left in late:
        assert 0.5 < (at + left) / float(total) < 2, text
    assert re.search(r"generation \d+/300", text)
    assert max(map(len, done.stderr.splitlines())) <= 80


def in_terminal(folder: Path, *arguments: str, **environment: str) -> tuple[int, str]:
    """Exit status of a sweep in a terminal of 80 columns, and all that it drew there."""
    here, there = pty.openpty()
    ioctl(there, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    process = subprocess.Popen(
        [sys.executable, "-m", "sweep", *arguments], cwd=folder, stdin=there, stdout=there,
        stderr=there, env={**os.environ, "TERM": "xterm", **environment},
    )  # fmt: skip
    os.close(there)
    drawn = b"".join(_read(process, here))
    os.close(here)
    return process.wait(), drawn.decode()


def _read(process: "subprocess.Popen[bytes]", terminal: int) -> Iterator[bytes]:
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline:
        if select.select([terminal], [], [], 0.2)[0]:
            try:
                yield os.read(terminal, 65536)
            except OSError:  # Linux says so when the other end is closed
                return
        elif process.poll() is not None:
            return


def test_the_bar_fits_the_terminal(tmp_path: Path) -> None:
    status, drawn = in_terminal(
        tmp_path, *SMOKE, "cluster=inline", "tracking=memory", "generations=400",
        "replicates=400", "grid.n=[10,2000]", "figure=collapse_time",
    )  # fmt: skip
    assert status == 0, drawn
    pictures = [line for line in re.split(r"[\r\n]+", drawn) if line.strip()]
    assert max(map(len, pictures)) <= 80, drawn
    bars = [line for line in pictures if "%|" in line]
    assert re.match(r"100%\|.*\| 8/8 cells \[\d\d:\d\d", bars[-1]), bars[-1]
    assert any("left" in bar and re.search(r"m=\d+/400", bar) for bar in bars), bars
    assert "\x1b[3" not in drawn  # nothing failed: no colour


FAILING = (
    "+experiment=full", "grid.n=[10,50000]", "generations=3000", "replicates=1000",
    "cluster=inline", "cluster.limit_seconds=2", "figure=collapse_time",
)  # fmt: skip


@pytest.fixture(scope="module")
def one_done(make_store_folder: Callable[[str], Path]) -> Path:
    """A folder where the first of two cells is finished, since compiling may take seconds."""
    folder = make_store_folder("failing")
    assert sweep_here(folder, *FAILING, "grid.n=10", "cluster.limit_seconds=null").returncode == 0
    return folder


@pytest.mark.parametrize("no_color", ["", "1"])
def test_failures_come_last_in_red_with_their_logs(one_done: Path, no_color: str) -> None:
    """The second cell takes longer than it may."""
    status, drawn = in_terminal(one_done, *FAILING, NO_COLOR=no_color)
    assert status == 1, drawn
    lines = drawn.replace("\r", "\n").splitlines()
    table = next(k for k, line in enumerate(lines) if line.startswith("1 of 2 cells finished"))
    told = next(k for k, line in enumerate(lines) if "FAILED" in line and k > table)
    assert lines[told].startswith("FAILED" if no_color else "\x1b[31mFAILED\x1b[0m")
    assert "n=50000" in lines[told]
    last = [line for line in lines if line][-1]
    assert last == "sweep: 1 of 2 cells failed; the same command tries them again"
    (log,) = re.findall(r"^  log   (\S+)$", "\n".join(lines), flags=re.M)
    assert "TimeoutError" in (one_done / log).read_text()
    assert re.search(r"^  run   [0-9a-f]{32}$", "\n".join(lines), flags=re.M)
