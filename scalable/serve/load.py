"""Load on a server: requests leave at random times whether or not earlier ones were answered.

A generator that waits for answers slows down with the server and hides its queue (coordinated omission). Here arrivals
are Poisson, fixed beforehand, and latency counts from when a request was meant to leave.
"""

from __future__ import annotations

import socket
import time
from collections import Counter
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

import numpy as np
from numpy.typing import NDArray

from scalable import progress
from scalable.errors import UsageError
from scalable.inference.request.json import encode_row
from scalable.serve.connection.client import Clients
from scalable.serve.run import is_loopback

QUANTILES = {"p50_us": 50.0, "p90_us": 90.0, "p99_us": 99.0, "p99.9_us": 99.9}
CONNECTIONS = 256
TOGETHER = 16  # requests that leave between two looks at the answers
ANSWER_SECONDS = 60.0  # for the last answers to come
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
        ``http://HOST:PORT[/path[?query]]`` or ``unix:PATH``.
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
            (parts.path.rstrip("/") or "/predict") + (f"?{parts.query}" if parts.query else ""),
        )

    def request(self, row: dict[str, Any]) -> bytes:
        """Return the bytes of a request for one row."""
        body = encode_row(row)
        head = f"POST {self.path} HTTP/1.1\r\nHost: {self.host}\r\nContent-Type: application/json\r\n"
        return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body

    def clients(self, most: int = CONNECTIONS) -> Clients:
        """Return connections to it, which are made as they are needed.

        Raises
        ------
        UsageError
            Nobody knows its name.
        """
        if self.unix:
            return Clients(socket.AF_UNIX, self.unix, most)
        try:
            found = socket.getaddrinfo(self.host, self.port, type=socket.SOCK_STREAM)
        except OSError as error:
            raise UsageError(f"{self.host}: {error}") from None
        return Clients(found[0][0], found[0][4], most)


def _connect(clients: Clients, requests: Sequence[bytes], connections: int) -> None:
    """Make connections, each of which is asked once."""
    until = time.perf_counter() + ANSWER_SECONDS
    for k in range(connections):
        clients.send(k, requests[k % len(requests)])
    while connections and time.perf_counter() < until:
        connections -= sum(1 for _ in clients.answers(1.0))


def _run(
    target: Target, requests: Sequence[bytes], due: NDArray[np.float64], connections: int | None
) -> tuple[NDArray[np.float64], Counter[str], dict[str, str]]:
    """Send requests when they are due; return seconds from then to each answer, statuses, and reasons of refusals."""
    statuses, reasons = Counter[str](), dict[str, str]()
    taken = np.full(len(due), np.inf)
    begun, left = 0, len(due)
    with target.clients(connections or CONNECTIONS) as clients:
        _connect(clients, requests, connections or 0)
        start = time.perf_counter() + 0.05
        while left:
            now = time.perf_counter() - start
            until = min(begun + TOGETHER, len(due))
            while begun < until and due[begun] <= now:
                clients.send(begun, requests[begun % len(requests)])
                begun += 1
            wait = due[begun] - now if begun < len(due) else due[-1] + ANSWER_SECONDS - now
            for k, status, body in clients.answers(max(0.0, wait)):
                taken[k] = time.perf_counter() - start - due[k]
                statuses[status] += 1
                left -= 1
                if status != "200":
                    reasons.setdefault(status, body[:REASON_BYTES].decode("utf-8", "replace"))
            if begun == len(due) and wait <= 0 and left:
                statuses["no answer"] += left
                taken = np.where(np.isinf(taken), now - due, taken)
                reasons["no answer"] = f"none within {ANSWER_SECONDS:g} seconds of the last request"
                break
    if clients.sent_again:
        statuses["sent again"] = clients.sent_again
    return taken, statuses, reasons


def arrivals(rate: float, seconds: float, seed: int) -> NDArray[np.float64]:
    """Return when requests are due: a Poisson process of which it is known how many come, so that none is late.

    Sums of exponential pauses run past the end now and then, by a tenth for some hundred requests, and a server that
    answered all at once seemed not to keep up.
    """
    n = max(1, round(rate * seconds))
    return np.sort(np.random.default_rng(seed).uniform(0.0, n / rate, n))


def offer(
    target: Target,
    rows: Sequence[dict[str, Any]],
    rate: float,
    seconds: float,
    seed: int = 0,
    connections: int | None = None,
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
    connections : int, optional
        So many are made, and asked once each, before the time begins, and no others in it: what answers take on
        connections that are kept. Without it up to 256 are made when a request finds none free, as new clients do.

    Returns
    -------
    dict, ready for JSON
        Requests, statuses, failures, the first reason of each status, those sent again on another connection as the
        server had closed theirs, answers a second, and quantiles of the latency in microseconds.
    """
    due = arrivals(rate, seconds, seed)
    taken, statuses, reasons = _run(target, [target.request(row) for row in rows], due, connections)
    again = statuses.pop("sent again", 0)
    found: dict[str, Any] = {
        "rate": rate,
        "requests": len(due),
        "statuses": dict(statuses),
        "sent_again": again,
        "reasons": reasons,
    }
    found["failed"] = len(due) - statuses["200"]
    found["answered_per_second"] = len(due) / float((due + taken).max())
    micros = 1e6 * taken
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
