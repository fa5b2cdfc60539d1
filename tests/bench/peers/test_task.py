"""What contenders are given: the same rows however they read them, none of those held out."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from bench.peers.task import Task, arrays, batches, labels, matrix, read, row_groups
from scalable.data.parquet import ParquetSource


def _rows(source: ParquetSource, names: list[str]) -> np.ndarray:
    blocks = [raw for shard in source.shards for raw in source.raw_blocks(shard, names)]
    return np.concatenate(
        [np.column_stack([raw.arrays[name].to_numpy() for name in names]) for raw in blocks]
    )


def test_every_way_of_reading_gives_the_training_rows(task: Task) -> None:
    train, held_out = ParquetSource(task.data, target="signal").split()
    expected = _rows(train, [*task.features, "signal"])
    x, y = arrays(task)
    np.testing.assert_array_equal(np.column_stack([x, y]).astype(np.float32), expected.astype(np.float32))
    streamed = list(batches(task.parts(), 700))
    assert max(batch.num_rows for batch in streamed) <= 700
    np.testing.assert_array_equal(np.concatenate([matrix(batch, task.features) for batch in streamed]), x)
    np.testing.assert_array_equal(np.concatenate([labels(batch, "signal") for batch in streamed]), y)
    together = pa.concat_tables([read(part) for part in task.parts()])
    np.testing.assert_array_equal(matrix(together, task.features), x)
    held = task.held_out()
    np.testing.assert_array_equal(
        matrix(held, task.features), _rows(held_out, task.features).astype(np.float32)
    )
    assert len(x) + len(held) == 20_000


def test_held_out_rows_are_capped_at_whole_shards(task: Task) -> None:
    small = Task(**{**task.to_json(), "held_out_rows": 1})
    assert 1 <= len(small.held_out()) < 20_000 / 4


def test_shards_that_cut_row_groups_are_refused(tmp_path: Path) -> None:
    table = pa.table({"x": np.arange(50_000.0), "y": np.arange(50_000) % 2})
    pq.write_table(table, tmp_path / "one.parquet", row_group_size=50_000)
    with pytest.raises(ValueError, match="write smaller row groups"):
        row_groups(ParquetSource(tmp_path / "one.parquet", target="y"))


def test_a_task_survives_its_file(task: Task, tmp_path: Path) -> None:
    (tmp_path / "task.json").write_text(json.dumps(task.to_json()))
    assert Task.read(tmp_path / "task.json") == task


def test_warming_up_is_the_same_job_in_small(task: Task, tmp_path: Path) -> None:
    small = task.warm_up(tmp_path / "tiny")
    assert (small.data, small.trees, small.scratch) == (task.tiny, 2, str(tmp_path / "tiny"))
    assert (small.target, small.threads, small.leaves) == (task.target, task.threads, task.leaves)
