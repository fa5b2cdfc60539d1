"""Labels that came later: which row has which, and which keys cannot be compared."""

from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pytest

from scalable.data.block import RawBlock
from scalable.data.table import TableSource
from scalable.errors import DataError
from scalable.execution.threads import Threads
from scalable.linear import LogisticRegression
from scalable.models.predictors import load_model
from scalable.monitor import learn_profile, monitor, save_profile
from scalable.monitor.labels import read_labels
from tests.monitor.windows import FEATURES, rows

PREDICTOR = SimpleNamespace(encode_label=lambda array, name, where: array.to_numpy(zero_copy_only=False))


def found(labels, rows_keys):
    """Return the labels of rows by keys, of (keys, labels)."""
    keys, values = labels
    source = TableSource(pa.table({"key": keys, "y": values}), "y", features=["key"])
    text = pa.types.is_string(rows_keys.type)
    array = rows_keys.dictionary_encode() if text else rows_keys
    return read_labels(PREDICTOR, source, "key", "y").of(RawBlock({"key": array}, 0, len(array)))


KINDS = [
    pa.int64(), pa.uint64(), pa.int8(), pa.string(), pa.date32(), pa.timestamp("s"), pa.timestamp("us", "UTC"),
]  # fmt: skip


def of_kind(values, kind):
    number = pa.array(values, pa.int32() if kind == pa.date32() else pa.int64())
    return number.cast(kind)


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_the_last_label_that_is_known_counts(kind):
    labels = of_kind([5, 7, 5, 7, 9], kind), pa.array([0.0, 1.0, 1.0, None, None])  # 7's is not known anew
    keys = of_kind([7, 5, 1, None, 9, 5], kind)
    np.testing.assert_array_equal(found(labels, keys), [1, 1, np.nan, np.nan, np.nan, 1])


@pytest.mark.parametrize(
    ("one", "other", "told"),
    [
        (pa.timestamp("s"), pa.timestamp("ms"), r"timestamp\[ms\], but timestamp\[s\] among the labels"),
        (pa.timestamp("s"), pa.timestamp("s", "UTC"), "tz=UTC"),
        (pa.timestamp("s"), pa.int64(), r"whole numbers, but timestamp\[s\]"),
        (pa.date32(), pa.timestamp("s"), "but date32"),
        (pa.string(), pa.int64(), "whole numbers, but text"),
    ],
)
def test_keys_of_other_units_are_refused(one, other, told):
    with pytest.raises(DataError, match=told):
        found((of_kind([5], one), pa.array([1.0])), of_kind([5], other))


def test_what_is_no_key_or_no_label_is_said():
    with pytest.raises(DataError, match="a label has no 'key'"):
        found((pa.array([1, None]), pa.array([0.0, 1.0])), pa.array([1]))
    for keys in (pa.array([1]), pa.array(["a"])):
        with pytest.raises(DataError, match="there are no labels"):
            found((keys, pa.array([None], pa.float64())), keys)
    with pytest.raises(DataError, match="beyond 2"):
        found((pa.array([2**63], pa.uint64()), pa.array([1.0])), pa.array([1]))
    with pytest.raises(DataError, match="give whole numbers, times or text"):
        found((pa.array([0.5]), pa.array([1.0])), pa.array([0.5]))


def test_labels_of_no_row_are_said(tmp_path):
    table = rows(3000, 3)
    LogisticRegression(n_workers=1).fit(TableSource(table, "label", features=FEATURES)).save(tmp_path / "m")
    reference = TableSource(table, "label", features=FEATURES)
    save_profile(tmp_path / "m", learn_profile(load_model(tmp_path / "m"), reference, Threads(1)))
    later = TableSource(table.slice(0, 100), "label", features=["key"])
    for rest, unlabelled in ((table.slice(50), False), (table.slice(100), True)):
        source = TableSource(rest, features=FEATURES)
        report = monitor(tmp_path / "m", source, labels=later, key="key", executor=Threads(1))
        assert report.unlabelled is unlabelled
        assert ("no row has a label among those that were given" in report.notes()) is unlabelled
