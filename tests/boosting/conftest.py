import pytest

from scalable.boosting.workers.launchers import LocalLauncher
from scalable.boosting.workers.placement import Place, Team
from scalable.execution.threads import Threads


@pytest.fixture
def local_team():
    """Makes a team of k one-thread ranks that are children of this process."""

    def make(n_ranks):
        places = tuple(Place(f"rank {rank}", "127.0.0.1", 1) for rank in range(n_ranks))
        return Team(places, Threads(1), LocalLauncher)

    return make
