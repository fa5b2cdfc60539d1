"""Targets of every sort: learned from, or refused in one line that names the place."""

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from scalable import ParquetSource
from scalable.boosting import LGBMClassifier
from scalable.data.table import as_source
from scalable.errors import DataError
from scalable.execution.threads import Threads
from scalable.inference import load_model
from scalable.linear import LinearRegression, LogisticRegression
from scalable.models.linear import LinearModel
from scalable.scoring.evaluate import evaluate_model

X = pd.DataFrame({"x": np.linspace(-1, 1, 200), "z": np.arange(200.0) % 7})
HALF = (X["x"] > 0).to_numpy()


@pytest.mark.parametrize(
    "y",
    [
        pd.DataFrame({"a": HALF, "b": HALF}),
        pl.DataFrame({"a": HALF, "b": HALF}),
        pa.table({"a": HALF, "b": HALF}),
        np.column_stack([HALF, HALF]),
    ],
)
def test_two_columns_are_no_target(y):
    with pytest.raises(DataError, match=r"y has shape \(200, 2\), expected one value a row"):
        as_source(X, y)


def test_one_column_is():
    for y in (
        pl.DataFrame({"a": HALF}),
        pl.Series(HALF),
        pd.Series(HALF),
        pa.table({"a": HALF}),
        HALF[:, None],
    ):
        source = as_source(X, y)
        assert next(source.raw_blocks(source.shards[0])).arrays[source.target].to_pylist() == HALF.tolist()


def test_a_lazy_frame_is_collected_first():
    with pytest.raises(DataError, match=r"y is a polars LazyFrame; collect\(\) it"):
        as_source(X, pl.LazyFrame({"a": HALF}))
    for weight in (None, pl.LazyFrame({"a": HALF})):
        with pytest.raises(DataError, match=r"is a polars LazyFrame; collect\(\) it"):
            LinearRegression().fit(X, HALF if weight is not None else pl.LazyFrame({"a": HALF}), weight)


@pytest.mark.parametrize("learner", [LogisticRegression, LGBMClassifier])
def test_labels_beyond_63_bits(learner):
    y = np.where(HALF, np.uint64(2**63 + 5), np.uint64(2**64 - 1))
    model = learner().fit(X, y)
    assert model.classes_.tolist() == [2**63 + 5, 2**64 - 1]
    assert (model.predict(X) == y).mean() > 0.95


@pytest.mark.parametrize("target", [pa.array([[1], [2]] * 100), pa.array([b"a", b"b"] * 100)])
def test_targets_that_are_no_values_are_refused_when_planned(tmp_path, target):
    pq.write_table(pa.table({"x": X["x"], "y": target}), tmp_path / "a.parquet")
    with pytest.raises(DataError, match=r"a.parquet: target column 'y' is (list|binary).*; give numbers"):
        ParquetSource(tmp_path / "a.parquet", target="y")
    with pytest.raises(DataError, match=r"the table: y is (list|binary)"):
        as_source(X, target)


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"y": [0, 1, None, 1]}, "b.parquet, row 2: target column 'y' is null; remove those rows"),
        (
            {"y": [0.0, 1.0, float("nan"), 1.0]},
            "b.parquet, row 2: target column 'y' is nan; remove those rows",
        ),
        ({"w": [1.0, 1.0, -2.5, 1.0]}, "b.parquet, row 2: weight column 'w' is -2.5; weights are finite"),
        ({"w": [1.0, 1.0, None, 1.0]}, "b.parquet, row 2: weight column 'w' is null; weights are finite"),
    ],
)
@pytest.mark.parametrize("learner", [LogisticRegression, LGBMClassifier])
def test_messages_name_file_row_column_and_value(tmp_path, columns, message, learner):
    good = {"x": [1.0, 2.0, 3.0, 4.0], "y": [0, 1, 0, 1], "w": [1.0, 1.0, 1.0, 1.0]}
    good["y"] = [float(v) for v in good["y"]] if isinstance(columns.get("y", [0])[0], float) else good["y"]
    pq.write_table(pa.table(good), tmp_path / "a.parquet")
    pq.write_table(pa.table({**good, **columns}), tmp_path / "b.parquet")
    with pytest.raises(DataError, match=message):
        learner().fit(ParquetSource(tmp_path, target="y", weight="w"))


def test_rows_are_counted_in_the_file_also_behind_a_filter(tmp_path):
    y = [0, 1] * 50
    y[60] = None
    pq.write_table(pa.table({"x": np.arange(100.0), "y": y}), tmp_path / "a.parquet")
    source = ParquetSource(tmp_path / "a.parquet", target="y", filters=[("x", ">", 30)])
    with pytest.raises(DataError, match=r"a\.parquet, row 60: target column 'y' is null"):
        LogisticRegression().fit(source)


def test_what_is_given_beside_a_table_has_no_column_name():
    for fit in (
        lambda: LinearRegression().fit(X, np.where(X["z"] == 3, np.nan, 1.0), np.ones(200)),
        lambda: LogisticRegression().fit(X.astype({"x": object}), HALF * 0),
        lambda: LGBMClassifier().fit(X, HALF, np.full(200, -1.0)),
        lambda: LogisticRegression().fit(X, np.where(HALF, "a", None)),
    ):
        with pytest.raises(ValueError) as caught:  # noqa: PT011  every one of ours is
            fit()
        assert "__" not in str(caught.value)


def test_unknown_labels_are_shown_as_they_are(tmp_path):
    pq.write_table(pa.table({"x": [1.0, 2.0] * 9, "y": [0, 1] * 9}), tmp_path / "a.parquet")
    model = LogisticRegression().fit(ParquetSource(tmp_path / "a.parquet", target="y"))
    labels = model.model_.encoder.labels
    with pytest.raises(DataError, match=r"row 1: target column 'y' holds 2\.5; the model knows 0, 1"):
        labels.encode(pa.array([0.0, 2.5]))


def test_frames_that_lack_a_column_say_so():
    frame = pd.DataFrame({"amount": np.arange(50.0), "city": ["a", "b"] * 25})
    for model in (LGBMClassifier(2), LogisticRegression()):
        model.fit(frame, frame["city"])
        with pytest.raises((DataError, ValueError), match="city"):
            model.predict(frame[["amount"]])


def test_evaluation_names_them_too(tmp_path):
    good = {"x": [1.0, 2.0, 3.0, 4.0], "y": [0, 1, 0, 1], "w": [1.0, 1.0, 1.0, 1.0]}
    pq.write_table(pa.table(good), tmp_path / "a.parquet")
    LogisticRegression().fit(ParquetSource(tmp_path / "a.parquet", target="y", features=["x"])).save(
        tmp_path / "m"
    )
    for column, value, found in (
        ("w", -2.5, "weight column 'w' is -2.5"),
        ("y", None, "target column 'y' is null"),
    ):
        bad = {**good, column: [*good[column][:3], value]}
        pq.write_table(pa.table(bad), tmp_path / "b.parquet")
        source = ParquetSource(tmp_path / "b.parquet", target="y", weight="w")
        with pytest.raises(DataError, match=rf"b\.parquet, row 3: {found}"):
            evaluate_model(load_model(tmp_path / "m"), source, Threads(1))


def test_a_prediction_that_is_none_is_named_by_its_row(tmp_path, monkeypatch):
    pq.write_table(pa.table({"x": np.arange(9.0), "y": np.arange(9) % 2}), tmp_path / "rows.parquet")
    source = ParquetSource(tmp_path / "rows.parquet", target="y", filters=[("x", ">", 2.5)])
    LogisticRegression(max_iter=100).fit(source).save(tmp_path / "m")
    monkeypatch.setattr(
        LinearModel, "rank_block", lambda self, raw: np.where(np.arange(raw.n_rows) == 2, np.nan, 0.5)
    )
    with pytest.raises(
        DataError, match=r"rows.parquet, row 5: the row has label 1.0, prediction nan; expected"
    ):
        evaluate_model(load_model(tmp_path / "m"), source, Threads(1))
