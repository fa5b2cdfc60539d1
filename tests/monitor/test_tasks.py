"""Quantities, several classes and models without a target are watched too; the generator's drift is dated."""

import numpy as np
import pyarrow as pa
import pytest

import data_gen
from scalable import ParquetSource
from scalable.boosting import LGBMClassifier
from scalable.data.table import TableSource
from scalable.decomposition import PCA
from scalable.execution.threads import Threads
from scalable.linear import LogisticRegression, Ridge
from scalable.models.predictors import load_model
from scalable.monitor import learn_profile, monitor, read_profile, save_profile


def watched(estimator, path, reference):
    estimator.save(path)
    save_profile(path, learn_profile(load_model(path), reference, Threads(1)))
    return path


def quantities(seed, *, noise=1.0, shift=0.0):
    rng = np.random.default_rng(seed)
    x, kind = rng.normal(size=6000) + shift, rng.choice(["a", "b"], 6000)
    price = 3 * x + (kind == "a") + noise * rng.normal(size=6000) * np.where(kind == "b", 1.0, 0.5) + 50
    return TableSource(pa.table({"x": x, "kind": kind, "price": price}), "price")


def test_quantities_are_watched(tmp_path):
    model = watched(Ridge(n_workers=1).fit(quantities(1)), tmp_path / "m", quantities(2))
    assert monitor(model, quantities(3), executor=Threads(1)).alarms == []
    found = {
        (f.column, f.statistic) for f in monitor(model, quantities(4, noise=3.0), executor=Threads(1)).alarms
    }
    assert found >= {("performance", "loss"), ("kind=b", "loss")}
    report = monitor(model, quantities(5), executor=Threads(1))
    loss = next(f for f in report.findings if (f.column, f.statistic) == ("performance", "loss"))
    y = quantities(5).table["price"].to_numpy()
    errors = (load_model(model).predict(quantities(5)) - y) ** 2
    assert loss.value == pytest.approx(
        errors.mean() / read_profile(model).layout.scale.deviation ** 2, rel=1e-5
    )


def test_a_few_rows_of_quantities_are_no_alarm(tmp_path):
    model = watched(Ridge(n_workers=1).fit(quantities(1)), tmp_path / "m", quantities(2))
    table = quantities(6).table
    day = pa.array(np.arange(len(table)) // 2, pa.int32()).cast(pa.date32())
    source = TableSource(table.append_column("day", day), "price")
    report = monitor(model, source, time="day", executor=Threads(1))
    assert len(report.rows) == 3000
    assert report.alarms == []
    worse = TableSource(quantities(7, noise=3.0).table.slice(0, 150), "price")
    assert ("performance", "loss") in {(f.column, f.statistic) for f in monitor(model, worse).alarms}


def classes(seed, *, swap=False):
    rng = np.random.default_rng(seed)
    x, z = rng.normal(size=(2, 6000))
    scores = np.stack([x, z, -x - z]) + rng.gumbel(size=(3, 6000))
    label = scores.argmax(axis=0)
    return TableSource(
        pa.table({"x": x, "z": z, "kind": np.array(["u", "v", "w"])[(label + swap) % 3]}), "kind"
    )


def test_several_classes_are_watched(tmp_path):
    model = watched(LogisticRegression(n_workers=1).fit(classes(1)), tmp_path / "m", classes(2))
    assert monitor(model, classes(3), executor=Threads(1)).alarms == []
    found = {
        (f.column, f.statistic) for f in monitor(model, classes(4, swap=True), executor=Threads(1)).alarms
    }
    assert ("performance", "loss") in found


def test_a_model_without_a_target_has_its_columns_watched(tmp_path):
    rows = [TableSource(pa.table({"x": np.random.default_rng(s).normal(s > 1, size=3000), "z": np.arange(3000.0)}))
            for s in (0, 1, 2)]  # fmt: skip
    model = watched(PCA(n_components=1, n_workers=1).fit(rows[0]), tmp_path / "m", rows[0])
    assert monitor(model, rows[1], executor=Threads(1)).alarms == []
    assert {f.column for f in monitor(model, rows[2], executor=Threads(1)).alarms} == {"x"}


@pytest.mark.slow
def test_the_generators_drift_is_dated_to_its_day(tmp_path):
    """A concept drift of payments: no alarm before its day, one on it, from slices of labelled rows."""
    day = 250_000
    knobs = {"rows_per_day": day}
    data_gen.generate("fraud", rows=3 * day, out=tmp_path / "before", seed=9, rows_per_file=day, **knobs)
    drift = {**knobs, "drift": "sudden", "drift_day": 2}
    data_gen.generate("fraud", rows=4 * day, out=tmp_path / "after", seed=10, rows_per_file=day, **drift)
    names = ParquetSource(tmp_path / "before", target="is_fraud").feature_names
    names = [name for name in names if name not in ("time", "card_id", "merchant_id", "account_age_days")]

    def source(files):
        return ParquetSource([str(file) for file in files], target="is_fraud", features=names)

    before = sorted((tmp_path / "before").glob("*.parquet"))
    model = tmp_path / "m"
    LGBMClassifier(n_estimators=60, n_workers=1).fit(source(before[:1])).save(model)
    save_profile(model, learn_profile(load_model(model), source(before[1:]), Threads(2)))
    report = monitor(model, source((tmp_path / "after").glob("*.parquet")), time="time", executor=Threads(2))
    assert {report.name(f.period) for f in report.alarms} == {"2020-01-03", "2020-01-04"}
    assert all("=" in f.column or f.column == "performance" for f in report.alarms)


def test_a_quantity_without_a_prediction_is_in_no_loss(tmp_path):
    model = watched(Ridge(n_workers=1).fit(quantities(1)), tmp_path / "m", quantities(2))
    table = quantities(3).table
    scores = load_model(model).predict(table)
    scores[:50] = np.nan
    some = TableSource(table.append_column("score", [scores]), "price", features=["x", "kind"])
    one = monitor(model, some, prediction="score", executor=Threads(1))
    sums = [one.profile.layout.part(one.periods[0], "sums")]
    rest = TableSource(table.slice(50), "price", features=["x", "kind"])
    other = monitor(model, rest, executor=Threads(1))
    sums.append(other.profile.layout.part(other.periods[0], "sums"))
    assert np.array_equal(*sums)
    assert one.profile.layout.part(one.periods[0], "prediction")[-1] == 50
