"""Metrics run over shards of Parquet: the same bits whoever does the work, whatever the blocks."""

from __future__ import annotations

import json
import pickle
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from scalable import ParquetSource
from scalable.evaluate import BinaryMetrics, MulticlassMetrics, RegressionMetrics, evaluate_predictions
from scalable.execution.reader import BlockReader
from scalable.execution.reduction import run_reduction
from scalable.execution.threads import Threads

ROWS = 30_000


@dataclass(frozen=True)
class Columns:
    """Feeds two columns of raw blocks to metrics."""

    measures: Any

    def init(self):
        return self.measures.init()

    def step(self, state, block):
        y, p = (block.arrays[name].to_numpy(zero_copy_only=False) for name in ("y", "p"))
        p = np.column_stack([1 - p, p]) if isinstance(self.measures, MulticlassMetrics) else p
        return self.measures.step(state, y, p)

    def merge(self, left, right):
        return self.measures.merge(left, right)

    def finish(self, state):
        return self.measures.finish(state)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    random = np.random.default_rng(0)
    p = 1 / (1 + np.exp(-random.normal(-3, 2, ROWS)))
    y = (random.random(ROWS) < p).astype(float)
    path = tmp_path_factory.mktemp("data") / "scores.parquet"
    pq.write_table(pa.table({"y": y, "p": p}), path, row_group_size=2_500)
    return ParquetSource(path, target="y"), y, p


KINDS = {"binary": BinaryMetrics(), "multiclass": MulticlassMetrics(2), "regression": RegressionMetrics()}


@pytest.mark.parametrize("kind", KINDS)
def test_any_number_of_threads_gives_the_same_bits(data, kind):
    source, y, p = data
    assert len(source.shards) > 1
    reports = []
    for n in (1, 2, 3):
        reader = BlockReader(source, columns=("y", "p"))
        report = run_reduction(Threads(n), Columns(KINDS[kind]), reader)
        reports.append(json.dumps(report.to_json()))
    assert reports[0] == reports[1] == reports[2]
    whole = evaluate_predictions(y, np.column_stack([1 - p, p]) if kind == "multiclass" else p, kind=kind)
    found = json.loads(reports[0])
    assert found["rows"] == ROWS
    for name in ("auc", "auc_macro", "log_loss", "brier", "mse", "r2"):
        if name in whole:
            assert found[name] == pytest.approx(whole[name], rel=1e-12), name


@pytest.mark.parametrize("kind", KINDS)
def test_states_travel_between_processes(data, kind):
    _, y, p = data
    p = np.column_stack([1 - p, p]) if kind == "multiclass" else p
    reduction = KINDS[kind]
    left = reduction.step(reduction.init(), y[:1000], p[:1000])
    right = reduction.step(reduction.init(), y[1000:], p[1000:])
    sent = [pickle.loads(pickle.dumps(state)) for state in (left, right)]
    assert reduction.finish(reduction.merge(*sent)) == reduction.finish(reduction.merge(left, right))
