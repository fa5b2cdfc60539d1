"""Uvicorn's protocol with bounds for the head of a request."""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import Any

from scalable.inference.request.json import encode_json
from scalable.serve.connection.one_write import OneWrite

HEAD_BYTES = 2**16  # of a request's first line and headers


def protocol(seconds: float) -> Any:
    """Return uvicorn's protocol, but for heads of requests that come slowly, or without end: it takes any."""
    from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

    class Protocol(HttpToolsProtocol):
        """Ends a connection whose head is late or too large; uvicorn ends those that are silent after an answer."""

        _complete = False
        _size = 0
        _due: asyncio.TimerHandle | None = None

        def connection_made(self, transport: Any) -> None:
            together: Any = OneWrite(transport, self.loop)
            super().connection_made(together)
            self._wait()

        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            if self._complete or self.transport.is_closing():
                return
            self._size += len(data)
            if self._size > HEAD_BYTES:
                self._end(f"431 a head of more than {HEAD_BYTES:,} bytes")
            elif self._due is None:
                self._wait()

        def on_message_begin(self) -> None:
            self._complete, self._size = False, 0
            super().on_message_begin()

        def on_headers_complete(self) -> None:
            self._complete = True
            self._forget()
            super().on_headers_complete()

        def connection_lost(self, exc: Exception | None) -> None:
            self._forget()
            super().connection_lost(exc)

        def _wait(self) -> None:
            late = f"408 the head was not there within {seconds:g} seconds"
            self._due = self.loop.call_later(seconds, self._end, late)

        def _forget(self) -> None:
            if self._due is not None:
                self._due.cancel()
                self._due = None

        def _end(self, reason: str) -> None:
            self._forget()
            status, _, words = reason.partition(" ")
            body = encode_json({"error": words})
            head = f"HTTP/1.1 {status} {HTTPStatus(int(status)).phrase}\r\ncontent-type: application/json\r\n"
            self.transport.write(
                f"{head}content-length: {len(body)}\r\nconnection: close\r\n\r\n".encode() + body
            )
            self.transport.close()

    return Protocol
