"""Engines of ours agree with LightGBM bit for bit; absent peers say why; the laboratory's figures make sense."""

import importlib.util
import json
import time

import lightgbm as lgb
import numpy as np
import pytest

from scalable.errors import UsageError
from scalable.latency import engines, latency, timing


@pytest.fixture(scope="module")
def model():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((3000, 6))
    X[rng.random((3000, 6)) < 0.05] = np.nan
    y = np.nan_to_num(X[:, 0] * X[:, 1]) > 0
    params = {"objective": "binary", "verbose": -1, "num_leaves": 31, "num_threads": 1}
    return lgb.train(params, lgb.Dataset(X, y), 25), X


OURS = (
    "lightgbm",
    "lightgbm-fast",
    "scalable",
    "scalable-2",
    "step-walk",
    "step-ranks",
    "step-blocks",
    "step-select",
)


@pytest.mark.parametrize("name", OURS)
def test_engine_has_the_same_bits(model, name):
    booster, X = model
    engine = engines.build(name, engines.describe(booster.model_to_string()))
    expected = booster.predict(X)
    np.testing.assert_array_equal(engine.predict(X), expected)
    np.testing.assert_array_equal([engine.predict_one(x) for x in X[:50]], expected[:50])


@pytest.mark.parametrize("name", sorted(set(engines.ENGINES) - set(OURS) - set(engines.LINEAR)))
def test_peer_agrees_or_is_absent_with_a_reason(model, name):
    booster, X = model
    if importlib.util.find_spec(engines.ENGINES[name][0]) and name != "lleaves":
        engine = engines.build(name, engines.describe(booster.model_to_string()))
        np.testing.assert_allclose(engine.predict(X[:500]), booster.predict(X[:500]), atol=0.02)
        return
    with pytest.raises(engines.Absent, match=r"install|imported|environment"):
        engines.build(name, engines.describe(booster.model_to_string()))


def test_multiclass_engines(model):
    _, X = model
    y = np.digitize(np.nan_to_num(X[:, 0]), [-0.5, 0.5])
    params = {"objective": "multiclass", "num_class": 3, "verbose": -1, "num_threads": 1}
    booster = lgb.train(params, lgb.Dataset(X, y), 7)
    for name in ("lightgbm", "lightgbm-fast", "scalable"):
        engine = engines.build(name, engines.describe(booster.model_to_string()))
        np.testing.assert_array_equal(engine.predict(X), booster.predict(X))
        np.testing.assert_array_equal(engine.predict_one(X[0]), booster.predict(X[:1])[0])


def test_unknown_engine_is_refused(model):
    with pytest.raises(UsageError, match="warp-drive"):
        engines.build("warp-drive", engines.describe(model[0].model_to_string()))


def test_measure_reports_every_engine_and_batch(model):
    booster, X = model
    names = ("lightgbm", "lightgbm-fast", "scalable", "lleaves")
    result = latency.measure(
        booster, X, names, single_rows=300, batch_sizes=(100, 10**9), repeats=3, threads=(1, 2)
    )
    json.dumps(result)
    assert list(result) == ["1", "100", "3000"]
    single = {row["engine"]: row for row in result["1"]}
    assert "SCALABLE_LLEAVES_PYTHON" in single["lleaves"]["message"]
    for name in names[:3]:
        row = single[name]
        assert row["bit_equal"] is True
        assert row["calls"] == 300
        assert row["min_us"] <= row["p50_us"] <= row["p99_us"] <= row["max_us"]
        assert row["baseline"] == (name == "lightgbm")
    batch = {row["engine"]: row for row in result["100"]}
    assert batch["scalable"]["rows_per_second"] == pytest.approx(
        100 * 1e6 / batch["scalable"]["p50_us"], rel=0.5
    )
    assert "p50_us" not in batch.get("lightgbm-fast", {})
    assert batch["scalable"]["calls"] == 30  # all the rows there are
    assert "p99_us" not in batch["scalable"]
    assert "lleaves" not in batch
    assert [batch[name]["threads"] for name in ("scalable", "scalable, 2 threads")] == [1, 2]
    assert batch["lightgbm, 2 threads"]["baseline"] is False


@pytest.mark.parametrize("link", ["identity", "logistic", "softmax"])
def test_linear_engines_agree(link):
    rng = np.random.default_rng(0)
    coef = rng.standard_normal((3 if link == "softmax" else 1, 5))
    facts = engines.LinearFacts(coef, np.arange(float(len(coef))), link)
    X = rng.standard_normal((50, 5))
    ours, theirs = (engines.build(name, facts) for name in ("linear", "scikit-learn"))
    np.testing.assert_allclose(ours.predict(X), theirs.predict(X), rtol=1e-12)
    np.testing.assert_allclose([ours.predict_one(x) for x in X], theirs.predict(X), rtol=1e-12)
    with pytest.raises(engines.Absent, match="forests"):
        engines.build("scalable", facts)


def test_a_worker_s_overhead_is_taken_off_and_shown():
    class Remote:
        n_threads, overhead_seconds = 1, 0.004

        def predict(self, X):
            time.sleep(0.005)
            return X[:, 0]

    watch = timing.Stopwatch(Remote())
    assert 0.0005e9 < watch.batch(np.zeros((3, 1))) < 0.2e9
    assert watch.notes() == {"overhead_us": 4000.0}


def test_waterfall_follows_the_steps(model):
    booster, X = model
    names = ("lightgbm", "step-walk", "step-select", "scalable")
    result = latency.measure(booster, X, names, single_rows=50, batch_sizes=(1000,), repeats=1)
    (chart,) = latency.waterfall(result)
    assert [step["note"] for step in chart["steps"]] == list(names)
    assert all(step["value"] > 0 for step in chart["steps"])


def test_quantiles_come_from_enough_calls():
    told = {
        n: {k for k in timing.quantiles_us(np.arange(1, n + 1)) if k.startswith("p")}
        for n in (1, 20, 200, 2000)
    }
    assert told == {
        1: {"p50_us"}, 20: {"p50_us", "p90_us"}, 200: {"p50_us", "p90_us", "p99_us"},
        2000: {"p50_us", "p90_us", "p99_us", "p999_us"},
    }  # fmt: skip
    assert timing.quantiles_us(np.arange(1, 201))["calls"] == 200
