"""Data in an object store: the same bits as from local files, whatever the network does."""

import errno
import functools
import json
import os
import subprocess
import sys
import time
from datetime import timedelta
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import data_gen
from scalable import ParquetSource
from scalable.errors import DataError
from scalable.linear import LogisticRegression, SGDClassifier
from scalable.storage import mirror, object_access, objects
from scalable.storage.files import store_of
from tests.storage.conftest import ROWS
from tests.storage.s3 import Proxy, columns_of
from tests.test_imports import ROOT


def test_every_value_is_that_of_the_local_files(folder, prefix):
    local, remote = (ParquetSource(place, target="y") for place in (folder, prefix))
    assert [shard.n_rows for shard in remote.shards] == [shard.n_rows for shard in local.shards]
    assert columns_of(remote).equals(columns_of(local))


@pytest.mark.parametrize("learner", [LogisticRegression, SGDClassifier])
def test_models_have_the_same_bits(learner, folder, prefix):
    options = {"random_state": 3} if learner is SGDClassifier else {}
    models = [learner(**options).fit(ParquetSource(place, target="y")) for place in (folder, prefix)]
    assert np.array_equal(models[0].coef_, models[1].coef_)


@pytest.fixture(scope="module")
def large(uploaded, tmp_path_factory):
    """Writes two large row groups here and into the bucket, once for each codec."""
    n, rng, folder = 400_000, np.random.default_rng(1), tmp_path_factory.mktemp("large")
    x = {f"x{k}": rng.normal(size=n).round(2).astype(np.float32) for k in range(4)}
    x |= {"wide": rng.integers(0, 2**40, n), "y": (x["x0"] + rng.normal(size=n) > 0).astype(np.int64)}

    @functools.cache
    def written(codec):
        place, there = folder / f"{codec}.parquet", f"sets/large/{codec}.parquet"
        layout = {"row_group_size": n // 2, "compression": codec, "data_page_size": 2**16}
        pq.write_table(pa.table(x), place, **layout, compression_level=1 if codec == "gzip" else None)
        uploaded.put(there, place.read_bytes())
        return n, place, f"s3://test-bucket/{there}"

    return written


@pytest.mark.parametrize("codec", ["snappy", "zstd", "lz4", "gzip"])
@pytest.mark.parametrize("learner", [LogisticRegression, SGDClassifier])
def test_few_large_compressed_row_groups_are_cut_at_the_same_rows(codec, learner, prefix, large):
    n, *places = large(codec)
    local, remote = (ParquetSource(place, target="y") for place in places)
    assert len(local.shards) > 16
    edges = {shard.row_start for shard in local.shards}
    assert any(edge % 1_000 for edge in edges - {0, n // 2})  # where pages begin
    assert local.shards == remote.shards
    assert local.sequential == remote.sequential
    assert [local.places_to_cut(shard) for shard in local.shards] == [
        remote.places_to_cut(shard) for shard in remote.shards
    ]
    models = [learner(random_state=3, solver="newton").fit(source) if learner is LogisticRegression else
              learner(random_state=3).fit(source) for source in (local, remote)]  # fmt: skip
    assert np.array_equal(models[0].coef_, models[1].coef_)


def test_planning_asks_once_a_file(prefix, environment, s3_server):
    with Proxy(s3_server) as proxy:
        environment(proxy.address)
        source = ParquetSource(prefix, target="y", filters=[("x0", ">", -9.0)])
        assert (proxy.kinds.count("HEAD"), len(source.paths)) == (0, 3)
        lists = 4  # is it a Delta table; the objects; Delta tables below, and above
        assert proxy.requests == lists + len(source.paths)
        columns_of(source)
        assert proxy.kinds.count("HEAD") == 0  # every range is asked for of the version that was planned


def test_objects_that_are_smaller_than_a_footer(prefix, uploaded):
    import obstore

    for data, said in (
        (b"", "does not end as Parquet files do"),
        (b"PAR1", "does not end as Parquet files do"),
    ):
        obstore.put(uploaded, "sets/small/one.parquet", data)
        objects._tails.clear()
        began = time.monotonic()
        with pytest.raises(DataError, match=said):
            ParquetSource("s3://test-bucket/sets/small/one.parquet")
        assert time.monotonic() - began < 2.5  # nothing is repeated that cannot succeed


def test_globs_single_objects_and_filters(folder, prefix, uploaded):
    assert len(ParquetSource(f"{prefix}/part-[01].parquet").paths) == 2
    assert len(ParquetSource("s3://test-bucket/sets/**/part-2.parquet").paths) == 1
    assert ParquetSource(f"{prefix}/part-0.parquet").n_rows == ROWS
    uploaded.put("sets/odd/a[1]*.parquet", (folder / "part-0.parquet").read_bytes())
    assert ParquetSource("s3://test-bucket/sets/odd/a[1]*.parquet").n_rows == ROWS  # its very name
    chosen = {"features": ["x1"], "filters": [("x0", ">", 1.0), ("colour", "==", "red")]}
    local, remote = (ParquetSource(place, **chosen) for place in (folder, prefix))
    assert columns_of(remote).equals(columns_of(local))


@pytest.mark.parametrize("name", ["a b%20+\N{LATIN SMALL LETTER E WITH ACUTE}#", "a?c", "a[1]", "a*"])
def test_keys_of_all_letters_are_read(name, folder, uploaded, environment):
    """A folder is taken as it is called, though its name be like a pattern, as on a disk."""
    import obstore

    for key in (f"names/{name}/part {name}.parquet", "names/abc/part.parquet", "names/a1/part.parquet"):
        obstore.put(uploaded, key, (folder / "part-0.parquet").read_bytes())
    assert objects.list_files(f"s3://test-bucket/names/{name}") == [
        f"s3://test-bucket/names/{name}/part {name}.parquet"
    ]
    assert ParquetSource(f"s3://test-bucket/names/{name}").n_rows == ROWS


def test_a_bucket_is_a_folder_too(uploaded, folder, environment):
    import obstore
    from obstore.store import S3Store

    store = S3Store(
        "whole-bucket", endpoint=os.environ["AWS_ENDPOINT_URL"], client_options={"allow_http": True}
    )
    for file in folder.iterdir():
        obstore.put(store, file.name, file.read_bytes())
    expected = columns_of(ParquetSource(folder, target="y"))
    for address in ("s3://whole-bucket", "s3://whole-bucket/", "s3://whole-bucket/*.parquet"):
        assert columns_of(ParquetSource(address, target="y")).equals(expected)


def test_a_fingerprint_tells_an_object_that_was_replaced(prefix, uploaded, folder):
    import obstore

    source = ParquetSource(f"{prefix}/part-1.parquet", target="y")
    before = source.fingerprint()
    other = (folder / "part-1.parquet").read_bytes()
    obstore.put(uploaded, "sets/one/part-1.parquet", (folder / "part-0.parquet").read_bytes())
    try:
        with pytest.raises(DataError, match=r"part-1\.parquet.*(replaced|changed) since"):
            columns_of(source)
        assert ParquetSource(f"{prefix}/part-1.parquet", target="y").fingerprint().difference(before.parts)
    finally:
        obstore.put(uploaded, "sets/one/part-1.parquet", other)


def impatient(monkeypatch):
    monkeypatch.setitem(object_access.BACKOFF, "init_backoff", timedelta(milliseconds=1))
    monkeypatch.setitem(object_access.BACKOFF, "max_backoff", timedelta(milliseconds=1))
    monkeypatch.setattr(object_access.time, "sleep", lambda _: None)


def test_two_hundred_injured_answers_change_no_bit(folder, prefix, environment, s3_server, monkeypatch):
    monkeypatch.setattr(mirror, "REQUEST_BYTES", 2**13)
    impatient(monkeypatch)
    expected = columns_of(ParquetSource(folder, target="y"))
    with Proxy(s3_server, share=0.25) as proxy:
        environment(proxy.address)
        while proxy.injured < 200:
            objects.forget()
            assert columns_of(ParquetSource(prefix, target="y")).equals(expected)
    assert min(proxy.faults[kind] for kind in Proxy.FAULTS) >= 10


def test_a_store_that_always_fails_ends_with_one_line(prefix, environment, s3_server, monkeypatch):
    impatient(monkeypatch)
    with Proxy(s3_server) as proxy:
        environment(proxy.address)
        source = ParquetSource(f"{prefix}/part-2.parquet")
        proxy.FAULTS, proxy.share = ("short",), 1.0
        with pytest.raises(DataError, match=r"part-2\.parquet") as told:
            columns_of(source)
    assert "\n" not in str(told.value)


def test_a_fit_fetches_no_byte_twice(prefix, monkeypatch):
    fetched, fetch = [], objects.fetch

    def counted(place, wanted, put):
        fetched.append((place[0], wanted))
        fetch(place, wanted, put)

    monkeypatch.setattr(objects, "fetch", counted)
    source = ParquetSource(prefix, target="y")
    LogisticRegression(solver="newton").fit(source)
    fetched.sort()
    assert len({path for path, _ in fetched}) == len(source.paths)
    for (path, (_, end)), (other, (begin, _)) in pairwise(fetched):
        assert path != other or end <= begin


def test_only_the_columns_in_use_are_fetched(prefix, uploaded, tmp_path, monkeypatch):
    n, rng = 150_000, np.random.default_rng(2)
    columns = {f"x{k}": rng.normal(size=n) for k in range(6)} | {"y": rng.integers(0, 2, n)}
    pq.write_table(pa.table(columns), tmp_path / "a.parquet", compression="none", use_dictionary=False)
    uploaded.put("sets/wide/a.parquet", (tmp_path / "a.parquet").read_bytes())
    group = pq.read_metadata(tmp_path / "a.parquet").row_group(0)
    used = sum(group.column(k).total_compressed_size for k in (0, 3, 4, 6))
    fetched, fetch = [], objects.fetch
    monkeypatch.setattr(objects, "fetch", lambda *what: (fetched.append(what[1]), fetch(*what)))
    source = ParquetSource("s3://test-bucket/sets/wide", target="y", features=["x0", "x3", "x4"])
    LogisticRegression(solver="sgd").fit(source)
    assert used <= sum(end - begin for begin, end in fetched) < 1.01 * used


def test_memory_stays_within_the_budget(folder, prefix, monkeypatch):
    monkeypatch.setattr(mirror, "BUDGET_BYTES", 2**17)
    monkeypatch.setattr(mirror, "spare_page_cache", lambda: 0)
    source = ParquetSource(prefix, target="y")
    for shard in source.shards:
        source.expect(shard)
        for _ in source.raw_blocks(shard):
            known = objects._mirrors()._in_memory.values()
            assert sum(one.n_bytes for one in known if not one.users) <= 2**17


def test_a_full_disk_of_temporary_files_is_no_error(folder, prefix, monkeypatch):
    put = mirror.Mirror._put

    def full(self, at, data):
        if self.kept:
            raise OSError(errno.ENOSPC, "no space left on device")
        put(self, at, data)

    monkeypatch.setattr(mirror.Mirror, "_put", full)
    assert columns_of(ParquetSource(prefix, target="y")).equals(columns_of(ParquetSource(folder, target="y")))
    assert objects.kept_bytes() == 0


CHILD = """
import json, sys, threading
from scalable.storage import mirror
mirror.BUDGET_BYTES = 2**24
from bench.objects.ways import FIRST, most_mirrored
from scalable.boosting.workers.life import peak_rss
from scalable.storage.objects import kept_bytes
done, most = threading.Event(), [0]
watch = threading.Thread(target=most_mirrored, args=(done, most))
watch.start()
FIRST["sgd"](sys.argv[1])
done.set()
watch.join()
print(json.dumps([peak_rss(), most[0], kept_bytes()]))
"""


def test_a_fit_takes_the_memory_of_a_local_one_and_the_budget(prefix, uploaded, tmp_path):
    """150 MB in 20 files, with a budget of 16 MiB to fetch ahead; in the page cache of a disk, and without one."""
    data_gen.generate(
        "physics", rows=1_300_000, rows_per_file=2**16, row_group_rows=2**14, out=tmp_path / "rows"
    )
    for file in (tmp_path / "rows").glob("*.parquet"):
        uploaded.put(f"sets/memory/{file.name}", file.read_bytes())
    there, used = "s3://test-bucket/sets/memory", {}
    for place, scratch in ((str(tmp_path / "rows"), tmp_path), (there, tmp_path), (there, "/dev/shm")):
        command = [sys.executable, "-c", CHILD, place]
        environment = {**os.environ, "TMPDIR": str(scratch)}
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
        used[place, scratch] = json.loads(done.stdout)
    (local, none, nothing), (cached, small, kept), (remote, mirrored, not_kept) = used.values()
    assert none == nothing == not_kept == 0
    assert kept > 2**27 > 2**20 > small
    # The budget, and what two threads hold and ask for at once: shards of two row groups of 2 MB each.
    assert 2**22 < mirrored <= 2**24 + 4 * 2 * 2**21
    assert max(cached, remote) - local < 2**26  # the library, its connections, and requests under way


def test_objects_are_written_whole_or_not_at_all(prefix):
    path = "s3://test-bucket/out/one.bin"
    broken = store_of(path).replacing(path)
    broken.__enter__().write(b"half")
    assert not broken.__exit__(RuntimeError, RuntimeError(), None)
    with pytest.raises(FileNotFoundError):
        store_of(path).version(path)
    with store_of(path).replacing(path) as file:
        file.write(b"whole")
    assert store_of(path).read(path, 1, 100) == b"hole"
    with store_of(path).open(path) as file:
        assert (file.seek(-2, 2), file.read()) == (3, b"le")
