"""What stands between a client and the application: heads, bodies, packets, places, and load that is measured."""

import http.client
import json
import socket
import subprocess
import sys
import time

import pytest

from scalable.errors import UsageError
from scalable.serve.load import Target, offer
from tests.serve.running import ROW, ask

pytest.importorskip("uvicorn", reason="the extra 'serve' is not installed")


def test_what_is_no_http_and_slow_clients(port):
    part = b"POST /predict HTTP/1.1\r\nHost: a\r\nContent-Length: 50\r\n\r\n{"
    for data, status in ((b"nonsense\r\n\r\n", b"400"), (part, b"408")):
        with socket.create_connection(("127.0.0.1", port), timeout=10) as client:
            client.sendall(data)
            assert status in client.recv(1000)
    assert ask(port, "DELETE", "/predict")[0] == 405
    # Heads that do not end: silent from the start, slow, slow after an answer; without end.
    request = b"POST /predict HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n[]"
    for data in (b"", b"POST /predict HTTP/1.1\r\nA: b", request + b"GET /v2 HT"):
        with socket.create_connection(("127.0.0.1", port), timeout=10) as client:
            client.sendall(data)
            said = b""
            while part := client.recv(1000):
                said += part
            assert b"408 Request Timeout" in said
            assert said.endswith(b'{"error":"the head was not there within 1 seconds"}')
    with socket.create_connection(("127.0.0.1", port), timeout=10) as client:
        client.sendall(b"GET /v2 HTTP/1.1\r\n" + b"A: " + b"b" * 70_000)
        assert b"431" in client.recv(1000)
    assert ask(port, "POST", "/predict", ROW)[0] == 200


def test_no_answer_waits_for_an_acknowledgement(port):
    connection, took = http.client.HTTPConnection("127.0.0.1", port, timeout=30), []
    for _ in range(30):
        start = time.perf_counter()
        connection.request("POST", "/predict", json.dumps(ROW))
        assert connection.getresponse().read()
        took.append(time.perf_counter() - start)
    connection.close()
    assert sorted(took)[5] < 0.03  # the head and the body are two packets: the second waited 40 ms each time


def test_load_is_counted_from_when_it_was_due(port):
    found = offer(Target(f"http://127.0.0.1:{port}"), [ROW, {}], 200, 0.5)
    assert found["requests"] == 100
    assert found["statuses"] == {"200": 50, "400": 50}
    assert "the row has no 'x'" in found["reasons"]["400"]
    assert found["failed"] == 50
    assert 0 < found["p50_us"] <= found["p99.9_us"]
    with pytest.raises(UsageError, match=r"example\.org is another machine"):
        Target("http://example.org")


def test_listening_places_are_checked(place, table):
    code = "import sys; from scalable.cli import main; sys.exit(main())"
    command = [sys.executable, "-c", code, "serve", str(place / "fraud.model"), "--bind", "8000"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "--bind should be HOST:PORT, found '8000'" in done.stderr
