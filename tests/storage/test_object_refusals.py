"""What an object store refuses, or where there is none: one line with the remedy."""

import io
import socket
import time

import pytest

from scalable import ParquetSource
from scalable.errors import DataError, UsageError
from scalable.storage import object_access
from scalable.storage.files import store_of
from scalable.storage.object_access import FIRST_SECONDS
from tests.storage.s3 import Proxy


@pytest.mark.parametrize(
    ("path", "keys", "said"),
    [
        ("s3://no-such-bucket/x", {}, "no bucket 'no-such-bucket'"),
        ("s3://test-bucket/nothing", {}, "no such object"),
        ("s3://test-bucket/none-*.parquet", {}, "no file matches"),
        ("s3://test-bucket/sets", {"AWS_ACCESS_KEY_ID": "other"}, "AWS_ACCESS_KEY_ID"),
        ("s3://test-bucket/sets", {"AWS_SECRET_ACCESS_KEY": "other"}, "AWS_SECRET_ACCESS_KEY"),
    ],
)
def test_what_cannot_be_had_is_said_in_one_line(path, keys, said, prefix, environment):
    environment(**keys)
    with pytest.raises(DataError, match=said) as told:
        ParquetSource(path)
    assert "\n" not in str(told.value)
    assert "testsecret" not in str(told.value)


@pytest.mark.parametrize(
    ("status", "code", "said"),
    [
        (400, "ExpiredToken", "credentials have expired; renew them"),
        (400, "InvalidToken", "AWS_SESSION_TOKEN"),
        (403, "AccessDenied", "access is denied; check what the credentials may do in bucket 'test-bucket'"),
        (301, "PermanentRedirect", "bucket 'test-bucket' is in another region; set AWS_REGION"),
        (400, "AuthorizationHeaderMalformed", "bucket 'test-bucket' is in another region; set AWS_REGION"),
    ],
)
def test_refusals_of_a_store_are_told_with_their_remedy(status, code, said, prefix, environment, s3_server):
    """As S3 answers where this server would not: reading, and writing a model, in one line without a secret."""

    class Refusing(Proxy):
        def answer(self, handler):
            handler.rfile.read(int(handler.headers.get("Content-Length", 0)))
            self.refuse(handler, status, f"<Error><Code>{code}</Code></Error>".encode())

    with Refusing(s3_server) as proxy:
        environment(proxy.address)
        with pytest.raises(DataError, match=said) as told:
            ParquetSource(prefix)
        with pytest.raises(OSError, match=said), store_of(prefix).replacing(f"{prefix}/one") as file:
            file.write(b"x")
    assert "\n" not in str(told.value)
    assert "testkey" not in str(told.value)


def test_no_bucket_and_no_profile_are_refused(monkeypatch, tmp_path):
    with pytest.raises(UsageError, match="give a bucket"):
        ParquetSource("s3:///x")
    monkeypatch.delenv("AWS_ACCESS_KEY_ID", raising=False)
    (tmp_path / "credentials").write_text("[work]\naws_access_key_id = a\naws_secret_access_key = b\n")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_PROFILE", "work")
    assert object_access._profile() == {"access_key_id": "a", "secret_access_key": "b"}
    monkeypatch.setenv("AWS_PROFILE", "home")
    with pytest.raises(UsageError, match="no profile 'home'"):
        object_access._profile()


@pytest.mark.parametrize("kind", ["refused", "silent", "no name"])
def test_a_store_that_is_not_there_is_told_soon(kind, environment, monkeypatch):
    monkeypatch.setattr(object_access, "FIRST_SECONDS", 1)
    assert FIRST_SECONDS + 3 <= 10  # a refused connection may be followed by a pause and another one
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1] if kind == "silent" else 9
        address = f"http://{'no-such-host.invalid' if kind == 'no name' else '127.0.0.1'}:{port}"
        environment(address)
        began = time.monotonic()
        with pytest.raises(DataError, match=f"nothing answers at {address}; check AWS_ENDPOINT_URL") as told:
            ParquetSource("s3://test-bucket/sets/one")
        with pytest.raises(OSError, match=f"nothing answers at {address}"):
            store_of("s3://test-bucket/x").upload("s3://test-bucket/x", io.BytesIO(b"x"))
    assert time.monotonic() - began < 10
    assert "\n" not in str(told.value)


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({"AWS_ENDPOINT_URL": "127.0.0.1:9000"}, "is no address; give https://host:port"),
        ({"AWS_ALLOW_HTTP": "false"}, "set AWS_ALLOW_HTTP=true"),
    ],
)
def test_addresses_that_cannot_be_spoken_to_are_refused(variables, said, environment, monkeypatch):
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(UsageError, match=said):
        ParquetSource("s3://test-bucket/sets/one")


def test_who_has_no_credentials_is_told(environment, monkeypatch, tmp_path):
    """Without keys the library asks Amazon's machines for their role, wherever it runs."""
    environment()
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setattr(object_access, "FIRST_SECONDS", 1)
    object_access.open_bucket.cache_clear()
    with pytest.raises(DataError, match="there are no credentials; set AWS_ACCESS_KEY_ID") as told:
        ParquetSource("s3://test-bucket/sets/one")
    assert "\n" not in str(told.value)
