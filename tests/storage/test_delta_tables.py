import pyarrow.parquet as pq
import pytest

from scalable import ParquetSource
from scalable.data.fingerprint import digest_of
from scalable.errors import DataError
from scalable.linear import Ridge

deltalake = pytest.importorskip("deltalake")


def test_a_table_in_a_bucket_gives_the_bits_of_a_local_one(folder, prefix, tmp_path):
    rows = pq.read_table(folder / "part-0.parquet")
    places = [str(tmp_path / "table"), "s3://test-bucket/tables/one"]
    found = []
    for place in places:
        deltalake.write_deltalake(place, rows, partition_by=["colour"])
        deltalake.write_deltalake(place, rows.slice(0, 100), mode="append")
        deltalake.DeltaTable(place).delete("x0 > 0")
        source = ParquetSource(place, target="y", features=["x1", "x2", "colour"])
        assert ParquetSource(f"delta:{place}@0").n_rows == len(rows)
        assert source.n_rows < len(rows)
        blocks = [block for shard in source.shards for block in source.raw_blocks(shard, ["x1"])]
        found.append(sorted(value for block in blocks for value in block.arrays["x1"].to_pylist()))
        assert Ridge().fit(source).predict(source).shape == (source.n_rows,)
    assert digest_of(found[0]) == digest_of(found[1])
    for below in ("tables", "tables/one/*/*.parquet", "tables/one/colour=red"):
        with pytest.raises(DataError, match="s3://test-bucket/tables/one is a Delta table"):
            ParquetSource(f"s3://test-bucket/{below}")
    assert ParquetSource(prefix).n_rows == 3 * len(rows)
