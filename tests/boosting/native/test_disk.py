"""Rows on disk: the same trees as in memory, bit for bit; damage is found; what cannot be done is refused by name."""

import subprocess
import sys
import time

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from scalable.boosting.native.disk import pieces, plan
from scalable.boosting.train import train
from scalable.data.parquet import ParquetSource
from scalable.errors import PlanError, UsageError

N_ROWS, PARAMS = 100_000, {"num_iterations": 3, "num_leaves": 20, "boosting": "full", "num_threads": 2}


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """Numbers, missing ones, categories and a wide column in several row groups; weights."""
    rng, place = np.random.default_rng(5), tmp_path_factory.mktemp("rows") / "rows.parquet"
    x = rng.standard_normal((N_ROWS, 3))
    kind = rng.integers(0, 30, N_ROWS)
    y = x[:, 0] + x[:, 1] * x[:, 2] + np.sin(kind) + rng.normal(size=N_ROWS)
    x[rng.random(N_ROWS) < 0.1, 0] = np.nan
    columns = {f"x{j}": x[:, j] for j in range(3)}
    columns |= {
        "kind": pa.array([f"k{k}" for k in kind]),
        "y": y > 0,
        "rare": y > 5,
        "amount": y,
        "w": rng.random(N_ROWS),
    }
    pq.write_table(pa.table(columns), place, row_group_size=30_000)
    return lambda target="y", **roles: ParquetSource(
        str(place), target, [*(f"x{j}" for j in range(3)), "kind"], **roles
    )


@pytest.fixture
def little_memory(monkeypatch):
    """Less than the rows take, and just enough for the process; pieces of which there are several."""
    monkeypatch.setattr(pieces, "PIECE_ROWS", 2**11)
    monkeypatch.setattr(plan, "PIECE_ROWS", 2**11)

    def limit(n_bytes=int(303.5 * 2**20)):
        monkeypatch.setattr("scalable.boosting.workers.placement.spare_memory", lambda: n_bytes)
        monkeypatch.setattr("scalable.boosting.workers.placement.available_processors", lambda: 2)

    return limit


def text_of(fitted):
    return fitted.booster.model_to_string()


def on_disk(fitted):
    return "on disk" in fitted.stats["plan"]


CASES = {
    "binary": ({}, "y", {}),
    "rare": (
        {"objective": "binary"},
        "rare",
        {},
    ),  # no hessian near its bound: all rows tell how fine gradients are
    "weighted": ({"max_depth": 4}, "y", {"weight": "w"}),
    "together": ({"leaves_per_round": 6}, "y", {}),
    "regression": (
        {"objective": "huber", "max_bin": 600, "num_leaves": 8, "feature_fraction": 0.7},
        "amount",
        {},
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_rows_on_disk_give_the_same_trees(source, little_memory, name):
    params, target, roles = CASES[name]
    wanted = train(PARAMS | params, source(target, **roles), classify=target != "amount")
    little_memory()
    found = train(PARAMS | params, source(target, **roles), classify=target != "amount")
    assert not on_disk(wanted)
    assert on_disk(found)
    assert found.engine == "native"
    assert text_of(found) == text_of(wanted)


def test_pieces_are_read_back_and_damage_is_named(source, little_memory, tmp_path):
    little_memory()
    first = train(PARAMS, source(), classify=True, cache=str(tmp_path))
    again = train(PARAMS, source(), classify=True, cache=str(tmp_path))
    words = [fitted.stats["workers"][0]["cache"]["rows"] for fitted in (first, again)]
    assert words == ["filled", "reloaded"]
    piece = sorted(tmp_path.rglob("*.arrays"))[2]
    data = bytearray(piece.read_bytes())
    data[len(data) // 2] ^= 1
    piece.write_bytes(data)
    with pytest.warns(UserWarning, match=r"refilled: .*rows-000002\.arrays: .*altered"):
        mended = train(PARAMS, source(), classify=True, cache=str(tmp_path))
    assert text_of(first) == text_of(again) == text_of(mended)
    with pytest.warns(UserWarning, match="other rows, columns or bins"):
        train(PARAMS | {"max_bin": 50}, source(), classify=True, cache=str(tmp_path))


def test_a_resumed_run_goes_on_with_the_same_bits(source, little_memory, tmp_path):
    little_memory()
    whole = train(PARAMS | {"num_iterations": 5}, source(), classify=True)
    kept = {"checkpoint": str(tmp_path), "checkpoint_every": 2}
    train(PARAMS | {"num_iterations": 3}, source(), classify=True, **kept)
    resumed = train(PARAMS | {"num_iterations": 5}, source(), classify=True, resume=True, **kept)
    assert on_disk(resumed)
    assert text_of(resumed) == text_of(whole)


@pytest.mark.parametrize(
    ("params", "word"),
    [
        ({"bagging_freq": 1, "bagging_fraction": 0.5}, "bagging"),
        ({"feature_fraction_bynode": 0.5}, "feature_fraction_bynode"),
        ({"objective": "regression_l1"}, "regression_l1"),
    ],
)
def test_what_needs_memory_is_refused_by_name(source, little_memory, params, word):
    little_memory()
    with pytest.raises(PlanError, match=f"with rows on disk .*{word}"):
        train(PARAMS | params, source("amount"))


def test_too_little_memory_even_so_is_refused_with_the_numbers(source, little_memory):
    little_memory(200 * 2**20)
    with pytest.raises(PlanError, match="iB of binned rows on disk"):
        train(PARAMS, source(), classify=True)


def test_all_rows_need_this_engine(source):
    with pytest.raises(UsageError, match="boosting='full' needs engine='native'"):
        train(PARAMS | {"engine": "lightgbm"}, source(), classify=True)
    with pytest.raises(UsageError, match=r"needs engine='native', and .*linear_tree"):
        train(PARAMS | {"engine": "auto", "linear_tree": True}, source(), classify=True)


KILLED = """
import sys
from scalable.boosting.train import train
from scalable.boosting.workers import placement
from scalable.data.parquet import ParquetSource
placement.spare_memory, placement.available_processors = lambda: {room}, lambda: 2
source = ParquetSource({path!r}, "y", {features!r})
train({params!r}, source, classify=True, checkpoint={checkpoint!r}, checkpoint_every=2, cache={cache!r})
"""


@pytest.mark.slow
def test_a_driver_that_is_killed_goes_on_with_the_same_bits(source, little_memory, tmp_path):
    rows, params = source(), PARAMS | {"num_iterations": 400}
    little_memory()
    kept = {"checkpoint": str(tmp_path / "trees"), "cache": str(tmp_path / "rows"), "checkpoint_every": 2}
    program = KILLED.format(
        room=int(303.5 * 2**20), path=str(rows.paths[0]), features=rows.feature_names, params=params,
        checkpoint=kept["checkpoint"], cache=kept["cache"],
    )  # fmt: skip
    process = subprocess.Popen([sys.executable, "-c", "from scalable.boosting.native.disk import pieces, plan\n"
                                "pieces.PIECE_ROWS = plan.PIECE_ROWS = 2**11\n" + program])  # fmt: skip
    try:
        deadline = time.monotonic() + 300
        while not list((tmp_path / "trees").glob("trees-*")) and time.monotonic() < deadline:
            time.sleep(0.05)
    finally:
        process.kill()
        process.wait()
    done = sorted((tmp_path / "trees").glob("trees-*"))
    assert done
    until = int(done[-1].name.removeprefix("trees-")) + 3
    params = PARAMS | {"num_iterations": until}
    resumed = train(params, rows, classify=True, resume=True, **kept)
    assert text_of(resumed) == text_of(train(params, rows, classify=True))
