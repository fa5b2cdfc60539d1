"""Generation on a Dask cluster."""

import pytest

from data_gen.errors import GenerationError, OutputError
from data_gen.writing import cluster


def test_the_same_bytes_as_on_threads(small, dask_client, tmp_path, contents):
    seen = []
    small(out=tmp_path / "threads")
    small(out=tmp_path / "dask", client=dask_client, progress=seen.append)
    assert contents(tmp_path / "dask") == contents(tmp_path / "threads")
    assert seen[-1] == 40_000


def test_by_address(small, dask_client, tmp_path, contents):
    small(out=tmp_path / "threads", rows=9000)
    small(out=tmp_path / "dask", rows=9000, client=dask_client.scheduler.address)
    assert contents(tmp_path / "dask") == contents(tmp_path / "threads")


def test_a_failing_worker_raises_its_own_error(small, dask_client, tmp_path, monkeypatch):
    (tmp_path / "data").mkdir()

    def spoil(rows):
        if rows == 0:  # after the plan, before the first file
            (tmp_path / "data" / ".generation" / "part-000000.parquet").mkdir()

    with pytest.raises(OutputError, match=r"part-000000.parquet could not be written"):
        small(client=dask_client, progress=spoil)


def test_a_cluster_without_workers_is_said_so(small, tmp_path, monkeypatch):
    from distributed import Client, LocalCluster

    monkeypatch.setattr(cluster, "NO_WORKER_SECONDS", 1.0)
    monkeypatch.setattr(cluster, "_LOOK_SECONDS", 0.3)
    with (
        LocalCluster(n_workers=0, processes=True, dashboard_address="127.0.0.1:0") as local,
        Client(local) as client,
        pytest.raises(GenerationError, match="no worker for 1 s; start workers"),
    ):
        small(client=client)
