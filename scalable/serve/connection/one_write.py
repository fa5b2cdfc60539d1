"""A transport that sends what a request's answer is made of together: uvicorn writes its head and its body apart."""

from __future__ import annotations

import asyncio
from typing import Any

MOST_HELD = 2**16  # bytes that are copied to go together


class OneWrite:
    """Holds what is written until the loop turns, then writes it at once: one call of the system and one packet less.

    Parameters
    ----------
    transport : asyncio.Transport
        What sends; all but `write` and `close` is its own.
    loop : asyncio.AbstractEventLoop
        In which it is used.
    """

    def __init__(self, transport: Any, loop: asyncio.AbstractEventLoop) -> None:
        self._transport, self._soon = transport, loop.call_soon
        self._held: list[bytes] = []
        self._size = 0

    def write(self, data: bytes) -> None:
        """Send bytes when the loop turns, or at once where they are many."""
        if not self._held:
            self._soon(self._flush)
        self._held.append(data)
        self._size += len(data)
        if self._size > MOST_HELD:
            self._flush()

    def close(self) -> None:
        """Send what is held, then close."""
        self._flush()
        self._transport.close()

    def _flush(self) -> None:
        if self._held:
            held, self._held, self._size = self._held, [], 0
            self._transport.write(held[0] if len(held) == 1 else b"".join(held))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)
