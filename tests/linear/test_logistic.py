import pickle

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sklearn import linear_model
from sklearn.compose import make_column_transformer
from sklearn.metrics import log_loss, roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from scalable import ParquetSource
from scalable.errors import DataError, ModelError, UsageError
from scalable.linear import LogisticRegression, gradient


def make_rows(n: int = 3000, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 6)) * [1.0, 5.0, 0.1, 1.0, 2.0, 1.0] + [0.0, 100.0, 0.0, -3.0, 0.0, 1.0]
    z = X @ [1.0, 0.1, -5.0, 0.3, 0.0, 0.5] - 10.0
    return X, (rng.random(n) < 1 / (1 + np.exp(-z))).astype(int)


@pytest.mark.parametrize("C", [0.01, 1.0, 100.0])
@pytest.mark.parametrize("intercept", [True, False])
def test_newton_agrees_with_scikit_learn_per_raw_unit(C, intercept):
    X, y = make_rows()
    ours = LogisticRegression(C=C, standardize=False, fit_intercept=intercept).fit(X, y)
    theirs = linear_model.LogisticRegression(
        C=C, fit_intercept=intercept, solver="newton-cholesky", tol=1e-10
    ).fit(X, y)
    np.testing.assert_allclose(ours.coef_, theirs.coef_, rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(ours.intercept_, theirs.intercept_, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(ours.predict_proba(X), theirs.predict_proba(X), atol=1e-6)


def test_weights_and_balance_agree_with_scikit_learn():
    X, y = make_rows()
    w = np.random.default_rng(1).random(len(y)) * 3
    for options in ({"class_weight": "balanced"}, {"class_weight": {0: 1.0, 1: 5.0}}, {}):
        ours = LogisticRegression(standardize=False, **options).fit(X, y, w)
        theirs = linear_model.LogisticRegression(solver="newton-cholesky", tol=1e-10, **options).fit(X, y, w)
        np.testing.assert_allclose(ours.coef_, theirs.coef_, rtol=1e-5, atol=1e-7)


def test_l1_gives_the_zeros_of_scikit_learn():
    X, y = make_rows()
    Z = StandardScaler().fit_transform(X)
    ours = LogisticRegression("l1", C=0.02).fit(Z, y)
    theirs = linear_model.LogisticRegression(
        l1_ratio=1.0, C=0.02, solver="saga", tol=1e-9, max_iter=20_000
    ).fit(Z, y)
    np.testing.assert_allclose(ours.coef_, theirs.coef_, atol=2e-5)
    assert ((ours.coef_ == 0) == (theirs.coef_ == 0)).all()
    assert (ours.coef_ == 0).any()


@pytest.mark.parametrize("optimizer", ["normalized", "adagrad", "adam", "ftrl", "sgd"])
def test_descent_comes_near_the_optimum(optimizer):
    X, y = make_rows(20_000)
    best = LogisticRegression().fit(X, y)
    model = LogisticRegression(solver="sgd", optimizer=optimizer).fit(X, y)
    assert log_loss(y, model.predict_proba(X)) < 1.01 * log_loss(y, best.predict_proba(X))


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")  # few passes on purpose
@pytest.mark.shared_data
@pytest.mark.parametrize("name", ["adult", "a9a", "higgs_sample", "agaricus"])
def test_held_out_quality_on_real_data(shared_data, name):
    train = pd.read_parquet(shared_data / f"{name}_train.parquet")
    test = pd.read_parquet(shared_data / f"{name}_test.parquet")
    features = [c for c in train if c != "label"]
    numeric = [c for c in features if train[c].dtype.kind in "iuf"]
    reference = make_pipeline(
        make_column_transformer(
            (StandardScaler(), numeric),
            (OneHotEncoder(handle_unknown="ignore"), [c for c in features if c not in numeric]),
        ),
        linear_model.LogisticRegression(max_iter=2000),
    ).fit(train, train.label)
    source = ParquetSource(shared_data / f"{name}_train.parquet", target="label")
    held_out = ParquetSource(shared_data / f"{name}_test.parquet", target="label")
    theirs = reference.predict_proba(test)[:, 1]
    newton = LogisticRegression().fit(source)
    assert newton.solver_ == "newton"
    ours = newton.predict_proba(held_out)[:, 1]
    assert roc_auc_score(test.label, ours) > roc_auc_score(test.label, theirs) - 0.001
    descent = LogisticRegression(solver="sgd").fit(source).predict_proba(held_out)[:, 1]
    slack = 0.005 if name == "agaricus" else 0.01 * log_loss(test.label, theirs)
    assert log_loss(test.label, descent) < log_loss(test.label, theirs) + slack


def test_labels_of_any_type_and_frames():
    X, y = make_rows(800)
    for labels in (np.array(["no", "yes"])[y], y.astype(bool), y * 7 - 3, y.astype(float)):
        model = LogisticRegression().fit(X, labels)
        assert model.classes_.dtype == labels.dtype
        assert set(model.predict(X)) <= set(labels)
        assert model.score(X, labels) > 0.7
    frame = pd.DataFrame(X, columns=list("abcdef")).assign(kind=np.where(y, "u", "v"))
    model = LogisticRegression().fit(frame, y)
    assert list(model.feature_names_in_) == [*"abcdef", "kind"]
    assert model.score(frame, y) == 1.0
    assert model.coef_names_[-4:] == ["kind=u", "kind=v", "kind=(other)", "kind=(missing)"]


def write(path, rows: int = 60_000, seed: int = 0):
    rng = np.random.default_rng(seed)
    ids = rng.integers(0, 5000, rows)
    z = rng.normal(size=5000)[ids] + 0.5 * rng.normal(size=rows)
    x = rng.normal(size=rows)
    table = pa.table(
        {
            "x": pa.array(x.astype(np.float32)),
            "user_id": ids.astype(np.int32),
            "city": pa.array(np.array(["aa", "bb", "cc"])[rng.integers(0, 3, rows)]),
            "gap": pa.array([None if v < -1 else float(v) for v in x]),
            "y": (rng.random(rows) < 1 / (1 + np.exp(-z - x))).astype(np.int8),
        }
    )
    pq.write_table(table, path, row_group_size=8192)
    return ParquetSource(path, target="y")


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")  # few passes on purpose
def test_workers_do_not_change_a_bit(tmp_path, monkeypatch):
    monkeypatch.setattr("scalable.linear.prepare.HELD_BYTES", 0)
    source = write(tmp_path / "a.parquet")
    for options in ({"solver": "sgd", "n_replicas": 4, "max_iter": 2}, {"solver": "newton", "n_bins": 64}):
        models = [LogisticRegression(n_workers=n, **options).fit(source) for n in (1, 2, 4)]
        for other in models[1:]:
            np.testing.assert_array_equal(models[0].model_.coef, other.model_.coef)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")  # few passes on purpose
def test_saved_model_predicts_the_same(tmp_path):
    source = write(tmp_path / "a.parquet")
    model = LogisticRegression(max_iter=2).fit(source)
    assert model.solver_ == "sgd"
    model.save(tmp_path / "model")
    again = LogisticRegression.load(tmp_path / "model")
    np.testing.assert_array_equal(model.predict_proba(source), again.predict_proba(source))
    assert again.get_params() == model.get_params()
    assert again.describe_columns() == model.describe_columns()
    copy = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(model.predict(source), copy.predict(source))
    arrays = tmp_path / "model" / "arrays.npz"
    arrays.write_bytes(arrays.read_bytes()[:-100])
    with pytest.raises(ModelError, match="altered or truncated"):
        LogisticRegression.load(tmp_path / "model")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"y": [0, 0, 0, 0]}, "one class only"),
        ({"y": [0.5, 1.0, 2.25, 1.0]}, "not two-valued"),
        ({"y": [0, 1, None, 1]}, "row 2: target column 'y' is null"),
        ({"x": [1.0, float("inf"), 2.0, 3.0]}, "row 1: column 'x' is inf"),
        ({"x": [None] * 4}, "constant or empty"),
        ({"w": [0.0, 0.0, 0.0, 0.0]}, "weights are zero"),
        (
            {"w": [1.0, -1.0, 0.0, 0.0]},
            "row 1: weight column 'w' is -1.0; weights are finite and not negative",
        ),
    ],
)
def test_bad_data_is_named(tmp_path, change, message):
    data = {"x": [1.0, 2.0, 3.0, 4.0], "y": [0, 1, 0, 1], "w": [1.0, 1.0, 1.0, 1.0], **change}
    pq.write_table(pa.table({k: pa.array(v) for k, v in data.items()}), tmp_path / "a.parquet")
    source = ParquetSource(tmp_path / "a.parquet", target="y", weight="w")
    with pytest.raises(DataError, match=message):
        LogisticRegression().fit(source)


def test_wrong_parameters_are_named():
    X, y = make_rows(50)
    for options in ({"solver": "lbfgs"}, {"penalty": "l3"}, {"C": 0.0}, {"n_bins": 1000}, {"optimizer": "x"}):
        with pytest.raises(UsageError):
            LogisticRegression(**options).fit(X, y)


def test_partial_fit_over_parts_comes_near_one_fit():
    rng = np.random.default_rng(4)
    X = rng.normal(size=(40_000, 4))
    y = np.where(rng.random(40_000) < 1 / (1 + np.exp(-X @ [1.0, -1.0, 0.5, 0.0])), "yes", "no")
    whole = LogisticRegression().fit(X, y)
    parts = LogisticRegression()
    for k in range(8):
        rows = slice(5_000 * k, 5_000 * (k + 1))
        parts.partial_fit(X[rows], y[rows], classes=["no", "yes"])
    assert parts.n_iter_ == 8
    np.testing.assert_allclose(parts.coef_, whole.coef_, atol=0.06)
    assert list(parts.classes_) == ["no", "yes"]


def test_newton_that_begins_with_some_rows_ends_at_the_optimum_of_all(tmp_path, monkeypatch):
    rng = np.random.default_rng(2)
    X = rng.normal(size=(60_000, 4))
    drift = np.linspace(-1.0, 1.0, len(X))  # a sample of the first rows would be a poor one
    y = (rng.random(len(X)) < 1.0 / (1.0 + np.exp(-X[:, 0] - drift * X[:, 1]))).astype(np.int8)
    table = pa.table({**{f"x{j}": X[:, j] for j in range(4)}, "y": y})
    for part in range(6):
        pq.write_table(table.slice(part * 10_000, 10_000), tmp_path / f"{part}.parquet", row_group_size=5_000)
    source = ParquetSource(tmp_path, target="y")
    monkeypatch.setattr("scalable.linear.prepare.HELD_BYTES", 0)
    whole = LogisticRegression(solver="newton", tol=1e-9).fit(source)
    descend, begins = gradient.descend, []

    def counted(*args):
        begins.append(sum(shard.n_rows for shard in args[-1]))
        return descend(*args)

    monkeypatch.setattr("scalable.linear.gradient.descend", counted)
    for rows in (2**13, 2**14):  # the optimum of a sample, and descent over whole shards
        monkeypatch.setattr("scalable.linear.gradient.SAMPLE_ROWS", rows)
        begun = LogisticRegression(solver="newton", tol=1e-9).fit(source)
        np.testing.assert_allclose(begun.coef_, whole.coef_, rtol=1e-7, atol=1e-9)
        assert begun.n_iter_ <= whole.n_iter_
        assert begins.pop() <= 0.4 * len(X)


def test_labels_of_all_64_bits_are_kept(tmp_path):
    rng = np.random.default_rng(0)
    x, large = rng.random(200), 2**63 + 5
    y = pa.array([large if value > 0.5 else 3 for value in x], pa.uint64())
    pq.write_table(pa.table({"x": x, "y": y}), tmp_path / "rows.parquet")
    source = ParquetSource(tmp_path / "rows.parquet", target="y")
    model = LogisticRegression().fit(source)
    assert model.classes_.tolist() == [3, large]
    assert set(model.predict(source).tolist()) == {3, large}
