"""Load on a server: requests leave at random times whether or not earlier ones were answered.

A generator that waits for answers slows down with the server and hides its queue (coordinated omission). Here arrivals
are Poisson, fixed beforehand, and latency counts from when a request was meant to leave.
"""

from __future__ import annotations

import asyncio
import json
import selectors
import time
from collections import Counter
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

import numpy as np
from numpy.typing import NDArray

from scalable import progress
from scalable.errors import UsageError
from scalable.serve.run import is_loopback

QUANTILES = {"p50_us": 50.0, "p90_us": 90.0, "p99_us": 99.0, "p99.9_us": 99.9}
CONNECTIONS = 256
SENT_AGAIN = 5  # at most, on closed connections: asking once more changes nothing
REASON_BYTES = 200  # of a refusal that are kept
GROWTH, MOST_STEPS = 1.4, 24  # of a ramp
KEEPS_UP, TOO_LATE_US = (
    0.9,
    1e6,
)  # share of the load that is answered in its time; a p99 beyond which it is over


class Target:
    """A server.

    Parameters
    ----------
    place : str
        ``http://HOST:PORT[/path]`` or ``unix:PATH``.
    remote : bool
        Whether it may be another machine.
    """

    def __init__(self, place: str, *, remote: bool = False) -> None:
        self.unix = place[5:] if place.startswith("unix:") else None
        parts = urlsplit("http://localhost" if self.unix else place)
        if parts.scheme != "http" or not parts.hostname:
            raise UsageError(f"a server is http://HOST:PORT or unix:PATH, found {place!r}")
        if not remote and not is_loopback(parts.hostname):
            raise UsageError(f"{parts.hostname} is another machine; pass --remote if it is yours to load")
        self.host, self.port, self.path = (
            parts.hostname,
            parts.port or 80,
            parts.path.rstrip("/") or "/predict",
        )

    def request(self, row: dict[str, Any]) -> bytes:
        """Return the bytes of a request for one row."""
        body = json.dumps(row, default=str).encode()
        head = f"POST {self.path} HTTP/1.1\r\nHost: {self.host}\r\nContent-Type: application/json\r\n"
        return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Open a connection."""
        if self.unix:
            return await asyncio.open_unix_connection(self.unix)
        return await asyncio.open_connection(self.host, self.port)


async def _answered(reader: asyncio.StreamReader) -> tuple[str, bytes]:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin1").lower()
    size = head.partition("content-length:")[2].partition("\r\n")[0]
    body = await reader.readexactly(int(size))
    return head.split(" ", 2)[1], body


async def _run(
    target: Target, requests: Sequence[bytes], due: np.ndarray
) -> tuple[list[float], Counter[str], dict[str, str]]:
    free: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []
    room, statuses, reasons = asyncio.Semaphore(CONNECTIONS), Counter[str](), dict[str, str]()
    taken = [0.0] * len(due)
    start = time.perf_counter() + 0.05

    async def one(k: int) -> None:
        async with room:
            statuses[await ask(requests[k % len(requests)])] += 1
            taken[k] = time.perf_counter() - start - due[k]

    async def ask(request: bytes) -> str:
        for left in range(SENT_AGAIN, -1, -1):
            connection = None
            try:
                # Others that are free may end at the same worker: a request is sent again on a new one.
                connection = free.pop() if free and left == SENT_AGAIN else await target.connect()
                connection[1].write(request)
                status, body = await _answered(connection[0])
            except (OSError, EOFError, ValueError) as error:
                if connection is not None:
                    connection[1].close()
                closed = isinstance(error, (ConnectionResetError, BrokenPipeError, EOFError))
                if not closed or not left:
                    reasons.setdefault(type(error).__name__, str(error))
                    return type(error).__name__
                statuses["sent again"] += 1
            else:
                free.append(connection)
                if status != "200":
                    reasons.setdefault(status, body[:REASON_BYTES].decode("utf-8", "replace"))
                return status
        raise AssertionError

    async with asyncio.TaskGroup() as group:
        for k, at in enumerate(due):
            wait = start + at - time.perf_counter()
            if wait > 0:
                await asyncio.sleep(wait)
            group.create_task(one(k))
    for _, writer in free:
        writer.close()
    return taken, statuses, reasons


def loop_of_arrivals() -> asyncio.AbstractEventLoop:
    """Return a loop that wakes up when a request is due: epoll sleeps whole milliseconds, longer than answers take."""
    return asyncio.SelectorEventLoop(selectors.SelectSelector())


def arrivals(rate: float, seconds: float, seed: int) -> NDArray[np.float64]:
    """Return when requests are due: a Poisson process of which it is known how many come, so that none is late.

    Sums of exponential pauses run past the end now and then, by a tenth for some hundred requests, and a server that
    answered all at once seemed not to keep up.
    """
    n = max(1, round(rate * seconds))
    return np.sort(np.random.default_rng(seed).uniform(0.0, n / rate, n))


def offer(
    target: Target, rows: Sequence[dict[str, Any]], rate: float, seconds: float, seed: int = 0
) -> dict[str, Any]:
    """Send requests of one row each for some time.

    Parameters
    ----------
    target : Target
    rows : sequence of dict
        Taken in turn.
    rate : float
        Requests a second, on average.
    seconds : float
    seed : int
        Of the arrivals.

    Returns
    -------
    dict, ready for JSON
        Requests, statuses, failures, the first reason of each status, those sent again on another connection as the
        server had closed theirs, answers a second, and quantiles of the latency in microseconds.
    """
    due = arrivals(rate, seconds, seed)
    with asyncio.Runner(loop_factory=loop_of_arrivals) as runner:
        taken, statuses, reasons = runner.run(_run(target, [target.request(row) for row in rows], due))
    again = statuses.pop("sent again", 0)
    found: dict[str, Any] = {
        "rate": rate,
        "requests": len(due),
        "statuses": dict(statuses),
        "sent_again": again,
        "reasons": reasons,
    }
    found["failed"] = len(due) - statuses["200"]
    found["answered_per_second"] = len(due) / float((due + np.asarray(taken)).max())
    micros = 1e6 * np.asarray(taken)
    return found | {name: float(np.percentile(micros, q)) for name, q in QUANTILES.items()}


def kept_up(step: dict[str, Any]) -> bool:
    """Return whether a server answered what `offer` sent, in the time in which it came, and none too late."""
    slow = step["answered_per_second"] < KEEPS_UP * step["rate"] or step["p99_us"] > TOO_LATE_US
    return not slow and not step["failed"]


def ramp(
    target: Target, rows: Sequence[dict[str, Any]], rate: float, seconds: float, seed: int = 0
) -> list[dict[str, Any]]:
    """Offer more and more load, from `rate` on, until the server does not keep up; return a row a step as `offer` does.

    It does not when fewer than nine of ten requests are answered in the time in which they came, when the slowest
    hundredth takes more than a second, or when one fails.
    """
    found: list[dict[str, Any]] = []
    with progress.task("load", unit="requests") as shown:
        for k in range(MOST_STEPS):
            step = offer(target, rows, rate * GROWTH**k, seconds, seed + k)
            found.append(step)
            shown.advance(step["requests"])
            if not kept_up(step):
                break
    return found
