"""Messages between the parent of the server's workers and these: JSON objects, a line each, over a socket pair."""

from __future__ import annotations

import json
from typing import Any


class Lines:
    """Takes bytes as they come, and gives the messages that are whole."""

    def __init__(self) -> None:
        self._rest = b""

    def take(self, data: bytes) -> list[dict[str, Any]]:
        """Return the messages that end in `data`."""
        *whole, self._rest = (self._rest + data).split(b"\n")
        return [json.loads(line) for line in whole]


def line(message: dict[str, Any]) -> bytes:
    """Return a message as bytes."""
    return json.dumps(message).encode() + b"\n"
