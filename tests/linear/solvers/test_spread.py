"""Descent on many rows begins without having read all targets; what their spread did not show is never lost."""

from __future__ import annotations

import warnings

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from scalable import ParquetSource
from scalable.errors import DataError, DataWarning
from scalable.execution.sampling import sample_shards, spread_shards
from scalable.execution.threads import Threads
from scalable.features.profile import profile_source
from scalable.features.summary import columns_of, target_of
from scalable.inference import load_model
from scalable.linear import LogisticRegression, SGDClassifier, SGDRegressor, gradient, prepare
from scalable.linear.solvers import rounds

ROWS = 150_000
HIDDEN = 70_001  # not in the spread


@pytest.fixture(autouse=True)
def many(monkeypatch):
    """Let few rows be treated as many are, and little of them be looked at beforehand."""
    monkeypatch.setattr(prepare, "ONE_PASS_ROWS", 2**16)
    monkeypatch.setattr(prepare, "PROFILE_ROWS", 2**14)
    monkeypatch.setattr(prepare, "TARGET_ROWS", 2**14)
    monkeypatch.setattr(rounds, "ONE_PASS_ROWS", 2**16)


def rows(classify=True):
    rng = np.random.default_rng(11)
    X = rng.normal(size=(ROWS, 3)).astype(np.float32)
    score = X @ np.array([1.0, -0.5, 0.3])
    y = rng.random(ROWS) < 1 / (1 + np.exp(-score)) if classify else score + 0.7 * rng.normal(size=ROWS)
    return X, y.astype(np.int64) if classify else y


def written(path, X, y):
    pq.write_table(
        pa.table({"y": y, **{f"f{j}": X[:, j] for j in range(X.shape[1])}}), path, row_group_size=2**14
    )
    return ParquetSource(path, target="y")


def all_read(monkeypatch):
    monkeypatch.setattr(LogisticRegression, "_at_once", lambda *_: False)
    monkeypatch.setattr(SGDRegressor, "_at_once", lambda *_: False)


def test_the_spread_is_what_the_model_says_and_changes_little(tmp_path, monkeypatch):
    X, y = rows()
    source = written(tmp_path / "d.parquet", X, y)
    model = LogisticRegression(solver="sgd", n_workers=1).fit(source)
    two = LogisticRegression(solver="sgd", n_workers=2).fit(source)
    np.testing.assert_array_equal(model.coef_, two.coef_)
    model.save(tmp_path / "model")
    told = load_model(tmp_path / "model").learned_from
    assert told["rows"] == ROWS
    assert 2**13 < told["target_rows"] <= 2**14
    all_read(monkeypatch)
    whole = LogisticRegression(solver="sgd").fit(source)
    assert whole.model_.learned_from == {"rows": ROWS, "target_rows": ROWS}
    np.testing.assert_allclose(model.coef_, whole.coef_, atol=2e-3)
    assert not np.array_equal(model.intercept_, whole.intercept_)  # the spread was in use


def test_pieces_lie_at_other_places_of_every_shard(tmp_path):
    X, y = rows()
    source = written(tmp_path / "d.parquet", X, y)
    pieces = spread_shards(source, 2**13, least=2**8)
    assert sum(piece.n_rows for piece in pieces) <= 2**13
    assert (
        len({piece.row_start - source.shards[piece.index].row_start for piece in pieces}) > len(pieces) // 2
    )
    for piece in pieces:
        shard = source.shards[piece.index]
        assert shard.row_start <= piece.row_start < piece.row_stop <= shard.row_stop
        assert piece.first_row - shard.first_row == piece.row_start - shard.row_start
    mean = target_of(source, Threads(1), classify=False, max_rows=2**14).mean
    assert mean == pytest.approx(y.mean(), abs=0.02)


def test_descent_looks_at_fewer_heads_than_solvers_that_need_exact_scales(tmp_path, monkeypatch):
    X, y = rows()
    source = written(tmp_path / "d.parquet", X, y)
    asked = {}

    def noted(*args):
        asked[solver] = args[3]
        return columns_of(*args)

    monkeypatch.setattr(prepare, "columns_of", noted)
    for solver in ("sgd", "auto"):
        LogisticRegression(solver=solver).fit(source)
    assert asked["sgd"] < asked["auto"]
    few, many = (sample_shards(source, 2**17, asked[solver]) for solver in ("sgd", "auto"))
    assert len(few) < len(many)


def test_the_start_of_newton_is_learned_from_all_kinds_of_row_groups_that_alternate(tmp_path, monkeypatch):
    source, descend, seen = written(tmp_path / "d.parquet", *rows()), gradient.descend, []
    monkeypatch.setattr(gradient, "SAMPLE_ROWS", ROWS // 3)
    monkeypatch.setattr(gradient, "WARM_WORK", 0)

    def noted(*args):
        seen.extend(shard.index for shard in args[-1])
        return descend(*args)

    monkeypatch.setattr(gradient, "descend", noted)
    LogisticRegression(solver="newton").fit(source)
    assert len(seen) == -(-len(source.shards) // 3)
    assert {index % 3 for index in seen} == {0, 1, 2}


def test_a_class_beyond_the_spread_begins_anew_and_is_learned(tmp_path, monkeypatch):
    X, y = rows()
    y[HIDDEN] = 7
    source = written(tmp_path / "d.parquet", X, y)
    with pytest.warns(
        DataWarning, match=r"d\.parquet.* holds 7; .*all targets are read, and learning begins anew"
    ):
        model = SGDClassifier("log_loss", solver="sgd").fit(source)
    assert model.classes_.tolist() == [0, 1, 7]
    assert model.model_.learned_from["target_rows"] == ROWS
    monkeypatch.setattr(SGDClassifier, "_at_once", lambda *_: False)
    np.testing.assert_array_equal(model.coef_, SGDClassifier("log_loss", solver="sgd").fit(source).coef_)


def test_one_class_of_all_but_few_rows_is_seen_beforehand(tmp_path):
    X, y = rows()
    y[:] = 0
    y[np.random.default_rng(0).choice(ROWS, 100, replace=False)] = 1
    model = LogisticRegression(solver="sgd").fit(written(tmp_path / "d.parquet", X, y))
    assert model.classes_.tolist() == [0, 1]
    assert model.model_.learned_from["target_rows"] == ROWS


def test_a_null_target_beyond_the_spread_is_refused_by_its_row(tmp_path):
    X, y = rows()
    nullable = pa.array(y, mask=np.arange(ROWS) == HIDDEN)
    with pytest.raises(DataError, match=r"d\.parquet.*row 70,001.*null"):
        LogisticRegression(solver="sgd").fit(written(tmp_path / "d.parquet", X, nullable))


def test_a_scale_that_is_off_by_orders_begins_anew(tmp_path, monkeypatch):
    X, y = rows(classify=False)
    y[HIDDEN] = 1e5
    source = written(tmp_path / "d.parquet", X, y)
    with pytest.warns(DataWarning, match=r"the target reaches 100000\.0.*begins anew"):
        model = SGDRegressor(n_replicas=2).fit(source)
    all_read(monkeypatch)
    np.testing.assert_array_equal(model.coef_, SGDRegressor(n_replicas=2).fit(source).coef_)


def test_losses_and_options_that_need_all_targets_read_them(tmp_path):
    X, y = rows()
    source = written(tmp_path / "d.parquet", X, y)
    for model in (
        LogisticRegression(),  # newton
        LogisticRegression(solver="sgd", class_weight="balanced"),
        SGDRegressor("poisson", solver="sgd"),
    ):
        assert model.fit(source).model_.learned_from["target_rows"] == ROWS


def test_a_column_that_varies_beyond_the_sample_only_is_kept(tmp_path):
    X, y = rows()
    X[:, 2] = 0.0
    X[HIDDEN, 2] = 1.0
    source = written(tmp_path / "d.parquet", X, y)
    assert profile_source(source, Threads(1), ["f2"], 2**14).columns["f2"].constant
    profile = columns_of(source, Threads(1), 2**14)
    assert not profile.columns["f2"].constant
    assert profile.columns["f2"].maximum == 1.0


def interrupted(monkeypatch, at):
    """Let descent be interrupted in its `at`-th round."""
    run_round, begun = rounds.run_round, []

    def run(*args):
        begun.append(None)
        if len(begun) == at:
            raise KeyboardInterrupt
        return run_round(*args)

    monkeypatch.setattr(rounds, "run_round", run)


def rounds_of(monkeypatch, rows):
    monkeypatch.setattr(rounds, "ROUND_ROWS", rows)
    monkeypatch.setattr(rounds, "MOST_ROUND_ROWS", rows)


@pytest.mark.parametrize("hidden", [False, True], ids=["as foreseen", "begun anew"])
def test_with_a_checkpoint_it_begins_at_once_too_and_is_resumed(tmp_path, monkeypatch, hidden):
    X, y = rows()
    if hidden:
        y[HIDDEN] = 7
    source = written(tmp_path / "d.parquet", X, y)
    rounds_of(monkeypatch, 2**15)
    options = {"loss": "log_loss", "solver": "sgd", "n_replicas": 1, "checkpoint": tmp_path / "c"}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataWarning)
        whole = SGDClassifier(**options).fit(source)
        with monkeypatch.context() as patch:
            interrupted(patch, 6 if hidden else 3)  # of the second learning, where there is one
            with pytest.raises(KeyboardInterrupt):
                SGDClassifier(**options).fit(source)
        assert (tmp_path / "c").exists()
    resumed = SGDClassifier(**options, resume=True).fit(
        source
    )  # does not begin at once where it did not end so
    np.testing.assert_array_equal(resumed.coef_, whole.coef_)
    assert resumed.model_.learned_from == whole.model_.learned_from
    assert (whole.model_.learned_from["target_rows"] == ROWS) is hidden
    assert not (tmp_path / "c").exists()
