"""Rows that follow the target are learned from as well as shuffled ones, at the same number of passes."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from scalable import ParquetSource
from scalable.errors import DataWarning
from scalable.execution.reader import BlockReader
from scalable.execution.threads import Threads
from scalable.features.linear_encoder import LinearEncoder
from scalable.features.summary import labels_of, summarize
from scalable.linear import LogisticRegression, SGDRegressor, prepare
from scalable.linear.mixing import mixed
from scalable.linear.solvers import rounds

ROWS = 140_000


@pytest.fixture(autouse=True)
def many(monkeypatch):
    """Let few rows be treated as many are: learned from in one pass, not held."""
    monkeypatch.setattr(prepare, "ONE_PASS_ROWS", 2**16)
    monkeypatch.setattr(rounds, "ONE_PASS_ROWS", 2**16)
    monkeypatch.setattr(rounds, "REPLICA_ROWS", 2**16)


def rows(classify: bool):
    rng = np.random.default_rng(5)
    X = rng.normal(size=(ROWS, 3)).astype(np.float32)
    score = X @ np.array([1.0, -0.5, 0.3])
    y = rng.random(ROWS) < 1 / (1 + np.exp(-score)) if classify else score + 0.7 * rng.normal(size=ROWS)
    return X, y.astype(np.float32)


def written(directory, X, y, order, files=4):
    directory.mkdir()
    for k, at in enumerate(np.array_split(order, files)):
        columns = {f"f{j}": X[at, j] for j in range(X.shape[1])}
        pq.write_table(pa.table({**columns, "y": y[at]}), directory / f"{k}.parquet", row_group_size=2**13)
    return ParquetSource(directory, target="y")


@pytest.mark.parametrize("held_bytes", [2**28, 0])
@pytest.mark.parametrize("classify", [False, True])
def test_files_sorted_by_the_target_are_learned_from_as_shuffled_ones(
    tmp_path, monkeypatch, classify, held_bytes
):
    X, y = rows(classify)
    monkeypatch.setattr(prepare, "HELD_BYTES", held_bytes)
    learner = LogisticRegression(solver="sgd") if classify else SGDRegressor(alpha=0.0, n_replicas=3)

    frame = pa.table({f"f{j}": X[:, j] for j in range(X.shape[1])})

    def loss(source):
        model = learner.fit(source)
        assert model.n_iter_ == 1
        if not classify:
            return np.mean((y - model.predict(frame)) ** 2)
        p = model.predict_proba(frame)[:, 1]
        return -np.mean(np.where(y == 1, np.log(p), np.log(1 - p)))

    shuffled = loss(written(tmp_path / "shuffled", X, y, np.arange(ROWS)))
    with pytest.warns(DataWarning, match="the target follows the order of the rows"):
        ordered = loss(written(tmp_path / "sorted", X, y, np.argsort(y)))
    assert ordered < 1.005 * shuffled


def test_the_order_of_rows_is_seen_in_one_pass(tmp_path):
    X, y = rows(True)
    whole, base = np.arange(ROWS), np.argsort(y)
    in_each = np.concatenate([at[np.argsort(y[at], kind="stable")] for at in np.array_split(whole, 4)])

    def disorder(name, order, files=4):
        source = written(tmp_path / name, X, y, order, files)
        return summarize(source, Threads(2), classify=True).known_target.disorder

    assert disorder("none", whole) == pytest.approx(1.0, abs=0.02)
    assert disorder("by_class", base, 2) < 0.01
    assert disorder("sorted_in_each", in_each) < 0.01
    rising = np.argsort(np.arange(ROWS) / ROWS + 2.0 * y)  # files of different shares of the classes
    assert disorder("rising", rising) < 0.5


def test_mixes_hold_every_row_once_and_show_the_whole_range(tmp_path, monkeypatch):
    X, y = rows(False)
    monkeypatch.setattr(prepare, "HELD_BYTES", 0)
    source = written(tmp_path / "sorted", X, y, np.argsort(y))
    with pytest.warns(DataWarning):
        one, two = (SGDRegressor(alpha=0.0, n_replicas=3, n_workers=n).fit(source) for n in (1, 2))
    np.testing.assert_array_equal(one.coef_, two.coef_)
    summary = summarize(source, Threads(1), classify=False)
    labels = labels_of(source, summary.known_target, classify=False)
    encoder = LinearEncoder.learn(summary.columns, source, labels)
    reader = mixed(BlockReader(source, encoder), seed=3)
    blocks = [block for shard in reader.source.shards for block in reader.blocks(shard)]
    found = np.concatenate([block.label for block in blocks])
    np.testing.assert_array_equal(np.sort(found), np.sort(y).astype(np.float64))
    assert len(reader.source.shards) == 8
    for block in blocks:
        halves = block.label[: block.n_rows // 2], block.label[block.n_rows // 2 :]
        for half in halves:
            assert abs(half.mean() - y.mean()) < 0.15 * y.std()


def test_early_stopping_holds_out_mixes(tmp_path, monkeypatch):
    X, y = rows(True)
    monkeypatch.setattr(prepare, "HELD_BYTES", 0)
    source = written(tmp_path / "sorted", X, y, np.argsort(y))
    model = LogisticRegression(solver="sgd", early_stopping=True, max_iter=4, tol=1.0, n_iter_no_change=1)
    with pytest.warns(DataWarning):
        model.fit(source)
    base = y.mean()
    assert model.held_out_loss_[0] < -(base * np.log(base) + (1 - base) * np.log(1 - base)) - 0.05


@pytest.mark.parametrize("noise", [0.67, 0.05])
def test_few_columns_and_squared_error_reach_the_minimum_in_one_pass(noise):
    rng = np.random.default_rng(8)
    X = rng.normal(size=(ROWS, 4)) * [1.0, 1e3, 1e-4, 1.0] + [0.0, 1e4, 0.0, -3.0]
    y = X @ [1.0, 1e-3, 1e4, -0.5] + noise * rng.normal(size=ROWS)
    best = np.linalg.lstsq(np.column_stack([X - X.mean(0), np.ones(ROWS)]), y)[1][0] / ROWS
    for order in (np.arange(ROWS), np.argsort(y)):
        model = SGDRegressor(alpha=0.0)
        model.fit(X[order], y[order])
        assert (model.n_iter_, model.converged_) == (1, True)
        assert np.mean((y - model.predict(X)) ** 2) == pytest.approx(best, rel=1e-6)


def test_mixed_shards_are_the_same_on_a_cluster(tmp_path, monkeypatch, dask_client):
    X, y = rows(classify=True)
    monkeypatch.setattr(prepare, "HELD_BYTES", 0)
    source = written(tmp_path / "sorted", X, y, np.argsort(y, kind="stable"))
    found = []
    for options in ({"n_workers": 1}, {"n_workers": 2}, {"client": dask_client}):
        with pytest.warns(DataWarning, match="follows the order of the rows"):
            found.append(LogisticRegression(solver="sgd", n_replicas=2, **options).fit(source).coef_)
    np.testing.assert_array_equal(found[1], found[0])
    np.testing.assert_array_equal(found[2], found[0])
