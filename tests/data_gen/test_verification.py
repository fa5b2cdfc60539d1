"""`verify` passes what was written and names what was altered."""

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import data_gen
from data_gen.errors import VerificationError


@pytest.fixture
def data(small, tmp_path):
    small()
    return tmp_path / "data"


def alter(data, change):
    """Rewrite the manifest after `change` has edited it."""
    path = data / "manifest.json"
    raw = json.loads(path.read_text())
    change(raw)
    path.write_text(json.dumps(raw))


def rewrite(path, change):
    """Rewrite a file's table after `change`, as a valid Parquet file."""
    table = pq.read_table(path)
    pq.write_table(change(table), path, row_group_size=4096)


def test_untouched(data):
    seen = []
    assert data_gen.verify(data, progress=seen.append) == []
    assert seen[-1] == 40_000


def test_flipped_bit(data):
    path = data / "part-000002.parquet"
    raw = bytearray(path.read_bytes())
    raw[len(raw) // 2] ^= 1
    path.write_bytes(raw)
    problems = data_gen.verify(data)
    assert any(p.startswith("part-000002.parquet: SHA-256 differs") for p in problems)
    assert all("part-000002" in p for p in problems)


def test_truncated_and_missing(data):
    (data / "part-000001.parquet").write_bytes(b"PAR1")
    (data / "part-000003.parquet").unlink()
    problems = data_gen.verify(data)
    assert any("part-000001.parquet has 4 bytes" in p for p in problems)
    assert any("part-000001.parquet cannot be read as Parquet" in p for p in problems)
    assert any("part-000003.parquet is missing" in p for p in problems)


def test_altered_value_names_column_and_row(data):
    def change(table):
        amount = pa.compute.add(table["amount_cents"], 1).cast(pa.int32())
        index = table.schema.get_field_index("amount_cents")
        return table.set_column(index, table.schema.field(index), amount)

    import pyarrow.compute  # noqa: F401

    rewrite(data / "part-000004.parquet", change)
    problems = data_gen.verify(data)
    assert any("part-000004.parquet: column amount_cents, row " in p and "recomputed" in p for p in problems)


def test_wrong_schema(data):
    rewrite(data / "part-000000.parquet", lambda t: t.drop_columns(["channel"]))
    assert "part-000000.parquet: column channel is missing" in data_gen.verify(data)


def test_wrong_rows(data):
    rewrite(data / "part-000000.parquet", lambda t: t.slice(1))
    assert any("has 8,191 rows, the manifest says 8,192" in p for p in data_gen.verify(data))


def test_stray_file(data):
    (data / "part-000009.parquet").write_bytes((data / "part-000000.parquet").read_bytes())
    assert "part-000009.parquet is not in manifest.json; move it elsewhere" in data_gen.verify(data)


def test_manifest_of_another_seed(data):
    alter(data, lambda raw: raw.update(seed=99))
    assert any("recomputed" in p for p in data_gen.verify(data))


def test_manifest_with_fewer_files(data):
    alter(data, lambda raw: raw["files"].pop())
    problems = data_gen.verify(data)
    assert "manifest.json lists 4 files, its request makes 5" in problems


@pytest.mark.parametrize("text", ["", "{", "[]", '{"format": 99}', '{"format": 1}'])
def test_damaged_manifest(data, text):
    (data / "manifest.json").write_text(text)
    with pytest.raises(VerificationError, match=r"manifest\.json"):
        data_gen.verify(data)


@pytest.mark.parametrize("changed", [{"first_row": 2**63 - 5}, {"rows": -1}, {"rows": 2**63}, {"path": None}])
def test_rows_that_no_dataset_has(data, changed):
    alter(data, lambda raw: raw["files"][0].update(changed))
    with pytest.raises(VerificationError, match=r"manifest\.json is damaged"):
        data_gen.verify(data)


def test_no_manifest(tmp_path):
    with pytest.raises(VerificationError, match="does not exist"):
        data_gen.verify(tmp_path)
