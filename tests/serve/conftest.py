import pytest

from tests.serve.running import start, stop, trained


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return tmp_path_factory.mktemp("serve")


@pytest.fixture(scope="module")
def table(place):
    trained(place / "second", 1)
    return trained(place / "fraud.model", 0)


@pytest.fixture(scope="module")
def port(place, table):
    process, port = start(place, "--max-body", "20000", "--max-rows", "150", "--max-seconds", "1")
    yield port
    stop(process)
