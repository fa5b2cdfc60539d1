"""The heads of answers, each made once, and the addresses of requests."""

from __future__ import annotations

from functools import lru_cache
from http import HTTPStatus
from urllib.parse import unquote

import httptools

from scalable.serve.connection.exchange import Headers


@lru_cache(256)
def answer_head(status: int, headers: Headers, keep: bool) -> bytes:
    """Return the head of an answer, up to the number that is its length; `keep` leaves the connection open."""
    lines = [b"HTTP/1.1 %d %s" % (status, HTTPStatus(status).phrase.encode())]
    lines += [b"%s: %s" % one for one in headers]
    lines += [] if keep else [b"connection: close"]
    return b"\r\n".join([*lines, b"content-length: "])


def address_of(url: bytes) -> tuple[str, bytes]:
    """Return the path, unquoted, and the query of a request's address, which may be a whole URL.

    Raises
    ------
    httptools.HttpParserInvalidURLError
    """
    if url[:1] != b"/" and url != b"*":
        parsed = httptools.parse_url(url)
        url = (parsed.path or b"/") + b"?" + (parsed.query or b"")
    path, _, query = url.partition(b"?")
    text = path.decode("latin-1")
    return (unquote(text) if "%" in text else text), query
