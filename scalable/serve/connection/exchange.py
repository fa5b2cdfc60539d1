"""What is asked and what is answered, whoever carries it."""

from __future__ import annotations

from collections.abc import Awaitable
from dataclasses import dataclass
from typing import Any, Protocol

from scalable.inference.request.json import encode_json
from scalable.serve.limits import Limits
from scalable.serve.metrics import Metrics
from scalable.serve.refusal import RefusalError

Headers = tuple[tuple[bytes, bytes], ...]
Reply = tuple[int, bytes, Headers]  # status, body, headers but its length
JSON: Headers = ((b"content-type", b"application/json"),)
REASON = 1000  # letters of a refusal, which may show what was sent


@dataclass(slots=True)
class Request:
    """A whole request.

    Attributes
    ----------
    method, path : str
        The path without query, unquoted.
    query : bytes
    headers : dict of bytes to bytes
        Names in small letters; a carrier may leave out those that nobody looks at.
    body : bytes
    """

    method: str
    path: str
    query: bytes
    headers: dict[bytes, bytes]
    body: bytes


class Application(Protocol):
    """What answers requests.

    Attributes
    ----------
    limits : Limits
    metrics : Metrics
    """

    limits: Limits
    metrics: Metrics

    def handle(self, request: Request) -> Reply | Awaitable[Reply]:
        """Answer at once, or return what to wait for; neither raises."""


def json_reply(answer: Any, status: int = 200, headers: Headers = JSON) -> Reply:
    """Return an answer in JSON."""
    return status, encode_json(answer), headers


def refused(refusal: RefusalError) -> Reply:
    """Return the answer to what cannot be done: one line of reason."""
    line = " ".join(refusal.reason.split())[:REASON]
    again: Headers = ((b"retry-after", b"1"),) if refusal.status == 503 else ()
    return json_reply({"error": line}, refusal.status, JSON + again)


def admit(app: Application) -> Reply | None:
    """Count a request in, which whoever answers it counts out again; return the refusal of one too many."""
    metrics = app.metrics
    if metrics.waiting < app.limits.waiting:
        metrics.waiting += 1
        return None
    metrics.rejected += 1
    return refused(RefusalError(503, "too many requests wait; come again"))


def too_large(app: Application) -> Reply:
    """Return the refusal of a body beyond the limit."""
    return refused(RefusalError(413, f"a body of more than {app.limits.body_bytes:,} bytes"))


def late(app: Application, part: str) -> RefusalError:
    """Return the refusal of a part, head or body, that did not come in time."""
    return RefusalError(408, f"the {part} was not there within {app.limits.seconds:g} seconds")
