import pickle
import threading
import time
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from scalable import ParquetSource
from scalable.data.table import TableSource
from scalable.execution.reader import BlockReader, ahead


def decoders():
    return [thread for thread in threading.enumerate() if thread.name.startswith("decode")]


@pytest.mark.parametrize("depth", [1, 2, 5])
@pytest.mark.parametrize("n", [0, 1, 2, 7])
def test_ahead_yields_everything_in_order(depth, n):
    assert list(ahead(iter(range(n)), depth)) == list(range(n))
    assert not decoders()


@pytest.mark.parametrize("depth", [1, 3])
def test_ahead_keeps_at_most_depth_and_one_in_hand(depth):
    made = []

    def items():
        for i in range(100):
            made.append(i)
            yield i

    stream = ahead(items(), depth)
    for consumed in range(10):
        assert next(stream) == consumed
        time.sleep(0.01)
        assert len(made) <= consumed + 1 + depth
    stream.close()


@pytest.mark.parametrize("depth", [1, 3])
def test_ahead_raises_the_producers_exception_after_the_items_before_it(depth):
    def items():
        yield 1
        yield 2
        raise LookupError("third")

    stream = ahead(items(), depth)
    assert [next(stream), next(stream)] == [1, 2]
    with pytest.raises(LookupError, match="third"):
        next(stream)
    assert not decoders()


@pytest.mark.parametrize("depth", [1, 3])
def test_closing_early_ends_the_thread_and_the_producer(depth):
    ended = []

    def items():
        try:
            yield from range(1000)
        finally:
            ended.append(True)

    stream = ahead(items(), depth)
    next(stream)
    stream.close()
    assert not decoders()
    assert ended == [True]


def test_an_exception_in_the_consumer_ends_the_thread():
    def consume():
        for item in ahead(iter(range(1000)), 2):
            if item == 3:
                raise ValueError("consumer")

    with pytest.raises(ValueError, match="consumer"):
        consume()
    assert not decoders()


def test_an_unstarted_stream_starts_nothing():
    ahead(iter(range(3)), 2)
    assert not decoders()


@dataclass(frozen=True)
class Doubler:
    needed = ("x",)

    def encode(self, raw):
        return raw.first_row, 2 * raw.arrays["x"].to_numpy(), sorted(raw.arrays)


@pytest.fixture
def source(tmp_path):
    rng = np.random.default_rng(0)
    data = {name: rng.random(10_000) for name in ("x", "y", "z", "w")}
    pq.write_table(pa.table(data), tmp_path / "a.parquet", row_group_size=1_111)
    return ParquetSource(tmp_path / "a.parquet", target="y", weight="w")


def test_only_the_columns_an_encoder_needs_are_decoded(source):
    (block,) = BlockReader(source, Doubler()).blocks(source.shards[0])
    first_row, values, names = block
    assert first_row == 0
    assert names == ["w", "x", "y"]
    expected = pq.read_table(source.paths[0])["x"].to_numpy()[: len(values)]
    np.testing.assert_array_equal(values, 2 * expected)


def test_named_columns_override_the_encoders(source):
    (block,) = BlockReader(source, columns=("z", "y")).blocks(source.shards[0])
    assert list(block.arrays) == ["z", "y"]
    (block,) = BlockReader(source).blocks(source.shards[0])
    assert list(block.arrays) == ["x", "z", "y", "w"]


def test_a_reader_is_small_and_survives_pickling(source):
    data = pickle.dumps(BlockReader(source, Doubler(), block_rows=500))
    assert len(data) < 4_000
    reader = pickle.loads(data)
    blocks = list(reader.blocks(reader.source.shards[-1]))
    expected = list(BlockReader(source, Doubler(), block_rows=500).blocks(source.shards[-1]))
    assert [block[0] for block in blocks] == [block[0] for block in expected]


def test_blocks_of_very_wide_tables_have_fewer_rows(monkeypatch):
    table = pa.table({f"x{j}": np.arange(3000, dtype=np.float64) for j in range(64)})
    source = TableSource(table)
    monkeypatch.setattr("scalable.execution.reader.BLOCK_BYTES", 600 * 64 * 8)
    sizes = [block.n_rows for block in BlockReader(source).blocks(source.shards[0])]
    assert sizes == [512, 512, 512, 512, 512, 440]
    assert [b.n_rows for b in BlockReader(source, columns=("x3",)).blocks(source.shards[0])] == [3000]
