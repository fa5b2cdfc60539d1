"""lleaves needs llvmlite 0.44, which this program's Numba cannot share: it runs in a worker of its own environment.

Set ``SCALABLE_LLEAVES_PYTHON`` to the interpreter of an environment with ``lleaves``. Rows travel through a pipe; each
answer carries the time spent inside the worker's ``predict``, and `overhead_seconds` sums the rest.
"""

from __future__ import annotations

import os
import struct
import subprocess
import time
from typing import Any

import numpy as np
import psutil

from scalable.latency.engines.base import Absent, Engine, ForestModel

_WORKER = """
import struct, sys, tempfile, time
import numpy as np
import lleaves
source, sink = sys.stdin.buffer, sys.stdout.buffer
n_features, n_text = struct.unpack("<qq", source.read(16))
with tempfile.NamedTemporaryFile("wb", suffix=".txt") as file:
    file.write(source.read(n_text)); file.flush()
    model = lleaves.Model(model_file=file.name)
    model.compile()
sink.write(b"ready"); sink.flush()
while head := source.read(16):
    rows, threads = struct.unpack("<qq", head)
    X = np.frombuffer(source.read(rows * n_features * 8)).reshape(rows, n_features)
    start = time.perf_counter()
    out = np.asarray(model.predict(X, n_jobs=threads), np.float64)
    spent = time.perf_counter() - start
    sink.write(struct.pack("<dq", spent, out.size) + out.tobytes()); sink.flush()
"""


class _Worker:
    def __init__(self, model: ForestModel, n_threads: int) -> None:
        python = os.environ.get("SCALABLE_LLEAVES_PYTHON")
        if not python:
            raise Absent("needs its own environment (llvmlite 0.44): set SCALABLE_LLEAVES_PYTHON")
        self._child = subprocess.Popen(
            [python, "-c", _WORKER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        text = model.lightgbm_text.encode()
        try:
            self._send(struct.pack("<qq", model.n_features, len(text)) + text)
            ready = self._receive(5)
        except (BrokenPipeError, EOFError):
            ready = b""
        if ready != b"ready":
            self._child.kill()
            raise Absent(
                "the worker of SCALABLE_LLEAVES_PYTHON did not start: lleaves cannot load this model, or is not there"
            )
        self.overhead_seconds, self.n_threads = 0.0, n_threads
        self.memory_bytes = psutil.Process(self._child.pid).memory_info().rss

    def _send(self, data: bytes) -> None:
        assert self._child.stdin is not None
        self._child.stdin.write(data)
        self._child.stdin.flush()

    def _receive(self, size: int) -> bytes:
        assert self._child.stdout is not None
        data = self._child.stdout.read(size)
        if len(data) < size:
            raise EOFError("the lleaves worker ended")
        return data

    def predict(self, X: np.ndarray) -> np.ndarray:
        start = time.perf_counter()
        self._send(struct.pack("<qq", len(X), self.n_threads) + np.ascontiguousarray(X, np.float64).tobytes())
        spent, size = struct.unpack("<dq", self._receive(16))
        out = np.frombuffer(self._receive(8 * size))
        self.overhead_seconds = time.perf_counter() - start - spent
        return out if size == len(X) else out.reshape(len(X), -1)

    def predict_one(self, x: np.ndarray) -> Any:
        return self.predict(x.reshape(1, -1))[0]

    def __del__(self) -> None:
        child = getattr(self, "_child", None)
        if child is not None and child.poll() is None:
            child.stdin.close()
            child.stdout.close()
            child.wait(10)


def build(model: ForestModel, n_threads: int) -> Engine:
    """Start the worker and compile there."""
    return _Worker(model, n_threads)
