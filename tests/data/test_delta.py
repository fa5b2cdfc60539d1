import builtins
import datetime
import json
import shutil
import sys

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from scalable import ParquetSource
from scalable.errors import DataError, UsageError
from scalable.linear import Ridge

deltalake = pytest.importorskip("deltalake")
DAYS = [datetime.date(2026, 1, 1), None, datetime.date(2026, 1, 2)] * 4


def rows_of(source, columns=None):
    names = columns or source.full_schema.names
    blocks = [block for shard in source.shards for block in source.raw_blocks(shard, names)]
    columns = [[value for block in blocks for value in block.arrays[name].to_pylist()] for name in names]
    return sorted(zip(*columns, strict=True), key=repr)


@pytest.fixture
def place(tmp_path):
    """Version 0: 12 rows; 1: as many again; 2: without those of x > 8."""
    place = tmp_path / "sales"
    table = pa.table(
        {"x": pa.array(range(12), pa.float64()), "y": [float(k % 5) for k in range(12)], "day": pa.array(DAYS),
         "shop": ["Bern", "a b", "x=y/z"] * 4}
    )  # fmt: skip
    deltalake.write_deltalake(place, table, partition_by=["shop", "day"])
    deltalake.write_deltalake(place, table, mode="append")
    deltalake.DeltaTable(place).delete("x > 8")
    return place


def log_of(place, version):
    path = place / "_delta_log" / f"{version:020}.json"
    return path, [json.loads(line) for line in path.read_text().splitlines()]


def rewrite(path, lines):
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))


@pytest.mark.parametrize(("version", "rows"), [(0, 12), (1, 24), (2, 18)])
def test_a_version_is_what_the_library_reads(place, version, rows):
    source = ParquetSource(f"delta:{place}@{version}")
    assert source.n_rows == rows
    expected = pa.table(deltalake.DeltaTable(place, version=version).to_pyarrow_table())
    types = [expected.schema.field(name).type for name in source.full_schema.names]
    assert [source.field_type(name) for name in source.full_schema.names] == types
    columns = [expected[name].to_pylist() for name in source.full_schema.names]
    assert rows_of(source) == sorted(zip(*columns, strict=True), key=repr)


@pytest.mark.parametrize("kind", [pa.float32(), pa.int64(), pa.string(), pa.bool_(), pa.timestamp("us")])
def test_a_column_that_was_added_later_is_missing_before(kind, tmp_path):
    """Whatever the order of the files' names."""
    values = pa.array([0, 1, None, 1], pa.int64()).cast(
        pa.string() if pa.types.is_string(kind) else pa.int64()
    )
    for k in range(4):
        place = tmp_path / f"table-{k}"
        old = pa.table({"x": pa.array([1.0, 2.0], pa.float32()), "y": [0.5, 1.5]})
        new = pa.table(
            {"x": pa.array([3.0, 4.0, 5.0, 6.0], pa.float32()), "y": [2.5] * 4, "z": values.cast(kind)}
        )
        deltalake.write_deltalake(place, old)
        deltalake.write_deltalake(place, new, mode="append", schema_mode="merge")
        source = ParquetSource(place, target="y")
        assert source.feature_names == ["x", "z"]
        assert source.field_type("z") == kind
        rows = zip([1.0, 2.0, 3.0, 4.0, 5.0, 6.0], [None, None, *new["z"].to_pylist()], strict=True)
        assert rows_of(source, ["x", "z"]) == sorted(rows, key=repr)
        only = ParquetSource(place, target="y", filters=[("z", "==", new["z"][1].as_py())])
        assert [x for x, _ in rows_of(only, ["x", "z"])] == [4.0, 6.0]
    if not pa.types.is_boolean(kind):
        assert Ridge().fit(source).n_features_in_ == 2


def test_the_newest_version_is_read_and_pinned(place):
    source = ParquetSource(place, target="y")
    assert rows_of(source) == rows_of(ParquetSource(f"delta:{place}@2"))
    assert source.fingerprint().parts["table"]["version"] == 2
    assert source.fingerprint().parts == ParquetSource(f"delta:{place}", target="y").fingerprint().parts
    deltalake.write_deltalake(
        place, pa.table({"x": [1.0], "y": [2.0], "day": [DAYS[0]], "shop": ["Bern"]}), mode="append"
    )
    assert source.n_rows == 18
    later = ParquetSource(place, target="y")
    assert later.n_rows == 19
    assert "version was 2, is 3" in later.fingerprint().difference(source.fingerprint().parts)
    model = Ridge().fit(source)
    assert model.predict(source).shape == (18,)
    assert source.would_find(place / "scored.parquet")  # predictions may not be written into a table


def test_partitions_can_be_left_out(place):
    assert "shop" not in ParquetSource(place, partitioning=None).full_schema.names
    with pytest.raises(UsageError, match="types its partitions itself"):
        ParquetSource(place, partitioning={"shop": "string"})


@pytest.mark.parametrize("below", ["", "shop=Bern", "shop=*/*/*.parquet", "..", "../sal*"])
def test_a_tables_files_are_never_read_as_plain_parquet(place, below):
    if not below:
        (place / "plain").mkdir()
        shutil.copy(next(place.glob("shop=Bern/*/*.parquet")), place / "plain" / "copy.parquet")
        below = "plain"
    with pytest.raises(DataError, match=r"is a Delta table, whose files also hold rows that were removed"):
        ParquetSource(place / below)


def test_one_file_that_was_named_is_that_file(place):
    file = next(place.glob("shop=Bern/*/*.parquet"))
    assert ParquetSource(file).n_rows == pq.ParquetFile(file).metadata.num_rows


def test_a_version_that_was_vacuumed_is_told(place):
    deltalake.DeltaTable(place).vacuum(retention_hours=0, enforce_retention_duration=False, dry_run=False)
    with pytest.raises(DataError, match=r"version 1 of the Delta table needs files that are gone, as VACUUM"):
        ParquetSource(f"delta:{place}@1")
    assert ParquetSource(place).n_rows == 18


def test_deletion_vectors_and_column_mapping_are_refused_by_name(place):
    path, lines = log_of(place, 2)
    features = {"minReaderVersion": 3, "minWriterVersion": 7, "readerFeatures": ["deletionVectors"],
                "writerFeatures": ["deletionVectors"]}  # fmt: skip
    rewrite(path, [*lines, {"protocol": features}])
    assert ParquetSource(place).n_rows == 18  # allowed, and no file has one
    vector = {"storageType": "i", "pathOrInlineDv": "^Bg9^0rr910000000000iXQKl0rr91000f55c8Xg0@@D72lkbi5=-{L",
              "sizeInBytes": 40, "cardinality": 6}  # fmt: skip
    cut = [{"add": {**line["add"], "deletionVector": vector}} if "add" in line else line for line in lines]
    rewrite(path, [*cut, {"protocol": features}])
    with pytest.raises(DataError, match="version 2 of the Delta table has deletion vectors"):
        ParquetSource(place)
    rewrite(
        path,
        [
            *lines,
            {"protocol": {**features, "readerFeatures": ["variantType"], "writerFeatures": ["variantType"]}},
        ],
    )
    with pytest.raises(DataError, match=r"needs variantType|cannot be read"):
        ParquetSource(place)
    path, lines = log_of(place, 0)
    for line in lines:
        if "metaData" in line:
            schema = json.loads(line["metaData"]["schemaString"])
            for k, field in enumerate(schema["fields"]):
                field["metadata"] = {
                    "delta.columnMapping.id": k,
                    "delta.columnMapping.physicalName": field["name"],
                }
            line["metaData"]["schemaString"] = json.dumps(schema)
            line["metaData"]["configuration"] = {"delta.columnMapping.mode": "name"}
        if "protocol" in line:
            line["protocol"] = {"minReaderVersion": 2, "minWriterVersion": 5}
    rewrite(path, lines)
    with pytest.raises(DataError, match=r"column mapping \(name\)"):
        ParquetSource(f"delta:{place}@0")


@pytest.mark.parametrize(
    ("given", "kind", "said"),
    [
        ("delta:{}@99", DataError, "version 99 of the Delta table cannot be read"),
        ("delta:{}@new", UsageError, "delta:PATH@NUMBER"),
        ("delta:{}/shop=Bern", DataError, "no Delta table"),
        ("delta:", UsageError, "delta:PATH@NUMBER"),
    ],
)
def test_what_is_no_version_is_told_in_one_line(place, given, kind, said):
    with pytest.raises(kind, match=said) as told:
        ParquetSource(given.format(place))
    assert "\n" not in str(told.value)


def test_damaged_logs_and_several_paths_are_told(place):
    with pytest.raises(DataError, match="give one table alone"):
        ParquetSource([place, place])
    path, _ = log_of(place, 2)
    path.write_text("{")
    with pytest.raises(DataError, match="cannot be read"):
        ParquetSource(place)


def test_without_the_library_the_remedy_is_told(place, monkeypatch):
    known = builtins.__import__

    def without(name, *args, **kwargs):
        if name.startswith("deltalake"):
            raise ImportError(name)
        return known(name, *args, **kwargs)

    for name in [name for name in sys.modules if name.startswith("deltalake")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(
        UsageError, match=r"is a Delta table, which needs pip install 'scalable-training\[delta\]'"
    ):
        ParquetSource(place)
