"""A label that no model knows is told with its file, column and row, whoever reads it."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from scalable import ParquetSource
from scalable.boosting import LGBMClassifier
from scalable.errors import DataError
from scalable.execution.threads import Threads
from scalable.latency import tradeoffs
from scalable.models.predictors import load_model
from scalable.monitor.labels import Labelled, read_labels
from scalable.scoring.evaluate import evaluate_model
from scalable.scoring.segments import SegmentReduction


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    where, rng = tmp_path_factory.mktemp("labels"), np.random.default_rng(0)
    x, y = rng.normal(size=600), rng.integers(0, 2, 600)
    columns = {"x": x, "s": np.arange(600) % 3, "key": np.arange(600)}
    pq.write_table(pa.table({**columns, "label": y}), where / "good.parquet")
    pq.write_table(
        pa.table({**columns, "label": np.where(np.arange(600) == 405, 7, y)}), where / "bad.parquet"
    )
    train = ParquetSource(where / "good.parquet", target="label", features=["x"])
    LGBMClassifier(n_estimators=3, num_leaves=4).fit(train).save(where / "model")
    return where


def asked(place, reader):
    predictor = load_model(place / "model")
    source = ParquetSource(place / "bad.parquet", target="label", features=["x"])
    if reader == "evaluate":
        return evaluate_model(predictor, source, Threads(1))
    if reader == "segments":
        reduction = SegmentReduction(predictor, source.roles, {"s": ["0", "1"]})
        (block,) = source.raw_blocks(source.shards[0], ["x", "s", "label"])
        return reduction.step(reduction.init(), block)
    if reader == "labels":
        (block,) = source.raw_blocks(source.shards[0], ["label"])
        return Labelled(predictor, "label").of(block)
    if reader == "later labels":
        return read_labels(predictor, ParquetSource(place / "bad.parquet"), "key", "label")
    return tradeoffs.compare(place / "model", str(place / "bad.parquet"), "label", None, None)


@pytest.mark.parametrize("reader", ["evaluate", "segments", "labels", "later labels", "tradeoffs"])
def test_whoever_reads_a_label_says_where_it_is(place, reader):
    with pytest.raises(DataError, match=r"bad\.parquet.* row 405.*'label'.*7") as told:
        asked(place, reader)
    assert "bound method" not in str(told.value)
