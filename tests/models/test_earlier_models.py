"""Models that release 0.1.0 saved still load, predict the same bits, and fit again."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from scalable import boosting, linear
from scalable.data.table import TableSource
from scalable.inference import load_model

SAVED = sorted(Path(__file__).with_name("saved").glob("*.json"))


def unpacked(file, place):
    document = json.loads(file.read_text())
    place.mkdir()
    for name, content in document["files"].items():
        data = content.encode() if isinstance(content, str) else base64.b64decode(content["base64"])
        (place / name).write_bytes(data)
    rows = document["rows"]
    given = np.array(rows) if isinstance(rows, list) else pd.DataFrame(rows)
    learner = getattr(linear, document["class"], None) or getattr(boosting, document["class"])
    return learner, given, np.array(document["predicted"])


@pytest.mark.parametrize("file", SAVED, ids=lambda file: file.stem)
def test_estimators_load(file, tmp_path, recwarn):
    learner, given, predicted = unpacked(file, tmp_path / "m")
    model = learner.load(tmp_path / "m")
    predict = model.predict_proba if predicted.ndim > 1 else model.predict
    np.testing.assert_array_equal(predict(given), predicted)
    kept = model.get_params()
    if file.stem == "logistic":
        assert (kept["n_replicas"], kept["C"], kept["n_bins"]) == (2, 0.5, 64)
    if file.stem == "forest":
        assert (kept["n_estimators"], kept["num_leaves"], kept["lambda_l2"]) == (3, 4, 1.5)
    model.save(tmp_path / "again")
    np.testing.assert_array_equal(
        getattr(learner.load(tmp_path / "again"), predict.__name__)(given), predicted
    )


@pytest.mark.parametrize("file", SAVED, ids=lambda file: file.stem)
def test_predictors_load(file, tmp_path):
    _, given, predicted = unpacked(file, tmp_path / "m")
    predictor = load_model(tmp_path / "m")
    table = pa.table(dict(zip(predictor.needed, np.asarray(given, object).T.tolist(), strict=True)))
    source = TableSource(table)
    found = np.concatenate(
        [predictor.predict_block(block) for shard in source.shards for block in source.raw_blocks(shard)]
    )
    np.testing.assert_array_equal(found, predicted[:, 1] if predicted.ndim > 1 else predicted)
