"""Datasets that the tests of executors share."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from scalable import ParquetSource

NAMES = ("a", "b", "c")


def table(rows, seed=0):
    rng = np.random.default_rng(seed)
    return pa.table({name: rng.lognormal(0, 3, rows) for name in NAMES})


@pytest.fixture(scope="session", params=["many groups", "one group", "uneven files"])
def layouts(request, tmp_path_factory):
    """Three layouts of the same 300,000 rows."""
    path = tmp_path_factory.mktemp("layouts")
    data = table(300_000)
    if request.param == "many groups":
        pq.write_table(data, path / "a.parquet", row_group_size=7_001)
    elif request.param == "one group":
        pq.write_table(data, path / "a.parquet", row_group_size=2**20)
    else:
        edges = [0, 1, 1, 50_000, 210_000, 300_000]
        for i in range(5):
            part = data.slice(edges[i], edges[i + 1] - edges[i])
            pq.write_table(part, path / f"{i}.parquet", row_group_size=[9, 9, 40_000, 2**20, 10_000][i])
    return ParquetSource(path)
