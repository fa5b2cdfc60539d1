"""One way of reading or learning from Parquet wherever it lies, timed in this process the second time that it runs.

python -m bench.objects.ways sgd s3://bucket/rows
"""

from __future__ import annotations

import hashlib
import json
import sys
import threading
import time
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

from scalable.boosting.workers.life import peak_rss

TARGET = "signal"


def _fitted(model: Any, place: str) -> dict[str, Any]:
    from scalable import ParquetSource

    model.fit(ParquetSource(place, target=TARGET))
    return {"digest": hashlib.sha256(model.coef_.tobytes()).hexdigest()[:16]}


def sgd(place: str) -> dict[str, Any]:
    """Fit by one pass of descent."""
    from scalable.linear import SGDClassifier

    return _fitted(SGDClassifier(max_iter=1, tol=None, random_state=0), place)


def newton(place: str, max_iter: int | None = None) -> dict[str, Any]:
    """Fit by Newton's method."""
    from scalable.linear import LogisticRegression

    return _fitted(LogisticRegression(solver="newton", max_iter=max_iter), place)


def newton_step(place: str) -> dict[str, Any]:
    """Do what `newton` does, but for one step: its kernels and connections are there afterwards."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it has not converged
        return newton(place, 1)


def reads(place: str, at_a_time: int | None = None) -> dict[str, Any]:
    """Fetch the column chunks that a fit fetches, and nothing else: as many at a time as a fit."""
    from scalable import ParquetSource
    from scalable.data.readers.held import wanted
    from scalable.storage.mirror import REQUESTS, pieces
    from scalable.storage.objects import fetch

    source = ParquetSource(place, target=TARGET)
    jobs = []
    for shard in source.shards:
        path, version, _, ranges = wanted(
            source.footers[shard.file], source.needed, shard.row_start, shard.row_stop
        )
        jobs += [((path, version), piece) for piece in pieces(ranges)]
    unique = list(dict.fromkeys(jobs))
    began = time.perf_counter()
    with ThreadPoolExecutor(at_a_time or REQUESTS) as pool:
        for _ in pool.map(lambda job: fetch(job[0], job[1], lambda *_: None), unique):
            pass
    return {"seconds": time.perf_counter() - began}


def polars_scan(place: str) -> dict[str, Any]:
    """Sum all columns with polars."""
    import polars as pl

    pl.scan_parquet(f"{place}/*.parquet").sum().collect(engine="streaming")
    return {}


def pyarrow_scan(place: str) -> dict[str, Any]:
    """Read all columns with pyarrow's dataset."""
    import os

    import pyarrow.dataset as ds
    from pyarrow import fs

    address = os.environ["AWS_ENDPOINT_URL"].removeprefix("http://")
    store = fs.S3FileSystem(endpoint_override=address, scheme="http", region="us-east-1")
    for _ in ds.dataset(place.removeprefix("s3://"), filesystem=store, format="parquet").to_batches():
        pass
    return {}


def duckdb_scan(place: str) -> dict[str, Any]:
    """Sum all columns with DuckDB, whose extension for S3 comes from the package ``duckdb-extension-httpfs``."""
    import os

    import duckdb
    import duckdb_extension_httpfs

    (extension,) = Path(duckdb_extension_httpfs.__file__).parent.rglob("*.duckdb_extension")
    secret = {
        name: os.environ[f"AWS_{name.upper()}"] for name in ("access_key_id", "secret_access_key", "region")
    }
    address = os.environ["AWS_ENDPOINT_URL"].removeprefix("http://")
    connection = duckdb.connect()
    connection.execute(f"LOAD '{extension}'")
    connection.execute(
        f"CREATE SECRET (TYPE s3, KEY_ID '{secret['access_key_id']}', SECRET '{secret['secret_access_key']}', "
        f"REGION '{secret['region']}', ENDPOINT '{address}', USE_SSL false, URL_STYLE 'path')"
    )
    connection.execute(f"SELECT sum(COLUMNS(*)) FROM '{place}/*.parquet'").fetchall()
    return {}


WAYS: dict[str, Callable[[str], dict[str, Any]]] = {
    "sgd": sgd,
    "newton": newton,
    "reads": reads,
    "32 reads": partial(reads, at_a_time=32),
    "polars scan": polars_scan,
    "pyarrow scan": pyarrow_scan,
    "duckdb scan": duckdb_scan,
}


FIRST = {**WAYS, "newton": newton_step}  # imports, kernels, connections


def most_mirrored(done: threading.Event, most: list[int]) -> None:
    """Note the most that ranges of objects take until `done`: files in memory, which resident memory leaves out."""
    from scalable.storage.objects import mirrored_bytes

    while not done.wait(0.002):
        most.append(max(most.pop(), mirrored_bytes()))


def counted(fetched: list[int]) -> None:
    """Add the bytes of every range that is fetched from now on."""
    from scalable.storage import objects

    fetch = objects.fetch

    def counting(place: tuple[Any, ...], wanted: tuple[int, int], put: Any) -> None:
        fetched.append(wanted[1] - wanted[0])
        fetch(place, wanted, put)

    objects.fetch = counting


if __name__ == "__main__":
    from scalable.storage.objects import forget, kept_bytes

    fetched: list[int] = []
    counted(fetched)
    done, most = threading.Event(), [0]
    watch = threading.Thread(target=most_mirrored, args=(done, most))
    watch.start()
    try:
        FIRST[sys.argv[1]](sys.argv[2])
        forget()  # what the first time has fetched
        fetched.clear()
        started = time.perf_counter()
        found = WAYS[sys.argv[1]](sys.argv[2])
        found.setdefault("seconds", time.perf_counter() - started)
    finally:
        done.set()
        watch.join()
    found["bytes"] = sum(fetched)
    found["peak_mib"], found["kept_mib"] = (peak_rss() + most[0]) / 2**20, kept_bytes() / 2**20
    print(json.dumps(found))
