"""How many rows a pass decodes: each once, whatever the row groups are; counted, not timed."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from scalable import ParquetSource
from scalable.data import readers
from scalable.data.block import BLOCK_ROWS
from scalable.data.readers import pages
from scalable.data.readers.coded import CodedReader
from scalable.execution.reader import BlockReader
from scalable.execution.replicas import partition_rounds
from scalable.kernels.linear import sgd
from scalable.linear import LogisticRegression
from scalable.linear.solvers import rounds

N = 600_000
COLUMNS = 3


@pytest.fixture
def opened(monkeypatch):
    """Return the readers of ours that were opened; pieces of a row group must not be left to others."""
    found = []
    make = CodedReader.__init__

    def remember(self, *args):
        make(self, *args)
        found.append(self)

    def refuse(footer, schema, names, *rows):
        raise AssertionError(f"{rows} were left to pyarrow")

    monkeypatch.setattr(CodedReader, "__init__", remember)
    monkeypatch.setattr(readers, "open_with_arrow", refuse)
    monkeypatch.setattr(pages.CODED, "patience", 0)
    return found


def written(path, group, compression, **options):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(COLUMNS, N)).round(3).astype(np.float32)
    columns = {f"x{j}": x[j] for j in range(COLUMNS)}
    columns["y"] = (x[0] + rng.normal(size=N) > 0).astype(np.int32)
    pq.write_table(pa.table(columns), path, row_group_size=group, compression=compression, **options)
    return ParquetSource(path, target="y")


@pytest.mark.parametrize("compression", ["snappy", "zstd"])  # as pandas and polars write
@pytest.mark.parametrize("group", [2**18, 2**30], ids=["several pieces a group", "one group"])
def test_no_row_is_decoded_twice_in_a_pass_of_replicas(tmp_path, opened, compression, group):
    source = written(tmp_path / "a.parquet", group, compression)
    assert not source.sequential
    reader = BlockReader(source)
    ((*subsets,),) = partition_rounds(source.shards, 8, 2**21, 2**23)
    rows = sum(block.n_rows for subset in subsets for shard in subset for block in reader.blocks(shard))
    assert rows == N
    assert len(source.shards) > 8
    assert sum(each.opened for each in opened) == N * (COLUMNS + 1)


def test_blocks_that_end_within_pages_open_none_twice(tmp_path, opened):
    source = written(tmp_path / "a.parquet", 2**30, "lz4")
    for block in BlockReader(source, block_rows=9_999).blocks(source.shards[0]):
        assert block.n_rows
    assert sum(each.opened for each in opened) == source.shards[0].n_rows * (COLUMNS + 1)


def test_a_fit_opens_little_more_than_a_pass(tmp_path, opened):
    source = written(tmp_path / "a.parquet", 2**20, "snappy")
    LogisticRegression(solver="sgd").fit(source)
    # The heads that tell of columns, and the held rows: a page more for each head.
    assert sum(each.opened for each in opened) <= 2.5 * N * (COLUMNS + 1)


def test_batches_end_where_decoded_blocks_do():
    """Rows that are learned from in their file give the bits of decoded ones only while these agree."""
    assert sgd.BLOCK_ROWS == BLOCK_ROWS
    assert rounds.STORED_ROWS % sgd.BLOCK_ROWS == 0
