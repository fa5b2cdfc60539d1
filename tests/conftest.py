"""Settings and fixtures of the whole suite."""

import gc
import os
import signal
import sys
from contextlib import contextmanager, suppress
from functools import cache
from importlib import import_module
from pathlib import Path

import pytest
from hypothesis import settings

# Read by OpenMP when LightGBM is loaded: spinning threads of two test processes starve each other.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

# BLAS's threads spin for milliseconds after each product: tests of the monitor and of features took 81 s of processor
# time where they take 20. Tests of what limits BLAS, or must not depend on its threads, ask for two of them.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

# Each process of the suite keeps a cluster that stands idle most of the time: to look fifty times a second at its event
# loops, a hundred times at stacks and twice at memory took 7 % of a processor.
for setting, value in (
    ("ADMIN__TICK__INTERVAL", "1s"),
    ("WORKER__PROFILE__ENABLED", "False"),
    ("ADMIN__SYSTEM_MONITOR__INTERVAL", "10s"),
):
    os.environ.setdefault(f"DASK_DISTRIBUTED__{setting}", value)

# Images of containers forbid bytecode files. The suite starts hundreds of processes, and each would compile three
# hundred files of the project anew: half of what a short command costs.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

# A shell starts what it runs in the background with SIGINT ignored, and children inherit that: tests of Ctrl-C would
# wait in vain for programs that never hear it.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# The first example of a test compiles kernels; timings are never asserted here.
settings.register_profile("suite", deadline=None, print_blob=True)
settings.load_profile("suite")

REPO = Path(__file__).resolve().parents[1]


# A module is run by one process: one that takes long and comes last keeps two others waiting. Those that wait for
# servers most of the time do so while others compile: at the end, they left both processors idle for half a minute.
FIRST = (
    "tests/tuning/test_search.py",
    "tests/serve/test_workers.py",
    "tests/storage/test_objects.py",
    "tests/storage/test_object_refusals.py",
    "tests/storage/test_generated_there.py",
    "tests/storage/test_registry_there.py",
)


def import_from_another_place(session):
    """Import the tests of a worker, each worker beginning at another module.

    The first process that imports a module rewrites its assertions, and leaves bytecode to those that come later.
    Workers start together: in a fresh clone, in one order, each would rewrite all of them.
    """
    worker = getattr(session.config, "workerinput", None)
    if worker is None or session.config.args != session.config.getini("testpaths"):
        return
    files = sorted(Path(__file__).parent.rglob("test_*.py"))
    start = len(files) * int(worker["workerid"].removeprefix("gw")) // worker["workercount"]
    for file in files[start:] + files[:start]:
        with suppress(Exception, pytest.skip.Exception):  # collection imports it again, and reports
            import_module(".".join(file.relative_to(REPO).with_suffix("").parts))


@pytest.hookimpl(wrapper=True)
def pytest_collection(session):
    """Look for no garbage among the tests, which all stay: neither while they are collected nor ever after.

    Among what tests make, look for it less often: it took a fourteenth of their time.
    """
    gc.disable()
    try:
        import_from_another_place(session)
        return (yield)
    finally:
        gc.enable()
        gc.freeze()
        gc.set_threshold(20_000, 20, 20)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """Let one process run all modules that need a cluster: each that has one starts and ends two workers more."""
    from xdist.scheduler import LoadFileScheduling

    class OneCluster(LoadFileScheduling):
        def _split_scope(self, nodeid):
            module = super()._split_scope(nodeid)
            return "cluster" if needs_cluster(REPO / module) else module

    return OneCluster(config, log) if config.option.dist == "loadfile" else None


@cache
def needs_cluster(module):
    """Does a module ask for `dask_client`?"""
    return "dask_client" in module.read_text(encoding="utf-8")


def pytest_collection_modifyitems(items):
    """Begin with the long ones of the last modules."""
    items.sort(key=lambda item: str(item.path.relative_to(REPO)) not in FIRST)


@contextmanager
def worker_processes(n_workers, scratch):
    """A client of `n_workers` processes with one thread each; all have ended when it is left."""
    from distributed import Client, LocalCluster

    from scalable.execution.local import preloads

    with (
        LocalCluster(
            n_workers=n_workers,
            threads_per_worker=1,
            processes=True,
            host="127.0.0.1",
            dashboard_address="127.0.0.1:0",  # None would still listen, on a fixed port
            memory_limit=0,
            local_directory=str(scratch),
            preload=preloads(),
            env={"PYTHONPATH": os.pathsep.join([str(REPO), os.environ.get("PYTHONPATH", "")])},
        ) as cluster,
        Client(cluster, set_as_default=False) as client,
    ):
        yield client


@pytest.fixture
def two_blas_threads():
    """Two threads for BLAS, of which the suite leaves it one, on any machine: for what must not depend on them."""
    import numpy as np
    from threadpoolctl import threadpool_limits

    np.ones((2, 2)) @ np.ones((2, 2))  # its threads are made at the first product
    with threadpool_limits(2, user_api="blas"):
        yield


@pytest.fixture(scope="session")
def dask_client(tmp_path_factory):
    """A client of two worker processes, shared by all tests of a process: do not kill or restart them."""
    with worker_processes(2, tmp_path_factory.mktemp("dask")) as client:
        yield client


@pytest.fixture(scope="module")
def mortal_client(tmp_path_factory):
    """A client of worker processes that tests may kill.

    Now and then a nanny of distributed 2026.8 does not bring back a worker that was killed, so
    tests must not wait for a certain number of them.
    """
    with worker_processes(3, tmp_path_factory.mktemp("mortal")) as client:
        yield client


@pytest.fixture(scope="session")
def shared_data():
    """The directory of real datasets beside the project."""
    found = REPO.parent / "shared" / "data"
    if not found.is_dir():
        pytest.skip("the real datasets are not beside the project (../shared/data)")
    return found
