"""A server in a process of its own, the model that it serves, and how it is asked."""

import http.client
import json
import re
import signal
import subprocess
import sys

import numpy as np
import pyarrow as pa

from scalable.data.table import TableSource
from scalable.linear import LogisticRegression

ROW = {"x": 1.5, "kind": "b", "when": "2026-01-31T12:00:00"}


def trained(path, seed):
    rng = np.random.default_rng(seed)
    n = 400
    table = pa.table(
        {
            "x": rng.normal(size=n),
            "kind": rng.choice(["a", "b", "c"], n),
            "when": pa.array(rng.integers(0, 10**9, n), pa.timestamp("s")),
            "y": rng.integers(0, 2, n),
        }
    )
    LogisticRegression(n_workers=1).fit(TableSource(table, "y")).save(path)
    return table.drop_columns("y")


def start(place, *options):
    (place / "token").write_text("secret\n")
    code = "import sys; from scalable.cli import main; sys.exit(main())"
    command = [
        sys.executable,
        "-c",
        code,
        "serve",
        str(place / "fraud.model"),
        "--bind",
        "127.0.0.1:0",
        *options,
    ]
    process = subprocess.Popen(
        [*command, "--token-file", str(place / "token")],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    said = process.stdout.readline()
    assert "serving fraud" in said, said + process.stdout.read()
    return process, int(re.search(r":(\d+)(, \d+ workers)?$", said)[1])


def stop(process):
    process.send_signal(signal.SIGTERM)
    process.wait(20)
    process.stdout.close()


def ask(port, method, path, body=None, headers=None):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    try:
        data = body if body is None or isinstance(body, (bytes, str)) else json.dumps(body)
        connection.request(method, path, data, headers or {})
        answer = connection.getresponse()
        return answer.status, answer.read(), dict(answer.getheaders())
    finally:
        connection.close()
