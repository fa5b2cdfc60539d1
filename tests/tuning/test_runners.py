"""Who measures trials on a cluster whose scheduler is gone."""

from types import SimpleNamespace

import pytest

from scalable.errors import ClusterError
from scalable.tuning.runners import OnCluster


@pytest.mark.parametrize("status", ["running", "connecting", "closed"])
def test_a_lost_scheduler_is_one_line(status):
    def gone(*args, **options):
        raise OSError("Timed out trying to connect")

    client = SimpleNamespace(
        status=status,
        scatter=print,
        sync=lambda ask, *args, callback_timeout, **options: gone() if args or options else None,
        scheduler=SimpleNamespace(identity=gone),
        nthreads=gone,
    )
    runner = OnCluster(client, ["there"], None)
    with pytest.raises(ClusterError, match="the connection to the Dask scheduler was lost; restart it"):
        next(runner.run([0], 1))
