"""Workers that speak TLS: as in the clear, but nobody on the way reads it and no stranger is heard."""

import contextlib
import select
import socket
import ssl
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from distributed import Security

from scalable.boosting.comm.encryption import Credentials, EncryptedSocket, credentials_of, waiting
from scalable.boosting.comm.handshake import PeerLostError, listen
from scalable.boosting.comm.mesh import Mesh
from scalable.errors import ClusterError
from tests.boosting.certificates import make_certificate, make_credentials
from tests.boosting.comm.meshes import SECRET, run_workers


@pytest.fixture(scope="module")
def ours(tmp_path_factory):
    return make_credentials(tmp_path_factory.mktemp("ours"), "ours")


@pytest.fixture(scope="module")
def theirs(tmp_path_factory):
    return make_credentials(tmp_path_factory.mktemp("theirs"), "theirs")


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_every_worker_gets_what_every_other_sent(ours, version):
    proof = Credentials(ours.authority, ours.certificate, ours.key, minimum=version, maximum=version)

    def body(mesh):
        assert all(type(each.sock) is EncryptedSocket for each in mesh._connections.values())
        seen = []
        for size in (0, 1, 70_000, 3_000_000):
            sent = {
                r: memoryview(np.full(size, 10 * mesh.worker + r, np.uint8))
                for r in range(3)
                if r != mesh.worker
            }
            got = {r: np.zeros(size, np.uint8) for r in sent}
            mesh.exchange(sent, {r: memoryview(a) for r, a in got.items()})
            seen += [(a == 10 * r + mesh.worker).all() for r, a in got.items()]
        return bool(all(seen)) and mesh.allgather(b"%d" % mesh.worker) == [b"0", b"1", b"2"]

    assert run_workers(3, body, credentials=[proof] * 3) == [True] * 3


def test_a_worker_that_leaves_is_named_at_once(ours):
    def body(mesh):
        return mesh.worker or mesh.allgather(b"hello")

    lost, one = run_workers(2, body, credentials=[ours] * 2)
    assert isinstance(lost, PeerLostError)
    assert "closed" in str(lost) or "gone" in str(lost)
    assert one == 1


def test_a_computing_worker_beats(ours):
    def body(mesh):
        if mesh.worker:
            time.sleep(4.5)
        return mesh.allgather(b"x")

    assert run_workers(2, body, credentials=[ours] * 2, silence=3.0) == [[b"x", b"x"]] * 2


def test_workers_of_another_cluster_are_refused_though_they_know_the_secret(ours, theirs):
    results = run_workers(2, lambda mesh: "connected", credentials=[ours, theirs], silence=1.5)
    assert all(isinstance(each, PeerLostError) for each in results)
    assert "authority did not sign" in str(results[1])


@pytest.mark.parametrize("clear", [0, 1])
def test_nobody_falls_back_to_the_clear(ours, clear):
    proofs = [None if worker == clear else ours for worker in range(2)]
    results = run_workers(2, lambda mesh: "connected", credentials=proofs, silence=1.5)
    assert all(isinstance(each, PeerLostError) for each in results)


def test_the_secret_is_still_asked_for(ours):
    results = run_workers(
        2, lambda mesh: "connected", credentials=[ours] * 2, secrets=[SECRET, b"x" * 32], silence=1.5
    )
    assert all(isinstance(each, PeerLostError) for each in results)


def test_strangers_do_not_keep_workers_from_meeting(ours):
    listeners = [listen("127.0.0.1") for _ in range(2)]
    peers = [("127.0.0.1", listener.getsockname()[1]) for listener in listeners]
    strangers = [socket.create_connection(peers[0]) for _ in range(6)]
    for k, stranger in enumerate(strangers):
        stranger.sendall([b"", b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\x02\x00\x01"][k % 3])
    began = time.monotonic()
    with ThreadPoolExecutor(2) as pool:
        meshes = list(
            pool.map(lambda r: Mesh(r, peers, SECRET, listeners[r], silence=8.0, credentials=ours), range(2))
        )
    assert time.monotonic() - began < 4.0
    for each in [*meshes, *strangers]:
        each.close()


@pytest.mark.parametrize("secure", [False, True])
def test_whoever_listens_on_the_way_reads_it_only_in_the_clear(ours, secure):
    listeners = [listen("127.0.0.1") for _ in range(2)]
    way = socket.create_server(("127.0.0.1", 0))
    seen = bytearray()

    def pass_on():
        caller, _ = way.accept()
        with (
            caller,
            socket.create_connection(listeners[0].getsockname()) as listener,
            contextlib.suppress(OSError),
        ):
            while ready := select.select([caller, listener], [], [], 5.0)[0]:
                for sock in ready:
                    if not (data := sock.recv(2**16)):
                        return
                    seen.extend(data)
                    (listener if sock is caller else caller).sendall(data)

    thread = threading.Thread(target=pass_on)
    thread.start()
    peers = [way.getsockname(), listeners[1].getsockname()]

    def one(worker):
        mesh = Mesh(worker, peers, SECRET, listeners[worker], credentials=ours if secure else None)
        try:
            return mesh.allgather(b"sums of gradients")
        finally:
            mesh.close()

    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(one, range(2))) == [[b"sums of gradients"] * 2] * 2
    thread.join()
    way.close()
    assert (b"sums of gradients" in seen) is not secure


def test_bytes_that_are_decrypted_already_are_found(ours):
    """The system's poll does not know of them: the rest of a record of which a part was taken."""
    with listen("127.0.0.1") as listener:
        caller = socket.create_connection(listener.getsockname())
        accepted, _ = listener.accept()

        def accept():
            sock = ours.context(listening=True).wrap_socket(accepted, server_side=True)
            sock.sendall(b"twelve bytes")
            return sock

        with ThreadPoolExecutor(1) as pool:
            server = pool.submit(accept)
            with ours.context(listening=False).wrap_socket(caller) as client, server.result(5.0):
                assert client.recv(5) == b"twelv"
                assert waiting(client)
                assert client.recv(7) == b"e bytes"
                assert not waiting(client)
                client.setblocking(False)
                with pytest.raises(BlockingIOError):
                    client.recv(1)
    assert not waiting(caller)


def test_credentials_are_those_of_the_worker(tmp_path):
    key, certificate = make_certificate(tmp_path, "worker")
    files = Security(tls_ca_file=certificate, tls_worker_cert=certificate, tls_worker_key=key, tls_min_version=
                     ssl.TLSVersion.TLSv1_3)  # fmt: skip
    found = credentials_of(files, "tls://a:1")
    assert "PRIVATE" in found.key
    assert "PRIVATE" not in repr(found)
    assert found.minimum == ssl.TLSVersion.TLSv1_3
    assert found.context(listening=True).verify_mode == ssl.CERT_REQUIRED
    texts = Security(tls_ca_file=found.authority, tls_worker_cert=found.certificate, tls_worker_key=found.key)
    assert credentials_of(texts, "tls://a:1").certificate == found.certificate
    with pytest.raises(ClusterError, match=r"tls://a:1 .*tls_worker_cert"):
        credentials_of(Security(tls_ca_file=certificate), "tls://a:1")
    with pytest.raises(ClusterError, match=r"worker tls://a:1 cannot be used"):
        credentials_of(Security(tls_ca_file=certificate, tls_worker_cert=str(tmp_path / "gone")), "tls://a:1")
    (tmp_path / "bad").write_text("no certificate\n")
    with pytest.raises(ClusterError, match=r"worker tls://a:1 cannot be used"):
        credentials_of(Security(tls_ca_file=certificate, tls_worker_cert=str(tmp_path / "bad")), "tls://a:1")
