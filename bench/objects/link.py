"""A link of known latency and bandwidth before a server."""

from __future__ import annotations

import socket
import threading
import time
from types import TracebackType

PIECE = 2**18


class Link:
    """Passes connections on: every request waits, and all answers together flow at one speed.

    Parameters
    ----------
    address : str
        Of the server, ``http://host:port``.
    delay : float
        Seconds that are added to each request.
    bytes_per_second : float
        Of all answers together.
    """

    def __init__(self, address: str, delay: float, bytes_per_second: float) -> None:
        host, _, port = address.removeprefix("http://").partition(":")
        self._server, self.delay, self.speed = (host, int(port)), delay, bytes_per_second
        self._free, self._lock = 0.0, threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.address = f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def __enter__(self) -> Link:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            server = socket.create_connection(self._server)
            for end in (client, server):  # small pieces do not wait for an acknowledgement
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for job in (self._requests, self._answers):
                threading.Thread(target=job, args=(client, server), daemon=True).start()

    def _requests(self, client: socket.socket, server: socket.socket) -> None:
        try:
            while data := client.recv(PIECE):
                time.sleep(self.delay)  # of readers, a request is one piece
                server.sendall(data)
        except OSError:
            pass
        finally:
            server.close()

    def _answers(self, client: socket.socket, server: socket.socket) -> None:
        buffer = memoryview(bytearray(PIECE))
        try:
            while n := server.recv_into(buffer):
                time.sleep(self._wait(n))
                client.sendall(buffer[:n])
        except OSError:
            pass
        finally:
            client.close()

    def _wait(self, n_bytes: int) -> float:
        """Return the seconds until the link has passed so many bytes more."""
        with self._lock:
            now = time.monotonic()
            self._free = max(now, self._free) + n_bytes / self.speed
            return self._free - now
