"""What the server answers when it cannot do what was asked."""

from __future__ import annotations


class RefusalError(Exception):
    """A status and one line of reason.

    Parameters
    ----------
    status : int
        Of HTTP, 4xx or 5xx.
    reason : str
    """

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status, self.reason = status, reason
