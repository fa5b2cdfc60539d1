"""The generator of load is no coarser than what it measures, and takes answers as they come."""

import socket
import threading
import time

from scalable.serve.connection.client import Clients
from scalable.serve.load import Target, offer


def answering(*parts, times=1):
    """Return the address of a server that answers each request of some connections in parts, then closes it."""
    listening = socket.create_server(("127.0.0.1", 0))

    def serve(client):
        with client:
            while client.recv(1000) and parts:
                for part in parts:
                    client.sendall(part)
                    time.sleep(0.01)

    def accept():
        with listening:
            for _ in range(times):
                threading.Thread(target=serve, args=(listening.accept()[0],), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    return listening.getsockname()


def asked(address, n, most=2):
    found = []
    with Clients(socket.AF_INET, address, most) as clients:
        for k in range(n):
            clients.send(k, b"request")
        until = time.monotonic() + 20
        while len(found) < n and time.monotonic() < until:
            found += clients.answers(0.1)
        return sorted(found), clients.sent_again


def test_a_request_leaves_when_it_is_due():
    taken = []
    with Clients(socket.AF_INET, ("127.0.0.1", 9), 1) as clients:
        for _ in range(100):
            began = time.perf_counter()
            assert list(clients.answers(2e-4)) == []
            taken.append(time.perf_counter() - began)
    assert 2e-4 <= min(taken) < 9e-4  # whole milliseconds would be one at least


def test_answers_in_parts_and_requests_beyond_the_connections():
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n"
    address = answering(head, b"\r\nbo", b"dy", times=2)
    assert asked(address, 5) == ([(k, "200", b"body") for k in range(5)], 0)
    last = answering(b"HTTP/1.1 503 no\r\ncontent-length: 0\r\nconnection: close\r\n\r\n", times=3)
    assert asked(last, 3, most=1) == ([(k, "503", b"") for k in range(3)], 0)


def test_connections_that_are_kept_are_made_before_the_time_begins():
    port = answering(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", times=3)[1]  # refuses a fourth
    found = offer(Target(f"http://127.0.0.1:{port}"), [{"x": 1.0}], 400, 0.1, connections=3)
    assert (found["statuses"], found["requests"], found["sent_again"]) == ({"200": 40}, 40, 0)


def test_what_fails_is_called_by_its_name():
    nonsense = answering(b"HTTP/1.1 200 OK\r\n\r\n")
    assert asked(nonsense, 1)[0][0][:2] == (0, "ValueError")
    closing = answering(times=6)
    assert asked(closing, 1) == ([(0, "EOFError", b"the connection was closed")], 5)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        refusing = free.getsockname()
    assert asked(refusing, 1)[0] == [(0, "ConnectionRefusedError", b"Connection refused")]


def test_a_request_refused_before_it_was_sent_ends_its_connection():
    refusal = b"HTTP/1.1 413 no\r\ncontent-length: 0\r\n\r\n"
    with (
        socket.create_server(("127.0.0.1", 0)) as listening,
        Clients(socket.AF_INET, listening.getsockname(), 1) as clients,
    ):
        listening.settimeout(10)
        for k in range(2):  # the second would go out behind half of the first
            clients.send(k, b"x" * 2**24)
            assert list(clients.answers(0.05)) == []
            with listening.accept()[0] as server:
                server.sendall(refusal)
                assert list(clients.answers(10)) == [(k, "413", b"")]
