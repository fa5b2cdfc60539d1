"""What the server takes, and how much at a time."""

from __future__ import annotations

from dataclasses import dataclass

from scalable.errors import DataError
from scalable.inference.request.packing import ADVICE, check_missing_keys


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of requests, and what they must hold.

    Attributes
    ----------
    waiting : int
        Requests at hand at one time; those beyond are answered 503.
    body_bytes, rows : int
        Of one request.
    seconds : float
        Until its body has to be there.
    missing_keys : str
        What becomes of a row that lacks a column of the model: ``"refuse"``, or ``"missing"``, a missing value.

    Raises
    ------
    UsageError
        `missing_keys` is neither.
    """

    waiting: int = 256
    body_bytes: int = 2**24
    rows: int = 100_000
    seconds: float = 10.0
    missing_keys: str = "refuse"

    def __post_init__(self) -> None:
        check_missing_keys(self.missing_keys)


def as_served(error: DataError) -> str:
    """Return what a client is told of an error: Python's way out is none for it, the command's option is."""
    return str(error).replace(ADVICE, "give null if unknown, or start the server with --missing-keys missing")
