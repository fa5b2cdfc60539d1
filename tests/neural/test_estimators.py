"""Perceptrons: scikit-learn's losses, the same bits everywhere, resumed, saved, refused in one line."""

import json
import warnings

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sklearn import neural_network
from sklearn.exceptions import ConvergenceWarning

from scalable import ParquetSource
from scalable.data.table import TableSource
from scalable.errors import DataError, DataWarning, ModelError, UsageError
from scalable.inference import load_model
from scalable.kernels.neural.batch_loss import LOGISTIC, SOFTMAX, SQUARED
from scalable.minibatches.mix import Batch
from scalable.models.store import read_model, save_model
from scalable.neural import MLPClassifier, MLPRegressor
from scalable.neural.network import Network, Shape
from scalable.neural.training import Settings, Training

NO_IDS = np.empty((200, 0), np.int32)
quietly = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def rows(n=2_000, seed=0):
    random = np.random.default_rng(seed)
    X = random.normal(size=(n, 4))
    return X, (X[:, 0] * X[:, 1] + 0.3 * random.normal(size=n) > 0.0).astype(int)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Numbers, some missing, and a category that decides."""
    random = np.random.default_rng(0)
    n = 6_000
    x, kind = random.normal(size=n), random.integers(0, 6, n)
    y = x * np.where(kind % 2, 1.0, -1.0) + 0.2 * random.normal(size=n)
    gaps = np.where(random.random(n) < 0.1, np.nan, random.normal(size=n))
    folder = tmp_path_factory.mktemp("rows")
    table = pa.table(
        {
            "x": x.astype(np.float32),
            "gaps": gaps,
            "kind": pa.array([f"k{k}" for k in kind]),
            "y": y,
            "late": pa.array(np.where(y > 0, "yes", "no")),
        }
    )
    pq.write_table(table, folder / "a.parquet", row_group_size=1_000)
    return str(folder)


@pytest.mark.parametrize("solver", ["adam", "sgd"])
@pytest.mark.parametrize("loss", [LOGISTIC, SOFTMAX, SQUARED])
@pytest.mark.filterwarnings("ignore")
def test_losses_of_full_batches_are_those_of_scikit_learn(loss, solver):
    random = np.random.default_rng(1)
    X = random.normal(size=(200, 4))
    y = random.normal(size=200) if loss == SQUARED else random.integers(0, 3 if loss == SOFTMAX else 2, 200)
    given = {"hidden_layer_sizes": (8, 6), "solver": solver, "alpha": 0.01, "batch_size": 200, "max_iter": 60,
             "learning_rate_init": 0.02, "random_state": 0, "tol": 0.0, "shuffle": False}  # fmt: skip
    kind = neural_network.MLPRegressor if loss == SQUARED else neural_network.MLPClassifier
    theirs = kind(**given)
    start = kind(**{**given, "max_iter": 1, "learning_rate_init": 1e-300}).fit(X, y)  # the same first weights
    theirs.fit(X, y)
    network = Network(Shape(4, 0, 0, (8, 6), 3 if loss == SOFTMAX else 1), np.float64)
    network.take(
        {f"weights_{k}": w for k, w in enumerate(start.coefs_)}
        | {f"bias_{k}": b for k, b in enumerate(start.intercepts_)}
        | {"embeddings": network.table}
    )
    training = Training(network, Settings(solver=solver, alpha=0.01), loss)
    batch = Batch(X, y.astype(float), NO_IDS, None)
    ours = [training.step(batch, 0.02) for _ in range(60)]
    np.testing.assert_allclose(ours, theirs.loss_curve_, rtol=1e-5)
    for k, weights in enumerate(theirs.coefs_):
        np.testing.assert_allclose(network.arrays[f"weights_{k}"], weights, atol=1e-5)


@quietly
def test_any_number_of_threads_gives_the_same_bits_and_seeds_differ(files, two_blas_threads):
    given = {
        "max_iter": 3,
        "batch_size": 128,
        "dropout": 0.1,
        "normalization": "batch",
        "early_stopping": True,
    }
    source = ParquetSource(files, target="late", features=["x", "gaps", "kind"])
    models = [
        MLPClassifier(**given, n_workers=n, random_state=seed).fit(source)
        for n, seed in ((1, 0), (3, 0), (1, 1))
    ]
    one, two, other = (model.predict_proba(source) for model in models)
    assert np.array_equal(one, two)
    assert models[0].loss_curve_ == models[1].loss_curve_
    assert not np.array_equal(one, other)


@quietly
def test_categories_and_gaps_are_learned_saved_and_answered_row_by_row(files, tmp_path):
    source = ParquetSource(files, target="late", features=["x", "gaps", "kind"])
    model = MLPClassifier(max_iter=12, batch_size=64, learning_rate_init=5e-3, normalization="layer").fit(
        source
    )
    assert (model.predict(source) == source_column(files, "late")).mean() > 0.9
    model.save(tmp_path / "m")
    again = MLPClassifier.load(tmp_path / "m")
    assert np.array_equal(again.predict_proba(source), model.predict_proba(source))
    predictor = load_model(tmp_path / "m")
    unseen = [{"x": 0.3, "gaps": None, "kind": "k1"}, {"x": -0.3, "gaps": 0.2, "kind": "never seen"}]
    found = predictor.predict(unseen)
    assert np.isfinite(found).all()
    assert found[0] == pytest.approx(predictor.predict_one(unseen[0]), rel=1e-6)
    with pytest.raises(DataError, match="'x'"):
        predictor.predict_one({"gaps": 0.1, "kind": "k1"})


def source_column(files, name):
    return pq.read_table(files, columns=[name])[name].to_numpy()


@quietly
def test_regression_is_in_the_targets_own_units(files):
    source = ParquetSource(files, target="y", features=["x", "kind"])
    model = MLPRegressor((32,), max_iter=12, batch_size=64, learning_rate_init=5e-3, activation="gelu").fit(
        source
    )
    y = source_column(files, "y")
    assert 1.0 - np.mean((model.predict(source) - y) ** 2) / y.var() > 0.9
    X = np.random.default_rng(0).normal(size=(500, 2))
    far = MLPRegressor((32,), max_iter=100, learning_rate_init=0.01).fit(X, 1e9 + X[:, 0])
    assert far.score(X, 1e9 + X[:, 0]) > 0.9


def test_early_stopping_keeps_the_best_weights_and_says_that_it_converged():
    X, y = rows()
    with warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)
        model = MLPClassifier(
            (32,),
            early_stopping=True,
            learning_rate_init=0.02,
            n_iter_no_change=4,
            learning_rate="cosine",
            warmup=0.05,
        ).fit(X, y)
    assert model.converged_
    assert model.n_iter_ == len(model.loss_curve_) == len(model.validation_loss_curve_) < 200
    assert model.best_loss_ == min(model.validation_loss_curve_)
    assert model.score(*rows(seed=1)) > 0.8
    with pytest.warns(ConvergenceWarning, match="max_iter=2"):
        assert not MLPClassifier(max_iter=2).fit(X, y).converged_


@quietly
def test_a_broken_training_goes_on_to_the_same_bits(files, tmp_path, monkeypatch):
    source = ParquetSource(files, target="late", features=["x", "gaps", "kind"])
    given = {"max_iter": 3, "batch_size": 100, "early_stopping": True, "dropout": 0.1}
    whole = MLPClassifier(**given).fit(source)
    monkeypatch.setattr("scalable.neural.training.CHECKPOINT_SECONDS", 0.0)
    steps, original = [], Training.step

    def step(self, *args):
        if len(steps) == 77:
            raise KeyboardInterrupt
        steps.append(1)
        return original(self, *args)

    monkeypatch.setattr(Training, "step", step)
    where = {"checkpoint": str(tmp_path / "c"), "resume": True}
    with pytest.raises(KeyboardInterrupt):
        MLPClassifier(**given, **where).fit(source)
    monkeypatch.setattr(Training, "step", original)
    with pytest.raises(UsageError, match="another training"):
        MLPClassifier(**{**given, "dropout": 0.2}, **where).fit(source)
    stored, forged = read_model(tmp_path / "c"), tmp_path / "forged"
    told = ({"step": 2**60}, {"step": -1}, {"waited": -1}, {"losses": ["x"]}, {"other": 1}, {"best": None})
    arrays = (
        {"moments": np.zeros(3, np.float32)},
        {"best.bias_0": np.zeros(1)},
        {"network.bias_0": np.zeros(1)},
    )
    for course, array in [*((one, {}) for one in told), *(({}, one) for one in arrays)]:
        state = {**stored.meta["state"], "course": {**stored.meta["state"]["course"], **course}}
        save_model(forged, stored.kind, {**stored.meta, "state": state}, {**stored.arrays, **array})
        with pytest.raises(UsageError, match=r"damaged .*remove it to start over"):
            MLPClassifier(**given, checkpoint=str(forged), resume=True).fit(source)
    again = MLPClassifier(**given, **where).fit(source)
    assert again.loss_curve_ == whole.loss_curve_
    assert np.array_equal(again.predict_proba(source), whole.predict_proba(source))
    assert not (tmp_path / "c").exists()


@quietly
def test_weights_of_classes_and_rows_move_what_is_predicted():
    X, y = rows()
    given = {"hidden_layer_sizes": (8,), "max_iter": 8, "learning_rate_init": 0.02}
    plain = MLPClassifier(**given).fit(X, y).predict_proba(X)[:, 1].mean()
    heavy = MLPClassifier(**given, class_weight={1: 10.0}).fit(X, y).predict_proba(X)[:, 1].mean()
    rowwise = MLPClassifier(**given).fit(X, y, 1.0 + 9.0 * y).predict_proba(X)[:, 1].mean()
    assert heavy > plain + 0.2
    assert heavy == pytest.approx(rowwise, abs=1e-3)


@quietly
def test_steps_are_as_short_as_few_selected_rows_want_them():
    x = np.random.default_rng(0).normal(size=(70_000, 2)).astype(np.float32)
    few, _ = TableSource(pa.table({"a": x[:, 0], "b": x[:, 1], "y": x[:, 0] > 0}), "y").split_rows(1, 19)
    rows = sum(raw.n_rows for shard in few.shards for raw in few.raw_blocks(shard))
    model = MLPClassifier((6,), max_iter=1, random_state=0).fit(few)
    assert model.t_ == pytest.approx(rows / 200, abs=1.0)


@quietly
def test_part_by_part(files):
    X, y = rows(4_000)
    model = MLPClassifier((32,), learning_rate_init=0.01, batch_size=50)
    for start in range(0, 4_000, 500):
        model.partial_fit(X[start : start + 500], y[start : start + 500], classes=[0, 1])
    assert model.n_iter_ == 8
    assert model.score(X, y) > 0.75
    with pytest.raises(ValueError, match="expecting 4 features"):
        model.partial_fit(X[:, :2], y)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"activation": "rely"}, "activation must be one of"),
        ({"hidden_layer_sizes": (0,)}, "hidden_layer_sizes must be"),
        ({"dropout": 1.0}, r"dropout must lie in \[0, 1\)"),
        ({"batch_size": 0}, "batch_size must be"),
        ({"n_bins": 100}, "power of two"),
        ({"learning_rate_init": -1.0}, "learning_rate_init must be positive"),
    ],
)
def test_parameters_that_are_off(given, message):
    with pytest.raises(UsageError, match=message):
        MLPClassifier(**given).fit(*rows(50))


def test_columns_that_the_first_part_does_not_show_are_spoken_of():
    X, y = rows(50)
    with pytest.warns(DataWarning, match=r"'x0', 'x1'.* did not vary in the first 1 rows"):
        MLPClassifier().partial_fit(X[:1], y[:1], classes=[0, 1])
    with warnings.catch_warnings():
        warnings.simplefilter("error", DataWarning)
        MLPClassifier().partial_fit(X, y)


def test_data_that_cannot_be_learned():
    X, y = rows(200)
    with pytest.raises(DataError, match="one class only"):
        MLPClassifier().fit(X, np.zeros(200))
    with pytest.raises(DataError, match="weights reach inf in float32"), np.errstate(all="ignore"):
        MLPClassifier().fit(X, y, np.full(200, 1e60))
    with pytest.raises(DataError, match=r"row \d+: column 'x0' is nan"):
        MLPClassifier(missing="error").fit(np.where(X > 2.0, np.nan, X), y)
    with pytest.raises(DataError, match="steps are too long"), np.errstate(all="ignore"):
        MLPRegressor(solver="sgd", learning_rate_init=1e6, normalization=None).fit(X * 100.0, y * 1.0)


@quietly
def test_a_saved_network_that_does_not_fit_together_is_refused(tmp_path):
    MLPClassifier((4,), max_iter=1).fit(*rows(100)).save(tmp_path / "m")
    stored = read_model(tmp_path / "m")
    hostile = [
        ({"network": {**stored.meta["network"], "hidden": [10**9]}}, {}),
        ({"network": {**stored.meta["network"], "n_numbers": 3}}, {}),
        ({"network": {**stored.meta["network"], "activation": "exec"}}, {}),
        ({"link": "log"}, {}),
        ({}, {"embeddings": np.zeros((1, 2), np.float32)}),
        ({}, {"weights_0": np.zeros((4, 5), np.float32)}),
        ({}, {"bias_0": np.full(4, np.nan, np.float32)}),
    ]
    for meta, arrays in hostile:
        save_model(tmp_path / "bad", "neural", stored.meta | meta, stored.arrays | arrays)
        for read in (load_model, MLPClassifier.load):
            with pytest.raises(ModelError, match="damaged"):
                read(tmp_path / "bad")
    assert json.dumps(stored.meta)


@quietly
@pytest.mark.parametrize("normalization", [None, "batch", "layer"])
@pytest.mark.parametrize("task", ["late", "kind", "y"])
def test_a_row_is_answered_as_a_block_is(files, normalization, task):
    features = [name for name in ("x", "gaps", "kind") if name != task]
    source = ParquetSource(files, target=task, features=features)
    kind = MLPRegressor if task == "y" else MLPClassifier
    model = kind(
        (8, 8), max_iter=1, normalization=normalization, residual=True, activation="gelu", one_hot=4
    ).fit(source)
    rows = pq.read_table(files, columns=features).slice(0, 20).to_pylist()
    whole = model.model_.predict_block(next(source.raw_blocks(source.shards[0])))
    for expected, row in zip(whole, rows, strict=False):
        np.testing.assert_allclose(model.model_.predict_one(row), expected, rtol=2e-5, atol=1e-6)


@pytest.mark.filterwarnings("ignore")  # few epochs
@pytest.mark.parametrize("scale", [1e200, 1e-200])
def test_targets_whose_squares_are_beyond_numbers_are_learned(scale):
    """Small ones were taken for one value: what was predicted was a billion billion times larger."""
    x = np.random.default_rng(0).normal(size=(200, 2))
    model = MLPRegressor((4,), max_iter=20, random_state=0)
    plain, far = (model.fit(x, x[:, 0] * unit).predict(x) / unit for unit in (1.0, scale))
    assert np.abs(far).max() < 10.0
    assert np.corrcoef(plain, far)[0, 1] > 0.9


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_a_fit_is_not_gone_on_from():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 2))
    model = MLPRegressor((2,), max_iter=2, tol=1.0).fit(X, X[:, 0])
    with pytest.warns(DataWarning, match="partial_fit begins anew"):
        model.partial_fit(X, X[:, 0])
    model.partial_fit(X, X[:, 0])
    with pytest.warns(DataWarning, match="the target did not vary in the first 200 rows"):
        MLPRegressor((2,)).partial_fit(X, np.ones(200))
