"""Exchange of histograms between workers: a full mesh of authenticated TCP connections.

Every collective is one direct exchange: a worker sends each peer the part that peer needs and receives its own part
from all. For one that is ``(n - 1) / n`` of the buffer out and as much in, the same bytes as a ring moves and so flat
as workers grow, but in one hop instead of ``n - 1`` and with sums formed in worker order, so that bits do not depend on
timing. A peer is alive while any byte arrives from it: while a worker computes, a thread sends beats in its place.
Every frame carries a keyed hash of its content and its number, so that nobody on the way can change, add or drop one.
Connections are encrypted where the cluster has TLS, with its certificates.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import select
import socket
import struct
import threading
import time
from collections.abc import Mapping, Sequence

from scalable.boosting.comm.encryption import Credentials, waiting
from scalable.boosting.comm.handshake import Peer, PeerLostError, accept_all, connect

HEADER = struct.Struct("<IIQ")  # kind, sequence number, payload bytes
BEAT, DATA = 0x42454154, 0x44415441
TAG_BYTES = 16  # of the keyed hash behind every frame
BEAT_SECONDS = 2.0
MAX_CHUNK = 1 << 20


class _Seal:
    """Keyed hashes of the frames of one direction; each counts the frames before it, so that none can be left out.

    The hash of a frame covers its number, its head and its payload.
    """

    def __init__(self, key: bytes) -> None:
        self._key, self._frames = key, 0

    def begin(self, head: bytes | bytearray) -> hmac.HMAC:
        """Return the unfinished hash of the next frame."""
        self._frames += 1
        return hmac.new(self._key, self._frames.to_bytes(8, "little") + head, hashlib.sha256)


class _Connection:
    """Connection to one worker: what is still to be sent, and the frame being received."""

    def __init__(self, peer: Peer) -> None:
        self.worker, self.sock = peer.worker, peer.sock
        self._sealing, self._checking = _Seal(peer.send_key), _Seal(peer.receive_key)
        self.out: list[memoryview] = []
        self.into = memoryview(b"")
        self.heard = time.monotonic()
        self.done_receiving = True
        self._next_frame()

    def _next_frame(self) -> None:
        """Expect the head of a frame."""
        self.head, self.tag = bytearray(HEADER.size), bytearray(TAG_BYTES)
        self.head_got = self.got = self.tag_got = self.length = 0
        self._hash: hmac.HMAC | None = None

    def put(self, kind: int, sequence: int, payload: memoryview) -> None:
        """Queue a frame."""
        head = HEADER.pack(kind, sequence, len(payload))
        seal = self._sealing.begin(head)
        seal.update(payload)
        tag = seal.digest()[:TAG_BYTES]
        if len(payload):
            self.out += [memoryview(head), payload, memoryview(tag)]
        else:
            self.out.append(memoryview(head + tag))

    def take(self, sequence: int) -> int:
        """Receive some bytes of the frame that comes; return how many, 0 at the end of the connection.

        Raises
        ------
        PeerLostError
            When the frame is not the one expected, or was not sent by the peer.
        """
        if self.head_got < HEADER.size:
            n = self.sock.recv_into(memoryview(self.head)[self.head_got :])
            self.head_got += n
            if self.head_got == HEADER.size:
                self._begin(sequence)
            return n
        assert self._hash is not None
        if self.got < self.length:
            part = self.into[self.got : self.got + min(self.length - self.got, MAX_CHUNK)]
            n = self.sock.recv_into(part)
            self._hash.update(part[:n])
            self.got += n
            return n
        n = self.sock.recv_into(memoryview(self.tag)[self.tag_got :])
        self.tag_got += n
        if self.tag_got == TAG_BYTES:
            if not hmac.compare_digest(self._hash.digest()[:TAG_BYTES], self.tag):
                raise PeerLostError(
                    self.worker, "sent a frame that was altered on the way, or is not its own"
                )
            self.done_receiving = HEADER.unpack(self.head)[0] == DATA
            self._next_frame()
        return n

    def _begin(self, sequence: int) -> None:
        kind, number, self.length = HEADER.unpack(self.head)
        expected = (DATA, sequence, len(self.into))
        if (kind, number, self.length) not in (expected, (BEAT, 0, 0)):
            raise PeerLostError(
                self.worker,
                f"is at another step (its step {number} of {self.length} bytes, "
                f"ours {sequence} of {len(self.into)})",
            )
        self._hash = self._checking.begin(self.head)

    def flush(self) -> int:
        """Send what the socket takes; return the bytes sent, those before it took no more among them."""
        sent = 0
        with contextlib.suppress(BlockingIOError):
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
    credentials : Credentials or None
        For connections under TLS; all workers of a fit have them, or none.

    Raises
    ------
    PeerLostError
        When a peer cannot be reached in time, or belongs to another cluster.
    """

    def __init__(
        self,
        worker: int,
        peers: Sequence[tuple[str, int]],
        secret: bytes,
        listener: socket.socket,
        *,
        silence: float = 20.0,
        credentials: Credentials | None = None,
    ) -> None:
        self.worker, self.n_workers, self.silence = worker, len(peers), silence
        self.bytes_sent = self.bytes_received = self.exchanges = 0
        self.seconds = 0.0
        self._sequence = 0
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._connections: dict[int, _Connection] = {}
        deadline = time.monotonic() + silence
        calling, listening = (
            None if credentials is None else credentials.context(listening=listening)
            for listening in (False, True)
        )
        for peer in range(worker):
            self._add(connect(worker, peer, peers[peer], secret, deadline, calling))
        later = range(worker + 1, self.n_workers)
        for each in accept_all(worker, listener, secret, later, deadline, listening):
            self._add(each)
        listener.close()
        self._beats = threading.Thread(target=self._beat_forever, name="mesh-beats", daemon=True)
        self._beats.start()

    def _add(self, peer: Peer) -> None:
        peer.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        peer.sock.setblocking(False)
        self._connections[peer.worker] = _Connection(peer)

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
                peer.put(DATA, self._sequence, memoryview(sends[peer.worker]))
                peer.into, peer.done_receiving, peer.heard = memoryview(receives[peer.worker]), False, began
                by_fd[peer.sock.fileno()] = peer
                poll.register(peer.sock, select.POLLIN | select.POLLOUT)
                if waiting(peer.sock):
                    self._receive(peer)
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
        except OSError as error:
            raise PeerLostError(peer.worker, f"is gone ({error.strerror or error})") from error

    def _receive(self, peer: _Connection) -> None:
        """Read one peer's frames until its data of this step is complete or the socket is dry."""
        try:
            while not peer.done_receiving:
                n = peer.take(self._sequence)
                if n == 0:
                    raise PeerLostError(peer.worker, "closed its connection")
                peer.heard = time.monotonic()
                self.bytes_received += n
        except BlockingIOError:
            pass
        except PeerLostError:
            raise
        except OSError as error:
            raise PeerLostError(peer.worker, f"is gone ({error.strerror or error})") from error

    def _beat_once(self) -> None:
        for peer in self._connections.values():
            if not peer.out:
                peer.put(BEAT, 0, memoryview(b""))
                with contextlib.suppress(OSError):
                    self.bytes_sent += peer.flush()

    def _beat_forever(self) -> None:
        while not self._closed.wait(BEAT_SECONDS):
            # While an exchange holds the lock it beats by itself.
            if self._lock.acquire(blocking=False):
                try:
                    self._beat_once()
                finally:
                    self._lock.release()

    def allgather(self, payload: bytes, *, alike: bool = False) -> list[bytes]:
        """Give every worker's bytes to every worker, in worker order.

        Lengths may differ; where all are known to be `alike`, nobody asks for them first.
        """
        lengths = dict.fromkeys(self._connections, len(payload))
        if not alike:
            size = struct.pack("<Q", len(payload))
            sizes = {peer: bytearray(8) for peer in self._connections}
            self.exchange(
                {peer: memoryview(size) for peer in self._connections},
                {p: memoryview(b) for p, b in sizes.items()},
            )
            lengths = {peer: struct.unpack("<Q", sizes[peer])[0] for peer in self._connections}
        parts = {peer: bytearray(lengths[peer]) for peer in self._connections}
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
