import pytest

from scalable.data.readers import cursor_pool


@pytest.fixture(autouse=True)
def nothing_stays_parked():
    """Executors release what a run parked; these tests call the readers directly."""
    yield
    cursor_pool.release({identity[0] for identity, _ in cursor_pool._cursors})
