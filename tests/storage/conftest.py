import pytest

from scalable.storage import object_access, objects
from tests.storage import s3


@pytest.fixture(scope="module")
def s3_server(tmp_path_factory):
    pytest.importorskip("obstore")
    with s3.server(tmp_path_factory.mktemp("s3")) as address:
        yield address


def forget():
    """Let no store, mirror or footer outlive the environment that it was opened in."""
    object_access.open_bucket.cache_clear()
    objects._mirrors.cache_clear()
    objects._tails.clear()


@pytest.fixture
def environment(s3_server, monkeypatch):
    """Point the environment at a server; a test may call it again with another address or key."""

    def point(address=s3_server, **keys):
        for name, value in {**s3.KEYS, **keys, "AWS_ENDPOINT_URL": address, "AWS_ALLOW_HTTP": "true"}.items():
            monkeypatch.setenv(name, value)
        forget()

    point()
    yield point
    forget()
