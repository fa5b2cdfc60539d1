"""Columns that look drifted where they are not: many categories, rare events, heavy tails; a reference of few rows."""

import numpy as np
import pyarrow as pa
import pytest

from scalable.data.table import TableSource
from scalable.execution.threads import Threads
from scalable.linear import LogisticRegression
from scalable.models.predictors import load_model
from scalable.monitor import learn_profile, monitor, save_profile

FEATURES = ["x", "constant", "nothing", "rare", "heavy", "few", "skewed", "many"]


def table(seed, n, size=0, many=""):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=n)
    columns = {
        "x": x,
        "constant": np.full(n, 3.0),
        "nothing": pa.nulls(n, pa.float64()),
        "rare": rng.random(n) < 0.001,
        "heavy": rng.standard_cauchy(n),
        "few": rng.poisson(0.3, n),
        "skewed": rng.choice(["a", "b", "c"], n, p=[0.98, 0.0195, 0.0005]),
        "many": [f"{many}{k}" for k in rng.zipf(1.3, n) % 5000],
        "y": (rng.random(n) < 1 / (1 + np.exp(4 - x))).astype(np.int8),
    }
    if size:
        columns["day"] = pa.array(np.arange(n) // size, pa.int32()).cast(pa.date32())
    return TableSource(pa.table(columns), "y", features=FEATURES)


@pytest.fixture(scope="module", params=[60, 1000, 20_000])
def model(request, tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "m"
    LogisticRegression(n_workers=1).fit(table(0, 2000)).save(path)
    save_profile(path, learn_profile(load_model(path), table(1, request.param), Threads(1)))
    return path


@pytest.mark.parametrize(("size", "windows"), [(10, 1500), (100, 300), (1000, 60)])
def test_windows_without_drift_are_quiet(model, size, windows):
    report = monitor(model, table(2, size * windows, size), time="day", executor=Threads(1))
    assert len(report.rows) == windows
    assert report.alarms == []


def test_other_categories_are_seen(model):
    report = monitor(model, table(3, 20_000, many="k"), executor=Threads(1))
    assert {(found.column, found.statistic) for found in report.alarms} >= {("many", "psi"), ("many", "js")}
    assert {found.column for found in report.alarms} <= {"many", "prediction", "performance", "expected"}
