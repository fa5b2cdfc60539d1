"""A link of known latency and bandwidth before a server, in a process of its own.

    python -m bench.objects.link http://127.0.0.1:8333 0.05 200e6

One thread moves bytes when they are due: nothing here sleeps, and no piece waits for another's lock. Of each connection
so much may be under way that the link is never idle while a server has something to send.
"""

from __future__ import annotations

import heapq
import select
import socket
import subprocess
import sys
import time
from collections import deque
from dataclasses import dataclass, field
from types import TracebackType

PIECE = 2**18
UNDER_WAY = 2**21  # bytes of one direction of a connection


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

    Attributes
    ----------
    address : str
        Where it is spoken to, in a ``with`` block.
    """

    def __init__(self, address: str, delay: float, bytes_per_second: float) -> None:
        self._words = [address, str(delay), str(bytes_per_second)]
        self.address = ""

    def __enter__(self) -> Link:
        words = [sys.executable, "-m", "bench.objects.link", *self._words]
        self._process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        self.address = self._process.stdout.readline().strip()
        assert self.address, "the link does not start"
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.communicate()


@dataclass(eq=False)
class _Way:
    """One direction of a connection: what came from one end and is not yet at the other."""

    source: socket.socket
    target: socket.socket
    answers: bool
    waiting: deque[memoryview] = field(default_factory=deque)
    n_due: int = 0  # of those
    n_bytes: int = 0
    ended: bool = False


class _Wires:
    """All connections of a link."""

    def __init__(self, server: tuple[str, int], delay: float, speed: float) -> None:
        self._server, self._delay, self._speed = server, delay, speed
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self._poll = select.epoll()
        self._poll.register(self.listener, select.EPOLLIN)
        self._ways: dict[int, tuple[_Way, _Way]] = {}  # by an end: what it sends, what it is sent
        self._due: list[tuple[float, int, _Way]] = []
        self._free, self._count = 0.0, 0

    def run(self) -> None:
        """Move bytes until the process ends."""
        while True:
            wait = max(0.0, self._due[0][0] - time.monotonic()) if self._due else None
            for end, event in self._poll.poll(wait):
                if end == self.listener.fileno():
                    self._accept()
                elif end in self._ways:
                    self._move(*self._ways[end], event)
            now = time.monotonic()
            while self._due and self._due[0][0] <= now:
                way = heapq.heappop(self._due)[2]
                way.n_due += 1
                self._send(way)

    def _move(self, sent: _Way, received: _Way, event: int) -> None:
        """Do what an end is ready for."""
        broken = event & (select.EPOLLHUP | select.EPOLLERR)
        if event & select.EPOLLOUT:
            self._send(received)
        if event & select.EPOLLIN or broken:
            self._take(sent)
        if broken and sent.ended:
            self._close(sent)

    def _accept(self) -> None:
        client, _ = self.listener.accept()
        try:
            server = socket.create_connection(self._server)
        except OSError:
            client.close()
            return
        there, back = _Way(client, server, False), _Way(server, client, True)
        for end, ways in ((client, (there, back)), (server, (back, there))):
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            end.setblocking(False)
            self._ways[end.fileno()] = ways
            self._poll.register(end, select.EPOLLIN)

    def _take(self, way: _Way) -> None:
        """Take what an end sends, and note when it is due at the other."""
        if way.ended or way.n_bytes >= UNDER_WAY:
            return
        try:
            data = way.source.recv(PIECE)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        way.ended = not data
        now = time.monotonic()
        if way.answers:
            self._free = max(now, self._free) + len(data) / self._speed
        due = self._free if way.answers else now + self._delay
        way.waiting.append(memoryview(data))
        way.n_bytes += len(data)
        self._count += 1
        heapq.heappush(self._due, (due, self._count, way))
        self._listen(way)

    def _send(self, way: _Way) -> None:
        """Send what is due, as far as it is taken."""
        try:
            while way.n_due:
                data = way.waiting[0]
                if not data:  # the end
                    self._close(way)
                    return
                sent = way.target.send(data)
                way.n_bytes -= sent
                if sent < len(data):
                    way.waiting[0] = data[sent:]
                else:
                    way.waiting.popleft()
                    way.n_due -= 1
        except BlockingIOError:
            pass
        except OSError:
            self._close(way)
            return
        self._listen(way)

    def _listen(self, way: _Way) -> None:
        """Ask for what both ends of a direction may do now."""
        for end in (way.source, way.target):
            if end.fileno() in self._ways:
                sent, received = self._ways[end.fileno()]
                reads = select.EPOLLIN if not sent.ended and sent.n_bytes < UNDER_WAY else 0
                self._poll.modify(end, reads | (select.EPOLLOUT if received.n_due else 0))

    def _close(self, way: _Way) -> None:
        for end in (way.source, way.target):
            if self._ways.pop(end.fileno(), None) is not None:
                self._poll.unregister(end)
                end.close()
        way.n_due = 0


if __name__ == "__main__":
    host, _, port = sys.argv[1].removeprefix("http://").partition(":")
    wires = _Wires((host, int(port)), float(sys.argv[2]), float(sys.argv[3]))
    print(f"http://127.0.0.1:{wires.listener.getsockname()[1]}", flush=True)
    wires.run()
