"""A learner of one file: Gaussian naive Bayes, and all that it gets without a line of its own."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sklearn import naive_bayes
from sklearn.datasets import load_iris
from sklearn.utils.estimator_checks import parametrize_with_checks

import scalable
from scalable import ParquetSource
from scalable.bayes import CategoricalNB, GaussianNB
from scalable.cli.app import build
from scalable.cli.screen.failure import run
from scalable.data.table import TableSource
from scalable.errors import DataError, DataWarning, ModelError, UsageError
from scalable.execution.threads import Threads
from scalable.inference import compile_model, load_model
from scalable.mixture import GaussianMixture, KMeans
from scalable.models.arrays import one_pass
from scalable.scoring.evaluate import evaluate_model

# Columns of very different units are compared with scikit-learn's on purpose, which smooths by the largest.
pytestmark = pytest.mark.filterwarnings("ignore:var_smoothing:scalable.errors.DataWarning")


@pytest.mark.filterwarnings("ignore")
@parametrize_with_checks([GaussianNB()])
def test_manners_of_scikit_learn(estimator, check):
    check(estimator)


def test_it_is_one_file_of_at_most_120_lines():
    assert (Path(scalable.__file__).with_name("bayes") / "gaussian_nb.py").read_text().count("\n") <= 120


def rows(n=5000, classes=3, seed=0):
    rng = np.random.default_rng(seed)
    y = rng.integers(0, classes, n)
    X = rng.normal(size=(n, 4)) * [1, 30, 1e-4, 1e6] + [0, 5, 1e-2, 1e8]
    return X + (y[:, None] == 1) * [1, 20, 1e-4, 0], y, rng.random(n) + 0.1


@pytest.mark.parametrize("classes", [2, 4])
@pytest.mark.parametrize("options", [{}, {"var_smoothing": 1e-3}, {"priors": True}], ids=str)
@pytest.mark.parametrize("weighted", [False, True])
def test_it_is_scikit_learns(classes, options, weighted):
    X, y, w = rows(classes=classes)
    if options.get("priors"):
        options = {"priors": np.arange(1, classes + 1) / (classes * (classes + 1) / 2)}
    given = (X, y, w) if weighted else (X, y)
    ours, theirs = GaussianNB(**options).fit(*given), naive_bayes.GaussianNB(**options).fit(*given)
    for name in ("theta_", "var_", "class_prior_", "epsilon_"):
        np.testing.assert_allclose(getattr(ours, name), getattr(theirs, name), rtol=1e-10)
    np.testing.assert_allclose(ours.predict_proba(X), theirs.predict_proba(X), rtol=1e-8, atol=1e-300)
    np.testing.assert_array_equal(ours.predict(X), theirs.predict(X))


def test_real_data_scores_as_scikit_learns():
    X, y = load_iris(return_X_y=True)
    assert GaussianNB().fit(X, y).score(X, y) == naive_bayes.GaussianNB().fit(X, y).score(X, y)


def test_missing_values_say_nothing():
    X, y, w = rows()
    gaps = np.random.default_rng(1).random(X.shape) < 0.2
    model = GaussianNB().fit(np.where(gaps, np.nan, X), y, w)
    for c in range(3):
        for j in range(4):
            known = (y == c) & ~gaps[:, j]
            mean = np.average(X[known, j], weights=w[known])
            assert model.theta_[c, j] == pytest.approx(mean, rel=1e-12)
            variance = np.average((X[known, j] - mean) ** 2, weights=w[known])
            assert model.var_[c, j] - model.epsilon_ == pytest.approx(variance, rel=1e-6)
    np.testing.assert_allclose(model.predict_proba(np.full((1, 4), np.nan))[0], model.class_prior_)
    only = model.predict_proba([[X[0, 0], np.nan, np.nan, np.nan]])
    alone = GaussianNB().fit(np.where(gaps, np.nan, X)[:, :1], y, w)
    alone.var_smoothing = model.var_smoothing
    arrays = {**alone.model_.arrays, "theta": model.theta_[:, :1], "var": model.var_[:, :1]}
    alone.model_.arrays = arrays
    np.testing.assert_allclose(only, alone.predict_proba(X[:1, :1]), rtol=1e-12)
    assert all("missing values are left out" in line for line in model.describe_columns())


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    X, y, w = rows(40_000, classes=2)
    place = tmp_path_factory.mktemp("rows")
    table = pa.table({**{f"f{j}": X[:, j] for j in range(4)}, "w": w, "y": np.array(["no", "yes"])[y]})
    pq.write_table(table, place / "rows.parquet", row_group_size=3000)
    return place / "rows.parquet", X, y, w


def test_source_saved_model_and_predictor_agree(dataset, tmp_path):
    path, X, y, w = dataset
    source = ParquetSource(path, target="y", weight="w")
    model = GaussianNB(n_workers=2).fit(source)
    theirs = naive_bayes.GaussianNB().fit(X, y, w)
    np.testing.assert_allclose(model.predict_proba(source), theirs.predict_proba(X), rtol=1e-7, atol=1e-300)
    assert model.classes_.tolist() == ["no", "yes"]
    model.save(tmp_path / "m")
    loaded, predictor = GaussianNB.load(tmp_path / "m"), load_model(tmp_path / "m")
    np.testing.assert_array_equal(loaded.predict_proba(source), model.predict_proba(source))
    np.testing.assert_array_equal(loaded.var_, model.var_)
    blocks = [raw for shard in source.shards for raw in source.raw_blocks(shard)]
    found = np.concatenate([predictor.predict_block(raw) for raw in blocks])
    np.testing.assert_array_equal(found, model.predict_proba(source)[:, 1])
    report = evaluate_model(predictor, source, Threads(1))
    assert report.auc > 0.65
    with pytest.raises(ModelError, match=r"arrays.*needs its encoder"):
        compile_model(tmp_path / "m")


def test_a_selection_of_no_rows_has_no_predictions(dataset):
    path, X, y, _ = dataset
    model = GaussianNB().fit(X, y)
    named = GaussianNB().fit(ParquetSource(path, target="y", features=["f0", "f1"]))
    nothing = ParquetSource(path, features=["f0", "f1"], filters=[("f0", "==", 0.123456789)])
    assert named.predict_proba(nothing).shape == (0, 2)
    assert named.predict(nothing).shape == (0,)
    assert model.predict(X[:1]).shape == (1,)


def test_threads_and_dask_workers_learn_the_same_bits(dataset, dask_client):
    source = ParquetSource(dataset[0], target="y", weight="w")
    models = [GaussianNB(n_workers=n).fit(source) for n in (1, 2)] + [
        GaussianNB(client=dask_client).fit(source)
    ]
    for model in models[1:]:
        np.testing.assert_array_equal(model.theta_, models[0].theta_)
        np.testing.assert_array_equal(model.var_, models[0].var_)


def test_classes_of_a_spread_of_the_rows_are_enough_and_what_it_misses_is_said(tmp_path, monkeypatch):
    random = np.random.default_rng(0)
    y, x = random.integers(0, 2, 40_000), random.normal(size=(2, 40_000)).astype(np.float32)
    table = pa.table({"f0": x[0] + y, "f1": x[1], "y": y})
    sources = []
    for name, column in (("two", y), ("three", np.where(np.arange(40_000) == 20_011, 2, y))):
        pq.write_table(table.set_column(2, "y", pa.array(column)), tmp_path / name, row_group_size=4_000)
        sources.append(ParquetSource(tmp_path / name, target="y"))
    whole = [GaussianNB().fit(source) for source in sources]
    monkeypatch.setattr(one_pass, "TARGET_ROWS", 4_000)
    two = GaussianNB().fit(sources[0])
    with pytest.warns(DataWarning, match="holds 2; the model knows.*a spread of the rows did not show that"):
        three = GaussianNB().fit(sources[1])
    for found, all_read in zip((two, three), whole, strict=True):
        np.testing.assert_array_equal(found.classes_, all_read.classes_)
        for name in ("theta_", "var_", "class_prior_"):
            np.testing.assert_array_equal(getattr(found, name), getattr(all_read, name))
    np.testing.assert_array_equal(two.class_prior_, np.bincount(y) / len(y))


@pytest.mark.parametrize("given", [{"filters": [("t", ">=", 5_000), ("t", "<", 7_300)]}, {"weight": "w"}])
def test_rows_that_a_spread_would_miss_are_all_looked_at(tmp_path, monkeypatch, given):
    """Rows that are selected, or weigh anything, in a stretch between those that a spread looks at."""
    random, t = np.random.default_rng(0), np.arange(40_000)
    y, x = random.integers(0, 2, 40_000), random.normal(size=40_000)
    inside = (t >= 5_000) & (t < 7_300)
    table = pa.table({"x": x + y, "t": t, "w": inside.astype(float), "y": y})
    pq.write_table(table, tmp_path / "rows", row_group_size=8_000, write_statistics=False)
    monkeypatch.setattr(one_pass, "TARGET_ROWS", 4_096)
    found = GaussianNB().fit(ParquetSource(tmp_path / "rows", target="y", features=["x"], **given))
    expected = GaussianNB().fit(table.select(["x"]).filter(pa.array(inside)), y[inside])
    np.testing.assert_allclose(found.theta_, expected.theta_, rtol=1e-9)


def test_the_command_line(dataset, tmp_path, capsys):
    data, model = str(dataset[0]), str(tmp_path / "m")
    assert run(build(), ["train", "gaussian-nb", data, "--target", "y", "--weight", "w", "--model", model,
                 "--var-smoothing", "1e-8"]) == 0  # fmt: skip
    assert GaussianNB.load(model).var_smoothing == 1e-8
    report = tmp_path / "quality.json"
    assert run(build(), ["evaluate", model, data, "--target", "y", "--json", str(report), "--quiet"]) == 0
    assert json.loads(report.read_text())["sections"]["quality"][0]["auc"] > 0.65
    assert run(build(), ["predict", model, data, "--out", str(tmp_path / "scored"), "--quiet"]) == 0
    scored = pd.concat(pd.read_parquet(part) for part in sorted((tmp_path / "scored").glob("part-*")))
    expected = GaussianNB.load(model).predict_proba(ParquetSource(data, features=["f0", "f1", "f2", "f3"]))[
        :, 1
    ]
    np.testing.assert_array_equal(scored["prediction"], expected)
    capsys.readouterr()
    assert (
        run(
            build(),
            ["train", "gaussian-nb", data, "--target", "y", "--model", model + "2", "--var-smothing", "1"],
        )
        == 2
    )
    assert "did you mean --var-smoothing?" in capsys.readouterr().err.replace("\n", " ").replace("│", "")


@pytest.mark.parametrize(
    ("X", "y", "options", "error", "line"),
    [
        (np.ones((4, 2)), [0, 1, 0, 1], {}, DataError, "column 'x0' is constant in class 0"),
        ([[1.0], [2.0], [3.0]], [1, 1, 1], {}, DataError, "one class only"),
        (
            [[1.0], [np.nan], [3.0]],
            ["a", "b", "a"],
            {},
            DataError,
            "'x0' has no value of any weight in class 'b'",
        ),
        ([[1e200], [2e200], [3e200]], [0, 1, 0], {}, DataError, "'x0' is too large"),
        (np.empty((0, 2)), [], {}, ValueError, "0 sample"),
        ([[1.0], [2.0]], [0, 1], {"priors": [0.5, 0.2]}, UsageError, "priors must be 2 shares"),
        ([[1.0], [2.0]], [0, 1], {"var_smoothing": -1.0}, UsageError, "var_smoothing must be finite and not"),
    ],
)
def test_what_cannot_be_learned_is_said_in_a_line(X, y, options, error, line):
    with pytest.raises(error, match=line) as caught:
        GaussianNB(**options).fit(np.asarray(X, float), y)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("gaps", [False, True])
def test_float32_columns_teach_what_their_doubles_do(gaps, weighted):
    X, y, weight = rows(3_000)
    X = X.astype(np.float32)
    if gaps:
        X[::7, 1] = np.nan
    columns = {f"x{j}": column for j, column in enumerate(X.T)} | {"y": y, "w": weight}
    table = pa.table(columns)
    wide = pa.table(
        {name: np.asarray(values, np.float64) for name, values in columns.items() if name != "y"} | {"y": y}
    )
    one, two = (
        GaussianNB().fit(
            TableSource(each, "y", weight="w" if weighted else None, features=["x0", "x1", "x2", "x3"])
        )
        for each in (table, wide)
    )
    np.testing.assert_allclose(one.theta_, two.theta_, rtol=1e-12)
    np.testing.assert_allclose(one.var_, two.var_, rtol=1e-9)


def test_a_constant_column_is_smoothed_as_scikit_learn_does():
    X, y, _ = rows(200)
    X[:, 1] = 3.0
    ours, theirs = GaussianNB().fit(X, y), naive_bayes.GaussianNB().fit(X, y)
    np.testing.assert_allclose(ours.predict_proba(X), theirs.predict_proba(X), rtol=1e-8, atol=1e-300)


def test_text_and_infinities_are_refused_by_name():
    frame = pd.DataFrame({"a": [1.0, 2.0, 3.0, 4.0], "city": list("abab")})
    with pytest.raises(DataError, match=r"'city' is .*string.* GaussianNB takes numbers only.*without it: a"):
        GaussianNB().fit(frame, [0, 1, 0, 1])
    model = GaussianNB().fit(pa.table({"a": [1.0, 2.0, 4.0, 5.0]}), [0, 0, 1, 1])
    with pytest.raises(DataError, match=r"the table, row 1: column 'a' is -?inf; clean"):
        model.predict(pa.table({"a": [1.0, np.inf]}))


@pytest.mark.parametrize(
    "learner",
    [GaussianNB(), CategoricalNB(), GaussianMixture(2, random_state=0), KMeans(2, random_state=0)],
    ids=lambda learner: type(learner).__name__,
)
def test_values_of_which_nothing_can_be_said_are_refused(learner, tmp_path):
    """Squares of them overflow: probabilities were NaN, null over HTTP, or the first cluster's."""
    rng = np.random.default_rng(0)
    X = pd.DataFrame(rng.normal(size=(80, 2)), columns=["a", "b"])
    learner.fit(X, *([X.a > 0] if hasattr(learner, "priors") or "NB" in type(learner).__name__ else []))
    learner.save(tmp_path / "m")
    model, far = load_model(tmp_path / "m"), X[:3].assign(b=[0.0, 1e200, 0.0])
    for ask in (learner.predict, model.predict):
        with pytest.raises(DataError, match=r"row 1: column 'b' is 1e\+200, far outside the range"):
            ask(far)
    with pytest.raises(
        DataError, match=r"^row 1: column 'b' is 1e"
    ):  # not of row 0, the only one of its block
        model.predict(far.to_dict("records"))
    with pytest.raises(DataError, match=r"^row 1: the row has no 'b'"):
        model.predict([{"a": 1.0, "b": 2.0}, {"a": 1.0}])
