"""The record of memory by rows: data that were given are counted by their manifest and stay."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from bench.records.memory_by_rows import commands
from data_gen.manifest import FileEntry, Manifest
from data_gen.writing.request import Request
from scalable import ParquetSource


@pytest.fixture
def given(tmp_path):
    place = tmp_path / "given"
    place.mkdir()
    request = Request("fraud", {}, 0, 700, 500, 100, "none")
    files = [FileEntry("a.parquet", 0, 500, 9, ""), FileEntry("b.parquet", 500, 200, 9, "")]
    Manifest(place, request, "is_fraud", [], files, {}).write()
    return place


@pytest.fixture
def calls(monkeypatch):
    """Return the commands that would be run; they write what they were asked to."""
    found = []

    def peak_of(*words):
        found.append([str(word) for word in words])
        for option in ("--out", "--model"):
            if option in found[-1]:
                words[words.index(option) + 1].mkdir()
        return {"peak_rss_bytes": 100 + len(found), "elapsed_seconds": 0.0}

    monkeypatch.setattr(commands, "peak_of", peak_of)
    return found


def test_given_data_are_used_and_stay(given, calls, tmp_path):
    dataset = commands.DATASETS["fraud"]
    assert commands.given_rows(given, dataset) == 700
    small = commands.measure(tmp_path, dataset, 100, 0, tmp_path / "forest")
    large = commands.measure(tmp_path, dataset, 700, 0, tmp_path / "forest", given)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["forest", "given"]
    assert (given / "manifest.json").exists()
    assert [words[0] for words in calls].count("generate") == 1
    assert sum(str(given) in words for words in calls) == 6
    assert all("--features" in words for words in calls if "newton" in words)
    found = {row["command"]: row for row in commands.ratios(small + large)}
    assert "generate" not in found  # of one size alone
    assert len(found) == 6
    assert all((row["rows_least"], row["rows_most"]) == (100, 700) for row in found.values())


def test_other_commands_are_added_by_name(given, calls, tmp_path):
    dataset = commands.DATASETS["fraud"]
    names = list(commands.others(given, dataset, tmp_path, tmp_path, tmp_path))
    rows = commands.measure(tmp_path, dataset, 700, 0, tmp_path / "forest", given, names)
    assert [row["command"] for row in rows][-len(names) :] == names
    assert sorted(path.name for path in tmp_path.iterdir()) == ["forest", "given"]


def test_some_files_of_given_data_are_linked(given, tmp_path):
    for name, rows in (("a", 500), ("b", 200)):
        pq.write_table(pa.table({"x": range(rows)}), given / f"{name}.parquet")
    assert commands.linked_files(given, 1, tmp_path / "one") == 500
    assert commands.linked_files(given, 2, tmp_path / "two") == 700
    assert {path.name for path in (tmp_path / "two").iterdir()} == {"a.parquet", "b.parquet"}
    assert ParquetSource(tmp_path / "two").n_rows == 700


def test_given_data_are_of_the_dataset(given):
    with pytest.raises(SystemExit, match="holds fraud, not physics"):
        commands.given_rows(given, commands.DATASETS["physics"])


def test_the_disk_has_room_for_predictions_of_given_data(tmp_path):
    with pytest.raises(SystemExit, match="GB are needed"):
        commands.check_disk(tmp_path, commands.DATASETS["fraud"], [], 10**15)
