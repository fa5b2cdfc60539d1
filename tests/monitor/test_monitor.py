"""Drift is dated and named; rows that did not drift are quiet; whoever counts, the bits are the same."""

import shutil

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from scalable import ParquetSource
from scalable.bayes import CategoricalNB, GaussianNB
from scalable.data.table import TableSource
from scalable.errors import DataError, ModelError, UsageError
from scalable.execution.executors import get_executor
from scalable.execution.threads import Threads
from scalable.linear import LogisticRegression
from scalable.models.predictors import load_model
from scalable.models.store import PROFILE as FILE
from scalable.monitor import learn_profile, monitor, read_profile, save_profile
from scalable.monitor.counts import CountReduction
from scalable.monitor.findings import find
from scalable.monitor.labels import Labelled
from scalable.monitor.profile import KIND
from scalable.monitor.scores import Scorer
from scalable.monitor.thresholds import Thresholds
from scalable.scoring.evaluate import evaluate_model
from scalable.storage.arrays import read_arrays, write_arrays
from tests.monitor.windows import FEATURES, rows

N = 40_000


def table_source(table, target="label"):
    return TableSource(table, target, features=FEATURES)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A logistic model with the profile of held-out rows."""
    path = tmp_path_factory.mktemp("model") / "m"
    LogisticRegression(n_workers=1).fit(table_source(rows(N, 1))).save(path)
    profile = learn_profile(load_model(path), table_source(rows(N, 2)), Threads(1))
    save_profile(path, profile)
    return path


def test_one_pass_over_held_out_rows_counts_and_measures(model):
    predictor, held = load_model(model), table_source(rows(N, 2))
    given = (predictor, table_source(rows(N, 1)), Threads(1))
    apart, whole = (learn_profile(*given, held_out=held, measured=measured) for measured in (False, True))
    np.testing.assert_array_equal(whole.counts, apart.counts)
    assert whole.quality.to_json() == evaluate_model(predictor, held, Threads(1)).to_json()
    assert apart.quality is None
    assert learn_profile(*given, held_out=held, max_rows=N // 2, measured=True).quality is None


def said(report):
    return {(f.column, f.statistic) for f in report.alarms}


def test_rows_like_the_reference_are_quiet(model):
    report = monitor(model, table_source(rows(N, 3, days=5)), time="time", executor=Threads(1))
    assert list(report.rows.values()) == [pytest.approx(N / 5, rel=0.1)] * 5
    assert report.alarms == []
    names = {f.column for f in report.findings}
    assert names >= {*FEATURES, "prediction", "expected", "performance", "city=Lima"}
    assert report.name(min(report.rows)) == "1970-01-01"


def test_the_time_of_the_periods_is_no_alarm_of_its_own(tmp_path):
    given = TableSource(rows(N, 1), "label", features=["x", "time"])
    LogisticRegression(n_workers=1).fit(given).save(tmp_path / "m")
    save_profile(tmp_path / "m", learn_profile(load_model(tmp_path / "m"), given, Threads(1)))
    later = table_source(rows(N, 3, day=400, days=3))
    report = monitor(tmp_path / "m", later, time="time", executor=Threads(1))
    assert "time" not in {f.column for f in report.alarms}
    assert "time" in {f.column for f in report.findings}
    assert "train with --exclude time" in report.notes()[0]
    assert ("time", "ks") in said(monitor(tmp_path / "m", later, executor=Threads(1)))


@pytest.mark.filterwarnings(
    "ignore:var_smoothing:scalable.errors.DataWarning"
)  # beside times, no number tells
@pytest.mark.parametrize("learner", [LogisticRegression, GaussianNB, CategoricalNB])
def test_times_of_another_unit_are_no_drift(tmp_path, learner):
    """The same seconds in microseconds and in nanoseconds: once in training, once in what is watched."""
    table = rows(4000, 1).select(["x", "label"])
    times = pa.array(np.arange(4000) * 10**6, pa.timestamp("us"))
    us, ns, date = (table.append_column("t", times.cast(pa.timestamp(unit))) for unit in ("us", "ns", "s"))
    path = tmp_path / "m"
    learner(n_workers=1).fit(TableSource(us, "label")).save(path)
    save_profile(path, learn_profile(load_model(path), TableSource(us, "label"), Threads(1), seen=True))
    for table in (us, ns, date):
        for reference in (None, TableSource(ns)):
            report = monitor(path, TableSource(table, "label"), reference=reference, executor=Threads(1))
            assert not said(report)


@pytest.mark.parametrize(
    ("change", "column", "statistic"),
    [
        ({"shift": 1.0}, "x", "psi"),
        ({"shift": 1.0}, "x", "wasserstein"),
        ({"shift": 1.0}, "prediction", "ks"),
        ({"missing": 0.3}, "gap", "missing"),
        ({"cities": ("Bern", "Lima", "Oslo", "Rome")}, "city", "new categories"),
        ({"shift": 6.0}, "x", "out of range"),
        ({"slope": -1.0}, "performance", "auc"),
        ({"slope": 0.3}, "performance", "loss"),
    ],
)
def test_a_drift_is_dated_and_named(model, change, column, statistic):
    days = [rows(4000, 10 + day, day=day, **(change if day >= 3 else {})) for day in range(5)]
    report = monitor(model, table_source(pa.concat_tables(days)), time="time", executor=Threads(1))
    found = [f.period for f in report.alarms if (f.column, f.statistic) == (column, statistic)]
    assert found == [3, 4]
    assert {f.period for f in report.alarms} == {3, 4}


def test_a_slice_that_got_worse_is_named(model):
    table = rows(N, 20)
    label = table["label"].to_numpy(zero_copy_only=False).copy()
    lima = pc.equal(table["city"], "Oslo").to_numpy()
    label[lima] = np.random.default_rng(0).choice(["yes", "no"], lima.sum())
    report = monitor(model, table_source(table.set_column(8, "label", [label])), executor=Threads(1))
    assert ("city=Oslo", "loss") in said(report)
    assert ("city=Bern", "loss") not in said(report)


@pytest.mark.parametrize(("size", "n_rows"), [(500, 150_000), (20, 20_000), (5, 5000), (2, 2000)])
def test_windows_without_drift_raise_no_alarm(model, size, n_rows):
    profile, predictor = read_profile(model), load_model(model)
    reduction = CountReduction(profile.layout, Scorer(predictor), labels=Labelled(predictor, "label"))
    periods = {}
    for seed in range(-(-n_rows // 50_000)):
        source = table_source(rows(min(n_rows, 50_000), 100 + seed))
        for shard in source.shards:
            for raw in source.raw_blocks(shard, reduction.needed, size):
                periods[len(periods)] = reduction.step({}, raw)[0]
    assert len(periods) >= 300
    assert [f for f in find(profile, periods, Thresholds()) if f.alarm] == []


def test_order_threads_and_dask_change_no_bit(model, tmp_path, dask_client):
    table = rows(20_000, 30, days=3, spread=1)
    for k, part in enumerate((table.slice(0, 7000), table.slice(7000))):
        pq.write_table(part, tmp_path / f"{k}.parquet", row_group_size=3000)
    source = ParquetSource(tmp_path, target="label", features=FEATURES)
    plain = monitor(model, source, time="time", executor=Threads(1))
    shuffled = table.take(np.random.default_rng(0).permutation(len(table)))
    others = [monitor(model, source, time="time", executor=Threads(2))]
    others.append(monitor(model, table_source(shuffled), time="time", executor=Threads(1)))
    with get_executor(dask_client, None) as executor:
        others.append(monitor(model, source, time="time", executor=executor))
    for other in others:
        assert other.periods.keys() == plain.periods.keys()
        assert all(np.array_equal(other.periods[k], plain.periods[k]) for k in plain.periods)


def test_labels_that_came_later_are_found_by_their_key(model, tmp_path):
    table = rows(9000, 40)
    pq.write_table(table.drop(["label"]), tmp_path / "data.parquet")
    pq.write_table(table.select(["key", "label"]).take(np.arange(8999, 2999, -1)), tmp_path / "later.parquet")
    data = ParquetSource(tmp_path / "data.parquet", features=FEATURES)
    later = ParquetSource(tmp_path / "later.parquet", target="label", features=["key"])
    report = monitor(model, data, labels=later, key="key", executor=Threads(1))
    direct = monitor(model, table_source(table.slice(3000)), executor=Threads(1))
    for kind in ("sums", "positive", "slices"):
        name = "city" if kind == "slices" else ""
        one, other = (r.profile.layout.part(r.periods[0], kind, name) for r in (report, direct))
        assert np.array_equal(one, other)


def test_a_column_of_predictions_does_instead_of_the_model(model):
    table = rows(5000, 50)
    scores = load_model(model).predict(table)
    with_scores = TableSource(table.append_column("score", [scores]), "label", features=FEATURES)
    one = monitor(model, with_scores, prediction="score", executor=Threads(1))
    other = monitor(model, table_source(table), executor=Threads(1))
    assert np.array_equal(one.periods[0], other.periods[0])
    wrong = TableSource(table.append_column("score", [scores * 3]), "label", features=FEATURES)
    with pytest.raises(DataError, match="not a probability"):
        monitor(model, wrong, prediction="score", executor=Threads(1))


def test_a_reference_may_be_given_instead(model, tmp_path):
    bare = tmp_path / "bare"
    LogisticRegression(n_workers=1).fit(table_source(rows(3000, 1))).save(bare)
    with pytest.raises(ModelError, match="no reference profile"):
        monitor(bare, table_source(rows(1000, 2)))
    report = monitor(
        bare, table_source(rows(3000, 4, shift=2)), reference=table_source(rows(3000, 3)), executor=Threads(1)
    )
    assert ("x", "psi") in said(report)


def test_a_profile_of_another_model_or_a_damaged_one_is_refused(model, tmp_path):
    other = tmp_path / "other"
    LogisticRegression(n_workers=1).fit(table_source(rows(2000, 9))).save(other)
    whole = (model / "profile.arrays").read_bytes()
    (other / "profile.arrays").write_bytes(whole)
    with pytest.raises(ModelError, match="of another model"):
        read_profile(other)
    for cut in (10, len(whole) // 2, len(whole) - 1):
        (other / "profile.arrays").write_bytes(whole[:cut])
        with pytest.raises(ModelError, match="damaged"):
            read_profile(other)


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"scale": {"mean": 0.0, "deviation": 0.0}}, "target"),
        ({"scale": {"mean": float("nan"), "deviation": 1.0}}, "target"),
        ({"task": "transform"}, "task"),
        ({"prediction": None}, "task"),
        ({"task": "regression"}, "a model whose task is 'regression'"),
        ({"classes": ["a", "b", "c"]}, "a model whose task is 'binary', with classes"),
    ],
)
def test_a_profile_of_another_task_is_refused(model, tmp_path, changed, told):
    shutil.copytree(model, tmp_path / "m")
    stored = read_arrays(tmp_path / "m" / FILE, KIND)
    counts = stored.arrays["counts"]
    if "classes" in changed:
        counts = np.concatenate([counts, np.zeros(3, np.int64)])
    write_arrays(tmp_path / "m" / FILE, KIND, {"counts": counts}, {**stored.meta, **changed})
    with pytest.raises(ModelError, match=f"damaged .*{told}"):
        monitor(tmp_path / "m", table_source(rows(1000, 3)), executor=Threads(1))


def test_what_is_off_is_said(model):
    table = rows(1000, 60)
    with pytest.raises(DataError, match="there is no monitored column 'city'"):
        monitor(model, TableSource(table.drop(["city"]), "label", features=["x", "z"]))
    with pytest.raises(UsageError, match="give a column of timestamps"):
        monitor(model, table_source(table), time="key")
    with pytest.raises(UsageError, match="go together"):
        monitor(model, table_source(table), labels=table_source(table))
    wrong = table.set_column(0, "x", [table["city"]])
    with pytest.raises(DataError, match="'x' is text here, but numbers in the reference"):
        monitor(model, table_source(wrong), executor=Threads(1))
    later = TableSource(
        table.set_column(7, "key", [table["key"].cast(pa.string())]), "label", features=["key"]
    )
    with pytest.raises(DataError, match="key 'key' is whole numbers, but text among the labels"):
        monitor(model, table_source(table, None), labels=later, key="key", executor=Threads(1))
    times = table.set_column(6, "time", [pa.array([None] * 1000, pa.timestamp("ms"))])
    with pytest.raises(DataError, match="no time"):
        monitor(model, table_source(times), time="time", executor=Threads(1))
    with pytest.raises(UsageError, match="give a longer --every"):
        monitor(model, table_source(rows(20_000, 61, days=3)), time="time", every=10**9, executor=Threads(1))
