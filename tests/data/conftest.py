import pytest

from scalable.data.readers import parked


@pytest.fixture(autouse=True)
def nothing_stays_parked():
    """Executors release what a run parked; these tests call the readers directly."""
    yield
    parked.release({identity[0] for identity, _ in parked._cursors})
