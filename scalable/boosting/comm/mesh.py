"""Exchange of histograms between workers: a full mesh of authenticated TCP connections.

Every collective is one direct exchange: a worker sends each peer the part that peer needs and receives its own part
from all. For one that is ``(n - 1) / n`` of the buffer out and as much in, the same bytes as a ring moves and so flat
as workers grow, but in one hop instead of ``n - 1`` and with sums formed in worker order, so that bits do not depend on
timing. A peer is alive while any byte arrives from it: while a worker computes, a thread sends beats in its place.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import os
import select
import socket
import struct
import threading
import time
from collections.abc import Mapping, Sequence

HEADER = struct.Struct("<IIQ")  # kind, sequence number, payload bytes
BEAT, DATA = 0x42454154, 0x44415441
HELLO = struct.Struct("<I16s32s")
BEAT_SECONDS = 2.0
MAX_CHUNK = 1 << 20


class PeerLostError(ConnectionError):
    """A peer closed its connection, fell silent, or spoke out of turn.

    Attributes
    ----------
    peer : int
        Number of the peer among the workers.
    """

    def __init__(self, peer: int, reason: str) -> None:
        super().__init__(f"worker {peer} {reason}")
        self.peer = peer


def listen(host: str) -> socket.socket:
    """Open a listening socket on one interface, at a port the system chooses (never bind-and-release)."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.bind((host, 0))
    listener.listen(128)
    return listener


class _Connection:
    """Connection to one worker: what is still to be sent, and the frame being received."""

    def __init__(self, worker: int, sock: socket.socket) -> None:
        self.worker, self.sock = worker, sock
        self.out: list[memoryview] = []
        self.head = bytearray(HEADER.size)
        self.head_got = 0
        self.into: memoryview | None = None
        self.got = 0
        self.heard = time.monotonic()
        self.done_receiving = True

    def flush(self) -> int:
        """Send what the socket takes; return the bytes sent."""
        sent = 0
        while self.out:
            n = self.sock.send(self.out[0][:MAX_CHUNK])
            sent += n
            if n == len(self.out[0]):
                self.out.pop(0)
            else:
                self.out[0] = self.out[0][n:]
        return sent


class Mesh:
    """All connections of one worker.

    Parameters
    ----------
    worker : int
        This worker, in ``[0, len(peers))``.
    peers : sequence of (host, port)
        Where every worker listens, in worker order.
    secret : bytes
        Known to the workers of this fit only; a connection that cannot prove it is dropped.
    listener : socket
        This worker's listening socket, from :func:`listen`; closed when all peers are connected.
    silence : float
        Seconds without a byte from an awaited peer after which it counts as lost.

    Raises
    ------
    PeerLostError
        When a peer cannot be reached in time.
    """

    def __init__(
        self,
        worker: int,
        peers: Sequence[tuple[str, int]],
        secret: bytes,
        listener: socket.socket,
        *,
        silence: float = 20.0,
    ) -> None:
        self.worker, self.n_workers, self.silence = worker, len(peers), silence
        self.bytes_sent = self.bytes_received = self.exchanges = 0
        self.seconds = 0.0
        self._sequence = 0
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._connections: dict[int, _Connection] = {}
        deadline = time.monotonic() + silence
        for peer in range(worker):
            self._add(peer, _connect(worker, peer, peers[peer], secret, deadline))
        while len(self._connections) < self.n_workers - 1:
            waiting = next(r for r in range(worker + 1, self.n_workers) if r not in self._connections)
            accepted = _accept(listener, secret, deadline, waiting)
            if (
                accepted is not None
                and worker < accepted[0] < self.n_workers
                and accepted[0] not in self._connections
            ):
                self._add(*accepted)
        listener.close()
        self._beats = threading.Thread(target=self._beat_forever, name="mesh-beats", daemon=True)
        self._beats.start()

    def _add(self, worker: int, sock: socket.socket) -> None:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setblocking(False)
        self._connections[worker] = _Connection(worker, sock)

    def exchange(self, sends: Mapping[int, memoryview], receives: Mapping[int, memoryview]) -> None:
        """Send one buffer to every peer and fill one buffer from every peer.

        Parameters
        ----------
        sends, receives : mapping of worker to byte buffer
            One entry for each other worker; a buffer may be empty. Lengths must agree on both sides.

        Raises
        ------
        PeerLostError
            When a peer closed the connection, was silent for `silence` seconds, or is at another step.
        """
        began = time.monotonic()
        with self._lock:
            self._sequence += 1
            poll = select.poll()
            by_fd = {}
            for peer in self._connections.values():
                payload = sends[peer.worker]
                peer.out.append(memoryview(HEADER.pack(DATA, self._sequence, len(payload))))
                if len(payload):
                    peer.out.append(payload)
                peer.into, peer.got, peer.head_got, peer.done_receiving = receives[peer.worker], 0, 0, False
                peer.heard = began
                by_fd[peer.sock.fileno()] = peer
                poll.register(peer.sock, select.POLLIN | select.POLLOUT)
            open_peers, beaten = len(by_fd), began
            while open_peers:
                for fd, event in poll.poll(1000):
                    peer = by_fd[fd]
                    if event & (select.POLLIN | select.POLLHUP | select.POLLERR):
                        self._receive(peer)
                    if event & select.POLLOUT and peer.out:
                        self._send(peer)
                    mask = (0 if peer.done_receiving else select.POLLIN) | (select.POLLOUT if peer.out else 0)
                    if mask:
                        poll.modify(fd, mask)
                    else:
                        poll.unregister(fd)
                        open_peers -= 1
                now = time.monotonic()
                if now - beaten > BEAT_SECONDS:
                    beaten = now
                    self._check_silence(now)
                    self._beat_once()
            self.exchanges += 1
        self.seconds += time.monotonic() - began

    def _check_silence(self, now: float) -> None:
        for peer in self._connections.values():
            if (not peer.done_receiving or peer.out) and now - peer.heard > self.silence:
                raise PeerLostError(peer.worker, f"was silent for {now - peer.heard:.0f} s")

    def _send(self, peer: _Connection) -> None:
        try:
            self.bytes_sent += peer.flush()
        except BlockingIOError:
            pass
        except OSError as error:
            raise PeerLostError(peer.worker, f"is gone ({error.strerror})") from error

    def _receive(self, peer: _Connection) -> None:
        """Read one peer's frames until its data of this step is complete or the socket is dry."""
        try:
            while not peer.done_receiving:
                if peer.head_got < HEADER.size:
                    n = peer.sock.recv_into(memoryview(peer.head)[peer.head_got :])
                    peer.head_got += n
                else:
                    assert peer.into is not None
                    n = peer.sock.recv_into(peer.into[peer.got :], min(len(peer.into) - peer.got, MAX_CHUNK))
                    peer.got += n
                if n == 0:
                    raise PeerLostError(peer.worker, "closed its connection")
                peer.heard = time.monotonic()
                self.bytes_received += n
                if peer.head_got == HEADER.size:
                    self._advance(peer)
        except BlockingIOError:
            pass
        except PeerLostError:
            raise
        except OSError as error:
            raise PeerLostError(peer.worker, f"is gone ({error.strerror})") from error

    def _advance(self, peer: _Connection) -> None:
        kind, sequence, length = HEADER.unpack(peer.head)
        if kind == BEAT:
            peer.head_got = 0
            return
        assert peer.into is not None
        if kind != DATA or sequence != self._sequence or length != len(peer.into):
            raise PeerLostError(
                peer.worker,
                f"is at another step (its step {sequence} of {length} bytes, "
                f"ours {self._sequence} of {len(peer.into)})",
            )
        peer.done_receiving = peer.got == length

    def _beat_once(self) -> None:
        for peer in self._connections.values():
            if not peer.out:
                peer.out.append(memoryview(HEADER.pack(BEAT, 0, 0)))
                with contextlib.suppress(OSError):
                    peer.flush()

    def _beat_forever(self) -> None:
        while not self._closed.wait(BEAT_SECONDS):
            # While an exchange holds the lock it beats by itself.
            if self._lock.acquire(blocking=False):
                try:
                    self._beat_once()
                finally:
                    self._lock.release()

    def allgather(self, payload: bytes) -> list[bytes]:
        """Give every worker's bytes to every worker, in worker order; lengths may differ."""
        size = struct.pack("<Q", len(payload))
        sizes = {peer: bytearray(8) for peer in self._connections}
        self.exchange(
            {peer: memoryview(size) for peer in self._connections},
            {p: memoryview(b) for p, b in sizes.items()},
        )
        parts = {peer: bytearray(struct.unpack("<Q", sizes[peer])[0]) for peer in self._connections}
        self.exchange(
            {peer: memoryview(payload) for peer in self._connections},
            {p: memoryview(b) for p, b in parts.items()},
        )
        return [payload if r == self.worker else bytes(parts[r]) for r in range(self.n_workers)]

    def close(self) -> None:
        """Close all connections; peers that still wait see it at once."""
        self._closed.set()
        for peer in self._connections.values():
            peer.sock.close()


def _proof(secret: bytes, *parts: bytes) -> bytes:
    return hmac.new(secret, b"|".join(parts), hashlib.sha256).digest()


def _read_exactly(sock: socket.socket, n: int) -> bytes:
    out = b""
    while len(out) < n:
        piece = sock.recv(n - len(out))
        if not piece:
            raise ConnectionError("connection closed during the handshake")
        out += piece
    return out


def _connect(
    worker: int, peer: int, address: tuple[str, int], secret: bytes, deadline: float
) -> socket.socket:
    """Connect to a peer and prove to each other that both know the secret."""
    last: Exception = TimeoutError("timed out")
    while (left := deadline - time.monotonic()) > 0:
        try:
            sock = socket.create_connection((address[0], address[1]), timeout=left)
            try:
                challenge = _read_exactly(sock, 16)
                mine = os.urandom(16)
                sock.sendall(
                    HELLO.pack(worker, mine, _proof(secret, challenge, mine, b"connect", b"%d" % worker))
                )
                if not hmac.compare_digest(_read_exactly(sock, 32), _proof(secret, mine, b"accept")):
                    raise PeerLostError(peer, "does not know the secret of this fit")
                return sock
            except BaseException:
                sock.close()
                raise
        except PeerLostError:
            raise
        except OSError as error:
            last = error
            time.sleep(0.1)
    raise PeerLostError(peer, f"at {address[0]}:{address[1]} cannot be reached ({last})")


def _accept(
    listener: socket.socket, secret: bytes, deadline: float, waiting: int
) -> tuple[int, socket.socket] | None:
    """Accept one connection; None when the caller was no worker of this fit."""
    left = deadline - time.monotonic()
    if left <= 0:
        raise PeerLostError(waiting, "did not connect in time")
    listener.settimeout(left)
    try:
        sock, _ = listener.accept()
    except TimeoutError:
        raise PeerLostError(waiting, "did not connect in time") from None
    try:
        # A stranger that connects and says nothing must not use up the others' time.
        sock.settimeout(min(left, 5.0))
        challenge = os.urandom(16)
        sock.sendall(challenge)
        worker, theirs, proof = HELLO.unpack(_read_exactly(sock, HELLO.size))
        if not hmac.compare_digest(proof, _proof(secret, challenge, theirs, b"connect", b"%d" % worker)):
            sock.close()
            return None
        sock.sendall(_proof(secret, theirs, b"accept"))
    except OSError:
        sock.close()
        return None
    return worker, sock
