import hashlib
import json
import math
import os
import random
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import numpy as np
import pytest

from scalable.errors import ModelError
from scalable.models.store import read_model, save_model
from scalable.storage import replace as placing

ROOT = Path(__file__).resolve().parents[2]
ARRAYS = {"coef": np.arange(6.0).reshape(2, 3), "ids": np.array([1, 2], np.int32), "empty": np.empty((0, 3))}


def save(path, version=1):
    meta = {"classes": ["no", "yes"], "version": version, "nested": {"a": [1, None, True]}}
    return save_model(path, "linear", meta, ARRAYS, {"booster.txt": "tree\né\n"})


def test_everything_comes_back(tmp_path):
    path = save(tmp_path / "deep" / "er" / "model")
    model = read_model(path)
    assert model.kind == "linear"
    assert model.meta == {"classes": ["no", "yes"], "version": 1, "nested": {"a": [1, None, True]}}
    assert model.texts == {"booster.txt": "tree\né\n"}
    for name, array in ARRAYS.items():
        assert model.arrays[name].dtype == array.dtype
        np.testing.assert_array_equal(model.arrays[name], array)
    assert sorted(os.listdir(path)) == ["arrays.npz", "booster.txt", "model.json", "model.sha256"]
    assert os.listdir(path.parent) == ["model"]


def test_numbers_in_the_metadata_come_back_exactly(tmp_path):
    meta = {"nan": math.nan, "inf": [math.inf, -math.inf], "tiny": 5e-324, "pi": math.pi, "big": 2**80}
    back = read_model(save_model(tmp_path / "m", "linear", meta)).meta
    assert math.isnan(back.pop("nan"))
    meta.pop("nan")
    assert back == meta


def test_a_model_is_replaced_by_the_next_and_nothing_else_is(tmp_path):
    path = save(tmp_path / "m", 1)
    save(path, 2)
    assert read_model(path).meta["version"] == 2
    assert os.listdir(tmp_path) == ["m"]
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "precious").write_text("x")
    (tmp_path / "file").write_text("x")
    for other in ("data", "file"):
        with pytest.raises(ModelError, match=f"{other}: exists and is not a saved model"):
            save(tmp_path / other)
    assert (tmp_path / "data" / "precious").read_text() == "x"


def test_file_systems_without_exchange_replace_too(tmp_path, monkeypatch):
    monkeypatch.setattr(placing, "_exchange", lambda one, other: False)
    path = save(tmp_path / "m", 1)
    save(path, 2)
    assert read_model(path).meta["version"] == 2
    assert os.listdir(tmp_path) == ["m"]


def test_a_failed_replacement_keeps_the_old_model(tmp_path, monkeypatch):
    path = save(tmp_path / "m", 1)

    def full(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(ModelError, match=r"m: cannot be written \(No space left on device\); free space"):
        save(path, 2)
    monkeypatch.undo()
    assert read_model(path).meta["version"] == 1
    assert os.listdir(tmp_path) == ["m"]


@pytest.mark.parametrize("part", ["model.json", "arrays.npz", "booster.txt", "model.sha256"])
@pytest.mark.parametrize("how", ["flip", "truncate", "remove", "empty", "append"])
def test_any_altered_part_is_found(tmp_path, part, how):
    path = save(tmp_path / "m")
    file = path / part
    data = bytearray(file.read_bytes())
    if how == "flip":
        data[len(data) // 2] ^= 1
    elif how == "truncate":
        data = data[: len(data) // 2]
    elif how == "append":
        data += b"x"
    file.write_bytes(b"" if how == "empty" else bytes(data))
    if how == "remove":
        file.unlink()
    with pytest.raises(ModelError, match=r"altered|damaged|missing|not a saved model"):
        read_model(path)


def test_every_single_flipped_bit_of_the_document_is_found(tmp_path):
    path = save(tmp_path / "m")
    original = (path / "model.json").read_bytes()
    for position in range(0, len(original), 7):
        data = bytearray(original)
        data[position] ^= 1 << position % 8
        (path / "model.json").write_bytes(bytes(data))
        with pytest.raises(ModelError):
            read_model(path)


def reseal(path, document):
    body = json.dumps(document).encode()
    (path / "model.json").write_bytes(body)
    (path / "model.sha256").write_text(hashlib.sha256(body).hexdigest())


@pytest.mark.parametrize("name", ["../secret", "/etc/hostname", "sub/x", ".."])
def test_parts_outside_the_model_are_refused(tmp_path, name):
    path = save(tmp_path / "m")
    (tmp_path / "secret").write_text("secret")
    document = json.loads((path / "model.json").read_text())
    document["parts"][name] = hashlib.sha256(b"secret").hexdigest()
    reseal(path, document)
    with pytest.raises(ModelError, match=r"part outside the model|missing"):
        read_model(path)
    with pytest.raises(ValueError, match="cannot name a part"):
        save_model(tmp_path / "n", "linear", {}, texts={name: "x"})
    assert not (tmp_path / "n").exists()


@pytest.mark.parametrize(
    "change", [{"format": 99}, {"format": None}, {"kind": ...}, {"parts": 3}, {"meta": ...}]
)
def test_other_formats_and_missing_entries(tmp_path, change):
    path = save(tmp_path / "m")
    document = {**json.loads((path / "model.json").read_text()), **change}
    reseal(path, {key: value for key, value in document.items() if value is not ...})
    with pytest.raises(ModelError, match=r"format|damaged"):
        read_model(path)


def test_what_is_not_a_model(tmp_path):
    with pytest.raises(ModelError, match=r"not a saved model \(no model\.json in it\); give the directory"):
        read_model(tmp_path)
    with pytest.raises(
        ModelError, match=r"absent: not a saved model, for there is no such file or directory"
    ):
        read_model(tmp_path / "absent")


def test_python_objects_are_neither_written_nor_read(tmp_path):
    with pytest.raises(ValueError, match="Python objects"):
        save_model(tmp_path / "m", "linear", {}, {"a": np.array([{}], dtype=object)})
    path = save(tmp_path / "m")
    np.savez(path / "arrays.npz", a=np.array([{}], dtype=object))
    document = json.loads((path / "model.json").read_text())
    document["parts"]["arrays.npz"] = hashlib.sha256((path / "arrays.npz").read_bytes()).hexdigest()
    reseal(path, document)
    with pytest.raises(ModelError, match="damaged"):
        read_model(path)


def test_a_kill_at_any_moment_leaves_a_whole_model(tmp_path):
    path = save(tmp_path / "m", 0)
    code = f"""
        import itertools, numpy as np
        from scalable.models.store import save_model
        for i in itertools.count(1):
            save_model({str(path)!r}, "linear", {{"version": i}}, {{"a": np.full(100_000, float(i))}})
            print(i, flush=True)
    """
    chance = random.Random(0)
    seen = set()
    for _ in range(6):
        process = subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(code)], cwd=ROOT, stdout=subprocess.PIPE, text=True
        )
        process.stdout.readline()
        time.sleep(chance.uniform(0, 0.05))
        process.send_signal(signal.SIGKILL)
        process.communicate()
        model = read_model(path)
        assert set(model.arrays["a"]) == {float(model.meta["version"])}
        seen.add(model.meta["version"])
    assert max(seen) >= 1
