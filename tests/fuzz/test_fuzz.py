"""A short part of the fuzz, with the same mutants every time; ``make fuzz`` looks further."""

import importlib
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from scalable.data.readers import compressed, pages
from tests.fuzz.__main__ import make_corpus
from tests.fuzz.driver import run
from tests.fuzz.formats import FORMATS
from tests.fuzz.mutations import changed_array, changed_arrays, changed_bytes, changed_json
from tests.fuzz.outcomes import ACCEPTED, ALONE, FAULTS, REFUSED, UNDECIDED

MUTANTS = 300
OTHERS = (
    "forest", "epoch cache", "boosting checkpoint", "binned cache", "manifest", "lightgbm text", "scoring record",
    "journal", "spilled rows", "feature definitions", "request", "xgboost json", "xgboost ubjson", "catboost json",
    "registry", "profile", "online store", "tensors", "learner", "explained rows",
    "online store pages", "cascade", "calibrated curve", "conformal thresholds", "shares",
)  # fmt: skip


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    place = tmp_path_factory.mktemp("corpus")
    make_corpus(place, ["parquet", *OTHERS])
    return place


@pytest.mark.parametrize(("names", "n"), [("parquet", MUTANTS), (",".join(OTHERS), 200)])
def test_mutants_are_refused_or_read_right(corpus, tmp_path, names, n):
    count = run(names, corpus, tmp_path, seed=1, seconds=300.0, last=n, hang=240.0)
    assert not count.faults
    assert count.mutations >= n - 2  # pyarrow itself may end a process
    assert not sum(count.outcomes[outcome] for outcome in FAULTS)
    assert count.outcomes[ACCEPTED]
    assert count.outcomes[REFUSED]


def test_every_format_has_its_corpus_and_its_class():
    assert set(OTHERS) < set(FORMATS)
    for module, kind in FORMATS.values():
        assert hasattr(importlib.import_module(module), kind)


def test_mutations_are_repeated_by_their_seed():
    def all_of(seed):
        rng = np.random.default_rng(seed)
        arrays = {"a": np.arange(9.0), "b": np.arange(6, dtype=np.int32).reshape(2, 3)}
        changed = {name: array.tolist() for name, array in changed_arrays(rng, arrays).items()}
        return (
            changed_bytes(rng, bytes(100)),
            repr(changed_json(rng, {"a": [1, "x", None], "b": {"c": 2.5}})),
            changed_array(rng, np.arange(5)).tolist(),
            changed,
        )

    assert repr(all_of(1)) == repr(all_of(1))
    assert len({repr(all_of(seed)) for seed in range(20)}) > 15


@pytest.mark.skipif(not compressed.IS_THERE, reason="no library of zstd")
def test_what_releases_of_zstd_disagree_on_is_undecided(tmp_path, monkeypatch):
    path, ids = tmp_path / "some.parquet", np.arange(100) % 7
    pq.write_table(pa.table({"id": ids}), path, compression="zstd", use_dictionary=True)
    monkeypatch.setattr(pages, "CODED", SimpleNamespace(pays=lambda work: True))
    monkeypatch.setattr(pq.ParquetFile, "read", damaged)  # pyarrow refuses, as its release may
    subject = importlib.import_module("tests.fuzz.subjects.parquet").Parquet(tmp_path)
    assert subject.check(path, print) == ALONE
    monkeypatch.setattr(compressed, "_zstd", lambda: SimpleNamespace(decompress=damaged))
    assert subject.check(path, print) == UNDECIDED


def damaged(*args, **options):
    raise OSError("ZSTD decompression failed: Data corruption detected")
