"""TLS between the workers of a fit, with the certificates that their Dask cluster was given.

Both sides show a certificate that the cluster's authority signed; names are not compared, because workers know each
other by address, as Dask's own connections do. The proofs and keyed hashes of `handshake` and `mesh` stay on top: a
certificate says that a process belongs to the cluster, the secret that it belongs to the fit.
"""

from __future__ import annotations

import os
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from scalable.errors import ClusterError

_WAITS = (ssl.SSLWantReadError, ssl.SSLWantWriteError)


@dataclass(frozen=True, slots=True)
class Credentials:
    """What one worker proves itself with, and whom it believes; all in PEM.

    Attributes
    ----------
    authority : str
        Certificates that peers' certificates must be signed by.
    certificate, key : str
        Its own; the key may be empty where the certificate's text holds it too.
    ciphers : str
        As OpenSSL writes them; empty for its choice.
    minimum, maximum : int
        Versions of TLS, as `ssl.TLSVersion`.
    """

    authority: str
    certificate: str
    key: str = field(repr=False)
    ciphers: str = ""
    minimum: int = ssl.TLSVersion.TLSv1_2
    maximum: int = ssl.TLSVersion.MAXIMUM_SUPPORTED

    def context(self, *, listening: bool) -> ssl.SSLContext:
        """Return the settings of one side's connections.

        Raises
        ------
        ssl.SSLError
            When certificate and key are none, or do not belong together.
        """
        purpose = ssl.Purpose.CLIENT_AUTH if listening else ssl.Purpose.SERVER_AUTH
        made = ssl.create_default_context(purpose, cadata=self.authority)
        made.minimum_version, made.maximum_version = (
            ssl.TLSVersion(self.minimum),
            ssl.TLSVersion(self.maximum),
        )
        made.check_hostname = False
        made.verify_mode = ssl.CERT_REQUIRED
        made.verify_flags &= (
            ~ssl.VERIFY_X509_STRICT
        )  # as Dask, whose own temporary certificates are not strict
        made.options |= ssl.OP_NO_RENEGOTIATION  # reading never waits to write, nor writing to read
        made.sslsocket_class = EncryptedSocket
        with _in_memory(self.certificate + "\n" + self.key) as path:
            made.load_cert_chain(path)
        if self.ciphers:
            made.set_ciphers(self.ciphers)
        return made


class EncryptedSocket(ssl.SSLSocket):
    """A connection that says that it would block as one in the clear does."""

    def do_handshake(self, block: bool = False) -> None:
        """See `ssl.SSLSocket`."""
        try:
            super().do_handshake(block)
        except _WAITS as error:
            raise BlockingIOError from error

    def send(self, data: Any, flags: int = 0) -> int:
        """See `socket.socket`; what would block is to be sent again, with the same bytes."""
        try:
            return super().send(data, flags)
        except _WAITS as error:
            raise BlockingIOError from error

    def recv(self, buflen: int = 1024, flags: int = 0) -> bytes:
        """See `socket.socket`."""
        try:
            return super().recv(buflen, flags)
        except _WAITS as error:
            raise BlockingIOError from error

    def recv_into(self, buffer: Any, nbytes: int | None = None, flags: int = 0) -> int:
        """See `socket.socket`."""
        try:
            return super().recv_into(buffer, nbytes, flags)
        except _WAITS as error:
            raise BlockingIOError from error


def encrypted(sock: socket.socket, context: ssl.SSLContext | None, *, listening: bool) -> socket.socket:
    """Return a connection as it is, or under TLS whose handshake is still to be done."""
    if context is None:
        return sock
    return context.wrap_socket(sock, server_side=listening, do_handshake_on_connect=False)


def waiting(sock: socket.socket) -> bool:
    """Return whether bytes have been decrypted that nobody has taken: the system knows nothing of them."""
    return isinstance(sock, ssl.SSLSocket) and sock.pending() > 0


def credentials_of(security: Any, name: str) -> Credentials:
    """Return the credentials of a Dask worker, files read.

    Parameters
    ----------
    security : distributed.Security
        The worker's.
    name : str
        The worker's, for messages.

    Raises
    ------
    ClusterError
        When it has none, or they cannot be read or used.
    """
    found = security.get_tls_config_for_role("worker")
    if not found["ca_file"] or not found["cert"]:
        raise ClusterError(
            f"worker {name} speaks TLS without a certificate of its own that this fit could use; set its "
            "`tls_ca_file`, `tls_worker_cert` and `tls_worker_key`"
        )
    try:
        made = Credentials(
            _text(found["ca_file"]), _text(found["cert"]), _text(found["key"] or ""), found["ciphers"] or "",
            int(security.tls_min_version), int(security.tls_max_version or ssl.TLSVersion.MAXIMUM_SUPPORTED),
        )  # fmt: skip
        made.context(listening=True)
    except (OSError, ValueError) as error:  # of SSL too
        raise ClusterError(f"the TLS certificate of worker {name} cannot be used ({error})") from error
    return made


def _text(pem: str) -> str:
    """Return the text of a PEM file, which Dask takes by its path or as it is."""
    return pem if "\n" in pem or not pem else Path(pem).read_text()


@contextmanager
def _in_memory(text: str) -> Iterator[str]:
    """Yield a path to a text that is never on a disk; OpenSSL takes keys from paths alone."""
    descriptor = os.memfd_create("credentials")
    try:
        with open(descriptor, "w", closefd=False) as file:
            file.write(text)
        yield f"/proc/self/fd/{descriptor}"
    finally:
        os.close(descriptor)
