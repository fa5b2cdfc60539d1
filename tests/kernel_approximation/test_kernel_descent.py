"""Kernel logistic regression by descent: near the optimum that Newton's steps reach, the same everywhere."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.utils.estimator_checks import parametrize_with_checks

from scalable import ParquetSource
from scalable.data.table import TableSource
from scalable.errors import UsageError
from scalable.inference import load_model
from scalable.kernel_approximation import KernelClassifier, KernelFeatures, KernelSVC, feature_descent
from scalable.linear import LinearSVC


def rows(n=20_000, p=4, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, p)) + 30.0
    z = 2.0 * np.sin(2.0 * (x[:, 0] - 30.0)) + (x[:, 1] - 30.0) * (x[:, 2] - 30.0)
    return x, (rng.random(n) < 1.0 / (1.0 + np.exp(-2.0 * z))).astype(int)


OPTIONS = {"n_components": 96, "gamma": 0.2, "random_state": 3}


@pytest.mark.parametrize("kind", ["fourier", "structured", "nystroem"])
def test_its_loss_is_newtons(kind):
    x, y = rows()
    held, truth = rows(seed=1)
    newton = KernelClassifier(kind, solver="newton", **OPTIONS).fit(x, y)
    descent = KernelClassifier(kind, solver="descent", **OPTIONS).fit(x, y)
    assert (newton.solver_, descent.solver_) == ("newton", "descent")
    assert descent.converged_
    losses = [log_loss(truth, model.predict_proba(held)) for model in (newton, descent)]
    assert losses[1] < losses[0] + 0.002
    assert losses[0] < 0.9 * log_loss(truth, np.full(len(truth), y.mean()))


def test_one_pass_of_many_rows_is_enough():
    x, y = rows(60_000)
    held, truth = rows(seed=1)
    model = KernelClassifier("structured", solver="descent", **OPTIONS).fit(x, y)
    exact = KernelClassifier("structured", solver="newton", **OPTIONS).fit(x, y)
    assert model.n_iter_ == 1
    assert log_loss(truth, model.predict_proba(held)) < log_loss(truth, exact.predict_proba(held)) + 0.002
    few, _ = TableSource(pa.table({**{f"x{j}": x[:, j] for j in range(4)}, "y": y}), "y").split_rows(1, 99)
    assert (
        KernelClassifier("structured", solver="descent", **OPTIONS).fit(few).n_iter_ > 1
    )  # few are selected


def test_the_order_of_the_rows_does_not_matter(tmp_path):
    x, y = rows()
    held, truth = rows(seed=1)
    order, losses = np.argsort(y, kind="stable"), []
    for name, some in (("mixed", slice(None)), ("sorted", order)):
        path = str(tmp_path / f"{name}.parquet")
        table = pa.table({**{f"f{j}": x[some, j] for j in range(4)}, "y": y[some]})
        pq.write_table(table, path, row_group_size=4_000)
        model = KernelClassifier("structured", solver="descent", **OPTIONS).fit(
            ParquetSource(path, target="y")
        )
        losses.append(log_loss(truth, model.predict_proba(pa.table({f"f{j}": held[:, j] for j in range(4)}))))
    assert losses[1] == pytest.approx(losses[0], abs=0.003)


def test_workers_saved_models_and_one_row_agree(tmp_path, dask_client):
    x, y = rows(120_000)
    w = np.random.default_rng(1).random(len(y))
    path = str(tmp_path / "rows.parquet")
    names = [f"f{j}" for j in range(4)]
    pq.write_table(
        pa.table({**dict(zip(names, x.T, strict=True)), "y": y, "w": w}), path, row_group_size=9_000
    )
    source = ParquetSource(path, target="y", weight="w")
    options = {
        "kind": "structured",
        "solver": "descent",
        "n_components": 40,
        "random_state": 0,
        "max_iter": 2,
    }
    models = [KernelClassifier(**options, n_workers=n).fit(source) for n in (1, 2)]
    models.append(KernelClassifier(**options, client=dask_client).fit(source))
    for other in models[1:]:
        np.testing.assert_array_equal(models[0].coef_, other.coef_)
    models[0].save(tmp_path / "m")
    predictor = load_model(tmp_path / "m")
    expected = models[0].predict_proba(source)[:, 1]
    np.testing.assert_array_equal(predictor.predict(pq.read_table(path, columns=names)), expected)
    assert predictor.predict_one({name: float(x[77, j]) for j, name in enumerate(names)}) == expected[77]
    again = KernelClassifier.load(tmp_path / "m")
    np.testing.assert_array_equal(again.predict_proba(source)[:, 1], expected)
    assert again.solver_ == "descent"


def test_what_is_cheap_is_learned_by_newtons_steps():
    x, y = rows(2_000)
    assert KernelClassifier(n_components=8).fit(x, y).solver_ == "newton"
    assert KernelClassifier(n_components=8)._chosen(10**9) == "descent"
    assert KernelClassifier("nystroem", n_components=8)._chosen(10**9) == "descent"
    assert KernelClassifier(n_components=8)._chosen(2_000, 3) == "descent"


@pytest.mark.parametrize(
    ("options", "line"),
    [
        ({"solver": "lbfgs"}, "solver must be 'auto', 'newton', 'descent', not 'lbfgs'"),
        ({"max_iter": 0}, "max_iter must be a whole number of 1 or more"),
    ],
)
def test_what_is_impossible_is_refused_in_a_line(options, line):
    x, y = rows(200)
    with pytest.raises(UsageError, match=line):
        KernelClassifier(**options).fit(x, y)


def test_rare_classes_and_shifted_columns():
    x, y = rows(30_000)
    rare = (y == 1) & (np.random.default_rng(0).random(len(y)) < 0.02)
    x[:, 3] = 1e6 + 1e-3 * x[:, 3]  # gamma is given: the column is as good as constant
    model = KernelClassifier("structured", solver="descent", **OPTIONS).fit(x, rare)
    exact = KernelClassifier("structured", solver="newton", **OPTIONS).fit(x, rare)
    assert log_loss(rare, model.predict_proba(x)) < 1.01 * log_loss(rare, exact.predict_proba(x))


def of_three_classes(n=20_000, seed=0):
    x, _ = rows(n, seed=seed)
    scores = np.stack([np.sin(x[:, 0]), x[:, 1] * (x[:, 2] - 30.0) - 10.0, np.zeros(n)], axis=1)
    noise = np.random.default_rng(seed + 50).gumbel(size=(n, 3))
    return x, np.array(["a", "b", "c"])[(scores + noise).argmax(axis=1)]


@pytest.mark.parametrize("kind", ["structured", "nystroem"])
def test_of_several_classes_its_loss_is_that_of_softmax_on_the_features(kind, tmp_path):
    x, y = of_three_classes()
    held, truth = of_three_classes(seed=1)
    z = KernelFeatures(kind, **OPTIONS).fit(x)
    exact = LogisticRegression(max_iter=300).fit(z.transform(x), y)
    model = KernelClassifier(kind, **OPTIONS).fit(x, y)
    assert (model.solver_, model.coef_.shape) == ("descent", (3, OPTIONS["n_components"]))
    p = model.predict_proba(held)
    assert log_loss(truth, p) < log_loss(truth, exact.predict_proba(z.transform(held))) + 0.004
    np.testing.assert_array_equal(model.predict(held), np.array(["a", "b", "c"])[p.argmax(axis=1)])
    model.save(tmp_path / "m")
    predictor = load_model(tmp_path / "m")
    np.testing.assert_array_equal(predictor.predict(pa.table({f"x{j}": held[:, j] for j in range(4)})), p)
    np.testing.assert_array_equal(predictor.predict_one({f"x{j}": float(held[5, j]) for j in range(4)}), p[5])
    with pytest.raises(UsageError, match="solver='newton' learns two classes, not 3"):
        KernelClassifier(solver="newton").fit(x, y)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("classes", [2, 3])
def test_parts_of_a_batch_side_by_side_make_the_same_bits(classes, monkeypatch, two_blas_threads):
    monkeypatch.setattr(feature_descent, "SIDE_BY_SIDE", 1)
    x, y = rows(6_000) if classes == 2 else of_three_classes(6_000)
    options = {"kind": "nystroem", "solver": "descent", "n_components": 40, "random_state": 0, "max_iter": 2}
    models = [KernelClassifier(**options, n_workers=n).fit(x, y) for n in (1, 2, 3)]
    for other in models[1:]:
        np.testing.assert_array_equal(models[0].coef_, other.coef_)


@pytest.mark.parametrize("loss", ["squared_hinge", "hinge"])
def test_support_vectors_are_those_of_the_linear_machine_on_the_features(loss, tmp_path):
    x, y = rows()
    held, truth = rows(seed=1)
    z = KernelFeatures("structured", **OPTIONS).fit(x)
    model = KernelSVC("structured", loss=loss, **OPTIONS).fit(x, y)
    exact = LinearSVC(loss=loss, standardize=False)
    exact.fit(z.transform(x), y)

    def value(scores):
        gap = np.maximum(0.0, 1.0 - (2.0 * truth - 1.0) * scores)
        return float((gap if loss == "hinge" else gap**2).mean())

    assert value(model.decision_function(held)) < value(exact.decision_function(z.transform(held))) + 0.005
    assert (model.predict(held) == truth).mean() > 0.8
    model.save(tmp_path / "m")
    predictor = load_model(tmp_path / "m")
    np.testing.assert_array_equal(
        KernelSVC.load(tmp_path / "m").decision_function(held), model.decision_function(held)
    )
    table = pa.table({f"x{j}": held[:, j] for j in range(4)})
    np.testing.assert_array_equal(predictor.predict(table), model.predict(held))
    assert (
        predictor.predict_one({f"x{j}": float(held[5, j]) for j in range(4)}) == model.predict(held[5:6])[0]
    )
    assert not hasattr(model, "predict_proba")
    with pytest.raises(UsageError, match="loss must be 'squared_hinge' or 'hinge', not 'log'"):
        KernelSVC(loss="log").fit(x, y)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@parametrize_with_checks(
    [KernelSVC(n_components=20, alpha=1e-2, random_state=0)],
    expected_failed_checks=lambda _: {
        "check_sample_weight_equivalence_on_dense_data": "a weight of two is one longer step, not two steps",
    },
)
def test_manners_of_scikit_learn(estimator, check):
    check(estimator)
