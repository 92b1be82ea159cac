"""Standard streams that are closed, full, or left by their reader."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

SMOKE = "+experiment=smoke cluster=inline replicates=2"


def shell(folder: Path, command: str) -> tuple[list[int], str]:
    """The exit statuses of a pipeline, and what it wrote to a standard error that is open."""
    done = subprocess.run(
        ["bash", "-c", f"{command}; echo ${{PIPESTATUS[@]}} > statuses"],
        cwd=folder, capture_output=True, text=True,
        env=os.environ | {"SWEEP": f"{sys.executable} -m sweep"},
    )  # fmt: skip
    return [int(status) for status in (folder / "statuses").read_text().split()], done.stderr


@pytest.mark.parametrize("closed", [">&- 2>&-", "<&- 2>&-", ">/dev/full 2>/dev/full"])
def test_a_sweep_needs_no_streams(tmp_path: Path, closed: str) -> None:
    statuses, said = shell(tmp_path, f"$SWEEP {SMOKE} tracking=memory {closed}")
    assert statuses == [0]
    assert said == ""
    assert [*tmp_path.glob("outputs/*/report.html")]


def test_readers_may_leave(store_folder: Path) -> None:
    for arguments in (f" {SMOKE}", ".report", " --help", f" {SMOKE} --cfg job"):
        statuses, said = shell(store_folder, f"$SWEEP{arguments} | head -c 1")
        assert statuses == [0, 0], said
        assert "Traceback" not in said
        assert "BrokenPipe" not in said
    assert [*store_folder.glob("outputs/*/report.html")]
