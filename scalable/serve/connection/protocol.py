"""HTTP/1.1 on a connection: httptools reads it, the application is called where the last byte was read.

Nothing is made for a request that its answer does not need: no task, no timer, no list of its headers; what leaves is
one write. What has to wait (a model that is loaded, many rows) is a task, and what comes behind it on the connection
waits.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from typing import Any

import httptools

from scalable.serve.connection.exchange import Application, Reply, Request, admit, late, refused, too_large
from scalable.serve.connection.head import address_of, answer_head
from scalable.serve.refusal import RefusalError

HEAD_BYTES = 2**16  # of a request's first line and headers
IDLE_SECONDS, QUIET_SECONDS = 5.0, 1.0  # that it is kept after an answer; silent, after a refusal
READ_BYTES = 2**16
_KEPT = frozenset((b"content-type", b"content-length", b"authorization", b"inference-header-content-length"))
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
_BETWEEN, _HEAD, _BODY = range(3)  # where in a request a connection is


class Connection(asyncio.BufferedProtocol):
    """One client's.

    Parameters
    ----------
    app : Application
    space : memoryview
        Where bytes are read to; shared with others of the same loop.
    everyone : set
        The connections that are open, which uvicorn waits for at its end.
    tasks : set of asyncio.Task
        The requests under way, which it waits for as well.
    """

    def __init__(
        self, app: Application, space: memoryview, everyone: set[Any], tasks: set[asyncio.Task[Any]]
    ) -> None:
        self._app, self._space, self._everyone, self._tasks = app, space, everyone, tasks
        self._limits, self._metrics = app.limits, app.metrics
        self._parser = httptools.HttpRequestParser(self)
        self._at, self._size, self._advanced = _BETWEEN, 0, False
        self._url, self._headers = b"", dict[bytes, bytes]()
        self._body: bytes | bytearray = b""
        self._expects = self._admitted = self._refused = False  # of the request that is read
        self._out: list[bytes] = []
        self._waiting: deque[tuple[Request | Reply, bool]] = deque()  # behind the one under way
        self._under_way = False
        self._deaf = self._closing = False  # looks at nothing more; closes behind the next answer
        self._unread = False  # the client may still be sending what was refused
        self._due: asyncio.TimerHandle | None = None
        self._stuck: int | None = None  # bytes that the client had not taken at the last look

    # What the loop calls.

    def connection_made(self, transport: Any) -> None:
        """Begin."""
        self._transport, self._loop = transport, asyncio.get_running_loop()
        self._everyone.add(self)
        self._last = self._loop.time()
        self._next_look = self._loop.call_later(IDLE_SECONDS, self._look)
        self._await_rest()

    def get_buffer(self, sizehint: int) -> memoryview:
        """Return where to read to."""
        return self._space

    def buffer_updated(self, nbytes: int) -> None:
        """Take what was read."""
        self._last, self._advanced = self._loop.time(), False
        if self._deaf:
            return
        try:
            self._parser.feed_data(self._space[:nbytes])
        except httptools.HttpParserUpgrade:
            self._deaf = True
        except httptools.HttpParserError as error:
            self._misread(error)
        if self._at != _BETWEEN and not self._deaf:
            self._size = 0 if self._advanced else self._size + nbytes  # of reads in which no part ended
            if self._size > HEAD_BYTES:
                part = "a head" if self._at == _HEAD else "what is beside a body"
                self._give_up(RefusalError(431, f"{part} of more than {HEAD_BYTES:,} bytes"))
            elif self._due is None:
                self._await_rest()
        if self._out:
            self._flush()

    def eof_received(self) -> bool:
        """Keep a connection open whose client waits for answers and says no more."""
        self._deaf, self._closing, self._unread = True, True, False
        return self._under_way and self._transport.get_extra_info("sslcontext") is None

    def pause_writing(self) -> None:
        """Read no more requests while answers are not taken."""
        self._stuck = -1
        self._next_look.cancel()
        self._next_look = self._loop.call_later(self._limits.seconds, self._look)
        self._transport.pause_reading()

    def resume_writing(self) -> None:
        """Go on."""
        self._stuck = None
        self._read_on()

    def connection_lost(self, exc: Exception | None) -> None:
        """End."""
        self._everyone.discard(self)
        self._deaf = True
        self._next_look.cancel()
        self._forget()
        self._metrics.waiting -= sum(type(one) is Request for one, _ in self._waiting)
        self._give_back()
        self._waiting.clear()

    def shutdown(self) -> None:
        """Close, behind the answer of what has begun: uvicorn asks for it at its end."""
        self._closing = True
        if not self._under_way and (self._at != _BODY or self._deaf):
            self._transport.close()

    # What the parser calls.

    def on_message_begin(self) -> None:
        """Begin a request."""
        self._at, self._size = _HEAD, 0
        self._url, self._headers, self._body = b"", {}, b""
        self._refused = self._expects = False

    def on_url(self, url: bytes) -> None:
        """Take a part of its address."""
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header; those behind a body are of no use here, and may not say what the head did not."""
        if self._at != _HEAD:
            return
        name = name.lower()
        if name in _KEPT:
            self._headers[name] = value
        elif name == b"expect":
            said = value.lower() == b"100-continue"
            self._expects = said and self._parser.get_http_version() != "1.0"  # which knows nothing of it

    def on_headers_complete(self) -> None:
        """Look whether there is room for it."""
        self._at, self._advanced = _BODY, True
        self._forget()
        if self._deaf:
            return
        if (reply := admit(self._app)) is not None:
            self._refuse(reply)
            return
        self._admitted = True
        size = self._headers.get(b"content-length")
        if size is not None and int(size[:18]) > self._limits.body_bytes:
            self._refuse(too_large(self._app))
        else:
            self._let_come()

    def on_body(self, body: bytes) -> None:
        """Take a part of its body."""
        self._advanced = True
        if not self._admitted:
            return
        if not self._body:
            self._body = body
        else:
            if type(self._body) is bytes:
                self._body = bytearray(self._body)
            self._body += body
        if len(self._body) > self._limits.body_bytes:
            self._refuse(too_large(self._app))

    def on_message_complete(self) -> None:
        """Answer it, or let it wait behind another."""
        self._at, self._advanced = _BETWEEN, True
        if self._due is not None:
            self._forget()
        if self._deaf or self._refused:
            return
        parser, (path, query) = self._parser, address_of(self._url)
        upgrade = parser.should_upgrade()
        if upgrade and self._headers.get(b"content-length", b"0") != b"0":  # the parser leaves its body out
            self._end(RefusalError(400, "no connection is upgraded here; ask without the header Upgrade"))
            return
        request = Request(parser.get_method().decode(), path, query, self._headers, bytes(self._body))
        self._admitted = False  # who answers it gives its place back
        keep = parser.should_keep_alive() and not upgrade
        self._deaf = not keep
        self._wait_behind(request, keep) if self._under_way else self._answer(request, keep)

    # Answers.

    def _answer(self, asked: Request | Reply, keep: bool) -> None:
        if type(asked) is not Request:
            self._say(asked, keep)  # type: ignore[arg-type]
            return
        found = self._app.handle(asked)
        if type(found) is tuple:
            self._metrics.waiting -= 1
            self._say(found, keep, asked.method == "HEAD")
            return
        self._under_way = True
        task = self._loop.create_task(self._later(found, keep))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _later(self, found: Any, keep: bool) -> None:
        try:
            reply = await found
        except BaseException:  # it is cancelled: uvicorn does not wait any longer
            self._transport.abort()
            raise
        finally:
            self._metrics.waiting -= 1
            self._under_way = False
        self._last = self._loop.time()
        if self._transport.is_closing():
            self._metrics.answered(reply[0])
            return
        self._say(reply, keep)
        while self._waiting and not self._under_way:
            self._answer(*self._waiting.popleft())
        self._let_come()
        self._flush()
        self._read_on()

    def _wait_behind(self, asked: Request | Reply, keep: bool) -> None:
        self._waiting.append((asked, keep))
        self._transport.pause_reading()

    def _say(self, reply: Reply, keep: bool, bare: bool = False) -> None:
        status, body, headers = reply
        self._metrics.answered(status)
        if self._closing and not self._waiting:
            keep = False
        head = answer_head(status, headers, keep)
        self._out.append(b"%s%d\r\n\r\n%s" % (head, len(body), b"" if bare else body))
        if not keep:
            self._deaf = self._closing = True

    def _flush(self) -> None:
        out, self._out = self._out, []
        if out:
            self._transport.write(out[0] if len(out) == 1 else b"".join(out))
        if not self._closing or self._under_way or self._waiting:
            return
        if not self._unread:
            self._transport.close()
            return
        # Bytes that nobody read would make a reset of the end, which takes the refusal with it: they are read over.
        self._forget()
        self._due = self._loop.call_later(min(IDLE_SECONDS, self._limits.seconds), self._transport.close)
        if self._transport.can_write_eof():
            self._transport.write_eof()
        self._next_look.cancel()  # over TLS nothing is said of an end, and the client need not close
        self._look()

    def _let_come(self) -> None:
        """Ask for a body that the client holds back, behind all earlier answers."""
        if self._expects and self._admitted and not self._under_way:
            self._expects = False
            self._out.append(_CONTINUE)

    def _refuse(self, reply: Reply) -> None:
        """Refuse the request whose body is still to come: it is read over, unless the client waits to be told so."""
        self._give_back()
        self._refused, self._body = True, b""
        keep = self._parser.should_keep_alive() and not self._expects
        keep = keep and self._parser.get_method() != b"HEAD"  # its body would be taken for the next answer
        self._unread = not keep
        self._wait_behind(reply, keep) if self._under_way else self._say(reply, keep)

    def _end(self, refusal: RefusalError) -> None:
        """Refuse what cannot be read on, behind what was asked before it."""
        self._forget()
        self._give_back()
        self._deaf, self._unread, self._at = True, True, _BETWEEN
        reply = refused(refusal)
        self._wait_behind(reply, False) if self._under_way else self._say(reply, False)

    def _give_up(self, refusal: RefusalError) -> None:
        """Refuse what does not end, or only close where that is refused already."""
        if self._at == _BODY and self._refused:
            self._transport.close()
        else:
            self._end(refusal)

    def _misread(self, error: Exception) -> None:
        cause = error.__context__ if isinstance(error, httptools.HttpParserCallbackError) else error
        if self._deaf:  # what comes behind a last request
            return
        if isinstance(cause, httptools.HttpParserError):
            self._end(RefusalError(400, f"not HTTP/1.1: {cause}"))
            return
        logging.getLogger(__name__).error("a request failed", exc_info=cause)
        self._end(RefusalError(500, f"the request failed here: {type(cause).__name__}"))

    def _give_back(self) -> None:
        self._metrics.waiting -= self._admitted
        self._admitted = False

    # Reading and time.

    def _read_on(self) -> None:
        if self._stuck is None and not self._waiting and not self._transport.is_closing():
            self._transport.resume_reading()

    def _await_rest(self) -> None:
        self._due = self._loop.call_later(self._limits.seconds, self._late)

    def _forget(self) -> None:
        if self._due is not None:
            self._due.cancel()
            self._due = None

    def _late(self) -> None:
        """End a connection on which a head, or a body, did not come in time."""
        if self._waiting or self._stuck is not None:  # it was not read
            self._await_rest()
        else:
            self._give_up(late(self._app, "body" if self._at == _BODY else "head"))
            self._flush()

    def _look(self) -> None:
        """Close a connection that is not used, or whose client does not take its answers."""
        quiet, pause = self._loop.time() - self._last, self._limits.seconds
        if self._stuck is not None:
            left = self._transport.get_write_buffer_size()
            if left == self._stuck:
                self._transport.abort()
                return
            self._stuck = left
        else:
            over = self._closing and self._unread and not self._under_way and not self._waiting
            unused = self._at == _BETWEEN and not self._under_way and self._due is None
            kept = QUIET_SECONDS if over else IDLE_SECONDS
            if (over or unused) and quiet >= kept:
                self._transport.close()
                return
            pause = max(0.1, kept - quiet)
        self._next_look = self._loop.call_later(pause, self._look)
