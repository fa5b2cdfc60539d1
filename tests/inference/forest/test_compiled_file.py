"""Compiled forests saved and mapped back: same bits, damage named."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.forests import edge_rows, random_booster
from scalable.errors import ModelError
from scalable.inference import compile_model, load_compiled, load_model
from scalable.inference.forest.file import KIND
from scalable.inference.forest.places import Columns
from scalable.kernels.forest import tables
from scalable.storage.arrays import read_arrays, write_arrays


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
    with pytest.raises(
        ModelError, match=r"t: not a compiled forest of this release, or damaged \(it is .*compile_model"
    ):
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


@pytest.fixture(scope="module")
def whole_files(tmp_path_factory):
    found = {}
    for seed in (3, 4, 33):
        path = tmp_path_factory.mktemp("whole") / "m.forest"
        compile_model(random_booster(seed)[0]).save(path)
        found[seed] = path.read_bytes()
    return found


@settings(max_examples=120)
@given(
    which=st.sampled_from([3, 4, 33]),
    changes=st.lists(
        st.tuples(st.floats(0, 1, exclude_max=True), st.sampled_from([0, 1, 0x7F, 0x80, 0xFF])),
        min_size=1,
        max_size=5,
    ),
)
def test_altered_body_with_its_checksum_in_order_never_crashes(tmp_path_factory, whole_files, which, changes):
    """Whoever writes such files on purpose gets wrong numbers at most: kernels stay within their memory."""
    path = tmp_path_factory.mktemp("altered") / "a.forest"
    path.write_bytes(whole_files[which])
    stored = read_arrays(path, KIND)
    bodies = [array.reshape(-1).view(np.uint8) for array in stored.arrays.values()]
    ends = np.cumsum([len(body) for body in bodies])
    for place, value in changes:
        at = int(place * ends[-1])
        k = int(np.searchsorted(ends, at, "right"))
        bodies[k][at - ends[k]] = value
    write_arrays(path, KIND, stored.arrays, stored.meta)
    try:
        forest = load_compiled(path)
    except ModelError:
        return
    X = np.random.default_rng(0).standard_normal((40, forest.n_features))
    forest.predict(X, raw_score=True, num_iteration=1)
    forest.programs.score(Columns.of_matrix(X), 0, np.zeros((40, forest.n_outputs)))
    forest.predict(X, pred_leaf=True)
    for x in X:
        forest.predict_one(x)


@pytest.mark.parametrize(
    ("part", "table", "field", "entry", "value"),
    [("trees.left", None, None, 0, 10**6), ("trees.feature", None, None, 0, 99), ("plan.starts", None, None, 0, 10**9),
     ("plan.instructions", tables.INSTRUCTION, "here", 0, 65535),
     ("plan.instructions", tables.INSTRUCTION, "above", 0, 10**6), ("plan.groups", tables.GROUP, "output", 0, 1),
     ("decisions.columns", tables.COLUMN, "first", 0, 10**9), ("decisions.columns", tables.COLUMN, "at", 0, -1),
     ("frozen", tables.HEADER, "columns_at", 0, 10**12), ("frozen", tables.HEADER, "trees", 0, 10**6)],
)  # fmt: skip
def test_a_part_that_does_not_fit_is_named(tmp_path, saved, part, table, field, entry, value):
    path = tmp_path / "a.forest"
    path.write_bytes(saved)
    stored = read_arrays(path, KIND)
    array = stored.arrays[part]
    if part == "frozen":
        array = array[: table.itemsize].view(table)
    (array if field is None else array[field])[entry] = value
    write_arrays(path, KIND, stored.arrays, stored.meta)
    with pytest.raises(ModelError, match=r"a.forest: damaged \(\w+"):
        load_compiled(tmp_path / "a.forest")


@pytest.mark.parametrize(
    ("part", "values", "named"),
    [
        ("plan.starts", {-1: 2**63 - 1}, "starts"),  # the end of its leaves is negative
        ("trees.node_start", {1: 2**62, 2: -(2**62) - 1}, "node_start"),  # so is no difference of two
    ],
)
def test_a_number_whose_sum_is_beyond_64_bits_is_refused(tmp_path, saved, part, values, named):
    path = tmp_path / "m.forest"
    path.write_bytes(saved)
    stored = read_arrays(path, KIND)
    changed = stored.arrays[part].copy()
    for entry, value in values.items():
        changed[entry] = value
    write_arrays(path, KIND, {**stored.arrays, part: changed}, stored.meta)
    with pytest.raises(ModelError, match=named):
        load_compiled(path)


@pytest.mark.parametrize("count", [True, 1.0, 0, "1"])
def test_counts_are_whole_numbers(tmp_path, saved, count):
    path = tmp_path / "a.forest"
    path.write_bytes(saved)
    stored = read_arrays(path, KIND)
    stored.meta["trees"]["n_outputs"] = count
    write_arrays(path, KIND, stored.arrays, stored.meta)
    with pytest.raises(ModelError, match=r"a.forest: damaged \("):
        load_compiled(path)


@pytest.mark.parametrize(
    "changed",
    [
        {"objective": 5}, {"categories": [3]}, {"categories": {}},
        *({"labels": {"classes": c, "rule": "half", "threshold": 0.0}} for c in ([], [[], 0], [0, "a"], [None, 1])),
        {"labels": {"classes": [0, 1], "rule": "other", "threshold": 0.0}},
        {"labels": {"classes": [0, 1], "rule": "half", "threshold": None}},
    ],
)  # fmt: skip
def test_what_is_said_of_a_forest_is_proven(tmp_path, saved, changed):
    path = tmp_path / "a.forest"
    path.write_bytes(saved)
    stored = read_arrays(path, KIND)
    write_arrays(path, KIND, stored.arrays, {**stored.meta, **changed})
    for load in (load_compiled, load_model):
        with pytest.raises(ModelError, match=r"a.forest: damaged \("):
            load(path)


def test_a_file_of_an_earlier_release_is_refused_with_the_line_that_converts_it(tmp_path):
    (tmp_path / "old.forest").write_bytes(b"SCFOREST" + bytes(200))
    with pytest.raises(
        ModelError, match=r"old.forest: compiled by an earlier release.*compile_model\(MODEL\).save"
    ):
        load_compiled(tmp_path / "old.forest")
