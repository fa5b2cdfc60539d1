"""Versions appear whole under numbers of their own; what is read back is checked; aliases move and return."""

import shutil
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from scalable.data.fingerprint import Fingerprint
from scalable.errors import ModelError, UsageError
from scalable.registry import aliases, entry
from scalable.registry.difference import data_difference, differences
from scalable.registry.filters import chosen, parse_condition
from scalable.registry.index import best_first
from scalable.storage.lock import writing_alone

ROOT = Path(__file__).resolve().parents[2]


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


def test_a_rollback_goes_back_one_move_whoever_moved_the_alias_meanwhile(registry, model, monkeypatch):
    """Between the look at the last move and the writing of the next, another writer promotes."""
    for number in (1, 2, 3):
        assert registry.record("fraud", model) == number
    registry.promote("fraud", "1", "production")
    look, others = aliases.numbers_in, iter(["2"])

    def slowly(place):
        numbers = look(place)
        if place.name == "production" and (faster := next(others, None)):
            aliases.promote(place, int(faster))
        return numbers

    monkeypatch.setattr(aliases, "numbers_in", slowly)
    registry.promote("fraud", "3", "production")
    assert [move.version for move in registry.moves("fraud", "production").values()] == [1, 2, 3]
    assert registry.rollback("fraud", "production").version == 2
    others = iter(["3"])
    assert registry.rollback("fraud", "production").version == 2, "as if the rollback had come after"


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


def test_a_file_beside_the_models_is_none_of_them(registry, model):
    registry.record("fraud", model)
    (Path(registry.path) / "README.md").write_text("ours")
    assert registry.names() == ["fraud"]
    with pytest.raises(ModelError, match=r"no model 'README\.md'"):
        registry.versions("README.md")


def test_a_model_that_is_replaced_while_it_is_copied_is_no_version(registry, model, monkeypatch):
    from scalable.storage.replace import replacing_directory

    copied, again = entry.replacing, []

    def replace_after_the_first(path, **given):
        if Path(path).name == "model.json":
            with replacing_directory(model, ("model.json", "arrays.npz")) as new:
                (new / "model.json").write_text('{"weights": 2}')
                (new / "arrays.npz").write_bytes(bytes(range(256)) * 40)
            again.append(path)
        return copied(path, **given)

    monkeypatch.setattr(entry, "replacing", replace_after_the_first)
    with pytest.raises(ModelError, match="changed while it was copied"):
        registry.record("fraud", model)
    assert again
    monkeypatch.undo()
    assert registry.record("fraud", model) == 1


def test_an_alias_that_moves_while_versions_are_pruned_keeps_its_version(registry, model, monkeypatch):
    for _ in range(4):
        registry.record("fraud", model)
    write, moved = entry.write_entry, []

    def write_slowly(place, record):
        write(place, record)
        if not moved:
            moved.append(registry.promote("fraud", "2", "production"))

    monkeypatch.setattr(entry, "write_entry", write_slowly)
    assert registry.prune("fraud", 1) == [1, 3]
    assert registry.model("fraud", "production", thorough=True)[0] == 2


def test_what_another_prune_has_marked_stays_while_an_alias_means_it(registry, model):
    """In a store, which has no locks: it was taken for what a killed prune had left, and removed."""
    for _ in range(3):
        registry.record("fraud", model)
    registry.promote("fraud", "1", "production")
    at = registry.path / "fraud/versions/1"
    before = entry.read_entry(at)
    entry.write_entry(at, replace(before, pruned=True))  # by the other one, before it looks at aliases
    assert registry.prune("fraud", 1) == [2]
    entry.write_entry(at, before)  # and after
    assert registry.model("fraud", "production", thorough=True)[0] == 1


def test_one_prunes_at_a_time(registry, model):
    for _ in range(3):
        registry.record("fraud", model)
    with writing_alone(registry.path / "fraud/versions"):
        with pytest.raises(ModelError, match="another prune is at work"):
            registry.prune("fraud", 1)
        assert registry.prune("fraud", 1, dry=True) == [1, 2]
    assert registry.prune("fraud", 1) == [1, 2]


def test_an_alias_that_moved_on_is_read_where_it_is(registry, model, monkeypatch):
    for _ in range(2):
        registry.record("fraud", model)
    registry.promote("fraud", "1", "production")
    read = entry.read_entry

    def read_slowly(place):
        found = read(place)
        if str(place).endswith("/1"):
            monkeypatch.setattr(entry, "read_entry", read)
            registry.promote("fraud", "2", "production")
            shutil.rmtree(registry.path / "fraud/versions/1/model")  # as who prunes does
        return found

    monkeypatch.setattr(entry, "read_entry", read_slowly)
    assert registry.model("fraud", "production")[0] == 2


def test_an_alias_does_not_move_to_what_is_pruned_meanwhile(registry, model, monkeypatch):
    for _ in range(3):
        registry.record("fraud", model)
    registry.promote("fraud", "3", "production")
    promote = aliases.promote

    def promote_slowly(place, version):
        registry.prune("fraud", 1)
        return promote(place, version)

    monkeypatch.setattr(aliases, "promote", promote_slowly)
    with pytest.raises(ModelError, match="version 1 of 'fraud' was pruned meanwhile"):
        registry.promote("fraud", "1", "production")
    assert registry.model("fraud", "production", thorough=True)[0] == 3


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
