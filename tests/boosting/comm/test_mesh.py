import contextlib
import re
import select
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from scalable.boosting.comm import handshake
from scalable.boosting.comm.handshake import PeerLostError, accept_all, connect, listen
from scalable.boosting.comm.mesh import HEADER, TAG_BYTES, Mesh
from tests.boosting.comm.meshes import SECRET, run_workers


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
        headers = (HEADER.size + TAG_BYTES) * len(sizes) * (n - 1)
        assert payload + headers <= sent < payload + headers + 1000  # a slow machine may add beats
        assert payload + headers <= received < payload + headers + 1000


def test_what_was_sent_before_a_peer_took_no_more_is_counted():
    size = 24_000_000  # more than the system keeps for a peer that does not read

    def body(mesh):
        if mesh.worker:
            time.sleep(0.2)
        mesh.allgather(bytes(size), alike=True)
        return mesh.bytes_sent

    for sent in run_workers(2, body):
        assert size + HEADER.size + TAG_BYTES <= sent < size + 1000


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


@pytest.mark.parametrize("kind", ["talks", "is silent", "drips"])
def test_strangers_do_not_keep_workers_from_meeting(kind):
    listeners = [listen("127.0.0.1") for _ in range(2)]
    peers = [("127.0.0.1", listener.getsockname()[1]) for listener in listeners]
    strangers = [socket.create_connection(peers[0]) for _ in range(5)]
    over = threading.Event()

    def drip():
        while not over.wait(0.05):
            for stranger in strangers:
                with contextlib.suppress(OSError):
                    stranger.sendall(b"x")

    for stranger in strangers:
        if kind == "talks":
            stranger.sendall(b"GET / HTTP/1.1\r\n\r\n" + b"." * 100)
    if kind == "drips":
        threading.Thread(target=drip).start()
    began = time.monotonic()
    try:
        with ThreadPoolExecutor(2) as pool:
            meshes = list(pool.map(lambda r: Mesh(r, peers, SECRET, listeners[r], silence=8.0), range(2)))
    finally:
        over.set()
    assert time.monotonic() - began < 4.0  # they would have had five seconds each, one after another
    assert [mesh.n_workers for mesh in meshes] == [2, 2]
    for each in [*meshes, *strangers]:
        each.close()


def test_a_listener_that_drips_is_given_up():
    with socket.create_server(("127.0.0.1", 0)) as impostor:

        def drip():
            with impostor.accept()[0] as sock, contextlib.suppress(OSError):
                for _ in range(100):
                    sock.sendall(b"x")
                    time.sleep(0.1)

        thread = threading.Thread(target=drip)
        thread.start()
        began = time.monotonic()
        with pytest.raises(PeerLostError, match="cannot be reached"):
            connect(1, 0, impostor.getsockname(), SECRET, began + 0.5)
        assert time.monotonic() - began < 2.0
        thread.join()


def test_many_strangers_hold_few_connections(monkeypatch):
    monkeypatch.setattr(handshake, "MOST_PENDING", 4)
    with listen("127.0.0.1") as listener:
        address = listener.getsockname()
        strangers = [socket.create_connection(address) for _ in range(20)]
        with ThreadPoolExecutor(1) as pool:
            waiting = pool.submit(accept_all, 0, listener, SECRET, [1], time.monotonic() + 5.0)
            found = connect(1, 0, address, SECRET, time.monotonic() + 5.0)
            (peer,) = waiting.result(5.0)
        assert peer.worker == 1
        assert peer.send_key == found.receive_key != peer.receive_key == found.send_key
        for each in [*strangers, found.sock, peer.sock]:
            each.close()


class Between:
    """A connection between two workers on whose way somebody sits, who may change what `change` says."""

    def __init__(self, address, change):
        self._server = socket.create_server(("127.0.0.1", 0))
        self.address = self._server.getsockname()
        self._thread = threading.Thread(target=self._run, args=(address, change))
        self._thread.start()

    def _run(self, address, change):
        caller, _ = self._server.accept()
        listener = socket.create_connection(address)
        with caller, listener, contextlib.suppress(OSError):
            caller.sendall(listener.recv(16, socket.MSG_WAITALL))  # the handshake passes
            listener.sendall(caller.recv(52, socket.MSG_WAITALL))
            caller.sendall(listener.recv(32, socket.MSG_WAITALL))
            seen = 0
            while ready := select.select([caller, listener], [], [], 3.0)[0]:
                for sock in ready:
                    data = bytearray(sock.recv(2**16))
                    if not data:
                        return
                    if sock is caller:
                        data, seen = change(data, seen), seen + len(data)
                    (listener if sock is caller else caller).sendall(data)

    def close(self):
        self._server.close()
        self._thread.join()


def flip(place):
    def change(data, seen):
        if seen <= place < seen + len(data):
            data[place - seen] ^= 1
        return data

    return change


FRAME = HEADER.size + 8 + TAG_BYTES  # the first: the size of what follows


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (flip(HEADER.size + 2), "altered"),
        (flip(FRAME - 1), "altered"),
        (flip(FRAME + HEADER.size + 5), "altered"),
        (flip(4), "another step"),
        (lambda data, seen: data + data if seen == 0 else data, "another step|altered"),  # a frame once more
        (lambda data, seen: data if seen else data[FRAME:], "another step|altered|silent"),  # one left out
    ],
    ids=["payload", "hash", "second payload", "number", "repeated", "left out"],
)
def test_what_somebody_changes_on_the_way_is_noticed(change, message):
    listeners = [listen("127.0.0.1") for _ in range(2)]
    peers = [("127.0.0.1", listener.getsockname()[1]) for listener in listeners]
    between = Between(peers[0], change)

    def one(worker):
        known = [between.address if worker else peers[0], peers[1]]
        mesh = Mesh(worker, known, SECRET, listeners[worker], silence=2.0)
        try:
            return [mesh.allgather(b"%d" % step * 30) for step in range(3)]
        except PeerLostError as error:
            return error
        finally:
            mesh.close()

    try:
        with ThreadPoolExecutor(2) as pool:
            found, _ = pool.map(one, range(2))
    finally:
        between.close()
    assert isinstance(found, PeerLostError)
    assert re.search(message, str(found))
