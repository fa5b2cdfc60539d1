"""How two workers of a fit find each other: each proves that it knows the fit's secret, and strangers cost nothing.

Whoever listens asks with random bytes; the answer is a keyed hash of them. Both sides then hold a key a direction,
made from the secret and the random bytes of both, for the frames to come.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import select
import socket
import ssl
import struct
import time
from collections.abc import Collection
from dataclasses import dataclass, field

from scalable.boosting.comm.encryption import encrypted

HELLO = struct.Struct("<I16s32s")  # worker, its random bytes, its proof
CHALLENGE_BYTES = 16
HANDSHAKE_SECONDS = 5.0  # in all, for whoever connects
MOST_PENDING = 256  # connections that have proven nothing yet; beyond, the oldest is dropped


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


@dataclass(frozen=True, slots=True)
class Peer:
    """A connection whose other side is proven.

    Attributes
    ----------
    worker : int
        Who is there.
    sock : socket
        The connection.
    send_key, receive_key : bytes
        For the frames of each direction.
    """

    worker: int
    sock: socket.socket
    send_key: bytes
    receive_key: bytes


def listen(host: str) -> socket.socket:
    """Open a listening socket on one interface, at a port the system chooses (never bind-and-release)."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.bind((host, 0))
        listener.listen(128)
    except OSError:
        listener.close()
        raise
    return listener


def connect(
    worker: int,
    peer: int,
    address: tuple[str, int],
    secret: bytes,
    deadline: float,
    context: ssl.SSLContext | None = None,
) -> Peer:
    """Connect to a peer that listens, and prove to each other that both know the secret.

    Parameters
    ----------
    worker, peer : int
        This side and the other.
    address : (host, port)
        Where the peer listens.
    secret : bytes
        Of the fit.
    deadline : float
        On the monotonic clock.
    context : ssl.SSLContext or None
        For a connection under TLS.

    Raises
    ------
    PeerLostError
        When it cannot be reached before `deadline`, or does not know the secret.
    """
    last: Exception = TimeoutError("timed out")
    while (left := deadline - time.monotonic()) > 0:
        try:
            sock = socket.create_connection((address[0], address[1]), timeout=left)
            try:
                sock = encrypted(sock, context, listening=False)
                if isinstance(sock, ssl.SSLSocket):
                    sock.do_handshake()
                challenge = _read_exactly(sock, CHALLENGE_BYTES, deadline)
                mine = os.urandom(CHALLENGE_BYTES)
                sock.sendall(
                    HELLO.pack(worker, mine, _proof(secret, b"connect", challenge, mine, worker, peer))
                )
                proof = _proof(secret, b"accept", challenge, mine, worker, peer)
                if not hmac.compare_digest(_read_exactly(sock, len(proof), deadline), proof):
                    raise PeerLostError(peer, "does not know the secret of this fit")
                return _proven(secret, challenge, mine, (worker, peer), peer, sock)
            except BaseException:
                sock.close()
                raise
        except PeerLostError:
            raise
        except ssl.SSLCertVerificationError as error:
            reason = (
                f"shows a certificate that this cluster's authority did not sign ({error.verify_message})"
            )
            raise PeerLostError(peer, reason) from error
        except OSError as error:
            last = error
            time.sleep(0.1)
    raise PeerLostError(peer, f"at {address[0]}:{address[1]} cannot be reached ({last})")


@dataclass(slots=True)
class _Pending:
    sock: socket.socket
    deadline: float
    challenge: bytes = field(default_factory=lambda: os.urandom(CHALLENGE_BYTES))
    greeted: bool = False
    got: bytes = b""


def accept_all(
    worker: int,
    listener: socket.socket,
    secret: bytes,
    expected: Collection[int],
    deadline: float,
    context: ssl.SSLContext | None = None,
) -> list[Peer]:
    """Accept connections until every expected worker has proven itself; handshakes go on side by side.

    Parameters are those of `connect`.

    Raises
    ------
    PeerLostError
        When one of them did not come before `deadline`.
    """
    found: dict[int, Peer] = {}
    pending: dict[int, _Pending] = {}
    listener.setblocking(False)
    poll = select.poll()
    poll.register(listener, select.POLLIN)

    def drop(fd: int) -> None:
        poll.unregister(fd)
        pending.pop(fd).sock.close()

    try:
        while missing := [each for each in expected if each not in found]:
            now = time.monotonic()
            if now >= deadline:
                raise PeerLostError(missing[0], "did not connect in time")
            for fd in [fd for fd, each in pending.items() if now >= each.deadline]:
                drop(fd)
            ends = [each.deadline for each in pending.values()]
            for fd, _ in poll.poll(1000 * (min([deadline, *ends]) - now) + 1):
                if fd == listener.fileno():
                    newcomer = _newcomer(listener, context)
                    if newcomer is not None:
                        pending[newcomer.sock.fileno()] = newcomer
                        poll.register(newcomer.sock, select.POLLIN)
                    if len(pending) > MOST_PENDING:
                        drop(next(iter(pending)))
                elif fd in pending and not _went_on(pending[fd]):
                    drop(fd)
                elif fd in pending and len(pending[fd].got) == HELLO.size:
                    peer = _answered(worker, pending[fd], secret)
                    if peer is None or peer.worker not in expected or peer.worker in found:
                        drop(fd)
                    else:
                        poll.unregister(fd)
                        del pending[fd]
                        found[peer.worker] = peer
        return list(found.values())
    except BaseException:
        for known in found.values():
            known.sock.close()
        raise
    finally:
        for fd in list(pending):
            drop(fd)


def _newcomer(listener: socket.socket, context: ssl.SSLContext | None) -> _Pending | None:
    try:
        sock, _ = listener.accept()
    except OSError:  # gone already
        return None
    sock.setblocking(False)
    try:
        sock = encrypted(sock, context, listening=True)
    except OSError:
        sock.close()
        return None
    each = _Pending(sock, time.monotonic() + HANDSHAKE_SECONDS)
    if context is None and not _greeted(each):
        sock.close()
        return None
    return each


def _greeted(each: _Pending) -> bool:
    """Ask a newcomer for its proof; False where it is gone."""
    try:
        if isinstance(each.sock, ssl.SSLSocket):
            each.sock.do_handshake()
        each.sock.send(each.challenge)
    except BlockingIOError:
        return True
    except OSError:  # of TLS too: a stranger
        return False
    each.greeted = True
    return True


def _went_on(each: _Pending) -> bool:
    """Take what has come of an answer; False where the other side is gone."""
    if not each.greeted and not _greeted(each):
        return False
    while each.greeted and len(each.got) < HELLO.size:
        try:
            piece = each.sock.recv(HELLO.size - len(each.got))
        except BlockingIOError:
            return True
        except OSError:
            return False
        if not piece:
            return False
        each.got += piece
    return True


def _answered(worker: int, each: _Pending, secret: bytes) -> Peer | None:
    """Return the peer whose answer is whole and right, and prove this side to it; else None."""
    number, theirs, proof = HELLO.unpack(each.got)
    if not hmac.compare_digest(proof, _proof(secret, b"connect", each.challenge, theirs, number, worker)):
        return None
    try:
        each.sock.send(_proof(secret, b"accept", each.challenge, theirs, number, worker))
    except OSError:
        return None
    return _proven(secret, each.challenge, theirs, (number, worker), number, each.sock)


def _proven(
    secret: bytes, challenge: bytes, answer: bytes, pair: tuple[int, int], peer: int, sock: socket.socket
) -> Peer:
    keys = [_proof(secret, side, challenge, answer, *pair) for side in (b"to listener", b"to caller")]
    if peer == pair[0]:  # the caller: this side listened
        keys.reverse()
    return Peer(peer, sock, *keys)


def _proof(secret: bytes, what: bytes, challenge: bytes, answer: bytes, caller: int, listener: int) -> bytes:
    parts = b"|".join((what, struct.pack("<II", caller, listener)))
    return hmac.new(secret, challenge + answer + parts, hashlib.sha256).digest()


def _read_exactly(sock: socket.socket, n: int, deadline: float) -> bytes:
    out = b""
    while len(out) < n:
        sock.settimeout(max(1e-3, deadline - time.monotonic()))
        piece = sock.recv(n - len(out))
        if not piece:
            raise ConnectionError("connection closed during the handshake")
        out += piece
    return out
