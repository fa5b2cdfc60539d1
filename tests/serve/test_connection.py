"""What stands between a client and the application: heads, bodies, packets, places, and load that is measured."""

import asyncio
import datetime
import decimal
import http.client
import json
import re
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from types import SimpleNamespace

import pytest

from scalable.errors import UsageError
from scalable.serve.limits import Limits
from scalable.serve.load import Target, offer
from scalable.serve.metrics import Metrics
from scalable.serve.run import listen
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


def request_of(body, *headers, line="POST /predict HTTP/1.1"):
    head = "\r\n".join([line, "Host: a", *headers, f"Content-Length: {len(body)}"])
    return head.encode() + b"\r\n\r\n" + body


def answers_of(port, *parts, close=True, pause=0.0):
    """Return the status and the body of each answer to what is sent in parts on one connection, until it ends."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as client:
        for part in parts:
            client.sendall(part)
            time.sleep(pause)
        if close:
            client.shutdown(socket.SHUT_WR)
        said = b""
        while part := client.recv(2**16):
            said += part
    found = []
    while said:
        head, _, rest = said.partition(b"\r\n\r\n")
        size = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0] or 0)
        found.append((int(head.split()[1]), rest[:size]))
        said = rest[size:]
    return found


ONE, MANY = json.dumps(ROW).encode(), json.dumps([ROW] * 120).encode()  # many go to a thread


def test_requests_of_one_connection_are_answered_in_order(port):
    alone = {body: ask(port, "POST", "/predict", body)[:2] for body in (ONE, MANY, b"{")}
    order = [ONE, MANY, ONE, b"{", MANY, MANY, ONE]
    together = b"".join(request_of(body) for body in order)
    expected = [alone[body] for body in order]
    assert answers_of(port, together) == expected
    one_by_one = [together[k : k + 97] for k in range(0, len(together), 97)]
    assert answers_of(port, *one_by_one) == expected
    # What follows a last request is not looked at; what follows others and is none is refused behind their answers.
    assert answers_of(port, request_of(MANY, "Connection: close") + request_of(ONE)) == [alone[MANY]]
    found = answers_of(port, request_of(MANY) + request_of(ONE) + b"\0\0")
    assert (found[:2], found[2][0]) == ([alone[MANY], alone[ONE]], 400)


def test_a_head_behind_others_in_one_read_is_not_charged_for_them():
    from scalable.serve.connection.protocol import READ_BYTES, Connection

    def nowhere(_):
        return 404, b"", ()

    app = SimpleNamespace(limits=Limits(), metrics=Metrics(), handle=nowhere)
    one = request_of(b"", line="GET /nowhere HTTP/1.1")
    full = one * (READ_BYTES // len(one) + 1)

    async def statuses(*reads):
        said, space = [], memoryview(bytearray(READ_BYTES))
        client = Connection(app, space, set(), set())
        client.connection_made(SimpleNamespace(write=said.append, close=said.clear, can_write_eof=bool))
        for read in reads:
            space[: len(read)] = read
            client.buffer_updated(len(read))
        client.connection_lost(None)
        return [int(status) for status in re.findall(rb"HTTP/1.1 (\d+)", b"".join(said))]

    cut = full[:READ_BYTES], full[READ_BYTES:-4], full[-4:]
    assert asyncio.run(statuses(*cut)) == [404] * (len(full) // len(one))
    without_end = b"A: " + b"b" * (READ_BYTES - 3)
    assert asyncio.run(statuses(full[:READ_BYTES], without_end, b"b"))[-1] == 431
    assert asyncio.run(statuses(full[: -len(one)], b"GET / HTTP/1.1\r\n", without_end))[-1] == 431


def test_a_refused_client_that_is_not_told_of_an_end_is_soon_let_go(monkeypatch):
    """As over TLS: it is not held for as long as one that may still send, but what it sends is read over."""
    from scalable.serve.connection import protocol

    monkeypatch.setattr(protocol, "QUIET_SECONDS", 0.2)
    app = SimpleNamespace(limits=Limits(), metrics=Metrics(), handle=None)

    async def seconds_kept(*pauses):
        space, closed = memoryview(bytearray(100)), asyncio.Event()
        client = protocol.Connection(app, space, set(), set())
        transport = SimpleNamespace(write=len, close=closed.set, can_write_eof=bool)
        client.connection_made(transport)
        start = time.monotonic()
        for pause in (*pauses, None):
            space[:12] = b"nonsense\r\n\r\n"
            client.buffer_updated(12)
            if pause is not None:
                await asyncio.sleep(pause)
        assert not closed.is_set()
        await asyncio.wait_for(closed.wait(), 4)  # less than IDLE_SECONDS
        client.connection_lost(None)
        return time.monotonic() - start

    assert asyncio.run(seconds_kept()) >= 0.2
    assert asyncio.run(seconds_kept(0.15, 0.15)) >= 0.5  # what still comes is waited for


def test_bodies_and_addresses_of_every_form(port):
    alone = ask(port, "POST", "/predict", ONE)[:2]
    chunked = b"POST /predict HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    parts = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in (ONE[:7], ONE[7:8], ONE[8:]))
    assert answers_of(port, chunked, parts[:9], parts[9:], b"0\r\n\r\n", pause=0.01) == [alone]
    trailer = b"0\r\nContent-Type: application/vnd.apache.arrow.stream\r\n\r\n"  # it comes too late to change anything
    assert answers_of(port, chunked + parts + trailer) == [alone]
    for line in ("POST http://a/predict?x=1 HTTP/1.1", "POST /%70redict HTTP/1.1", "POST /predict HTTP/1.0"):
        assert answers_of(port, request_of(ONE, line=line)) == [alone]
    expecting = request_of(ONE, "Expect: 100-continue")[: -len(ONE)]
    assert answers_of(port, expecting, ONE, pause=0.05) == [(100, b""), alone]
    many = ask(port, "POST", "/predict", MANY)[:2]  # a body is asked for behind the answers before it
    for before, answer, pause in ((ONE, alone, 0.05), (MANY, many, 0.3)):
        found = answers_of(port, request_of(before) + expecting, ONE, pause=pause)
        assert found == [answer, (100, b""), alone]
    of_old = request_of(ONE, "Expect: 100-continue", line="POST /predict HTTP/1.0")
    assert answers_of(port, of_old) == [alone]
    upgrade = "Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABk"
    assert [
        one[0] for one in answers_of(port, request_of(b"", *upgrade, line="GET /v2 HTTP/1.1"), close=False)
    ] == [200]
    status, said = answers_of(port, request_of(ONE, *upgrade), close=False)[0]
    assert (status, b"ask without the header Upgrade" in said) == (400, True)
    with socket.create_connection(("127.0.0.1", port), timeout=10) as client:
        client.sendall(b"HEAD /v2 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        said = b""
        while part := client.recv(1000):
            said += part
    assert said.startswith(b"HTTP/1.1 405 ")
    assert said.endswith(b"\r\n\r\n")  # no body
    with socket.create_connection(("127.0.0.1", port), timeout=10) as client:
        client.sendall(b"HEAD /predict HTTP/1.1\r\nHost: a\r\nContent-Length: 30000\r\n\r\n")
        said = b""
        while part := client.recv(1000):  # it ends: a reason would be taken for the next answer
            said += part
    assert said.startswith(b"HTTP/1.1 413 ")


def test_what_is_too_large_is_refused_before_it_is_read(port):
    alone = ask(port, "POST", "/predict", ONE)[:2]
    large = request_of(b" " * 30_000)
    found = answers_of(port, large[:200], large[200:] + request_of(ONE), pause=0.01)
    assert ([status for status, _ in found], found[1]) == ([413, 200], alone)  # the connection goes on
    chunk = b"%x\r\n%s\r\n" % (15_000, b" " * 15_000)
    chunked = b"POST /predict HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    assert [status for status, _ in answers_of(port, chunked, chunk, chunk)] == [413]
    waits = request_of(b" " * 30_000, "Expect: 100-continue")[:-30_000]
    assert [status for status, _ in answers_of(port, waits, close=False)] == [
        413
    ]  # who waits to be told sends nothing
    began = time.perf_counter()
    assert [status for status, _ in answers_of(port, large[:200], close=False)] == [
        413
    ]  # the rest never comes
    assert time.perf_counter() - began < 5
    endless = chunked + b"2\r\n{}\r\n0\r\nA: ", chunked + b"2;"  # a trailer's value, a chunk's extension
    for begun in endless:
        found = answers_of(port, begun + b"b" * 70_000, b"b" * 70_000, close=False)
        assert found == [(431, b'{"error":"what is beside a body of more than 65,536 bytes"}')]
    for size in (b"-1", b"1e3", b"9" * 30, b"5, 5"):
        head = b"POST /predict HTTP/1.1\r\nHost: a\r\nContent-Length: " + size + b"\r\n\r\n"
        assert answers_of(port, head + ONE, close=False)[0][0] in (400, 413)
    assert ask(port, "POST", "/predict", ROW)[0] == 200


def test_a_refusal_is_told_to_who_is_still_sending(port):
    asked = urllib.request.Request(f"http://127.0.0.1:{port}/predict", b" " * 2**23)  # says Connection: close
    with pytest.raises(urllib.error.HTTPError) as told:  # not a reset connection
        urllib.request.urlopen(asked, timeout=10)
    assert told.value.code == 413
    assert b"a body of more than 20,000 bytes" in told.value.read()
    assert answers_of(port, b"nonsense\r\n\r\n", b" " * 2**20)[0][0] == 400
    assert answers_of(port, request_of(b" " * 2**20, "Expect: 100-continue"), close=False)[0][0] == 413


def flood(client, asked, port):
    """Send and read nothing, until the connection is ended; return after a minute."""
    sent, until = 0, time.monotonic() + 60
    while time.monotonic() < until:
        try:
            sent += client.send(asked)
        except TimeoutError:
            assert ask(port, "POST", "/predict", ROW)[0] == 200  # others are answered
            assert sent < 2**26  # no more is taken than fits into buffers


def test_who_takes_no_answers_is_let_go(port):
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.settimeout(0.2)
        client.connect(("127.0.0.1", port))
        with pytest.raises((ConnectionResetError, BrokenPipeError)):
            flood(client, b"GET /v2/models/fraud HTTP/1.1\r\nHost: a\r\n\r\n" * 100, port)
    assert ask(port, "POST", "/predict", ROW)[0] == 200


def test_load_is_counted_from_when_it_was_due(port):
    found = offer(Target(f"http://127.0.0.1:{port}"), [ROW, {}], 200, 0.5)
    assert found["requests"] == 100
    assert found["statuses"] == {"200": 50, "400": 50}
    assert "the row has no 'x'" in found["reasons"]["400"]
    assert found["failed"] == 50
    assert 0 < found["p50_us"] <= found["p99.9_us"]
    assert Target("http://127.0.0.1/explain?top=3").path == "/explain?top=3"
    when = datetime.datetime(2026, 1, 31, 12)
    rows = [{**ROW, "x": float("nan"), "when": when}, {**ROW, "x": decimal.Decimal("1.5")}]
    assert offer(Target(f"http://127.0.0.1:{port}"), rows, 50, 0.2)["statuses"] == {"200": 10}
    with pytest.raises(UsageError, match=r"example\.org is another machine"):
        Target("http://example.org")


def test_listening_places_are_checked(place, table):
    code = "import sys; from scalable.cli import main; sys.exit(main())"
    command = [sys.executable, "-c", code, "serve", str(place / "fraud.model"), "--bind", "8000"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "--bind should be HOST:PORT, found '8000'" in done.stderr


def test_a_socket_is_taken_over_from_the_dead_only(tmp_path):
    path = tmp_path / "socket"
    listening, said = listen(None, path)
    assert said == f"unix:{path}"
    with pytest.raises(UsageError, match="Address already in use"):
        listen(None, path)
    listening.close()
    listen(None, path)[0].close()
