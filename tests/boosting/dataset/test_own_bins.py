import itertools
import struct
import tempfile

import lightgbm as lgb
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scalable.boosting.dataset import lightgbm_api as native
from scalable.boosting.dataset import own_bins as direct_fill
from scalable.boosting.dataset import sinks
from scalable.boosting.dataset.binary_layout import Layout, LayoutError, Mapper
from scalable.boosting.dataset.own_bins import BinnedRows, loaded, trusted_layout
from scalable.boosting.dataset.sinks import DatasetSpec, sink_for
from scalable.boosting.train import train_on
from scalable.data.table import as_source

BASE = {"verbosity": -1, "num_threads": 1}


def columns(rng, n, dtype):
    """Columns of every kind: dense, missing, categorical, sparse, exclusive, constant, extreme."""
    flags = rng.integers(0, 30, n)
    wide = rng.normal(size=n) * 10.0 ** rng.integers(-30, 30, n)
    wide[rng.random(n) < 0.02] = np.inf
    X = np.column_stack(
        [
            rng.normal(size=n),
            np.where(rng.random(n) < 0.2, np.nan, rng.normal(size=n)),
            np.where(rng.random(n) < 0.05, np.nan, rng.integers(0, 40, n)),
            *(np.where(flags == k, rng.integers(1, 9, n), 0) for k in range(3)),
            rng.random(n) < 0.01,
            np.where(rng.random(n) < 0.8, 0.0, rng.normal(size=n)),
            np.ones(n),
            rng.integers(0, 3, n),
            wide,
        ]
    )
    return X.astype(dtype)


def reference_of(X, params):
    sample = [np.ascontiguousarray(X[:, j], np.float64) for j in range(X.shape[1])]
    names = [f"x{j}" for j in range(X.shape[1])]
    return native.serialize_reference(
        native.reference_from_sample(sample, n_rows=len(X), params=params, names=names)
    ), names


@settings(max_examples=25)
@given(
    seed=st.integers(0, 10**6),
    n=st.integers(50, 1500),
    max_bin=st.sampled_from([3, 15, 16, 63, 255, 700]),
    other=st.sampled_from([{}, {"zero_as_missing": True}, {"use_missing": False}, {"enable_bundle": False}]),
    dtype=st.sampled_from([np.float32, np.float64]),
    weighted=st.booleans(),
    cuts=st.lists(st.integers(0, 1500), max_size=4),
)
def test_the_file_has_the_bytes_that_lightgbm_writes(
    tmp_path_factory, seed, n, max_bin, other, dtype, weighted, cuts
):
    place = tmp_path_factory.mktemp("bins")
    rng = np.random.default_rng(seed)
    X = columns(rng, n, dtype)
    params = {**BASE, **other, "max_bin": max_bin, "categorical_feature": "2", "min_data_in_bin": 1}
    reference, names = reference_of(X[: n // 2], params)
    label, weight = rng.random(n).astype(np.float32), rng.random(n).astype(np.float32)
    target = native.StreamedDataset(reference, n, params, names, has_weight=weighted)
    target.push(X, label, weight if weighted else None)
    target.finish().save_binary(place / "theirs.bin")
    theirs = (place / "theirs.bin").read_bytes()
    layout = trusted_layout(reference, params, names, X[:40], weighted=weighted, place=str(place))
    assert layout is not None
    ours = BinnedRows(layout, n, weighted=weighted)
    edges = sorted({0, n, *(cut for cut in cuts if cut < n)})
    for start, stop in rng.permutation(list(itertools.pairwise(edges))).tolist():
        ours.put(X[start:stop], label[start:stop], weight[start:stop] if weighted else None, start)
    with (place / "ours.bin").open("wb") as out:
        ours.write(out)
    assert (place / "ours.bin").read_bytes() == theirs


def test_a_layout_that_differs_is_not_trusted(tmp_path, monkeypatch):
    X = columns(np.random.default_rng(0), 600, np.float64)
    reference, names = reference_of(X, BASE)
    spec = DatasetSpec(reference, BASE, tuple(names), 600, False, 1)

    def chosen():
        with sink_for(spec, lambda: X, scored=False, n_pushers=1) as sink:
            return type(sink).__name__

    assert chosen() == "StreamedDataset"
    monkeypatch.setattr(sinks, "LEAST_ROWS", 10)
    assert chosen() == "_Direct"
    codes = Mapper.codes
    with monkeypatch.context() as patch:
        patch.setattr(Mapper, "codes", lambda self, offset: np.roll(codes(self, offset), 1))
        assert chosen() == "StreamedDataset"
    with monkeypatch.context() as patch:
        patch.setattr(sinks, "ROOM", 1e15)  # no disk has that
        assert chosen() == "StreamedDataset"

    with monkeypatch.context() as patch:
        patch.setattr(tempfile, "tempdir", "/nowhere")
        assert chosen() == "StreamedDataset"

    def unknown(data, at):
        raise LayoutError("another format")

    monkeypatch.setattr(Mapper, "read", unknown)
    assert chosen() == "StreamedDataset"


def test_a_file_of_another_shape_is_told():
    with pytest.raises((LayoutError, struct.error)):
        Layout.read(b"token\n" + bytes(400), 3, 2)


BINNING = {"max_bin": 15, "min_data_in_bin": 5, "zero_as_missing": True, "bin_construct_sample_cnt": 900}


@pytest.mark.parametrize(("n_classes", "binning"), [(2, {}), (3, {}), (2, BINNING)])
def test_fits_are_the_same_either_way(local_team, monkeypatch, n_classes, binning):
    rng = np.random.default_rng(1)
    X = columns(rng, 3000, np.float64)[:, :8]
    y = (np.nan_to_num(X[:, 0]) * 2 + X[:, 3] + rng.normal(size=3000)).astype(int).clip(0, n_classes - 1)
    params = {"num_iterations": 6, "num_threads": 2, "deterministic": True, "num_leaves": 7, **binning}
    params |= {"boosting": "rotate", "rotate_rows": 2000, "rotate_every": 2}  # initial scores too
    texts = []
    for least in (10**9, 0):
        monkeypatch.setattr(sinks, "LEAST_ROWS", least)
        if not least:
            monkeypatch.setattr(sinks, "StreamedDataset", None)  # no falling back
        source = as_source(X, y, np.linspace(0.5, 2, 3000))
        texts.append(train_on(local_team(1), params, source, classify=True, in_process=True))
    assert texts[0].booster.model_to_string() == texts[1].booster.model_to_string()


def test_nothing_stays_on_disk(tmp_path, monkeypatch):
    X = columns(np.random.default_rng(2), 300, np.float32)
    reference, names = reference_of(X, BASE)
    layout = trusted_layout(reference, BASE, names, X, weighted=False, place=str(tmp_path))
    binned = BinnedRows(layout, 300, weighted=False)
    binned.put(X, np.zeros(300, np.float32), None, 0)
    assert loaded(binned, BASE, str(tmp_path)).num_data() == 300
    monkeypatch.setattr(direct_fill.BinnedRows, "write", lambda self, out: out.write(b"nonsense"))
    with pytest.raises(lgb.basic.LightGBMError):
        loaded(binned, BASE, str(tmp_path))
    assert not list(tmp_path.iterdir())
