"""The index of versions is never believed, kept short, and makes thousands of versions quick to list."""

import json
import os
import time
import zlib

import pytest

from scalable.registry import index
from scalable.registry.filters import chosen, parse_condition
from scalable.registry.index import INDEX


def _other_rows(row):
    """An index of one row, in which a value is of another type."""
    for k in range(len(row)):
        for value in (None, [0], {"auc": []}, 1.5):
            if type(value) is not type(row[k]) or value == {"auc": []}:
                yield [[*row[:k], value, *row[k + 1 :]]]


def test_an_index_is_never_believed(registry, model):
    for k in range(3):
        registry.record("fraud", model, metrics={"auc": k})
    before = registry.versions("fraud")
    path = registry.path / "fraud/versions" / INDEX
    whole = path.read_bytes()
    path.write_bytes(whole.replace(b'"auc":2', b'"auc":9'))
    assert registry.versions("fraud") == before
    path.write_bytes(b"\0" * 30)
    assert registry.versions("fraud") == before
    whole = path.read_bytes()  # one line now
    rows = json.loads(whole.partition(b" ")[2])
    for forged in ([{}, *rows[1:]], [rows[0][:-1]], {"a": 1}, [[[1], *rows[0][1:]]], *_other_rows(rows[0])):
        body = json.dumps(forged).encode()
        path.write_bytes(b"%d %s\n" % (zlib.crc32(body), body))
        assert registry.versions("fraud") == before
        assert path.read_bytes() == whole
    entry = registry.path / "fraud/versions/2/version.json"
    entry.write_bytes(entry.read_bytes()[:-5])
    rows, wrong = registry.versions("fraud")
    assert [row.number for row in rows] == [1, 3]
    assert "damaged" in wrong[2]


def test_what_is_recorded_is_listed_without_reading_it(registry, model, monkeypatch):
    read, real = [], index.read_entry
    monkeypatch.setattr(index, "read_entry", lambda place: read.append(place) or real(place))
    monkeypatch.setattr(index, "_RECORDED", 16)
    for k in range(40):
        assert registry.record("fraud", model, metrics={"auc": k}, tags={"k": str(k)}, note="\n") == k + 1
    rows, wrong = registry.versions("fraud")
    assert not wrong
    assert [row.metrics for row in rows] == [{"auc": float(k)} for k in range(40)]
    assert len(read) == 2  # each sixteenth, by who recorded it
    path = registry.path / "fraud/versions" / INDEX
    path.write_bytes(path.read_bytes()[:-3])  # as by a kill while a line is written
    registry.record("fraud", model, metrics={"auc": 40})
    assert registry.versions("fraud")[0][:-1] == rows
    assert len(read) == 3
    registry.prune("fraud", 1)
    assert [row.pruned for row in registry.versions("fraud")[0]] == [True] * 40 + [False]
    path.unlink()
    assert len(registry.versions("fraud")[0]) == 41


def test_many_lines_are_written_as_one(registry, model):
    for k in range(index._MOST_LINES + 3):
        registry.record("fraud", model, metrics={"auc": k})
    path = registry.path / "fraud/versions" / INDEX
    assert len(path.read_bytes().split()) > index._MOST_LINES
    before = registry.versions("fraud")
    assert len(path.read_bytes().splitlines()) == 1
    assert registry.versions("fraud") == before


@pytest.mark.parametrize("n", [2_000, pytest.param(10_000, marks=pytest.mark.slow)])
def test_thousands_of_versions_are_listed_quickly(registry, model, n):
    registry.record("many", model, metrics={"auc": 0.5, "log_loss": 0.3}, tags={"team": "risk"})
    versions = registry.path / "many/versions"
    for number in range(2, n + 1):
        os.mkdir(versions / str(number))
        os.link(versions / "1/version.json", versions / str(number) / "version.json")
    assert len(registry.versions("many")[0]) == n  # makes the index
    seconds = []
    for _ in range(5):
        start = time.process_time()
        rows = chosen(registry.versions("many")[0], [parse_condition("auc>.4")], ["team=risk"])
        seconds.append(time.process_time() - start)
    assert len(rows) == n
    assert min(seconds) < 0.1, seconds  # of processor time; on a quiet machine a fifth of it for 2,000
