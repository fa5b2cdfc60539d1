"""Load on a server: requests leave at random times whether or not earlier ones were answered.

A generator that waits for answers slows down with the server and hides its queue (coordinated omission). Here arrivals
are Poisson, fixed beforehand, and latency counts from when a request was meant to leave.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

import numpy as np

from scalable.errors import UsageError
from scalable.serve.run import is_loopback

QUANTILES = {"p50_us": 50.0, "p90_us": 90.0, "p99_us": 99.0, "p99.9_us": 99.9}
CONNECTIONS = 256


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


async def _answered(reader: asyncio.StreamReader) -> str:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin1").lower()
    size = head.partition("content-length:")[2].partition("\r\n")[0]
    await reader.readexactly(int(size))
    return head.split(" ", 2)[1]


async def _run(
    target: Target, requests: Sequence[bytes], due: np.ndarray
) -> tuple[list[float], Counter[str]]:
    free: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []
    room, taken, statuses = asyncio.Semaphore(CONNECTIONS), [], Counter[str]()
    start = time.perf_counter() + 0.05

    async def one(k: int) -> None:
        async with room:
            connection = None
            try:
                connection = free.pop() if free else await target.connect()
                connection[1].write(requests[k % len(requests)])
                statuses[await _answered(connection[0])] += 1
                free.append(connection)
            except (OSError, EOFError, ValueError) as error:
                statuses[type(error).__name__] += 1
                if connection is not None:
                    connection[1].close()
            taken.append(time.perf_counter() - start - due[k])

    async with asyncio.TaskGroup() as group:
        for k, at in enumerate(due):
            wait = start + at - time.perf_counter()
            if wait > 0:
                await asyncio.sleep(wait)
            group.create_task(one(k))
    for _, writer in free:
        writer.close()
    return taken, statuses


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
        Requests, statuses, failures, and quantiles of the latency in microseconds.
    """
    random = np.random.default_rng(seed)
    due = np.cumsum(random.exponential(1.0 / rate, max(1, round(rate * seconds))))
    taken, statuses = asyncio.run(_run(target, [target.request(row) for row in rows], due))
    found: dict[str, Any] = {"rate": rate, "requests": len(due), "statuses": dict(statuses)}
    found["failed"] = len(due) - statuses["200"]
    micros = 1e6 * np.asarray(taken)
    return found | {name: float(np.percentile(micros, q)) for name, q in QUANTILES.items()}
