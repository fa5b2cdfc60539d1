"""What an object store refuses, or where there is none: one line with the remedy, and no key in it."""

import io
import logging
import pickle
import socket
import time

import pytest

from bench.objects.server import KEYS, READER
from scalable import ParquetSource, tune
from scalable.cli.app import build
from scalable.cli.screen.failure import run as run_command
from scalable.errors import DataError, UsageError
from scalable.linear import LogisticRegression
from scalable.registry.registry import Registry
from scalable.storage import object_access
from scalable.storage.files import store_of
from scalable.storage.object_access import FIRST_SECONDS
from scalable.storage.places import files_below, place
from tests.storage.conftest import ROWS
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
        (403, "RequestTimeTooSkewed", "the clock of this machine is minutes off"),
        (403, "InvalidObjectState", "the object lies in an archive; restore it first"),
        (400, "KMS.DisabledException", "the store answers KMS.DisabledException"),
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


def test_who_may_only_read_reads_and_leaves_nothing(prefix, environment, capsys):
    environment(**READER)
    assert ParquetSource(prefix, target="y").n_rows == 3 * ROWS
    new = f"{prefix}/new.bin"
    with pytest.raises(
        OSError, match="access is denied; check what the credentials may do in bucket 'test-bucket'"
    ):
        store_of(new).upload(new, io.BytesIO(b"x"))
    with pytest.raises(OSError, match="access is denied"):
        store_of(new).remove([f"{prefix}/part-0.parquet"])
    with pytest.raises(DataError, match="access is denied"):
        ParquetSource("s3://other-bucket/x")
    assert (
        run_command(build(), ["train", "logistic", "none/", "--target", "y", "--model", f"{prefix}-m"]) == 1
    )
    told = capsys.readouterr().err
    assert "cannot be written (access is denied" in told  # before the rows are looked at
    assert told.count("\n") == 1
    environment()
    assert len(ParquetSource(prefix).paths) == 3
    with pytest.raises(FileNotFoundError):
        store_of(new).version(new)


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
        (
            {"AWS_ALLOW_HTTP": "false", "AWS_ENDPOINT_URL": "http://me:secret@h:1"},
            "URL: http://h:1 has no TLS",
        ),
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


# Keys stay in the environment.
SECRETS = [KEYS["AWS_ACCESS_KEY_ID"], KEYS["AWS_SECRET_ACCESS_KEY"], "another-secret", "another-token"]


@pytest.mark.filterwarnings("ignore")  # two passes do not converge
def test_keys_are_found_nowhere(folder, prefix, environment, tmp_path, capfd, caplog, monkeypatch):
    caplog.set_level(logging.DEBUG)
    caplog.set_level(logging.WARNING, "numba")  # it tells of every bytecode
    there = "s3://test-bucket/searched"

    def run(*words):
        return run_command(build(), [*map(str, words)])

    model, roles = f"{there}/model", ["--target", "y"]
    assert run("train", "logistic", prefix, *roles, "--model", model, "--json", tmp_path / "train.json") == 0
    assert run("train", "lightgbm", prefix, *roles, "--model", tmp_path / "trees", "--n-estimators", 2) == 0
    assert run("predict", model, prefix, "--out", f"{there}/scores", "--json", f"{there}/scores.json") == 0
    assert run("evaluate", model, prefix, *roles, "--json", f"{there}/scored.json") == 0
    assert run("generate", "fraud", "--rows", 5_000, "--out", f"{there}/made") == 0
    Registry(f"{there}/registry").record("m", model)
    source = ParquetSource(prefix, target="y")
    tune("logistic", source, "C=0.1|1", n_trials=2, checkpoint=f"{there}/search", refit=False)
    LogisticRegression(solver="sgd", max_iter=2, checkpoint=f"{there}/kept").fit(source)
    pickled = pickle.dumps([source, store_of(prefix).version(f"{prefix}/part-0.parquet")])
    environment(AWS_SECRET_ACCESS_KEY="another-secret", AWS_SESSION_TOKEN="another-token")
    assert run("predict", model, prefix, "--out", tmp_path / "never", "--debug") == 1
    monkeypatch.delenv("AWS_SESSION_TOKEN")
    environment()
    out, err = capfd.readouterr()
    assert "access is denied" in err
    found = {"stdout": out.encode(), "stderr": err.encode(), "log": caplog.text.encode(), "pickle": pickled}
    for where in (place(there), tmp_path):
        found |= {f"{where}/{name}": path.read_bytes() for name, path in files_below(where).items()}
    assert sum(name.endswith("model.json") for name in found) >= 3
    assert {
        name for name, data in found.items() if any(secret.encode() in data for secret in SECRETS)
    } == set()
