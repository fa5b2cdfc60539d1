import pytest

from scalable.boosting.workers.launchers import LocalLauncher
from scalable.boosting.workers.placement import Place, Team
from scalable.execution.threads import Threads


@pytest.fixture
def local_team():
    """Makes a team of k one-thread workers that are children of this process."""

    def make(n_workers):
        places = tuple(Place(f"worker {worker}", "127.0.0.1", 1) for worker in range(n_workers))
        return Team(places, Threads(1), LocalLauncher)

    return make
