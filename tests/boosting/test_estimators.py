import pickle

import lightgbm as lgb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sklearn.base import clone
from sklearn.metrics import roc_auc_score

from scalable import ParquetSource, progress
from scalable.boosting import LGBMClassifier, LGBMRegressor
from scalable.errors import DataError, ModelError, UsageError

ONE = {"num_threads": 1, "deterministic": True, "force_col_wise": True}


def frame(n=1500, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=n)
    kind = rng.choice(["a", "b", "c", None], n)
    flag = rng.random(n) < 0.3
    count = rng.integers(0, 50, n)
    signal = x + (kind == "b") + 0.5 * flag + rng.normal(size=n) * 0.5
    return pd.DataFrame({"x": x, "kind": kind, "flag": flag, "count": count, "y": signal})


@pytest.mark.parametrize(
    "labels", [("no", "yes"), (False, True), (3, 7), (0.0, 1.0), ("a", "b", "c")], ids=str
)
def test_classes_of_any_type_come_back(labels):
    data = frame()
    y = np.array(labels)[np.digitize(data.pop("y"), np.linspace(0, 1, len(labels) - 1))]
    model = LGBMClassifier(n_estimators=15, **ONE).fit(data, y)
    assert model.classes_.tolist() == sorted(labels)
    proba = model.predict_proba(data)
    assert proba.shape == (len(data), len(labels))
    np.testing.assert_allclose(proba.sum(axis=1), 1)
    assert set(model.predict(data)) <= set(labels)
    assert model.score(data, y) > 0.7


@pytest.mark.parametrize("engine", ["native", "lightgbm"])
def test_what_float32_cannot_hold_is_refused(engine):
    data = frame()
    y, model = data.pop("y"), LGBMRegressor(n_estimators=3, engine=engine, **ONE)
    for scale, weight, said in (
        (1e60, 1.0, "row 0: y is .*e.59, beyond"),
        (1e-60, 1.0, "the table: y is 0 in float32"),
        (1.0, 1e60, "row 0: sample_weight is 1e.60, beyond"),
        (1.0, 1e-300, "the table: sample_weight is 0 in float32"),
    ):
        with pytest.raises(DataError, match=said):
            model.fit(data, y * scale, sample_weight=np.full(len(y), weight))


def test_frames_of_all_kinds_and_parquet_give_the_same_model(tmp_path):
    data = frame()
    data["y"] = data["y"] > 0.5
    table = pa.Table.from_pandas(data, preserve_index=False)
    pq.write_table(table, tmp_path / "rows.parquet", row_group_size=400)
    y = data.pop("y").to_numpy()
    model = LGBMClassifier(n_estimators=8, **ONE)
    texts = [
        clone(model).fit(*given).booster_.model_to_string()
        for given in ((data, y), (pl.from_pandas(data), y), (table.drop(["y"]), pa.chunked_array([y])))
    ]
    fitted = model.fit(ParquetSource(tmp_path / "rows.parquet", target="y"))
    assert set(texts) == {fitted.booster_.model_to_string()}
    np.testing.assert_array_equal(
        fitted.predict_proba(ParquetSource(tmp_path / "rows.parquet", target="y")), fitted.predict_proba(data)
    )


def test_a_regressor_is_plain_lightgbm_on_arrays():
    data = frame()
    y = data.pop("y").to_numpy()
    X = data[["x", "count"]].to_numpy()
    weight = np.linspace(0.5, 2, len(y))
    model = LGBMRegressor(n_estimators=10, num_leaves=7, lambda_l2=1.5, **ONE).fit(X, y, sample_weight=weight)
    plain = lgb.train(
        {**ONE, "objective": "regression", "num_leaves": 7, "lambda_l2": 1.5, "verbosity": -1},
        lgb.Dataset(X, y, weight=weight),
        num_boost_round=10,
    )
    np.testing.assert_array_equal(model.predict(X), plain.predict(X))
    assert lgb.Booster(model_str=model.booster_.model_to_string()).num_trees() == 10


def test_text_of_many_levels_is_learned_without_leaking():
    rng = np.random.default_rng(3)
    n, levels = 12_000, 2_000
    effect = rng.normal(size=levels)
    ids = rng.integers(0, levels, n)
    noise = rng.integers(0, levels, n)
    y = effect[ids] + rng.normal(size=n) > 0
    data = pa.table({"id": [f"u{i}" for i in ids], "noise": [f"n{i}" for i in noise]})
    model = LGBMClassifier(n_estimators=20, **ONE).fit(data.slice(0, 9000), y[:9000])
    held = roc_auc_score(y[9000:], model.predict_proba(data.slice(9000))[:, 1])
    assert held > 0.68  # in-fold means would learn the noise column by heart and fall to about chance
    gain = dict(zip(model.booster_.feature_name(), model.booster_.feature_importance("gain"), strict=True))
    assert gain["id_mean"] > 5 * gain["noise_mean"]


def test_scikit_learn_manners():
    model = LGBMClassifier(num_leaves=7, lambda_l2=3.0)
    assert model.get_params()["lambda_l2"] == 3.0
    copy = clone(model)
    assert copy.get_params() == model.get_params()
    assert pickle.loads(pickle.dumps(model)).get_params() == model.get_params()
    assert copy.set_params(num_leaves=5, lambda_l1=1.0).get_params()["lambda_l1"] == 1.0
    assert "lambda_l1" not in model.get_params()


def test_saved_models_predict_the_same(tmp_path):
    data = frame()
    y = np.where(data.pop("y") > 0.5, "hot", "cold")
    model = LGBMClassifier(n_estimators=10, **ONE).fit(data, y)
    model.save(tmp_path / "model")
    loaded = LGBMClassifier.load(tmp_path / "model")
    np.testing.assert_array_equal(loaded.predict_proba(data), model.predict_proba(data))
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(model)).predict(data), model.predict(data))
    assert loaded.get_params() == model.get_params()
    with pytest.raises(ModelError, match="LGBMClassifier"):
        LGBMRegressor.load(tmp_path / "model")
    text = (tmp_path / "model" / "booster.txt").read_text()
    (tmp_path / "model" / "booster.txt").write_text(text.replace("leaf_value=", "leaf_value=1"))
    with pytest.raises(ModelError, match="altered"):
        LGBMClassifier.load(tmp_path / "model")


def test_unusable_requests_are_named():
    X, y = np.zeros((20, 2)), np.arange(20) % 2
    with pytest.raises(UsageError, match="target y is None"):
        LGBMClassifier().fit(X)
    with pytest.raises(UsageError, match="tree_learner"):
        LGBMClassifier(tree_learner="voting").fit(X, y)
    with pytest.raises(UsageError, match="one parameter"):
        LGBMClassifier(num_leaves=7, max_leaves=9).fit(X, y)
    with pytest.raises(UsageError, match="query groups"):
        LGBMClassifier(objective="lambdarank").fit(X, y)
    with pytest.raises(DataError, match="one class"):
        LGBMClassifier().fit(X, np.ones(20))
    with pytest.raises(UsageError, match=r"'lerning_rate'; did you mean 'learning_rate'\?"):
        LGBMClassifier(lerning_rate=0.3)
    with pytest.raises(UsageError, match="n_workers"):
        LGBMClassifier(n_workers=0).fit(X, y)


def test_progress_shows_trees():
    class Recorder:
        def __init__(self):
            self.shown = []

        def open(self, label, total, unit):
            recorder = self

            class Shown:
                def advance(self, amount, **metrics):
                    recorder.shown.append((label, total, unit, amount, metrics))

                def close(self, finished):
                    pass

            return Shown()

    recorder = Recorder()
    progress.install(recorder)
    try:
        data = frame()
        LGBMRegressor(n_estimators=9, **ONE).fit(data, data.pop("y"))
    finally:
        progress.install(None)
    trees = [entry for entry in recorder.shown if entry[2] == "trees"]
    assert sum(entry[3] for entry in trees) == 9 == trees[0][1]
    assert "s/tree" in trees[-1][4]


@pytest.mark.shared_data
@pytest.mark.parametrize("name", ["adult", "a9a", "higgs_sample", "agaricus"])
def test_real_data_scores_as_plain_lightgbm(shared_data, name):
    files = [shared_data / f"{name}_{part}.parquet" for part in ("train", "test")]
    train, test = (pd.read_parquet(file) for file in files)
    y, y_test = train.pop("label"), test.pop("label")
    for column in train.columns[[not pd.api.types.is_numeric_dtype(t) for t in train.dtypes]]:
        kinds = pd.CategoricalDtype(sorted(train[column].dropna().unique()))
        train[column], test[column] = train[column].astype(kinds), test[column].astype(kinds)
    params = {"num_leaves": 15, "verbosity": -1, "num_threads": 1, "objective": "binary"}
    plain = lgb.train(params, lgb.Dataset(train, y), num_boost_round=40)
    model = LGBMClassifier(n_estimators=40, num_leaves=15, num_threads=1)
    model.fit(ParquetSource(files[0], target="label"))
    ours = roc_auc_score(y_test, model.predict_proba(ParquetSource(files[1], target="label"))[:, 1])
    assert ours > roc_auc_score(y_test, plain.predict(test)) - (0.01 if name == "higgs_sample" else 0.005)
