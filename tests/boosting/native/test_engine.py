"""The engine behind `train` and the estimators: from Parquet, on processes, continued, stopped early, rotated."""

import lightgbm as lgb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from scalable.boosting import LGBMClassifier, LGBMRegressor, engine
from scalable.boosting.train import train, train_on
from scalable.data.parquet import ParquetSource
from scalable.errors import UsageError

N = 12_000
TREES = {"num_iterations": 8, "num_leaves": 15, "engine": "native", "seed": 3}


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Six row groups in two files: numbers of several types, text, missing values, two targets, weights."""
    rng = np.random.default_rng(0)
    place = tmp_path_factory.mktemp("rows")
    number, whole = rng.normal(size=N).astype(np.float32), rng.integers(-50, 50, N)
    text = rng.choice(["red", "green", "blue", "grey"], N)
    score = number + whole / 30 + (text == "red") + rng.normal(size=N)
    table = pa.table(
        {
            "number": pa.array(number, mask=rng.random(N) < 0.1),
            "whole": whole,
            "text": text,
            "wide": rng.random(N),
            "weight": rng.integers(1, 4, N).astype(np.float64),
            "label": np.where(score > 0, "yes", "no"),
            "amount": score,
        }
    )
    for k in range(2):
        pq.write_table(table.slice(k * N // 2, N // 2), place / f"{k}.parquet", row_group_size=2000)
    return place, table


def source(files, target, weight=None):
    features = ["number", "whole", "text", "wide"]
    return ParquetSource(str(files[0]), target, features, weight)


def text_of(trained):
    return trained.booster.model_to_string().split("parameters:")[0]


@pytest.mark.parametrize(("target", "classify"), [("label", True), ("amount", False)])
def test_parquet_and_arrays_give_one_model(files, target, classify):
    rows = source(files, target, "weight")
    streamed = train(TREES, rows, classify=classify)
    assert streamed.engine == "native"
    held = files[1].select(["number", "whole", "text", "wide"])
    model = (LGBMClassifier if classify else LGBMRegressor)(
        n_estimators=8, num_leaves=15, engine="native", seed=3
    )
    model.fit(held, files[1][target], files[1]["weight"])
    assert model.engine_ == "native"
    assert model.booster_.model_to_string().split("parameters:")[0] == text_of(streamed)
    theirs = train(TREES | {"engine": "lightgbm"}, rows, classify=classify)
    assert theirs.engine == "lightgbm"
    a, b = (
        t.booster.predict(streamed.encoder.encode(next(rows.raw_blocks(rows.shards[0]))).matrix)
        for t in (streamed, theirs)
    )
    assert np.abs(a - b).mean() < 0.05 * np.abs(b).mean()


def test_workers_and_threads_give_the_same_bits(files, local_team):
    rows = source(files, "label", "weight")
    wanted = text_of(train(TREES | {"num_threads": 1}, rows, classify=True))
    assert text_of(train(TREES | {"num_threads": 2}, rows, classify=True)) == wanted
    trained = train_on(local_team(2), TREES, rows, classify=True)
    assert text_of(trained) == wanted
    assert trained.stats["workers"][0]["bytes_sent"] > 0


def test_more_workers_than_columns_give_the_same_bits(tmp_path, local_team):
    x = np.random.default_rng(2).normal(size=600)
    pq.write_table(pa.table({"x": x, "y": x}), tmp_path / "rows.parquet", row_group_size=100)
    rows = ParquetSource(str(tmp_path), "y")
    assert text_of(train_on(local_team(3), TREES, rows, classify=False)) == text_of(train(TREES, rows))


def test_early_stopping_and_metrics_are_those_of_the_model(files):
    rows = source(files, "label")
    seen = {}
    trained = train(
        TREES | {"num_iterations": 60, "learning_rate": 0.5, "metric": ["binary_logloss", "auc"]},
        rows,
        classify=True,
        valid=rows,
        early_stopping=50,
        callbacks=[
            lgb.record_evaluation(seen),
            lgb.reset_parameter(learning_rate=lambda k: 0.5 if k < 3 else 0.1),
        ],
        n_workers=1,
    )
    encoded = [trained.encoder.encode(block) for shard in rows.shards for block in rows.raw_blocks(shard)]
    X, y = np.concatenate([e.matrix for e in encoded]), np.concatenate([e.label for e in encoded])
    p = trained.booster.predict(X, num_iteration=4)
    loss = -np.mean(y * np.log(p) + (1 - y) * np.log1p(-p))
    assert trained.history[3][0][2] == pytest.approx(loss, rel=1e-12)
    assert "shrinkage=0.5" in trained.booster.model_to_string()
    assert "shrinkage=0.1" in trained.booster.model_to_string()


def test_a_resumed_run_and_a_continued_model_have_the_same_bits(files, tmp_path):
    rows = source(files, "amount")
    bagged = TREES | {"bagging_freq": 2, "bagging_fraction": 0.7, "feature_fraction": 0.8}
    wanted = train(bagged, rows)
    half = train(bagged | {"num_iterations": 4}, rows, checkpoint=str(tmp_path / "kept"), checkpoint_every=2)
    assert half.booster.num_trees() == 4
    resumed = train(bagged, rows, checkpoint=str(tmp_path / "kept"), checkpoint_every=2, resume=True)
    assert text_of(resumed) == text_of(wanted)
    continued = train(bagged | {"num_iterations": 4}, rows, init_model=half.booster)
    assert text_of(continued) == text_of(wanted)
    # And LightGBM goes on from our text.
    X = next(rows.raw_blocks(rows.shards[0]))
    encoded = wanted.encoder.encode(X)
    data = lgb.Dataset(encoded.matrix, encoded.label, free_raw_data=False)
    more = lgb.train({"objective": "regression", "verbosity": -1}, data, 2, init_model=wanted.booster)
    assert more.num_trees() == 10


def test_rotation_learns_from_all_rows_and_gives_the_same_bits(files, tmp_path):
    rows = source(files, "label")
    params = TREES | {"boosting": "rotate", "rotate_rows": 4000, "rotate_every": 2, "num_iterations": 12}
    one = train(params | {"num_threads": 1}, rows, classify=True, n_workers=1)
    two = train(params | {"num_threads": 2}, rows, classify=True, n_workers=1)
    assert text_of(one) == text_of(two)
    assert one.booster.num_trees() == 12
    everything = train(TREES | {"num_iterations": 12}, rows, classify=True)
    encoded = [one.encoder.encode(block) for shard in rows.shards for block in rows.raw_blocks(shard)]
    X, y = np.concatenate([e.matrix for e in encoded]), np.concatenate([e.label for e in encoded])
    losses = []
    for model in (one, everything):
        p = model.booster.predict(X)
        losses.append(-np.mean(y * np.log(p) + (1 - y) * np.log1p(-p)))
    assert losses[0] < 1.03 * losses[1]


def test_a_custom_objective_is_asked_on_the_rows_in_order(files):
    rows = source(files, "amount", "weight")
    seen = []

    def square(y, score, weight):
        seen.append((y.copy(), weight.copy()))
        return (score - y) * weight, weight

    model = LGBMRegressor(n_estimators=3, engine="native", objective=square, boost_from_average=False)
    table = files[1].select(["number", "whole", "text", "wide"])
    model.fit(table, files[1]["amount"], files[1]["weight"])
    np.testing.assert_allclose(seen[0][0], files[1]["amount"].to_numpy().astype(np.float32))
    np.testing.assert_array_equal(seen[0][1], files[1]["weight"].to_numpy())
    named = train(TREES | {"num_iterations": 3, "num_leaves": 31, "boost_from_average": False}, rows)
    encoded = named.encoder.encode(next(rows.raw_blocks(rows.shards[0])))
    np.testing.assert_allclose(
        model.booster_.predict(encoded.matrix), named.booster.predict(encoded.matrix), atol=0.02
    )


def test_what_the_engine_does_not_do_is_refused_or_falls_back_in_one_line(files, monkeypatch):
    rows = source(files, "amount")
    with pytest.raises(UsageError, match=r"engine='native' does not do boosting='dart'"):
        train(TREES | {"boosting": "dart"}, rows)
    with pytest.raises(UsageError, match="engine must be one of lightgbm, native, auto, found 'own'"):
        train(TREES | {"engine": "own"}, rows)
    with pytest.raises(UsageError, match="cache keeps LightGBM's dataset"):
        train(TREES, rows, cache="somewhere")
    lines = []

    class Shown:
        def open(self, label, total, unit):
            lines.append(label)
            return self

        def advance(self, amount, **metrics):
            pass

        def close(self, *finished):
            pass

    monkeypatch.setattr("scalable.progress._reporter", Shown())
    trained = train(TREES | {"engine": "auto", "objective": "mape", "num_iterations": 1}, rows)
    assert trained.engine == "lightgbm"
    assert "engine: lightgbm, because engine='native' does not do objective='mape'" in lines
    monkeypatch.setattr(engine, "LEAST_VALUES", 0)
    trained = train(TREES | {"engine": "auto", "num_iterations": 1}, rows)
    assert trained.engine == "native"
    assert "train native" in lines


@pytest.mark.parametrize("engine", ["native", "lightgbm"])
def test_few_rows_of_a_file_are_learned_from_without_a_process_and_give_the_same_model(
    files, monkeypatch, engine
):
    rows = source(files, "label")
    params = TREES | {"engine": engine, "num_iterations": 3, "deterministic": True, "num_threads": 1}
    wanted = text_of(train(params, rows, classify=True, n_workers=1))
    with monkeypatch.context() as patched:
        patched.setattr("scalable.boosting.train.train_there", None)
        assert text_of(train(params, rows, classify=True)) == wanted
        patched.setattr("scalable.boosting.train.MOST_VALUES_HERE", N * 4 - 1)
        with pytest.raises(TypeError, match="NoneType"):
            train(params, rows, classify=True)
