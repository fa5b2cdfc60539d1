"""Keep-alive connections of a generator of load: prepared bytes go out, answers come back, without a loop in between.

A coroutine a request took longer than the server that it asked.
"""

from __future__ import annotations

import os
import select
import socket
from collections import deque
from collections.abc import Iterator
from typing import Any

READ_BYTES = 2**18
SENT_AGAIN = 5  # at most, on closed connections: asking once more changes nothing
_CLOSED = (ConnectionResetError, BrokenPipeError, EOFError)
Answer = tuple[int, str, bytes]  # number of the request, status or name of what failed, body


class _Connection:
    """One, and the request that is under way on it."""

    __slots__ = ("number", "read", "request", "socket", "tried", "unsent")

    def __init__(self, made: socket.socket) -> None:
        self.socket, self.number, self.tried = made, -1, 0
        self.request = self.unsent = self.read = b""


class Clients:
    """Some connections to a server.

    Parameters
    ----------
    family : socket.AddressFamily
    address : tuple or str
        Of the socket.
    most : int
        Connections at a time; requests beyond wait.

    Attributes
    ----------
    sent_again : int
        Requests whose connection the server closed, and that were sent on another one.
    """

    def __init__(self, family: socket.AddressFamily, address: Any, most: int) -> None:
        self._family, self._address, self._most = family, address, most
        self._events = select.epoll()
        self._open: dict[int, _Connection] = {}
        self._free: list[_Connection] = []
        self._waiting: deque[tuple[int, bytes]] = deque()
        self._lost: list[Answer] = []
        self._heads: dict[bytes, tuple[str, int, bool]] = {}
        self.sent_again = 0

    def __enter__(self) -> Clients:
        return self

    def __exit__(self, *_: object) -> None:
        for one in self._open.values():
            one.socket.close()
        self._events.close()

    def send(self, number: int, request: bytes) -> None:
        """Send a request, at once where a connection is free."""
        if self._free:
            connection = self._free.pop()
            connection.number, connection.request, connection.tried = number, request, 0
            self._write(connection, request)
        elif len(self._open) < self._most:
            self._connect(number, request, 0)
        else:
            self._waiting.append((number, request))

    def answers(self, seconds: float) -> Iterator[Answer]:
        """Yield what is answered, waiting at most so long for the first."""
        if seconds > 0 and not self._lost:  # epoll alone sleeps whole milliseconds, longer than answers take
            select.select([self._events], [], [], seconds)
        for number, event in self._events.poll(0):
            connection = self._open.get(number)
            if connection is not None and event & select.EPOLLOUT and connection.unsent:
                self._write(connection, connection.unsent)
                connection = self._open.get(number)
            if connection is not None and event & ~select.EPOLLOUT:
                found = self._read(connection)
                if found is not None:
                    yield found
        lost, self._lost = self._lost, []
        yield from lost

    def _connect(self, number: int, request: bytes, tried: int) -> None:
        made = socket.socket(self._family, socket.SOCK_STREAM)
        made.setblocking(False)
        if self._family != socket.AF_UNIX:
            made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection = _Connection(made)
        connection.number, connection.request, connection.tried = number, request, tried
        connection.unsent = request
        self._open[made.fileno()] = connection
        try:
            made.connect(self._address)
        except BlockingIOError:
            pass
        except OSError as error:
            self._fail(connection, error)
            return
        self._events.register(made.fileno(), select.EPOLLIN | select.EPOLLOUT)

    def _write(self, connection: _Connection, data: bytes) -> None:
        waited = bool(connection.unsent)
        try:
            sent = connection.socket.send(data)
        except BlockingIOError:
            sent = 0
        except OSError as error:
            self._fail(connection, error)
            return
        connection.unsent = data[sent:]
        if waited != bool(connection.unsent):
            out = select.EPOLLOUT if connection.unsent else 0
            self._events.modify(connection.socket.fileno(), select.EPOLLIN | out)

    def _read(self, connection: _Connection) -> Answer | None:
        try:
            data = connection.socket.recv(READ_BYTES)
            if not data:
                raise EOFError("the connection was closed")
        except BlockingIOError:
            return None
        except (OSError, EOFError) as error:
            self._fail(connection, error)
            return None
        if connection.read:
            data = connection.read + data
        end = data.find(b"\r\n\r\n") + 4
        if end < 4:
            connection.read = data
            return None
        try:
            status, size, keep = self._heads.get(data[:end]) or self._understand(data[:end])
        except ValueError as error:
            self._fail(connection, error)
            return None
        if len(data) < end + size:
            connection.read = data
            return None
        answer = connection.number, status, data[end : end + size]
        connection.read, connection.number = b"", -1
        self._next(connection, keep and not connection.unsent)  # the rest would be read as the next request
        return answer

    def _next(self, connection: _Connection, keep: bool) -> None:
        """Use a connection again, or one in its place."""
        if not keep:
            self._drop(connection)
            if self._waiting:
                self._connect(*self._waiting.popleft(), 0)
        elif self._waiting:
            connection.number, connection.request = self._waiting.popleft()
            connection.tried = 0
            self._write(connection, connection.request)
        else:
            self._free.append(connection)

    def _understand(self, head: bytes) -> tuple[str, int, bool]:
        text = head.decode("latin-1").lower()
        size = int(text.partition("content-length:")[2].partition("\r\n")[0])
        found = text.split(" ", 2)[1][:3], size, "connection: close" not in text
        if len(self._heads) < 1000:
            self._heads[head] = found
        return found

    def _fail(self, connection: _Connection, error: Exception) -> None:
        """Send a request again whose connection was closed; others that are free may end at the same worker."""
        number, request, tried = connection.number, connection.request, connection.tried
        self._drop(connection)
        if number < 0:
            return
        if isinstance(error, _CLOSED) and tried < SENT_AGAIN:
            self.sent_again += 1
            self._connect(number, request, tried + 1)
            return
        reason = os.strerror(error.errno) if isinstance(error, OSError) and error.errno else str(error)
        self._lost.append((number, type(error).__name__, reason.encode()))
        if self._waiting:
            self._connect(*self._waiting.popleft(), 0)

    def _drop(self, connection: _Connection) -> None:
        del self._open[connection.socket.fileno()]
        if connection in self._free:
            self._free.remove(connection)
        connection.socket.close()
