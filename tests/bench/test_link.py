"""A link passes on every byte, no sooner than it may, over many connections at once."""

import http.client
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from bench.objects.link import Link

BODY = bytes(range(256)) * 4_000


class Answers(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_PUT(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@pytest.fixture(scope="module")
def address():
    with ThreadingHTTPServer(("127.0.0.1", 0), Answers) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def asked(link, body, n=1):
    """Send a body so many times over one connection; return the seconds."""
    with closing(http.client.HTTPConnection(link.address.removeprefix("http://"), timeout=30)) as connection:
        began = time.monotonic()
        for _ in range(n):
            connection.request("PUT", "/", body)
            assert connection.getresponse().read() == body
        return time.monotonic() - began


def test_every_request_waits_and_all_answers_share_the_speed(address):
    with Link(address, 0.05, 1e9) as link:
        assert asked(link, b"x", 3) >= 0.15
        assert asked(link, BODY) >= 0.05
    with Link(address, 0.0, 2e7) as link, ThreadPoolExecutor(8) as pool:
        began = time.monotonic()
        list(pool.map(lambda _: asked(link, BODY), range(8)))
        assert time.monotonic() - began >= 8 * len(BODY) / 2e7


def test_a_server_that_is_gone_ends_the_connection():
    with (
        Link("http://127.0.0.1:9", 0.0, 1e9) as link,
        pytest.raises((ConnectionError, http.client.RemoteDisconnected)),
    ):
        asked(link, b"x")
