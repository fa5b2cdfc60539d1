import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from scalable.boosting.comm.mesh import Mesh, PeerLostError, listen

SECRET = b"s" * 32


def run_workers(n, body, *, secrets=None, silence=5.0):
    """Run `body(mesh)` on n workers in threads; returns results or exceptions in worker order."""
    listeners = [listen("127.0.0.1") for _ in range(n)]
    peers = [("127.0.0.1", listener.getsockname()[1]) for listener in listeners]

    def one(worker):
        mesh = None
        try:
            secret = SECRET if secrets is None else secrets[worker]
            mesh = Mesh(worker, peers, secret, listeners[worker], silence=silence)
            return body(mesh)
        except Exception as error:
            return error
        finally:
            listeners[worker].close()
            if mesh is not None:
                mesh.close()

    with ThreadPoolExecutor(n) as pool:
        return list(pool.map(one, range(n)))


@pytest.mark.parametrize("n", [2, 3, 5])
def test_every_worker_gets_what_every_other_sent(n):
    sizes = [0, 1, 70_000, 3_000_000]

    def body(mesh):
        seen = []
        for size in sizes:
            sent = {
                r: memoryview(np.full(size, 10 * mesh.worker + r, np.uint8))
                for r in range(n)
                if r != mesh.worker
            }
            got = {r: np.zeros(size, np.uint8) for r in sent}
            mesh.exchange(sent, {r: memoryview(a) for r, a in got.items()})
            seen.append(all((a == 10 * r + mesh.worker).all() for r, a in got.items()))
        return seen, mesh.bytes_sent, mesh.bytes_received

    for seen, sent, received in run_workers(n, body):
        assert all(seen)
        payload = sum(sizes) * (n - 1)
        headers = 16 * len(sizes) * (n - 1)
        assert payload + headers <= sent < payload + headers + 1000  # a slow machine may add beats
        assert payload + headers <= received < payload + headers + 1000


def test_allgather_keeps_worker_order_and_lengths():
    results = run_workers(3, lambda mesh: mesh.allgather(b"x" * mesh.worker + b"%d" % mesh.worker))
    assert results == [[b"0", b"x1", b"xx2"]] * 3


def test_a_worker_that_leaves_is_named_at_once():
    def body(mesh):
        if mesh.worker == 1:
            return None
        began = time.monotonic()
        mesh.allgather(b"hello")
        return time.monotonic() - began

    results = run_workers(2, body)
    assert isinstance(results[0], PeerLostError)
    assert results[0].peer == 1


def test_a_silent_worker_is_given_up_and_a_computing_one_is_not():
    release = threading.Event()

    def body(mesh):
        if mesh.worker == 1:
            time.sleep(4.0)  # computing: its thread beats
            mesh.allgather(b"late")
            mesh._closed.set()  # frozen: no beats any more
            release.wait(20)
            return
        parts = mesh.allgather(b"early")
        assert parts == [b"early", b"late"]
        try:
            mesh.allgather(b"never answered")
        finally:
            release.set()

    results = run_workers(2, body, silence=3.0)
    assert isinstance(results[0], PeerLostError)
    assert "silent" in str(results[0])


def test_workers_at_different_steps_are_told():
    results = run_workers(
        2, lambda mesh: mesh.exchange({1 - mesh.worker: b""}, {1 - mesh.worker: bytearray(mesh.worker)})
    )
    assert any(isinstance(r, PeerLostError) and "another step" in str(r) for r in results)


def test_a_worker_without_the_secret_is_not_let_in():
    results = run_workers(2, lambda mesh: "connected", secrets=[SECRET, b"x" * 32], silence=1.5)
    assert all(isinstance(r, PeerLostError) for r in results)


def test_a_stranger_does_not_keep_workers_from_meeting():
    listeners = [listen("127.0.0.1") for _ in range(2)]
    peers = [("127.0.0.1", listener.getsockname()[1]) for listener in listeners]
    stranger = socket.create_connection(peers[0])
    stranger.sendall(b"GET / HTTP/1.1\r\n\r\n" + b"." * 100)
    with ThreadPoolExecutor(2) as pool:
        meshes = list(pool.map(lambda r: Mesh(r, peers, SECRET, listeners[r], silence=8.0), range(2)))
    assert [mesh.n_workers for mesh in meshes] == [2, 2]
    for mesh in meshes:
        mesh.close()
    stranger.close()
