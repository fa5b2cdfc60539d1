"""Versions appear whole under numbers of their own; what is read back is checked; aliases move and return."""

import json
import os
import resource
import subprocess
import sys
import threading
import time
import zlib
from pathlib import Path

import pytest

from scalable.data.fingerprint import Fingerprint
from scalable.errors import ModelError, UsageError
from scalable.registry import index
from scalable.registry.difference import data_difference, differences
from scalable.registry.filters import chosen, parse_condition
from scalable.registry.index import INDEX, best_first
from scalable.registry.registry import Registry

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def model(tmp_path):
    place = tmp_path / "some.model"
    place.mkdir()
    (place / "model.json").write_text('{"weights": 1}')
    (place / "arrays.npz").write_bytes(bytes(range(256)) * 40)
    return place


@pytest.fixture
def registry(tmp_path):
    return Registry(tmp_path / "registry")


def test_a_version_holds_what_it_was_given(registry, model):
    data = Fingerprint({"files": [["a.parquet", 10, 1]], "roles": {"target": "y"}})
    number = registry.record(
        "fraud",
        model,
        data=data,
        parameters={"alpha": 0.5, "bad": float("nan")},
        metrics={"auc": 0.9, "gone": float("inf")},
        tags={"team": "risk"},
        parents=["fraud@0"],
    )
    assert number == 1
    found, entry = registry.entry("fraud", "latest")
    assert (found, entry.metrics, entry.tags, entry.parents) == (
        1,
        {"auc": 0.9},
        {"team": "risk"},
        ("fraud@0",),
    )
    assert entry.parameters == {"alpha": 0.5, "bad": "nan"}
    assert entry.data == {"digest": data.digest(), "parts": data.parts}
    place = registry.model("fraud", "1", thorough=True)[1]
    assert {p.name: p.read_bytes() for p in place.iterdir()} == {
        p.name: p.read_bytes() for p in model.iterdir()
    }


def test_a_model_of_one_file_keeps_its_name(registry, tmp_path):
    (tmp_path / "trees.txt").write_text("tree")
    registry.record("plain", tmp_path / "trees.txt")
    assert registry.model("plain", "1")[1].name == "trees.txt"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda place: (place / "model/arrays.npz").unlink(), "missing from the registry"),
        (lambda place: (place / "model/arrays.npz").write_bytes(b"short"), "5 bytes, recorded with 10,240"),
        (
            lambda place: (place / "model/model.json").write_text('{"weights": 2}'),
            "altered since it was recorded",
        ),
        (lambda place: (place / "version.json").write_text("{"), "damaged"),
        (lambda place: (place / "version.json").unlink(), "cannot be read"),
    ],
)
def test_a_version_that_is_not_whole_is_never_given(registry, model, change, said):
    registry.record("fraud", model)
    change(registry.path / "fraud/versions/1")
    with pytest.raises(ModelError, match=said):
        registry.promote("fraud", "1", "production")
    assert registry.aliases("fraud") == {}


def test_every_altered_byte_of_a_record_is_seen(registry, model):
    registry.record("fraud", model, metrics={"auc": 0.5})
    path = registry.path / "fraud/versions/1/version.json"
    whole = path.read_bytes()
    for at in range(0, len(whole), 7):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        try:
            _, entry = registry.entry("fraud", "1")
        except ModelError:
            continue
        raise AssertionError(f"byte {at} was altered unseen: {entry}")


def test_a_record_that_points_outside_is_refused(registry, model):
    from dataclasses import replace

    from scalable.registry.entry import write_entry

    registry.record("fraud", model)
    _, entry = registry.entry("fraud", "1")
    write_entry(registry.path / "fraud/versions/1", replace(entry, files={"../../x": [1, "0"]}))
    with pytest.raises(ModelError, match="damaged"):
        registry.model("fraud", "1")


def test_aliases_move_and_return(registry, model):
    for _ in range(3):
        registry.record("fraud", model)
    for number in "123":
        registry.promote("fraud", number, "production")
    assert registry.rollback("fraud", "production").version == 2
    assert registry.rollback("fraud", "production").version == 1
    with pytest.raises(UsageError, match="no earlier version"):
        registry.rollback("fraud", "production")
    registry.promote("fraud", "latest", "production")
    assert registry.number_of("fraud", "production") == 3
    assert registry.rollback("fraud", "production").version == 1
    actions = [move.action for move in registry.moves("fraud", "production").values()]
    assert actions == ["promote"] * 3 + ["rollback"] * 2 + ["promote", "rollback"]


def test_pruning_keeps_what_somebody_may_need(registry, model):
    for _ in range(6):
        registry.record("fraud", model)
    registry.promote("fraud", "1", "production")
    registry.promote("fraud", "2", "production")
    assert registry.prune("fraud", 2, dry=True) == [3, 4]
    assert registry.prune("fraud", 2) == [3, 4]
    assert registry.prune("fraud", 2) == []
    assert [row.pruned for row in registry.versions("fraud")[0]] == [False, False, True, True, False, False]
    with pytest.raises(ModelError, match="pruned"):
        registry.model("fraud", "3")
    assert not (registry.path / "fraud/versions/3/model").exists()
    assert registry.record("fraud", model) == 7


@pytest.mark.parametrize("name", ["", "..", "a/b", ".hidden", "x" * 101, "a@b"])
def test_names_are_checked(registry, model, name):
    with pytest.raises(UsageError, match="cannot name a model"):
        registry.record(name, model)


@pytest.mark.parametrize("alias", ["7", "latest", "a/b", ""])
def test_aliases_are_checked(registry, model, alias):
    registry.record("fraud", model)
    with pytest.raises(UsageError, match="cannot name an alias"):
        registry.promote("fraud", "1", alias)


def test_what_is_not_there_is_named(registry, model):
    registry.record("fraud", model)
    for which, said in (("9", "no version 9"), ("canary", "no alias 'canary'")):
        with pytest.raises(ModelError, match=said):
            registry.model("fraud", which)
    with pytest.raises(ModelError, match=r"no model 'frau' .*there is fraud"):
        registry.model("frau", "1")
    with pytest.raises(ModelError, match="there is no model"):
        registry.record("fraud", model / "none")


def test_conditions_tags_and_order(registry, model):
    for k in range(5):
        metrics = {"auc": k / 10} if k else {}
        registry.record("fraud", model, metrics=metrics, tags={"odd": str(k % 2)})
    rows, wrong = registry.versions("fraud")
    assert wrong == {}
    found = chosen(rows, [parse_condition("auc>.1"), parse_condition("auc <= 0.3")], ["odd=1"])
    assert [row.number for row in found] == [4]
    assert [row.number for row in best_first(rows, "auc")] == [5, 4, 3, 2, 1]
    with pytest.raises(UsageError, match="did you mean 'auc'"):
        chosen(rows, [parse_condition("aucc>0")], [])
    for text in ("auc", "auc>", ">1", "auc>x"):
        with pytest.raises(UsageError, match="is no condition"):
            parse_condition(text)


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


def test_differences_are_told(registry, model):
    for k, path in enumerate(("a.parquet", "b.parquet")):
        data = Fingerprint({"files": [[path, 1, 1]]})
        registry.record(
            "m", model, data=data, metrics={"auc": k}, parameters={"same": 1, "deep": {"alpha": k}}
        )
    one, other = registry.entry("m", "1")[1], registry.entry("m", "2")[1]
    assert [row[:2] for row in differences(one, other)] == [("metrics", "auc"), ("parameters", "deep.alpha")]
    assert "file b.parquet is new" in data_difference(one, other)
    assert data_difference(one, one) == ""


def test_two_writers_share_the_numbers(registry, model):
    numbers, moves = [], []

    def write():
        for _ in range(15):
            numbers.append(registry.record("fraud", model))
            moves.append(registry.promote("fraud", str(numbers[-1]), "production"))

    writers = [threading.Thread(target=write) for _ in range(3)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert sorted(numbers) == list(range(1, 46))
    assert sorted(move.version for move in registry.moves("fraud", "production").values()) == sorted(numbers)


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


KILLED = """
import os, random, signal, sys, time
from scalable.registry.registry import Registry
place, model, kills = sys.argv[1], sys.argv[2], int(sys.argv[3])
registry, random = Registry(place), random.Random(1)
for kill in range(kills):
    child = os.fork()
    if not child:
        while True:
            number = registry.record("fraud", model, metrics={"auc": kill})
            registry.promote("fraud", str(number), "production")
            registry.prune("fraud", 3)
            with open(place + ".done", "ab", buffering=0) as done:
                done.write(b"%d\\n" % number)
    time.sleep(random.random() * 0.25)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
"""


def killed(registry, model, kills):
    command = [sys.executable, "-c", KILLED, str(registry.path), str(model), str(kills)]
    subprocess.run(command, check=True, cwd=ROOT, timeout=170)
    written = Path(f"{registry.path}.done")
    done = [int(line) for line in written.read_text().split()] if written.exists() else [1]
    rows, wrong = registry.versions("fraud")
    assert wrong == {}
    assert [row.number for row in rows] == list(range(1, len(rows) + 1))
    assert set(done) <= {row.number for row in rows}
    for row in rows:
        if not row.pruned:
            registry.model("fraud", str(row.number), thorough=True)
    move = registry.aliases("fraud")["production"]
    assert move.version >= max(done)
    registry.model("fraud", "production", thorough=True)
    assert json.loads(json.dumps([row._asdict() for row in rows]))
    return len(rows)


def test_kills_at_any_moment_lose_nothing_and_leave_nothing_half(registry, model):
    assert killed(registry, model, 25) >= 3


@pytest.mark.slow
def test_two_hundred_kills(registry, model):
    assert killed(registry, model, 200) >= 20


def test_a_full_disk_leaves_what_was_recorded(registry, model):
    registry.record("fraud", model, metrics={"auc": 1})
    (model / "large").write_bytes(bytes(100_000))
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, before[1]))
    try:
        with pytest.raises(ModelError, match=r"File too large.*give the registry room"):
            registry.record("fraud", model, metrics={"auc": 2})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert [row.number for row in registry.versions("fraud")[0]] == [1]
    assert sorted(os.listdir(registry.path / "fraud/versions")) == [INDEX, "1"]
    assert registry.record("fraud", model) == 2
