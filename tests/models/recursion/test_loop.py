"""The recursion of a GPT: what each generation is trained on, what is shared, what a cut costs."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sweep.models import corpus
from sweep.models.gpt.config import Measure, Network, Recipe, Sampling, Training
from sweep.models.gpt.dataset import Documents
from sweep.models.gpt.device import Device, deterministic
from sweep.models.recursion import generation, loop, markov, reference, resume
from sweep.models.recursion.checkpoint_store import Arrays, InMemoryCheckpoints
from sweep.models.recursion.setting import Setting
from sweep.models.schedules import Schedule
from tests.helpers.bounds import bernstein
from tests.helpers.jobs import finish, tell

CPU = Device(name="cpu", bfloat16=False, compiled=False)
TEXT = corpus.embedded()
LETTERS = corpus.alphabet(TEXT)
TOKENS = corpus.encode(TEXT, LETTERS)
RECIPE = Recipe(
    corpus="embedded", digest=corpus.digest(TEXT), truth="markov", order=3,
    network=Network(
        context=8, embedding=8, layers=1, heads=2, dropout=0.1, bias=False, tied=True
    ),
    training=Training(
        steps=4, epochs=None, batch=4, learning_rate=1e-2, final_learning_rate=1e-3,
        decay="cosine", warmup=1, weight_decay=0.1, beta1=0.9, beta2=0.99, clip=1.0,
        start="scratch", real_share=None, precision="float32", evaluations=2,
    ),
    sampling=Sampling(sampler="restart", temperature=1.0, top_k=None, document=9, streams=4),
    measure=Measure(contexts=5, validation=36, tokens=45, retrain=False),
)  # fmt: skip
SCHEDULES = [
    Schedule(name="full", n=45),
    Schedule(name="partial", n=45, N=36),
    Schedule(name="matched", n=45, N=36),
    Schedule(name="recent", n=45, K=3),
    Schedule(name="recent", n=45, K=3, reuse=True),
    Schedule(name="random", n=45),
    Schedule(name="accumulate", n=45, N=36),
    Schedule(name="accumulate_subsample", n=45, N=36),
    Schedule(name="fresh", n=45, N=36),
    Schedule(name="real", N=36),
]


def setting(schedule: Schedule, replicates: int = 1, **changes: Any) -> Setting:
    return Setting(
        schedule=schedule, recipe=replace(RECIPE, **changes), text=TEXT,
        replicates=replicates, seed=3, device=CPU, every=1e9,
    )  # fmt: skip


def run(given: Setting, shelf: InMemoryCheckpoints, generations: int) -> list[loop.Record]:
    with deterministic(CPU):
        base = finish(reference.prepare(given, shelf))
        state, records = loop.init(given), []
        for _ in range(generations):
            state, record = finish(loop.step(given, base, state, shelf))
            records.append(record)
    return records


def same(a: loop.Record, b: loop.Record) -> bool:
    """All numbers but the speeds."""
    names = [name for name in a if not name.startswith("tokens_per_second")]
    return a.keys() == b.keys() and all(np.array_equal(a[n], b[n]) for n in names)


@pytest.mark.parametrize("schedule", SCHEDULES, ids=lambda s: f"{s.name}{s.reuse or ''}")
def test_every_generation_is_trained_on_its_table(
    schedule: Schedule, monkeypatch: pytest.MonkeyPatch
) -> None:
    """n_t^(m) tokens of model t, in whole documents; only what is kept stays the same."""
    given, shelf, trained = setting(schedule), InMemoryCheckpoints(), {}
    real = generation.trained

    def watched(given: Setting, data: Documents, *rest: Any, **more: Any) -> Any:
        trained[rest[3]] = data
        return real(given, data, *rest, **more)

    monkeypatch.setattr(generation, "trained", watched)
    run(given, shelf, 5)
    for m in range(1, 6):
        assert len(trained[m].tokens) == schedule.total(m)
        assert (trained[m].lengths <= 9).all()
        if schedule.rule.table is not None:
            own = trained[m].lengths[trained[m].real].sum()
            assert own == schedule.table(m).get(0, 0)
    texts = {m: {d.tobytes() for d in split(trained[m])} for m in trained}
    if schedule.rule.keeps == "real":
        kept = {d.tobytes() for d in split(trained[1])}
        assert all(kept <= texts[m] for m in texts)
    elif schedule.rule.keeps == "all" and not schedule.rule.subsample:
        assert all(texts[m] <= texts[m + 1] for m in range(1, 5))
    elif schedule.rule.subsample:
        everything = set.union(*(texts_of(shelf, g) for g in range(1, 6)))
        assert all(any(whole.startswith(d) for whole in everything) for d in texts[5])
    elif schedule.reuse:
        assert len(texts[4] & texts[5]) == 4  # two of three sets of two documents
    else:
        assert not texts[4] & texts[5]


def split(data: Documents) -> list[Any]:
    return [data.tokens[a : a + k] for a, k in zip(data.starts, data.lengths, strict=True)]


def texts_of(shelf: InMemoryCheckpoints, m: int) -> set[bytes]:
    piece = shelf.pieces[f"set-0-{m}"]
    data = Documents(tokens=piece["tokens"], lengths=piece["lengths"], real=piece["real"])
    return {d.tobytes() for d in split(data)}


def test_cells_share_the_truth_the_real_sample_and_p1() -> None:
    """Full with n = N, partial, real, and another temperature: p(1) is trained once."""
    shared = InMemoryCheckpoints()
    sampling = RECIPE.sampling
    first = run(setting(Schedule(name="partial", n=45, N=36)), shared, 1)
    names = {name for name in shared.pieces if name.startswith("first-")}
    assert len(names) == 1
    for other in (
        setting(Schedule(name="full", n=36)),
        setting(Schedule(name="real", N=36)),
        setting(Schedule(name="partial", n=90, N=36)),
        setting(Schedule(name="full", n=36), sampling=replace(sampling, temperature=0.5)),
    ):
        again = run(other, shared, 1)
        assert {name for name in shared.pieces if name.startswith("first-")} == names
        assert np.array_equal(again[0]["laws"], first[0]["laws"])
    run(setting(Schedule(name="full", n=45)), shared, 1)  # another sample size: another p(1)
    assert len({name for name in shared.pieces if name.startswith("first-")}) == 2


def test_more_replicates_and_a_longer_horizon_repeat_the_shorter_run() -> None:
    schedule = Schedule(name="partial", n=45, N=36)
    few = run(setting(schedule), InMemoryCheckpoints(), 2)
    many = run(setting(schedule, replicates=3), InMemoryCheckpoints(), 3)
    for m in range(2):
        for name, values in few[m].items():
            if not name.startswith("tokens_per_second"):
                assert np.array_equal(values, many[m][name][:1]), name
    laws = many[1]["laws"]
    assert not np.array_equal(laws[0], laws[1])  # replicates differ


@pytest.mark.parametrize("truth", ["markov", "trained"])
@pytest.mark.parametrize("start", ["scratch", "last"])
def test_p0_may_be_trained_and_training_may_go_on(truth: str, start: str) -> None:
    changed = replace(RECIPE.training, start=start, steps=None, epochs=0.5)
    order = 3 if truth == "markov" else None
    given = setting(Schedule(name="full", n=90), truth=truth, order=order, training=changed)
    records = run(given, InMemoryCheckpoints(), 2)
    assert np.isfinite(records[1]["deviation"]).all()
    scratch = replace(changed, start="scratch")
    other = replace(given, recipe=replace(given.recipe, training=scratch))
    fresh = run(other, InMemoryCheckpoints(), 2)
    if truth == "markov":  # a trained p(0) is named by the whole recipe, start included
        assert np.array_equal(records[0]["laws"], fresh[0]["laws"])
        assert np.array_equal(records[1]["laws"], fresh[1]["laws"]) == (start == "scratch")


class Killed(BaseException):
    """Ends a run as a kill does."""


class Dying(InMemoryCheckpoints):
    """A shelf whose process is killed after so many savings; what is saved stays."""

    def __init__(self, savings: int) -> None:
        super().__init__()
        self.left = savings

    def save(self, name: str, arrays: Any, *, shared: bool = False) -> None:
        super().save(name, {key: np.array(value) for key, value in arrays.items()}, shared=shared)
        self.left -= 1
        if self.left == 0:
            raise Killed


def test_a_run_killed_anywhere_ends_in_the_same_bits() -> None:
    """Killed after each single saving, in training and in writing, and gone on with."""
    given = replace(
        setting(Schedule(name="partial", n=45, N=36), truth="trained", order=None), every=-1.0
    )
    whole = run(given, InMemoryCheckpoints(), 2)
    shelf = Dying(0)
    run(given, shelf, 2)
    count = -shelf.left
    assert count > 20  # two trainings of p(0) and p(1), texts, and what lies between
    kinds: set[str] = set()
    for k in range(1, count + 1):
        shelf = Dying(k)
        with pytest.raises(Killed):
            run(given, shelf, 2)
        kinds |= {name.split("-")[0] + " " + name.split("-")[-1] for name in shelf.pieces}
        shelf.left = 0
        again = run(given, shelf, 2)
        assert all(same(a, b) for a, b in zip(whole, again, strict=True)), k
    told = " ".join(sorted(kinds))  # trainings of p(0), p(1) and p(2), and texts in the middle
    assert all(kind in told for kind in ("truth training", "first training", "model training"))
    assert "set 1" in told
    assert "measure" in told


def test_nothing_finished_is_done_again(monkeypatch: pytest.MonkeyPatch) -> None:
    given, shelf = setting(Schedule(name="full", n=45)), InMemoryCheckpoints()
    whole = run(given, shelf, 3)
    names: list[str] = []
    real = resume.train

    def counted(name: str, *rest: Any, **more: Any) -> Any:
        names.append(name)
        return real(name, *rest, **more)

    monkeypatch.setattr(resume, "train", counted)
    assert all(same(a, b) for a, b in zip(whole, run(given, shelf, 3), strict=True))
    assert names == []  # models 2 and 3 were found; p(1) is shared
    shelf.remove("model-0-3")
    run(given, shelf, 3)
    assert names == ["model-0-3-training"]


def test_progress_is_told_within_a_generation() -> None:
    given, shelf = setting(Schedule(name="full", n=45)), InMemoryCheckpoints()
    with deterministic(CPU):
        told, base = tell(reference.prepare(given, shelf))
        assert {part.what for part in told} >= {"draw", "train"}
        state, _ = finish(loop.step(given, base, loop.init(given), shelf))
        told, _ = tell(loop.step(given, base, state, shelf))
    shares = [p.share for p in told]
    assert shares == sorted(shares)  # drawing, training in four steps, measuring
    assert sum(p.what == "train" for p in told) == 4
    assert shares[-1] == 1.0
    assert {part.what for part in told} == {"write", "train"}


def test_models_are_forgotten_once_out_of_reach() -> None:
    shelf = InMemoryCheckpoints()
    run(setting(Schedule(name="full", n=45)), shelf, 6)
    kept = sorted(name for name in shelf.pieces if name.startswith(("model", "set")))
    assert kept == ["model-0-4", "model-0-5", "model-0-6", "set-0-5", "set-0-6"]
    shelf = InMemoryCheckpoints()
    run(setting(Schedule(name="random", n=45)), shelf, 4)
    assert {f"model-0-{m}" for m in (2, 3, 4)} <= shelf.pieces.keys()


def test_the_markov_source_is_what_it_says() -> None:
    """Laws against counting; 60,000 drawn tokens against laws: five contexts, odds 1e-6 in all."""
    source = markov.fit(TOKENS, len(LETTERS), 3)
    circle = TEXT + TEXT[:3]
    contexts = ["the", "fox", " a ", "ed ", "n t"]
    laws = markov.next_token_probs(source, np.array([corpus.encode(c, LETTERS) for c in contexts]))
    for context, law in zip(contexts, laws, strict=True):
        after = [circle[i + 3] for i in range(len(TEXT)) if circle[i : i + 3] == context]
        for k, letter in enumerate(LETTERS):
            assert law[k] == after.count(letter) / len(after)
    rng = np.random.Generator(np.random.Philox(key=5))
    drawn = markov.sample(source, 600, 100, rng)
    texts = [corpus.decode(row, LETTERS) for row in drawn]
    for context, law in zip(contexts, laws, strict=True):
        found = [t[i + 3] for t in texts for i in range(97) if t[i : i + 3] == context]
        assert len(found) > 100
        share = np.array([found.count(letter) / len(found) for letter in LETTERS])
        tolerance = bernstein(
            law, low=0.0, replicates=len(found), comparisons=5 * len(law), odds=1e-6
        )
        assert (np.abs(share - law) <= tolerance).all()
        assert not share[law == 0].any()
    with pytest.raises(ValueError, match="does not occur"):
        markov.next_token_probs(source, np.array([corpus.encode("fff", LETTERS)]))
    # Four letters that the text has somewhere, each of the same loss as counting gives.
    window = corpus.encode("the ", LETTERS)[None]
    assert markov.loss(source, window) == pytest.approx(-np.log(laws[0][window[0, 3]]))


def test_the_embedded_text_never_changes() -> None:
    """Stored results are named by it."""
    assert RECIPE.digest == "bbbc26717ff1015a8af8a4297250397787333a0a4e67245282eeee3c71376a82"
    assert corpus.decode(TOKENS, LETTERS) == TEXT


def test_pieces_are_plain_arrays(tmp_path: Path) -> None:
    """No piece needs a pickle to be stored."""
    shelf = InMemoryCheckpoints()
    run(setting(Schedule(name="partial", n=45, N=36)), shelf, 2)
    pieces: dict[str, Arrays] = shelf.pieces
    assert all(v.dtype.kind in "fiubU" for piece in pieces.values() for v in piece.values())
