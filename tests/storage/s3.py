"""A proxy before an S3 server that injures its answers."""

import contextlib
import http.client
import random
import socket
import struct
import threading
import time
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pyarrow as pa


class Proxy:
    """Passes requests on, and injures some answers.

    Parameters
    ----------
    address : str
        Of the server.
    share : float
        Of the requests that are injured, at random.
    delay : float
        Seconds that every request waits.
    """

    FAULTS = ("500", "503", "429", "slow down", "reset", "short")

    def __init__(self, address, share=0.0, delay=0.0, seed=0):
        self.target, self.share, self.delay = address.removeprefix("http://"), share, delay
        self.random, self.injured, self.requests = random.Random(seed), 0, 0
        self.kinds, self.faults = [], Counter()
        self.lock = threading.Lock()
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def passed_on(self):
                proxy.answer(self)

            do_GET = do_PUT = do_HEAD = do_POST = do_DELETE = passed_on  # noqa: N815  # names of the library

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.server.handle_error = lambda *_: None  # who asked may have been killed
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.address = f"http://127.0.0.1:{self.server.server_port}"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()

    def fault(self):
        with self.lock:
            self.requests += 1
            if self.random.random() >= self.share:
                return None
            self.injured += 1
            fault = self.random.choice(self.FAULTS)
            self.faults[fault] += 1
            return fault

    def answer(self, handler):
        self.kinds.append(handler.command)
        body = handler.rfile.read(int(handler.headers.get("Content-Length", 0)))
        time.sleep(self.delay)
        fault = self.fault()
        if fault == "slow down":  # as S3 throttles
            self.refuse(
                handler, 503, b"<Error><Code>SlowDown</Code><Message>Reduce your rate.</Message></Error>"
            )
            return
        if fault in ("500", "503", "429"):
            self.refuse(handler, int(fault))
            return
        if fault == "reset":
            self.reset(handler)
            return
        with contextlib.closing(http.client.HTTPConnection(self.target, timeout=30)) as connection:
            self.pass_on(handler, connection, body, fault)

    def pass_on(self, handler, connection, body, fault):
        connection.request(handler.command, handler.path, body, dict(handler.headers))
        reply = connection.getresponse()
        data = reply.read()
        handler.send_response(reply.status)
        for name, value in reply.getheaders():
            if name.lower() not in ("transfer-encoding", "connection", "content-length", "date", "server"):
                handler.send_header(name, value)
        length = reply.getheader("Content-Length") if handler.command == "HEAD" else len(data)
        handler.send_header("Content-Length", str(length))
        handler.end_headers()
        if fault == "short" and len(data) > 1:
            handler.wfile.write(data[: len(data) // 2])
            self.reset(handler)
        else:
            handler.wfile.write(data)

    @staticmethod
    def refuse(handler, status, body=b""):
        handler.send_response(status)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    @staticmethod
    def reset(handler):
        handler.wfile.flush()
        handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        handler.close_connection = True
        handler.connection.close()


def columns_of(source):
    blocks = [block for shard in source.shards for block in source.raw_blocks(shard)]
    tables = [pa.table(block.arrays) for block in blocks]
    return pa.concat_tables(tables, promote_options="default").combine_chunks().unify_dictionaries()
