"""Writing: the same values whatever the layout, atomic, resumable, refusing to destroy."""

import json
import shutil

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import data_gen
from data_gen.datasets import checked_knobs
from data_gen.errors import OutputError, RequestError
from data_gen.writing import writer
from data_gen.writing.journal import Journal
from data_gen.writing.request import make_request

ROWS = 40_000


def test_files_hold_the_rows(small, tmp_path):
    seen = []
    manifest = small(progress=seen.append)
    table = pa.concat_tables([pq.read_table(path) for path in manifest.paths])
    assert table.equals(data_gen.rows("fraud", 0, ROWS, seed=3))
    assert [f.rows for f in manifest.files] == [8192] * 4 + [7232]
    assert pq.ParquetFile(manifest.paths[0]).metadata.num_row_groups == 2
    assert seen[-1] == ROWS
    assert seen == sorted(seen)
    assert sorted(p.name for p in (tmp_path / "data").iterdir()) == [
        "manifest.json",
        *(f.path for f in manifest.files),
    ]


@pytest.mark.parametrize("layout", [(1000, 1000), (40_000, 3333), (16_384, 8192)])
def test_values_do_not_depend_on_the_layout(small, layout, tmp_path):
    manifest = small(rows_per_file=layout[0], row_group_rows=layout[1], out=tmp_path / "x")
    table = pa.concat_tables([pq.read_table(path) for path in manifest.paths])
    assert table.equals(data_gen.rows("fraud", 0, ROWS, seed=3))


def test_bytes_do_not_depend_on_workers(small, tmp_path, contents):
    small(out=tmp_path / "one", workers=1)
    small(out=tmp_path / "three", workers=3)
    assert contents(tmp_path / "one") == contents(tmp_path / "three")


def test_a_longer_dataset_extends_a_shorter_one():
    short, long = (data_gen.rows("fraud", 0, n) for n in (5_000, 50_000))
    assert long.slice(0, 5_000).equals(short)


@pytest.mark.parametrize("compression", ["none", "lz4", "snappy", "zstd"])
def test_compression_and_encodings(small, compression):
    manifest = small(compression=compression, rows=9000)
    group = pq.ParquetFile(manifest.paths[0]).metadata.row_group(0)
    columns = {group.column(i).path_in_schema: group.column(i) for i in range(group.num_columns)}
    names = {"none": "UNCOMPRESSED"}
    assert {c.compression for c in columns.values()} == {names.get(compression, compression.upper())}
    assert "RLE_DICTIONARY" in columns["category"].encodings
    assert "RLE_DICTIONARY" not in columns["card_id"].encodings
    assert "RLE_DICTIONARY" not in columns["distance_last_km"].encodings
    assert "DELTA_BINARY_PACKED" in columns["time"].encodings


def test_manifest_is_complete_and_readable(small, tmp_path):
    manifest = small(prevalence=0.02)
    raw = json.loads((tmp_path / "data" / "manifest.json").read_text())
    assert raw["dataset"] == "fraud"
    assert (raw["seed"], raw["rows"], raw["knobs"]["prevalence"]) == (3, ROWS, 0.02)
    units = {c["name"]: c["unit"] for c in raw["columns"]}
    assert units["amount_cents"] == "cent"
    assert set(raw["versions"]) >= {"numpy", "numba", "pyarrow", "cpu", "python", "data_gen"}
    assert set(raw["truth"]["auc"]) == {"expected", "realised", "se"}
    assert data_gen.read_manifest(tmp_path / "data") == manifest
    labels = sum(pq.read_table(p, columns=["is_fraud"])["is_fraud"].to_numpy().sum() for p in manifest.paths)
    assert raw["truth"]["positives"] == labels


def test_refuses_what_it_did_not_write(small, tmp_path, contents):
    out = tmp_path / "data"
    out.mkdir()
    (out / "thesis.tex").write_text("years of work")
    for options in ({}, {"overwrite": True}, {"resume": True}):
        with pytest.raises(RequestError, match=r"holds something else \('thesis.tex'\)"):
            small(**options)
    assert contents(out) == {"thesis.tex": b"years of work"}


def test_refuses_parts_of_others(small, tmp_path, contents):
    (tmp_path / "data").mkdir()
    (tmp_path / "data/part-000000.parquet").write_text("years of work")
    for options in ({}, {"overwrite": True}, {"resume": True}):
        with pytest.raises(RequestError, match=r"holds something else \('part-000000.parquet'\)"):
            small(**options)
    assert contents(tmp_path / "data") == {"part-000000.parquet": b"years of work"}


def test_refuses_a_dataset_without_overwrite(small, tmp_path, contents):
    small()
    before = contents(tmp_path / "data")
    with pytest.raises(RequestError, match="--resume to finish it or --overwrite"):
        small(seed=4)
    assert contents(tmp_path / "data") == before
    small(seed=4, overwrite=True)
    assert contents(tmp_path / "data") != before


def test_overwrite_leaves_nothing_of_a_larger_dataset(small, tmp_path, contents):
    small()
    small(rows=5000, overwrite=True)
    assert sorted(contents(tmp_path / "data")) == ["manifest.json", "part-000000.parquet"]


@pytest.mark.parametrize(
    "change", [{"seed": 4}, {"prevalence": 0.1}, {"rows": 50_000}, {"compression": "zstd"}]
)
def test_resume_refuses_another_request(small, change, tmp_path, contents):
    small()
    before = contents(tmp_path / "data")
    with pytest.raises(RequestError, match="was begun with"):
        small(resume=True, **change)
    assert contents(tmp_path / "data") == before


def test_resume_of_a_complete_dataset_changes_nothing(small, tmp_path):
    first = small()
    before = {p: p.stat().st_mtime_ns for p in (tmp_path / "data").iterdir()}
    assert small(resume=True) == first
    assert {p: p.stat().st_mtime_ns for p in (tmp_path / "data").iterdir()} == before


def test_resume_refuses_other_versions(small, monkeypatch, tmp_path):
    small()
    monkeypatch.setattr("data_gen.writing.journal.versions", lambda: {"pyarrow": "0.1"})
    with pytest.raises(RequestError, match="other versions"):
        small(resume=True)


def test_a_failed_file_leaves_the_rest_for_resume(small, tmp_path, monkeypatch, contents):
    small(out=tmp_path / "whole")
    real = writer.write_part

    def failing(recipe, request, part, *rest):
        if part.index == 3:
            raise OSError(28, "No space left on device")
        return real(recipe, request, part, *rest)

    monkeypatch.setattr(writer, "write_part", failing)
    with pytest.raises(
        OutputError, match=r"part-000003.parquet could not be written \(No space left.*--resume"
    ):
        small(out=tmp_path / "cut", workers=1)
    assert not (tmp_path / "cut" / "manifest.json").exists()
    assert (tmp_path / "cut" / "part-000002.parquet").exists()
    monkeypatch.setattr(writer, "write_part", real)
    stamp = (tmp_path / "cut" / "part-000000.parquet").stat().st_mtime_ns
    small(out=tmp_path / "cut", resume=True)
    assert contents(tmp_path / "cut") == contents(tmp_path / "whole")
    assert (tmp_path / "cut" / "part-000000.parquet").stat().st_mtime_ns == stamp


def test_resume_rewrites_a_corrupted_file(small, tmp_path, contents):
    small(out=tmp_path / "whole")
    stop = iter(range(100))

    def interrupt(rows):
        if next(stop) == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        small(out=tmp_path / "cut", workers=1, progress=interrupt)
    damaged = tmp_path / "cut" / "part-000000.parquet"
    damaged.write_bytes(damaged.read_bytes()[:-7] + b"garbage")
    small(out=tmp_path / "cut", resume=True)
    assert contents(tmp_path / "cut") == contents(tmp_path / "whole")


def test_disk_space_is_checked_before_the_first_byte(small, monkeypatch, tmp_path):
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr("shutil.disk_usage", lambda path: usage._replace(free=10_000))
    for _ in range(2):  # the first leaves nothing that would have the second ask for --resume
        with pytest.raises(OutputError, match=r"9.77 KiB free, the dataset needs about"):
            small()
    assert not list((tmp_path / "data").iterdir())


@pytest.mark.parametrize("shares", [None, (0, 2)])
def test_two_processes_cannot_write_one_dataset(small, tmp_path, shares):

    request = make_request("fraud", checked_knobs("fraud", {}), 3, ROWS, 8192, 4096, "none", 64)
    journal = Journal(tmp_path / "data", request, shares)
    journal.open(resume=False, overwrite=False)
    half = tmp_path / "data" / ".manifest.json.0123456789ab.tmp"
    half.write_text("under way")
    for again in ({"resume": shares is None, "overwrite": shares is not None}, {"overwrite": True}):
        with pytest.raises(OutputError, match="another process"):
            small(**again)
        assert half.exists(), "what another has not finished stays"
    journal.close()
    small(overwrite=True)
    assert min(path.name for path in (tmp_path / "data").iterdir()) == "manifest.json"


def test_unwritable_output(small, tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(OutputError, match="cannot be used"):
        small(out=tmp_path / "file" / "below")
