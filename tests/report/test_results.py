"""Writing whole or not at all, reading with words about what is wrong."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest

import bench
from scalable.errors import DataError
from scalable.report.document import new_results
from scalable.report.results import read_results, write_results


def test_round_trip(tmp_path, quickstart):
    write_results(tmp_path / "results.json", quickstart)
    assert read_results(tmp_path / "results.json") == quickstart


def test_a_new_document_says_where_it_comes_from():
    document = new_results("train", {"stages": []}, seed=3, command="scalable train ...")
    assert document["format"] == 1
    assert (document["kind"], document["seed"], document["command"]) == ("train", 3, "scalable train ...")
    assert document["created"].endswith("+00:00")
    assert document["machine"]["cores"] >= 1
    assert document["versions"]["numpy"] == np.__version__


def test_the_default_command_is_how_the_process_was_started(monkeypatch):
    monkeypatch.setattr("sys.argv", ["/somewhere/bin/scalable", "train", "a file.parquet"])
    assert new_results("train", {})["command"] == "scalable train 'a file.parquet'"
    monkeypatch.setattr(
        "sys.argv", [str(Path(bench.__file__).parent / "billion" / "__main__.py"), "--rows", "5"]
    )
    assert new_results("train", {})["command"] == "python -m bench.billion --rows 5"
    monkeypatch.setattr("sys.argv", [str(Path(bench.__file__).parent / "answers" / "run.py"), "val-cv"])
    assert new_results("train", {})["command"] == "python -m bench.answers.run val-cv"


def test_numpy_values_and_missing_numbers_become_json(tmp_path):
    section = {
        "a": np.float64(1.5),
        "b": np.int64(2),
        "c": np.array([1.0, np.nan]),
        "d": float("inf"),
        "e": (1, 2),
    }
    section |= {"f": np.bool_(True), 7: tmp_path}
    path = tmp_path / "results.json"
    write_results(path, new_results("evaluate", {"extra": section}))
    found = read_results(path)["sections"]["extra"]
    assert found == {
        "a": 1.5,
        "b": 2,
        "c": [1.0, None],
        "d": None,
        "e": [1, 2],
        "f": True,
        "7": str(tmp_path),
    }
    assert found["f"] is True


def test_a_failed_write_leaves_the_old_file(tmp_path, quickstart, monkeypatch):
    path = tmp_path / "results.json"
    write_results(path, quickstart)
    old = path.read_bytes()
    full = OSError(28, "No space left on device")
    monkeypatch.setattr(os, "fsync", lambda _: (_ for _ in ()).throw(full))
    with pytest.raises(DataError, match=r"results\.json: cannot be written \(No space left"):
        write_results(path, {**quickstart, "seed": 8})
    assert path.read_bytes() == old
    assert os.listdir(tmp_path) == ["results.json"]


def test_an_unwritable_place_is_named(tmp_path, quickstart):
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="cannot be written"):
        write_results(tmp_path / "file" / "results.json", quickstart)


def test_a_document_json_cannot_hold_is_not_written(tmp_path):
    with pytest.raises(TypeError):
        write_results(tmp_path / "results.json", {"format": 1, "odd": object()})
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("kept", [0, 1, 100, -2])
def test_a_cut_file_is_refused(tmp_path, quickstart, kept):
    path = tmp_path / "results.json"
    write_results(path, quickstart)
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(DataError, match=r"results\.json: not JSON or cut short"):
        read_results(path)


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (lambda d: d.pop("format"), 'no "format"'),
        (lambda d: d.update(format=99), "results format 99, this version reads 1"),
        (lambda d: d.update(sections=[]), "'sections' should be a dict, found list"),
        (lambda d: d.pop("machine"), "'machine' should be a dict, found nothing"),
    ],
)
def test_a_strange_document_is_refused(tmp_path, quickstart, change, found):
    document = dict(quickstart)
    change(document)
    path = tmp_path / "r.json"
    path.write_text(json.dumps(document))
    with pytest.raises(DataError, match=found):
        read_results(path)


@pytest.mark.parametrize("content", [b"[1, 2]", b"3", b"\xff\xfe\x00", b"PAR1"])
def test_other_files_are_refused(tmp_path, content):
    path = tmp_path / "r.json"
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"r\.json"):
        read_results(path)


def test_a_missing_file_and_a_directory_are_named(tmp_path):
    for path in (tmp_path / "none.json", tmp_path):
        with pytest.raises(DataError, match="cannot be read"):
            read_results(path)
