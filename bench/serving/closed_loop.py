"""The most requests a second that a server answers: some connections, each asking again as soon as it is answered.

The generator sends prepared bytes and finds the ends of answers, for any server alike; how busy it was itself is told,
as a capacity is the server's only where that is well below one.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from scalable.serve.load import Target

WARM_SECONDS = 0.5


def closed_loop(
    target: Target, rows: Sequence[dict[str, Any]], seconds: float, connections: int
) -> dict[str, float]:
    """Return answers a second, the share of the time that the generator computed, and how many answers were not 200."""
    requests = [target.request(row) for row in rows]
    sent = answered = failed = 0
    with target.clients(connections) as clients:
        for sent in range(connections):
            clients.send(sent, requests[sent % len(requests)])
        start = None
        until = time.perf_counter() + WARM_SECONDS + seconds
        while time.perf_counter() < until:
            if start is None and time.perf_counter() > until - seconds:
                start, busy, answered, failed = time.perf_counter(), time.process_time(), 0, 0
            for _, status, _ in clients.answers(1.0):
                sent += 1
                clients.send(sent, requests[sent % len(requests)])
                answered += 1
                failed += status != "200"
        assert start is not None
        taken = time.perf_counter() - start
        return {
            "rate": answered / taken,
            "generator_busy": (time.process_time() - busy) / taken,
            "failed": float(failed),
        }
