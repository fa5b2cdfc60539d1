"""Servers of one forest over plain numbers, each in a process of its own; the last one of a row is what people write.

Of ``features`` the numbers are in a store beside the model, and a request is an entity.

python -m bench.serving.servers NAME MODEL CORE PORT
"""

from __future__ import annotations

import importlib.util
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from numpy.typing import NDArray

from scalable.feature_store.online.requests import RequestFeatures
from scalable.serve.app import App
from scalable.serve.connection import asgi
from scalable.serve.connection.exchange import JSON, Reply, Request
from scalable.serve.limits import Limits
from scalable.serve.metrics import Metrics
from scalable.serve.models import Models
from scalable.serve.run import listen, run

TREES, LEAVES, FEATURES, LEARNED = 500, 63, 28, 20_000
ANSWER = {"prediction": 0.123456789012345, "model": "forest", "version": "0123456789ab"}
NAMES = ("echo", "scalable", "granian echo", "granian", "fastapi", "fastapi async")
NEEDS = {"granian echo": "granian", "granian": "granian", "fastapi": "fastapi", "fastapi async": "fastapi"}
START_SECONDS = 120.0
FIRST = min(
    os.sched_getaffinity(0)
)  # as it was when this was imported: a child inherits what its parent keeps to


class NotStartedError(RuntimeError):
    """A server ended, or did not answer in time."""


def train(path: Path) -> list[dict[str, float]]:
    """Write the forest, LightGBM's own file, and return rows that it has not seen."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(LEARNED, FEATURES))
    y = X[:, 0] * X[:, 1] + np.sin(3 * X[:, 2]) + X[:, 3] + rng.normal(size=LEARNED) > 0
    names = [f"Column_{k}" for k in range(FEATURES)]
    write_forest(path, X, y, names)
    return [dict(zip(names, row.tolist(), strict=True)) for row in rng.normal(size=(1000, FEATURES))]


def write_forest(path: Path, X: NDArray[np.float64], y: NDArray[np.bool_], names: list[str]) -> None:
    """Write LightGBM's own file of a forest of the size that is served."""
    import lightgbm as lgb

    params = {
        "objective": "binary",
        "num_leaves": LEAVES,
        "learning_rate": 0.05,
        "verbose": -1,
        "num_threads": 1,
    }
    lgb.train(params, lgb.Dataset(X, y.astype(float), feature_name=names), TREES).save_model(path)


class Echo:
    """Reads a body and answers as many bytes as a prediction has: what the server costs without the application."""

    def __init__(self) -> None:
        self.limits, self.metrics = Limits(), Metrics()

    def handle(self, request: Request) -> Reply:
        """Answer."""
        return 200, json.dumps(ANSWER).encode(), JSON

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer a request of ASGI."""
        await asgi.answer(self, scope, receive, send)


def ours() -> Any:
    """Return the application of the model that the environment names, as Granian calls for it."""
    return App(Models([os.environ["SERVED_MODEL"]]))


def bare() -> Any:
    """Return the echo, as Granian calls for it."""
    return Echo()


def fastapi(model: str, waits: bool) -> Any:
    """Return what the tutorials show: a row as a dict, a matrix of one row, ``Booster.predict``.

    A plain function, which FastAPI calls in a thread, or one that `waits` and is called in its loop.
    """
    import lightgbm as lgb
    from fastapi import FastAPI

    booster = lgb.Booster(model_file=model, params={"num_threads": 1})
    names = booster.feature_name()
    app = FastAPI()

    def predict(row: dict[str, float]) -> dict[str, float]:
        return {
            "prediction": float(booster.predict(np.array([[row[name] for name in names]]), num_threads=1)[0])
        }

    async def predict_here(row: dict[str, float]) -> dict[str, float]:
        return predict(row)

    app.post("/predict")(predict_here if waits else predict)
    return app


def serve(name: str, model: str, core: int, port: int) -> None:
    """Serve until the process is ended, on one processor."""
    os.sched_setaffinity(0, {core})
    if name.startswith("granian"):
        from granian import Granian

        os.environ["SERVED_MODEL"] = model
        target = "bench.serving.servers:" + ("bare" if name == "granian echo" else "ours")
        Granian(target, address="127.0.0.1", port=port, interface="asgi", factory=True, workers=1).serve()
        return
    if name.startswith("fastapi"):
        import uvicorn

        uvicorn.run(fastapi(model, name.endswith("async")), port=port, access_log=False, log_level="warning")
        return
    if name == "features":
        place = Path(model).parent
        app: Any = App(Models([model]), features=RequestFeatures(place / "online.toml", place / "store"))
    else:
        app = Echo() if name == "echo" else App(Models([model]))
    run(app, listen(f"127.0.0.1:{port}", None)[0])


def absent(name: str) -> str | None:
    """Return why a server cannot be measured, None where it can."""
    needed = NEEDS.get(name)
    return None if needed is None or importlib.util.find_spec(needed) else f"{needed} is not installed"


def processor_seconds(place: str) -> float:
    """Return what the server at a place, started by `running`, has used."""
    port = place.rpartition(":")[2]
    found = 0.0
    for one in psutil.Process().children():
        if one.status() != psutil.STATUS_ZOMBIE and one.cmdline()[-1:] == [port]:
            found += sum(sum(each.cpu_times()[:2]) for each in (one, *one.children(recursive=True)))
    return found


@contextmanager
def running(name: str, model: Path, row: dict[str, float]) -> Iterator[str]:
    """Start a server on the first processor and yield its address when it answers; end it afterwards."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "bench.serving.servers", name, str(model), str(FIRST), str(port)]
    place, body = f"http://127.0.0.1:{port}", json.dumps(row).encode()
    with (
        tempfile.TemporaryFile() as said,
        subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=said) as process,
    ):
        try:
            until = time.monotonic() + START_SECONDS
            while True:
                asked = urllib.request.Request(f"{place}/predict", body, {"Content-Type": "application/json"})
                try:
                    with urllib.request.urlopen(asked, timeout=30) as answer:
                        json.loads(answer.read())["prediction"]
                    break
                except OSError:
                    if process.poll() is not None or time.monotonic() > until:
                        said.seek(0)
                        last = said.read().decode(errors="replace").strip().rpartition("\n")[2]
                        raise NotStartedError(f"{name} did not start: {last or 'it said nothing'}") from None
                    time.sleep(0.1)
            yield place
        finally:
            process.terminate()
            process.wait()


if __name__ == "__main__":
    serve(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
