"""How much the server takes at a time."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of requests.

    Attributes
    ----------
    waiting : int
        Requests at hand at one time; those beyond are answered 503.
    body_bytes, rows : int
        Of one request.
    seconds : float
        Until its body has to be there.
    """

    waiting: int = 256
    body_bytes: int = 2**24
    rows: int = 100_000
    seconds: float = 10.0
