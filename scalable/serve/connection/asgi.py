"""The application behind any server of ASGI, such as Granian."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from scalable.serve.connection.exchange import (
    Application,
    Reply,
    Request,
    admit,
    late,
    refused,
    too_large,
)

Receive = Callable[[], Awaitable[Any]]


async def answer(app: Application, scope: Any, receive: Receive, send: Any) -> None:
    """Answer one request."""
    if scope["type"] != "http":
        return
    reply = admit(app)
    if reply is None:
        try:
            reply = await _reply(app, scope, receive)
        finally:
            app.metrics.waiting -= 1
    app.metrics.answered(reply[0])
    status, body, headers = reply
    size = (b"content-length", str(len(body)).encode())
    await send({"type": "http.response.start", "status": status, "headers": [*headers, size]})
    await send({"type": "http.response.body", "body": body})


async def _reply(app: Application, scope: Any, receive: Receive) -> Reply:
    headers = dict(scope["headers"])
    said = headers.get(b"content-length", b"0")
    if said.isdigit() and int(said[:18]) > app.limits.body_bytes:
        return too_large(app)
    body, more = bytearray(), scope["method"] != "GET"
    try:
        async with asyncio.timeout(app.limits.seconds):  # without a task of its own, as wait_for has
            while more:
                message = await receive()
                body += message.get("body", b"")
                if len(body) > app.limits.body_bytes:
                    return too_large(app)
                more = message.get("more_body", False)
    except TimeoutError:
        return refused(late(app, "body"))
    query = scope.get("query_string", b"")
    found = app.handle(Request(scope["method"], scope["path"], query, headers, bytes(body)))
    return found if isinstance(found, tuple) else await found
