"""Settings and fixtures of the whole suite."""

import os
from pathlib import Path

import pytest
from hypothesis import settings

# The first example of a test compiles kernels; timings are never asserted here.
settings.register_profile("suite", deadline=None, print_blob=True)
settings.load_profile("suite")

REPO = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def dask_client(tmp_path_factory):
    """A client of two worker processes with one thread each, shared by all tests of a run."""
    from distributed import Client, LocalCluster

    with (
        LocalCluster(
            n_workers=2,
            threads_per_worker=1,
            processes=True,
            host="127.0.0.1",
            dashboard_address=None,
            memory_limit=0,
            local_directory=str(tmp_path_factory.mktemp("dask")),
            env={"PYTHONPATH": os.pathsep.join([str(REPO), os.environ.get("PYTHONPATH", "")])},
        ) as cluster,
        Client(cluster, set_as_default=False) as client,
    ):
        yield client


@pytest.fixture(scope="session")
def shared_data():
    """The directory of real datasets beside the project."""
    found = REPO.parent / "shared" / "data"
    if not found.is_dir():
        pytest.skip("the real datasets are not beside the project (../shared/data)")
    return found
