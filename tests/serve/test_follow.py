"""A model put in another's place is served without a lost request; TLS; what watches the answers."""

import asyncio
import http.client
import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time

import numpy as np
import pyarrow as pa
import pytest

from scalable.data.table import TableSource
from scalable.errors import UsageError
from scalable.inference import load_model
from scalable.linear import LogisticRegression
from scalable.serve.app import App
from scalable.serve.follow import Follower
from scalable.serve.models import Models
from scalable.serve.run import check_tls

ROW = {"x": 1.5, "z": -0.5}


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    place = tmp_path_factory.mktemp("trained")
    for seed, name in enumerate(("first", "second")):
        rng = np.random.default_rng(seed)
        table = pa.table({"x": rng.normal(size=300), "z": rng.normal(size=300), "y": rng.integers(0, 2, 300)})
        LogisticRegression(n_workers=1).fit(TableSource(table, "y")).save(place / name)
    return place


@pytest.fixture
def link(trained, tmp_path):
    path = tmp_path / "fraud"
    path.symlink_to(trained / "first")
    return path


def point(link, place):
    """Let a link point elsewhere, in one step."""
    new = link.with_name("new")
    new.symlink_to(place)
    os.replace(new, link)


def test_what_is_put_in_the_place_is_served(trained, link):
    said = []
    models = Models([str(link)])
    follower = Follower(models, 60, said.append)
    first = models.get("fraud").version
    follower.look()
    assert said == []
    point(link, trained / "second")
    follower.look()
    served = models.get("fraud")
    assert said == [f"fraud: version {served.version} after {first}"]
    assert served.predictor.predict_one(ROW) == load_model(trained / "second").predict_one(ROW)


def test_what_cannot_be_loaded_changes_nothing_and_is_said_once(trained, link, tmp_path):
    said = []
    models = Models([str(link)])
    follower = Follower(models, 60, said.append)
    before = models.get("fraud")
    copy = tmp_path / "copy"
    shutil.copytree(trained / "second", copy)
    whole = (copy / "model.json").read_bytes()
    (copy / "model.json").write_bytes(whole[:20])
    point(link, copy)
    follower.look()
    follower.look()
    assert len(said) == 1
    assert said[0].endswith(f"version {before.version} goes on")
    link.unlink()  # between an old version and a new one there may be none
    follower.look()
    assert len(said) == 1
    assert models.get("fraud") is before
    (copy / "model.json").write_bytes(whole)
    link.symlink_to(copy)
    follower.look()
    assert models.get("fraud").version != before.version


def test_a_model_replaced_while_it_is_read_goes_by_its_own_version(trained, link, monkeypatch):
    reading = iter([True])

    def read_slowly(path):
        found = load_model(path)
        if next(reading, False):
            point(link, trained / "second")  # behind its back
        return found

    alone = {name: Models([str(trained / name)]).get(None) for name in ("first", "second")}
    monkeypatch.setattr("scalable.serve.models.load_model", read_slowly)
    served = Models([str(link)]).get(None)
    assert served.predictor.predict_one(ROW) == alone["second"].predictor.predict_one(ROW)


def test_what_was_put_there_between_reading_and_following_is_served(trained, link):
    models = Models([str(link)])
    point(link, trained / "second")
    Follower(models, 60, print).look()
    expected = load_model(trained / "second").predict_one(ROW)
    assert models.get("fraud").predictor.predict_one(ROW) == expected


class Counting:
    """An observer that keeps what it sees."""

    def __init__(self):
        self.seen = []

    def observe(self, model, version, rows, predictions):
        self.seen.append((model, version, rows, predictions.tolist()))

    def metrics(self):
        return f"watched_total {len(self.seen)}\n"


def call(app, method, path, body=b""):
    sent = []

    async def receive():
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message):
        sent.append(message)

    asyncio.run(app({"type": "http", "method": method, "path": path, "headers": []}, receive, send))
    return sent[0]["status"], sent[1]["body"]


def test_an_observer_sees_what_was_answered_and_nothing_else(link):
    models, observer = Models([str(link)]), Counting()
    app = App(models, observer=observer)
    served = models.get("fraud")
    assert call(app, "POST", "/predict", json.dumps([ROW, ROW]).encode())[0] == 200
    assert call(app, "POST", "/predict", b'{"x": "text", "z": 1}')[0] == 400
    expected = [served.predictor.predict_one(ROW)] * 2
    assert observer.seen == [("fraud", served.version, [ROW, ROW], expected)]
    assert b"\nwatched_total 1\n" in call(app, "GET", "/metrics")[1]


@pytest.fixture(scope="module")
def pem(tmp_path_factory):
    if shutil.which("openssl") is None:
        pytest.skip("openssl makes the certificate")
    place = tmp_path_factory.mktemp("pem")
    command = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-nodes",
    ]
    command += ["-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"]
    files = ["-keyout", str(place / "key.pem"), "-out", str(place / "cert.pem")]
    subprocess.run([*command, *files], check=True, capture_output=True)
    return place


def test_files_of_tls_are_checked(pem, tmp_path):
    cert, key = pem / "cert.pem", pem / "key.pem"
    assert check_tls(cert, key)
    assert not check_tls(None, None)
    with pytest.raises(UsageError, match="go together"):
        check_tls(cert, None)
    with pytest.raises(UsageError, match="there is no file"):
        check_tls(cert, tmp_path / "none")
    with pytest.raises(UsageError, match="no certificate with its private key"):
        check_tls(key, cert)
    locked = tmp_path / "locked.pem"
    command = ["openssl", "ec", "-aes128", "-passout", "pass:word", "-in", str(key), "-out", str(locked)]
    subprocess.run(command, check=True, capture_output=True)
    with pytest.raises(UsageError, match="unencrypted"):
        check_tls(cert, locked)


def test_a_followed_swap_loses_no_request_over_tls(trained, link, pem):
    pytest.importorskip("uvicorn", reason="the extra 'serve' is not installed")
    code = "import sys; from scalable.cli import main; sys.exit(main())"
    options = ["--bind", "127.0.0.1:0", "--follow", "0.05", "--cert", str(pem / "cert.pem")]
    process = subprocess.Popen(
        [
            sys.executable,
            "-c",
            code,
            "serve",
            str(link),
            *options,
            "--key",
            str(pem / "key.pem"),
            "--max-seconds",
            "5",
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    said = process.stdout.readline()
    assert "on https://127.0.0.1:" in said, said + process.stderr.read()
    port = int(said.rsplit(":", 1)[1])
    context = ssl.create_default_context(cafile=str(pem / "cert.pem"))
    statuses, versions, done = [], [], threading.Event()
    silent = socket.create_connection(("127.0.0.1", port), timeout=20)  # says nothing of TLS

    def keep_asking():
        connection = http.client.HTTPSConnection("127.0.0.1", port, timeout=20, context=context)
        while not done.is_set():
            connection.request("POST", "/predict", json.dumps(ROW))
            answer = connection.getresponse()
            versions.append(json.loads(answer.read())["version"])
            statuses.append(answer.status)
        connection.close()

    askers = [threading.Thread(target=keep_asking) for _ in range(2)]
    try:
        for asker in askers:
            asker.start()
        deadline = time.monotonic() + 60
        while not versions and time.monotonic() < deadline:
            time.sleep(0.01)
        point(link, trained / "second")
        deadline = time.monotonic() + 120
        while len(set(versions)) < 2 and time.monotonic() < deadline:
            time.sleep(0.01)
        done.set()  # who asked on would keep two processors busy for as long as the silent one is waited for
        with silent:
            assert silent.recv(1) == b""  # it is not waited for longer than for a head
    finally:
        done.set()
        for asker in askers:
            asker.join()
        process.send_signal(signal.SIGTERM)
        errors = process.communicate(timeout=20)[1]
    assert set(statuses) == {200}
    assert len(set(versions)) == 2
    assert f"fraud: version {versions[-1]} after {versions[0]}" in errors
    assert process.returncode in (0, -signal.SIGTERM)


def test_names_of_models(trained, tmp_path):
    (tmp_path / "day=7").mkdir()
    shutil.copytree(trained / "first", tmp_path / "day=7" / "fraud.model")
    inside = str(tmp_path / "day=7" / "fraud.model")
    assert [one.name for one in Models([inside]).all] == ["fraud"]
    assert [one.name for one in Models([f"a={inside}"]).all] == ["a"]
    for name in ('a"b', "a\\b", "a\nb"):  # would end a label of /metrics
        with pytest.raises(UsageError, match="cannot name a model"):
            Models([f"{name}={inside}"])
