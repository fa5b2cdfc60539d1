"""The server under the application: uvicorn's, with connections of our own.

It listens on one socket that is bound before anything is said.
"""

from __future__ import annotations

import asyncio
import errno
import gc
import ipaddress
import os
import socket
import ssl
from contextlib import suppress
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pyarrow as pa

from scalable.errors import UsageError

if TYPE_CHECKING:
    from scalable.serve.connection.exchange import Application
    from scalable.serve.siblings import Siblings

BACKLOG = 2048


def check_installed() -> None:
    """Look for what serving needs, before anything is said.

    Raises
    ------
    UsageError
        Uvicorn or httptools is not installed.
    """
    for package in ("uvicorn", "httptools"):
        if find_spec(package) is None:
            raise UsageError(f"serving needs {package}: pip install 'scalable-training[serve]'")


def listen(bind: str | None, unix: Path | None) -> tuple[socket.socket, str]:
    """Return a socket, and how it is called.

    Raises
    ------
    UsageError
        `bind` is not HOST:PORT, or cannot be listened on.
    """
    try:
        if unix is not None:
            if unix.is_socket():
                _leave_to_its_server(unix)
                unix.unlink(missing_ok=True)
            made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            made.bind(str(unix))
            made.listen(BACKLOG)
            return made, f"unix:{unix}"
        host, _, port = (bind or "127.0.0.1:8000").rpartition(":")
        if not host or not port.isdigit():
            raise UsageError(f"--bind should be HOST:PORT, found {bind!r}")
        host = host.strip("[]")
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        # Of TCP by name: on no other does asyncio set TCP_NODELAY, and an answer's second packet would wait 40 ms.
        made = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind((host, int(port)))
        made.listen(BACKLOG)  # who reads that it listens may connect
        shown = f"[{host}]" if family == socket.AF_INET6 else host
        return made, f"http://{shown}:{made.getsockname()[1]}"
    except (OSError, OverflowError) as error:
        raise UsageError(f"cannot listen on {unix or bind}: {error}") from None


def _leave_to_its_server(unix: Path) -> None:
    """Raise an OSError where somebody answers on a Unix socket; one that a killed server left is free."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client, suppress(ConnectionRefusedError):
        client.settimeout(1.0)
        client.connect(str(unix))
        raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE))


def is_loopback(host: str) -> bool:
    """Return whether only this machine reaches a host."""
    try:
        return host == "localhost" or ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def check_tls(certificate: Path | None, key: Path | None) -> bool:
    """Return whether to speak TLS, after a look at its files.

    Raises
    ------
    UsageError
        One of them is missing, unreadable, or they do not belong together.
    """
    if certificate is None and key is None:
        return False
    if certificate is None or key is None:
        raise UsageError(
            "--cert and --key go together: a certificate chain and its private key, in PEM files"
        )
    for file in (certificate, key):
        if not file.is_file():
            raise UsageError(f"there is no file {file}")
    try:
        # An empty password: a key that needs one is refused, where OpenSSL would stop and ask the terminal.
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key, password="")
    except (ssl.SSLError, OSError) as error:
        raise UsageError(
            f"no certificate with its private key, unencrypted PEM, in {certificate} and {key}: {error}"
        ) from None
    return True


def run(
    app: Application,
    made: socket.socket,
    drain_seconds: int = 30,
    certificate: str | None = None,
    key: str | None = None,
    siblings: Siblings | None = None,
) -> None:
    """Answer requests until SIGTERM or SIGINT; what is under way is finished first."""
    import uvicorn

    from scalable.serve.connection.protocol import READ_BYTES, Connection

    class Server(uvicorn.Server):
        """Accepts one connection at a time, and tells the parent when it answers.

        Of several workers the one that is free accepts, and a request waits for one new connection, not for all.
        """

        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            if certificate is not None:  # else who says nothing is waited for a minute
                loop: Any = asyncio.get_running_loop()
                seconds = app.limits.seconds
                loop.create_server = partial(
                    loop.create_server, ssl_handshake_timeout=seconds, ssl_shutdown_timeout=seconds
                )
            await super().startup(sockets)
            made.listen(BACKLOG)  # asyncio, which accepts one at a time, made the queue as short
            pa.array([0])  # at its first array Arrow imports pandas, .2 s in which requests would wait
            gc.collect()
            gc.freeze()  # or each full collection looks through all modules, while requests wait
            if siblings is not None:
                await siblings.start(app.answer_sibling, app.versions())  # type: ignore[attr-defined]

    space = memoryview(bytearray(READ_BYTES))  # each read is used up before the next one

    def http(server_state: Any, **_: Any) -> Any:
        return Connection(app, space, server_state.connections, server_state.tasks)

    config = uvicorn.Config(
        _uncalled, http=cast(Any, http), interface="asgi3", loop="asyncio", ws="none", lifespan="off", access_log=False,
        log_level="warning", timeout_graceful_shutdown=drain_seconds, ssl_certfile=certificate, ssl_keyfile=key,
        backlog=1,
    )  # fmt: skip
    Server(config).run(sockets=[made])


async def _uncalled(scope: Any, receive: Any, send: Any) -> None:
    """Stand where uvicorn wants an application: ours is called by its connections."""
