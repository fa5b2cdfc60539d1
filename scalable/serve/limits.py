"""What the server takes, and how much at a time."""

from __future__ import annotations

from dataclasses import dataclass

from scalable.inference.request.packing import check_missing_keys


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
