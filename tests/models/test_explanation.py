"""Contributions of raw columns: they add up to the score, parts of a column add up, reasons are the largest."""

import lightgbm as lgb
import numpy as np
import pyarrow as pa
import pytest
from sklearn.ensemble import RandomForestClassifier

from scalable.bayes import GaussianNB
from scalable.boosting import LGBMClassifier
from scalable.data.table import TableSource
from scalable.errors import DataError, UsageError
from scalable.inference import compile_model, load_model
from scalable.linear import LogisticRegression


def mixed(n=4000, n_classes=2):
    rng = np.random.default_rng(0)
    x = rng.standard_normal(n)
    kind = rng.choice(["a", "b", "c"], n)
    shop = rng.integers(0, 1500, n)
    score = x + (kind == "a") - 0.001 * shop + rng.standard_normal(n)
    cuts = np.quantile(score, np.linspace(0, 1, n_classes + 1)[1:-1])
    return pa.table(
        {
            "x": pa.array(np.where(rng.random(n) < 0.1, np.nan, x), from_pandas=True),
            "kind": kind,
            "shop": [f"shop {k}" for k in shop],
            "when": pa.array(rng.integers(0, 4 * 10**6, n), pa.timestamp("s")),
            "y": np.digitize(score, cuts),
        }
    )


@pytest.mark.parametrize("n_classes", [2, 3])
def test_linear_contributions_add_up_to_the_score(tmp_path, n_classes):
    table = mixed(n_classes=n_classes)
    LogisticRegression(n_workers=1).fit(TableSource(table, "y")).save(tmp_path / "m")
    model = load_model(tmp_path / "m")
    found = model.explain(table)
    assert found.columns == ("x", "kind", "shop", "when")
    assert len(found.outputs) == (1 if n_classes == 2 else 3)
    predicted = model.predict(table)
    if n_classes == 2:
        np.testing.assert_allclose(1 / (1 + np.exp(-found.scores[:, 0])), predicted, atol=2e-6)
    else:
        size = np.exp(found.scores)
        np.testing.assert_allclose(size / size.sum(axis=1, keepdims=True), predicted, atol=2e-6)
    # Held against the means: what a column adds to the training rows is 0 on average, hashed ones aside.
    means = found.contributions.mean(axis=0)
    assert np.abs(means[:, [0, 1]]).max() < 2e-6


def test_forest_contributions_are_those_of_raw_columns(tmp_path):
    table = mixed()
    LGBMClassifier(n_estimators=8, num_leaves=15, verbose=-1).fit(TableSource(table, "y")).save(
        tmp_path / "m"
    )
    model = load_model(tmp_path / "m")
    found = model.explain(table)
    assert set(found.columns) == {"x", "kind", "shop", "when"}
    np.testing.assert_allclose(1 / (1 + np.exp(-found.scores[:, 0])), model.predict(table), rtol=1e-9)
    booster = lgb.Booster(model_str=model.text)
    raw = next(model._blocks(table))
    theirs = booster.predict(model.matrix(raw), pred_contrib=True)
    parts = [name.startswith("shop") for name in model.encoder.feature_names]
    assert sum(parts) > 1  # several columns of the matrix
    shop = theirs[:, :-1][:, parts].sum(axis=1)
    np.testing.assert_allclose(found.contributions[:, 0, found.columns.index("shop")], shop, atol=1e-9)
    np.testing.assert_allclose(found.expected, theirs[0, -1], atol=1e-9)


def test_dicts_and_reasons(tmp_path):
    table = mixed()
    LGBMClassifier(n_estimators=4, num_leaves=7, verbose=-1).fit(TableSource(table, "y")).save(tmp_path / "m")
    model = load_model(tmp_path / "m")
    rows = table.drop_columns("y").slice(0, 20).to_pylist()
    rows[0]["when"] = rows[0]["when"].isoformat()
    found, whole = model.explain(rows), model.explain(table.slice(0, 20))
    np.testing.assert_array_equal(found.contributions, whole.contributions)
    for row, reasons in zip(found.contributions[:, 0], model.explain(rows, top=2), strict=True):
        order = np.argsort(-np.abs(row), kind="stable")[:2]
        assert reasons == [(found.columns[j], row[j]) for j in order]
    assert len(model.explain(rows[0]).contributions) == 1
    del rows[1]["kind"]
    with pytest.raises(DataError, match="row 1: the row has no 'kind'"):
        model.explain(rows)
    assert len(model.explain(rows, missing_keys="missing").contributions) == 20
    with pytest.raises(UsageError, match="4 columns, so 1 to 4 reasons, found top=5"):
        model.explain(rows[:1], top=5)


def test_forests_without_an_encoder_and_models_without_contributions(tmp_path):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((500, 3))
    y = (X[:, 0] * X[:, 1] > 0).astype(int)
    fitted = RandomForestClassifier(5, max_depth=4, random_state=0).fit(X, y)
    compile_model(fitted).scores.save(tmp_path / "rf")
    model = load_model(tmp_path / "rf")
    frame = pa.table({name: X[:, j] for j, name in enumerate(model.needed)})
    found = model.explain(frame)
    np.testing.assert_allclose(found.scores[:, 0], model.predict(frame), atol=1e-12)
    rf = {"boosting": "rf", "bagging_freq": 1, "bagging_fraction": 0.5, "verbose": -1, "num_threads": 1}
    lgb.train(rf, lgb.Dataset(X, y), 4).save_model(tmp_path / "rf.txt")
    model = load_model(tmp_path / "rf.txt")
    frame = pa.table({name: X[:, j] for j, name in enumerate(model.needed)})
    np.testing.assert_allclose(model.explain(frame).scores[:, 0], model.predict(frame), atol=1e-12)
    table = pa.table({"a": X[:, 0], "y": y})
    GaussianNB().fit(TableSource(table, "y")).save(tmp_path / "nb")
    with pytest.raises(UsageError, match="no contributions of columns"):
        load_model(tmp_path / "nb").explain(table)
