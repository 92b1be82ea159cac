"""model=gpt through the shell: refusals, corpora, one comparison with theory, kills, bad pieces."""

import http.server
import os
import re
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from sweep import load, metrics
from sweep.cells.cell import Cell
from sweep.cells.kinds import cell_from_params
from sweep.config.validate import ConfigError
from sweep.grid import corpus as texts
from sweep.grid.expand import expand
from sweep.kinds.gpt.run import recurse
from sweep.models import corpus
from sweep.models.recursion.checkpoint_store import MissingCheckpointError
from sweep.results import arrays
from sweep.tracking.mlflow_tracker import MlflowTracker
from sweep.trial.disk_checkpoints import DiskCheckpoints
from tests.helpers.configs import settings
from tests.helpers.gpt_cells import CPU, SLOW, TINY, numbers, recipe_of, wait_for_piece
from tests.helpers.jobs import tell
from tests.helpers.shells import finished, metric_rows, start, sweep, sweep_here


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (["grid.n=32"], "grid.n: got 32 with model.network.context=32; allowed: from 33"),
        (["grid.N=20"], "grid.N: got 20 with model.network.context=32; allowed: from 33"),
        (
            ["grid.schedule=recent", "grid.n=90", "grid.K=3"],
            "grid.n: got 90, of which 30 tokens of one model, with model.network.context=32",
        ),
        (["model.network.heads=3"], "model.network.embedding: got 64 with 3 heads; allowed: a mul"),
        (["model.network.dropout=1"], "model.network.dropout: got 1; allowed: a number from 0"),
        (["model.training.epochs=2"], "model.training.steps: got 400 with epochs=2; allowed: one"),
        (["model.training.steps=null"], "got None with epochs=None; allowed: one of them"),
        (["model.training.warmup=900"], "model.training.warmup: got 900 with steps=400; allowed"),
        (["model.training.start=warm"], "model.training.start: got 'warm'; allowed: scratch, last"),
        (["model.sampling.sampler=hopp"], "allowed: hop, restart, sliding; did you mean hop?"),
        (["model.sampling.document=40"], "got 40 with sampler=restart; allowed: 33"),
        (["model.measure.contexts=1"], "model.measure.contexts: got 1; allowed: whole numbers"),
        (["model.network.depth=3"], "model.network.depth: unknown key"),
        (["grid.temperature=0"], "grid.temperature: got 0; allowed: numbers from 0.01 to 100"),
        (["corpus.truth=known"], "corpus.truth: got 'known'; allowed: markov, trained"),
        (["corpus=file"], "corpus.path: is required; write corpus.path=VALUE"),
        (["model.device=tpu"], "model.device: got 'tpu'; allowed: auto, cpu, cuda"),
    ],
)
def test_refused(changes: list[str], message: str) -> None:
    add = [f"+{c}" if "depth" in c else c for c in changes]
    with pytest.raises(ConfigError) as error:
        expand(settings("+experiment=gpt_demo", *add))
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_cells_come_back_from_their_params() -> None:
    for changes in (
        (),
        ("grid.temperature=[0.8,1]", "model.sampling.top_k=5"),
        ("corpus.truth=trained",),
    ):
        cells, _ = expand(settings("+experiment=gpt_demo", *changes))
        for cell in cells:
            again = cell_from_params(cell.params)
            assert again == cell
            assert again.id == cell.params["cell"]
            assert all(len(value) < 6000 for value in cell.params.values())
        assert len({cell.id for cell in cells}) == len(cells)


def test_axes_of_the_other_model_are_dropped_and_named() -> None:
    cells, notices = expand(settings("+experiment=gpt_demo", "grid.S0=0.3", "grid.schedule=full"))
    assert [cell.name for cell in cells] == ["full n=8250 temperature=1"]
    assert "grid.S0 is not used by model=gpt: dropped" in [n.message for n in notices]
    cells, notices = expand(settings("+experiment=full", "grid.temperature=0.5", "grid.n=5"))
    assert [cell.name for cell in cells] == ["full n=5 S0=0.1"]
    assert "grid.temperature is not used by model=statistical: dropped" in [
        n.message for n in notices
    ]


def test_the_text_of_a_gpt_is_an_initial_law_of_the_statistical_model() -> None:
    gpt, _ = expand(settings("+experiment=gpt_demo"))
    counted, _ = expand(settings("+experiment=gpt_demo", "model=statistical"))
    assert [c.schedule for c in gpt] == [c.schedule for c in counted]
    assert gpt[0].source == counted[0].source
    text = corpus.embedded()
    share = sorted((text.count(letter) / len(text) for letter in set(text)), reverse=True)
    np.testing.assert_allclose(counted[0].source.probabilities(), share)
    with pytest.raises(ConfigError, match=r"grid.S0: got 0.3; this text has S0 = 0.0735"):
        expand(settings("+experiment=full", "source.family=text", "grid.S0=0.3"))


class Page(http.server.BaseHTTPRequestHandler):
    """One text for every path."""

    text = b"To be or not to be, that is the question. " * 60

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(self.text)

    def log_message(self, *_: object) -> None:
        """Quiet."""


@pytest.fixture
def url() -> Iterator[str]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Page) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}/input.txt"
        server.shutdown()


def test_a_corpus_is_downloaded_once_and_checked(tmp_path: Path, url: str) -> None:
    path = tmp_path / "texts" / "hamlet.txt"
    digest = corpus.digest(Page.text.decode())
    wanted = (
        "+experiment=gpt_demo", "corpus=shakespeare", f"corpus.path={path}", f"corpus.url={url}",
    )  # fmt: skip
    with pytest.raises(ConfigError, match=r"returned a text with SHA-256 .*; expected 86c4e6aa"):
        texts.fetch(settings(*wanted))
    assert not path.exists()
    assert texts.fetch(settings(*wanted, f"corpus.sha256={digest}")) == Page.text.decode()
    offline = (*wanted, f"corpus.sha256={digest}", "corpus.url=http://127.0.0.1:9/")
    assert texts.fetch(settings(*offline)) == Page.text.decode()  # from the path
    path.write_bytes(path.read_bytes() + b"!")
    with pytest.raises(ConfigError, match="remove the file to download it again"):
        texts.fetch(settings(*offline))
    path.unlink()
    with pytest.raises(ConfigError) as error:
        texts.fetch(settings(*offline))
    assert f"put the text at {path} yourself" in str(error.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"short", "got a text of 5 characters; allowed: from 1000"),
        (b"\xff\xfe" * 900, "is not UTF-8 text"),
        (b"a" * 2000, "got a text of 1 different characters; allowed: 2 to 256"),
        ("".join(map(chr, range(1000, 3000))).encode(), "2000 different characters"),
    ],
)
def test_texts_that_cannot_be_learned_are_refused(
    tmp_path: Path, content: bytes, message: str
) -> None:
    path = tmp_path / "x.txt"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=re.escape(message)):
        texts.fetch(settings("+experiment=gpt_demo", "corpus=file", f"corpus.path={path}"))
    path.unlink()
    with pytest.raises(ConfigError, match="allowed: an existing text file"):
        texts.fetch(settings("+experiment=gpt_demo", "corpus=file", f"corpus.path={path}"))


def test_both_models_in_one_comparison(tmp_path: Path, store_folder: Path) -> None:
    """The same grid, two commands, one MLflow experiment, metrics of the same names."""
    first = sweep_here(store_folder, *TINY, "replicates=2")
    assert first.returncode == 0, first.stderr
    assert "E[T]" not in first.stdout
    refused = sweep_here(store_folder, *TINY, "model=statistical")
    assert refused.returncode == 2
    assert "is not a key of the model chosen" in refused.stderr
    grid = [a for a in TINY if not a.startswith("model.")]
    second = sweep_here(store_folder, *grid, "model=statistical", "replicates=2")
    assert second.returncode == 0, second.stderr
    tracker = MlflowTracker(f"sqlite:///{store_folder / 'mlflow.db'}", "gpt_demo")
    rows = {
        (row.params["model"], row.params["schedule"]): row
        for parent in tracker.runs(None)
        for row in tracker.runs(parent.id)
    }
    assert len(rows) == 6
    for schedule in ("full", "partial", "real"):
        gpt, counted = rows["gpt", schedule], rows["statistical", schedule]
        assert gpt.params["S0"] == counted.params["S0"]
        shared = {k for k in counted.metrics if k.endswith(("/mean", "/se"))} - {
            "collapse_time/mean", "absorption_time/mean", "extinction_time/mean", "survival/mean",
        }  # fmt: skip
        assert {k for k in shared if not k.startswith("collapse")} <= gpt.metrics.keys()
        own = {metric.key for metric in (*metrics.GPT_EVERY, *metrics.GPT_WHOLE)}
        own -= {"generations_saved"}  # of cells that may be ended early alone
        assert own <= gpt.metrics.keys() <= {metric.key for metric in metrics.ALL}
        curves = arrays.load(tracker.download_artifact(gpt.id, "curves.npz", tmp_path))
        assert curves["deviation"].shape == (2, 3)
        assert curves["laws"].shape == (2, 3, 20, 37)
        np.testing.assert_allclose(curves["laws"].sum(axis=3), 1, rtol=1e-5)
        assert curves["truth/laws"].shape == (20, 37)
        samples = tracker.download_artifact(gpt.id, "samples.txt", tmp_path).read_text()
        assert samples.count("--- replicate") == 6
    (trained,) = (p.key for p in tracker.runs(None) if p.id == gpt.tags["mlflow.parentRunId"])
    table = load(trained, uri=f"sqlite:///{store_folder}/mlflow.db")
    assert list(table.generation) == [0, 1, 2, 3] * 3
    assert list(table[table.schedule == "real"].loss_val.notna()) == [True] * 4
    assert set(table.temperature) == {1.0}
    steps = {(key, step) for _, key, step, _ in metric_rows(store_folder) if key == "entropy/mean"}
    assert steps == {("entropy/mean", m) for m in (0, 1, 2, 3)}  # p(0) as well
    # The same command again runs nothing.
    again = sweep_here(store_folder, *TINY, "replicates=2")
    assert "3 of 3 cells finished, 3 of them earlier" in again.stdout


@pytest.fixture(scope="module")
def uninterrupted(make_store_folder: Callable[[str], Path]) -> Path:
    folder = make_store_folder("whole")
    done = sweep_here(folder, *SLOW)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.mark.parametrize("piece", ["first-*-training", "model-0-2-training", "set-0-3-of-2"])
def test_kill_9_in_training_and_in_writing_costs_no_bit(
    store_folder: Path, uninterrupted: Path, piece: str
) -> None:
    process = start(store_folder, *SLOW)
    wait_for_piece(store_folder, piece)
    os.killpg(process.pid, signal.SIGKILL)
    _, err = process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL, err  # it had not ended by itself
    assert finished(store_folder) == 0
    assert list(store_folder.glob("mlflow-state/spool/*/*"))
    again = sweep_here(store_folder, *SLOW)
    assert again.returncode == 0, again.stderr
    assert numbers(store_folder) == numbers(uninterrupted)
    assert not list(store_folder.glob("mlflow-state/spool/*"))


def test_what_runs_is_seen_in_the_store_and_an_interrupt_leaves_none_running(
    store_folder: Path,
) -> None:
    process = start(store_folder, *SLOW)
    wait_for_piece(store_folder, "model-0-3-training")
    tracker = MlflowTracker(f"sqlite:///{store_folder / 'mlflow.db'}", "gpt_demo")
    (parent,) = tracker.runs(None)
    (row,) = tracker.runs(parent.id)
    assert row.status == "RUNNING"
    assert "deviation/mean" in row.metrics  # generation 2, before the cell has ended
    os.killpg(process.pid, signal.SIGINT)
    process.communicate(timeout=60)
    assert process.returncode == 130
    assert {row.status for row in tracker.runs(parent.id)} == {"KILLED"}


@pytest.mark.parametrize("schedule", ["full", "accumulate", "random"])
def test_pieces_that_are_torn_or_foreign_are_made_again(tmp_path: Path, schedule: str) -> None:
    """Killed while it trains model 4; then each piece in turn torn, or that of another cell."""
    options = (*TINY, f"grid.schedule={schedule}", "generations=4", "model.measure.retrain=false")
    (cell,), _ = expand(settings(*options))
    (other,), _ = expand(settings(*options, "seed=1"))
    texts.keep(tmp_path / "shared", corpus.embedded())

    def run(given: Cell = cell, folder: str = "a") -> tuple[dict[str, np.ndarray], str]:
        told, curves = tell(
            recurse(given, recipe_of(given), tmp_path / folder, tmp_path / "shared", 1e9, CPU)
        )
        return curves, " ".join(note for advance in told for note in advance.notes)

    whole, notes = run()
    assert notes == ""
    shared = sorted((tmp_path / "shared").glob("first-*.npz"))
    run(other)
    own = tmp_path / "a" / cell.id
    (own / "state-4.npz").unlink()
    (own / "model-0-4.npz").unlink()
    kept = {path.name: path.read_bytes() for path in own.glob("*.npz")}
    noted = set()
    for path in [*map(own.joinpath, sorted(kept)), *shared]:
        good = path.read_bytes()
        foreign = tmp_path / "a" / other.id / path.name
        bad = [good[: len(good) // 2]] + [f.read_bytes() for f in [foreign] if f.exists()]
        for content in bad:
            for old in own.glob("*.npz"):
                old.unlink()
            for name, piece in kept.items():
                (own / name).write_bytes(piece)
            path.write_bytes(content)
            again, notes = run()
            for name, values in whole.items():
                if not name.startswith("tokens_per_second"):
                    assert np.array_equal(values, again[name]), (path.name, name)
            if f"{path.stem} " in notes:
                assert "made again" in notes
                noted.add(path.stem)
        path.write_bytes(good)
    needed = {"state-3", "set-0-4", *(path.stem for path in shared)}
    needed |= {"set-0-1", "set-0-2", "set-0-3"} if schedule == "accumulate" else set()
    assert needed <= noted


def test_a_piece_lost_twice_is_an_error_and_no_endless_loop(tmp_path: Path) -> None:
    """A disk that keeps no set."""
    (cell,), _ = expand(
        settings(*TINY, "grid.schedule=accumulate", "generations=6", "model.measure.retrain=false")
    )
    texts.keep(tmp_path / "shared", corpus.embedded())
    work = recurse(cell, recipe_of(cell), tmp_path, tmp_path / "shared", 1e9, CPU)

    def keep_no_set() -> None:
        for _ in work:
            (tmp_path / cell.id / "set-0-3.npz").unlink(missing_ok=True)

    with pytest.raises(MissingCheckpointError):
        keep_no_set()


def test_a_flipped_bit_is_noticed_wherever_it_is(tmp_path: Path) -> None:
    shelf = DiskCheckpoints(tmp_path, tmp_path, owner="me", machine="this")
    shelf.save("piece", {"x": np.arange(3)})
    path = tmp_path / "piece.npz"
    good = path.read_bytes()
    noticed = 0
    bits = range(0, 8 * len(good), 5)
    for bit in bits:
        content = bytearray(good)
        content[bit // 8] ^= 1 << bit % 8
        path.write_bytes(content)
        found = shelf.load("piece")
        assert found is None or (found.keys() == {"x"} and found["x"].tolist() == [0, 1, 2])
        assert path.exists() == (found is not None)
        noticed += found is None
    assert noticed > len(bits) / 2  # the rest is padding, and what zip says twice


def test_one_process_makes_a_shared_piece(tmp_path: Path) -> None:
    one, other = (DiskCheckpoints(tmp_path, tmp_path, owner=k, machine="this") for k in "ab")
    with one.claim("first") as mine, other.claim("first") as its, other.claim("second") as another:
        assert (mine, its, another) == (True, False, True)
    with other.claim("first") as its:
        assert its


def test_workers_of_ray_share_p1_and_give_the_same_bits(
    make_store_folder: Callable[[str], Path],
) -> None:
    here, there = make_store_folder("here"), make_store_folder("there")
    options = [a for a in TINY if not a.startswith("cluster")]
    assert sweep_here(here, *options, "cluster=inline").returncode == 0
    done = sweep(there, *options, "cluster.num_cpus=2")
    assert done.returncode == 0, done.stderr
    assert numbers(here) == numbers(there)
    assert len(list(there.glob("mlflow-state/shared/first-*.npz"))) == 1
    assert not list(there.glob("mlflow-state/shared/*-training.npz"))


def test_the_preset_of_the_paper_runs(store_folder: Path) -> None:
    """conf/model/gpt.yaml and the sampler past its context, with small batches and few steps."""
    done = sweep_here(
        store_folder, "+experiment=gpt", "corpus=embedded", "corpus.truth=trained",
        "cluster=inline", "grid.schedule=partial", "grid.n=400", "grid.N=300", "generations=2",
        "model.training.steps=2", "model.training.batch=2", "model.training.warmup=0",
        "model.training.evaluations=1", "model.sampling.document=150", "model.measure.contexts=4",
        "model.measure.validation=300", "model.measure.tokens=300", "model.measure.retrain=false",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    tracker = MlflowTracker(f"sqlite:///{store_folder / 'mlflow.db'}", "gpt")
    (parent,) = tracker.runs(None)
    (row,) = tracker.runs(parent.id)
    assert row.params["network.context"] == "128"
    assert row.params["sampling.sampler"] == "hop"
    assert 0 < row.metrics["deviation/mean"] <= 2
