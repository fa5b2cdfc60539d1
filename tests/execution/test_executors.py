import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from scalable.errors import ClusterError, UsageError
from scalable.execution.executors import connected, get_executor
from scalable.execution.threads import Threads

ROOT = Path(__file__).resolve().parents[2]


def test_no_client_means_threads():
    with get_executor() as executor:
        assert isinstance(executor, Threads)
        assert executor.n_workers == len(os.sched_getaffinity(0))
    with get_executor(n_workers=3) as executor:
        assert repr(executor) == "Threads(3)"


@pytest.mark.parametrize("bad", [3, object(), ["tcp://127.0.0.1:1"]])
def test_something_else_than_a_client_is_a_usage_error(bad):
    with pytest.raises(UsageError, match="must be a dask Client, an address or None"), connected(bad):
        pass


def test_an_asynchronous_client_is_a_usage_error():
    class Asynchronous:
        asynchronous = True
        submit = scheduler_info = None

    with pytest.raises(UsageError, match="asynchronous"), connected(Asynchronous()):
        pass


ADDRESSES = ["tcp://127.0.0.1:9", "127.0.0.1:9", "nonsense://x:1", "", "tcp://127.0.0.1"]


def test_an_unreachable_address_is_one_clear_error_without_noise():
    code = f"""
        import gc, sys
        from scalable.errors import ClusterError
        from scalable.execution import executors
        executors.CONNECT_SECONDS = 1
        for address in {ADDRESSES!r}:
            try:
                with executors.connected(address):
                    sys.exit("connected?")
            except ClusterError as error:
                message = str(error)
            gc.collect()
            assert repr(address) in message and "dask scheduler" in message, message
        sys.exit(77)
    """
    done = subprocess.run(
        [
            *(sys.executable, "-X", "dev", "-W", "error", "-W", "ignore::DeprecationWarning"),
            *("-c", textwrap.dedent(code)),
        ],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        timeout=100,
        check=False,
    )
    assert done.returncode == 77, done.stderr
    assert done.stdout == ""
    assert done.stderr == ""


def test_the_body_of_an_address_may_fail_and_still_closes(dask_client):
    held = []

    def body():
        with connected(dask_client.scheduler.address) as opened:
            held.append(opened)
            raise LookupError

    with pytest.raises(LookupError):
        body()
    assert held[0].status == "closed"


def test_connection_errors_are_cluster_errors():
    assert issubclass(ClusterError, RuntimeError)
