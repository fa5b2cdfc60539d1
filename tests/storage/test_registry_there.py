"""A registry in an object store: the manners of one on a disk, two writers, and kills at any moment."""

import json
import os
import random
import secrets
import signal
import subprocess
import sys
import threading
import time

import pytest

from scalable.cli.app import build
from scalable.cli.screen.failure import run as run_command
from scalable.errors import ModelError, UsageError
from scalable.registry import registry as registries
from scalable.registry.address import model_path
from scalable.registry.filters import chosen, parse_condition
from scalable.registry.registry import Registry
from scalable.serve.models import Models, state_of
from scalable.storage import object_writing, objects
from scalable.storage.files import store_of
from scalable.storage.places import files_below, place
from tests.storage.s3 import Proxy
from tests.storage.test_objects import impatient
from tests.test_imports import ROOT

obstore = pytest.importorskip("obstore")


@pytest.fixture
def model(tmp_path):
    folder = tmp_path / "some.model"
    (folder / "deep").mkdir(parents=True)
    (folder / "model.json").write_text('{"weights": 1}')
    (folder / "deep" / "arrays.npz").write_bytes(bytes(range(256)) * 40)
    return folder


@pytest.fixture
def registry(prefix):
    return Registry(f"s3://test-bucket/registries/{secrets.token_hex(4)}")


def test_versions_and_aliases_are_as_on_a_disk(registry, model):
    assert [
        registry.record("fraud", model, metrics={"auc": k / 10}, tags={"k": str(k)}) for k in (1, 2, 3)
    ] == [1, 2, 3]
    number, there = registry.model("fraud", "2", thorough=True)
    assert number == 2
    assert {name: path.read_bytes() for name, path in files_below(there).items()} == {
        name: path.read_bytes() for name, path in files_below(model).items()
    }
    rows, wrong = registry.versions("fraud")
    assert wrong == {}
    assert [row.number for row in chosen(rows, [parse_condition("auc>.15")], ["k=2"])] == [2]
    assert registry.versions("fraud") == (rows, wrong)  # by the index
    for which in "123":
        registry.promote("fraud", which, "production")
    assert registry.rollback("fraud", "production").version == 2
    assert registry.rollback("fraud", "production").version == 1
    with pytest.raises(UsageError, match="no earlier version"):
        registry.rollback("fraud", "production")
    assert registry.names() == ["fraud"]
    assert registry.aliases("fraud")["production"].version == 1
    address = f"registry:{registry.path}/fraud@production"
    assert model_path(address) == registry.model("fraud", "1")[1]
    assert state_of(address) != state_of(f"registry:{registry.path}/fraud@2")
    for which, said in (("9", "no version 9"), ("canary", "no alias 'canary'")):
        with pytest.raises(ModelError, match=said):
            registry.model("fraud", which)
    with pytest.raises(ModelError, match=r"no model 'frau' .*there is fraud"):
        registry.model("frau", "1")
    with pytest.raises(ModelError, match="no registry"):
        Registry("s3://test-bucket/registries/none").names()


def test_a_copy_on_a_disk_is_a_registry_and_goes_back(registry, model, tmp_path):
    registry.record("fraud", model)
    registry.promote("fraud", "1", "production")
    for name, path in files_below(registry.path).items():
        target = tmp_path / "copy" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(path.read_bytes())
    copy = Registry(tmp_path / "copy")
    assert (
        copy.model("fraud", "production", thorough=True)[1] / "model.json"
    ).read_text() == '{"weights": 1}'
    assert copy.record("fraud", registry.model("fraud", "1")[1]) == 2  # from there, as a version of the disk
    assert (copy.path / "fraud/versions/2/model/deep/arrays.npz").stat().st_size == 10_240
    assert copy.prune("fraud", 1) == []
    assert copy.record("fraud", model) == 3
    copy.promote("fraud", "3", "production")
    copy.promote("fraud", "3", "production")
    assert copy.prune("fraud", 1) == [1, 2]
    assert not list((copy.path / "fraud/files").iterdir())


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda files: files["deep/arrays.npz"].unlink(), "missing from the registry"),
        (lambda files: write(files["deep/arrays.npz"], b"short"), "5 bytes, recorded with 10,240"),
        (lambda files: write(files["model.json"], b'{"weights": 2}'), "altered since it was recorded"),
    ],
    ids=["missing", "short", "altered"],
)
def test_a_version_that_is_not_whole_is_never_given(registry, model, change, said):
    registry.record("fraud", model)
    change(files_below(registry.model("fraud", "1")[1]))
    with pytest.raises(ModelError, match=said):
        registry.promote("fraud", "1", "production")
    assert registry.aliases("fraud") == {}


def write(path, data):
    with store_of(path).replacing(path) as file:
        file.write(data)


def test_pruning_removes_files_and_what_killed_writers_left(registry, model, monkeypatch):
    for _ in range(4):
        registry.record("fraud", model)
    files = registry.path / "fraud" / "files"
    write(files / ("0" * 32) / "model.json", b"left by a killed writer")
    assert registry.prune("fraud", 2) == [1, 2]
    assert len({name[:32] for name in files_below(files)}) == 3  # young: its writer may be at work
    monkeypatch.setattr(registries, "_STALE", -60.0)
    assert registry.prune("fraud", 2) == []
    assert len({name[:32] for name in files_below(files)}) == 2
    with pytest.raises(ModelError, match="pruned"):
        registry.model("fraud", "1")
    for which in "34":
        registry.model("fraud", which, thorough=True)


def test_two_writers_share_the_numbers(registry, model):
    numbers, moves = [], []

    def write_some():
        for _ in range(6):
            numbers.append(registry.record("fraud", model))
            moves.append(registry.promote("fraud", str(numbers[-1]), "production"))

    writers = [threading.Thread(target=write_some) for _ in range(3)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert sorted(numbers) == list(range(1, 19))
    assert sorted(move.version for move in registry.moves("fraud", "production").values()) == sorted(numbers)


def test_lost_answers_take_one_number(registry, model, environment, s3_server, monkeypatch):
    """A request is repeated that succeeded but whose answer was lost: it must find its own object."""
    impatient(monkeypatch)
    with Proxy(s3_server, share=0.3) as proxy:
        environment(proxy.address)
        numbers = [registry.record("fraud", model) for _ in range(12)]
        for which in numbers:
            registry.promote("fraud", str(which), "production")
        assert proxy.injured > 20
    environment()
    assert numbers == list(range(1, 13))
    assert [row.number for row in registry.versions("fraud")[0]] == numbers
    assert [move.version for move in registry.moves("fraud", "production").values()] == numbers


def test_a_store_without_conditions_is_refused(registry, model, monkeypatch):
    class Careless:
        """A store that writes over what is there although it is asked not to."""

        def __getattr__(self, name):
            return getattr(obstore, name)

        def put(self, *what, mode=None, **options):
            return obstore.put(*what, **options)

    monkeypatch.setattr(object_writing, "library", Careless)
    with pytest.raises(ModelError, match=r"does not keep to If-None-Match.* use a file system"):
        registry.record("fraud", model)
    assert not (registry.path / "fraud" / "versions").exists()


def test_what_a_killed_look_at_conditions_left_is_no_version(registry, model):
    registry.record("fraud", model)
    for name in ("versions/2/version.json.ab.condition", "aliases/production/1.ab.condition"):
        write(registry.path / "fraud" / name, b"1")
    assert registry.number_of("fraud", "latest") == 1
    assert registry.versions("fraud")[1] == {}
    assert registry.aliases("fraud") == {}
    assert registry.record("fraud", model) == 2
    registry.promote("fraud", "2", "production")
    assert registry.number_of("fraud", "production") == 2


KILLED = """
import sys
from scalable.registry.registry import Registry
place, model, done = sys.argv[1:]
registry = Registry(place)
while True:
    number = registry.record("fraud", model, metrics={"auc": .5})
    registry.promote("fraud", str(number), "production")
    registry.prune("fraud", 3)
    with open(done, "ab", buffering=0) as file:
        file.write(b"%d\\n" % number)
"""


def killed(registry, model, done, kills, environment, s3_server):
    """Kill two writers at random moments, one of them behind a slow link, and look at what is there."""
    chance = random.Random(1)
    with Proxy(s3_server, delay=0.004) as proxy:
        for kill in range(kills):
            slow = {"AWS_ENDPOINT_URL": proxy.address} if kill % 2 else {}
            command = [sys.executable, "-c", KILLED, str(registry.path), str(model), str(done)]
            writers = [subprocess.Popen(command, cwd=ROOT, env={**os.environ, **more}) for more in (slow, {})]
            before = done.read_bytes() if done.exists() else b""
            while (done.read_bytes() if done.exists() else b"") == before:
                time.sleep(0.01)
            for writer in writers:
                time.sleep(chance.random() * 0.3)
                writer.send_signal(signal.SIGKILL)
                writer.wait()
    finished = [int(line) for line in done.read_text().split()]
    assert len(finished) == len(set(finished))
    rows, wrong = registry.versions("fraud")
    assert wrong == {}
    assert set(finished) <= {row.number for row in rows}
    for row in rows:
        if not row.pruned:
            registry.model("fraud", str(row.number), thorough=True)
    registry.model("fraud", "production", thorough=True)
    assert {move.version for move in registry.moves("fraud", "production").values()} >= set(finished)
    assert json.loads(json.dumps([row._asdict() for row in rows]))
    return len(rows)


def test_kills_at_any_moment_leave_nothing_half(registry, model, tmp_path, environment, s3_server):
    assert killed(registry, model, tmp_path / "done", 4, environment, s3_server) >= 4


@pytest.mark.slow
def test_a_hundred_kills(registry, model, tmp_path, environment, s3_server):
    assert killed(registry, model, tmp_path / "done", 50, environment, s3_server) >= 50


def test_the_command_line(folder, prefix, registry, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SCALABLE_REGISTRY", str(registry.path))

    def run(*words):
        return run_command(build(), list(words))

    for k in (1, 2):
        words = ["train", "logistic", prefix, "--target", "y", "--model", f"{registry.path}-m{k}", "-q"]
        assert run(*words, *(["--register", "m"] if k == 1 else [])) == 0
    assert run("models", "add", "m", f"{registry.path}-m2", "-q") == 0
    for k in (1, 2):
        assert run("models", "promote", "m", str(k), "-q") == 0
    assert run("models", "list", "m") == 0
    assert "production" in capsys.readouterr().out
    assert run("predict", f"registry:{registry.path}/m@production", str(folder), "--out", "scores", "-q") == 0
    assert run("models", "rollback", "m", "-q") == 0
    assert run("models", "show", "m", "1") == 0
    assert run("models", "compare", "m", "1", "2") == 0
    capsys.readouterr()
    assert run("models", "promote", "m", "7") == 1
    assert "no version 7" in capsys.readouterr().err
    assert run("models", "list", "--registry", "s3://no-such-bucket/r") == 1
    assert "no bucket 'no-such-bucket'" in capsys.readouterr().err
    assert not (tmp_path / "s3:").exists()


def test_served_models_there_have_versions_and_are_followed(folder, prefix, registry):
    there = f"{registry.path}-served"
    words = ["train", "logistic", prefix, "--target", "y", "--model", there, "-q"]
    assert run_command(build(), words) == 0
    models = Models([f"m={there}"])
    version, seen = models.get("m").version, state_of(models.get("m").path)
    assert seen is not None
    assert Models([f"m={there}"]).get("m").version == version
    assert run_command(build(), [*words, "--overwrite", "--C", "0.01"]) == 0
    objects._tails.clear()
    assert state_of(models.get("m").path) != seen
    assert Models([f"m={there}"]).get("m").version != version
    assert place(there).is_dir()
