"""Compiled forests saved and mapped back: same bits, damage named."""

import numpy as np
import pytest

from bench.forests import edge_rows, random_booster
from scalable.errors import ModelError
from scalable.inference import compile_model, load_compiled


@pytest.mark.parametrize("seed", range(100, 112))
def test_reloaded_forest_has_the_same_bits(tmp_path, seed):
    booster, what = random_booster(seed)
    compile_model(booster).save(tmp_path / "m.forest")
    loaded = load_compiled(tmp_path / "m.forest")
    X = edge_rows(booster, seed, 100, 200)
    for arguments in ({}, {"raw_score": True}, {"pred_leaf": True}, {"num_iteration": 1}):
        np.testing.assert_array_equal(loaded.predict(X, **arguments), booster.predict(X, **arguments), what)
    one = np.array([loaded.predict_one(x) for x in X[:50]])
    np.testing.assert_array_equal(one, booster.predict(X[:50]), what)


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    path = tmp_path_factory.mktemp("saved") / "m.forest"
    compile_model(random_booster(3)[0]).save(path)
    return path.read_bytes()


@pytest.mark.parametrize("keep", [0, 7, 15, 100, 0.5, -1])
def test_truncated_file_is_refused(tmp_path, saved, keep):
    size = int(len(saved) * keep) if isinstance(keep, float) else keep
    (tmp_path / "t").write_bytes(saved[:size])
    with pytest.raises(ModelError, match=r"t: (truncated|not a compiled|cannot be read|damaged)"):
        load_compiled(tmp_path / "t")


@pytest.mark.parametrize("place", [0, 9, 40, 0.3, 0.6, 0.9, -65])
def test_altered_file_is_refused(tmp_path, saved, place):
    at = int(len(saved) * place) if isinstance(place, float) else place
    data = bytearray(saved)
    data[at] ^= 0x11
    (tmp_path / "a").write_bytes(data)
    with pytest.raises(ModelError, match="/a: "):
        load_compiled(tmp_path / "a")


def test_missing_file_and_unwritable_place(tmp_path):
    with pytest.raises(ModelError, match="cannot be read"):
        load_compiled(tmp_path / "nothing")
    with pytest.raises(ModelError, match="cannot be written"):
        compile_model(random_booster(3)[0]).save(tmp_path / "no" / "m.forest")
