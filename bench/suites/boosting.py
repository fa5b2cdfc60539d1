"""What boosting costs around LightGBM: the fill, the transport, and whole fits."""

from __future__ import annotations

import statistics
import threading
import time
from typing import Any

import numpy as np

from .gate import found
from .median import named, ns_per_row

try:
    from bench.data import scaled
    from scalable.boosting.params import resolve
    from scalable.boosting.prepare import learn_encoder, make_reference, sampled_columns
    from scalable.boosting.train import train_on
    from scalable.data.table import as_source
    from scalable.execution.threads import Threads

    new_mesh = found("scalable.boosting.comm.mesh:Mesh", "scalable.boosting.transport:Mesh")
    listen = found(
        "scalable.boosting.comm.handshake:listen",
        "scalable.boosting.comm.mesh:listen",
        "scalable.boosting.transport:listen",
    )
    fill = found("scalable.boosting.dataset.fill:fill", "scalable.boosting.fill:fill")
    launcher = found(
        "scalable.boosting.workers.launchers:LocalLauncher", "scalable.boosting.launch:LocalLauncher"
    )
    place, team = (
        found(f"scalable.boosting.workers.placement:{name}", f"scalable.boosting.cluster:{name}")
        for name in ("Place", "Team")
    )
    missing = ""
except ImportError as error:  # a commit from before these
    missing = str(error)

COLUMNS, TREES = 28, 10


def setup(*params: object) -> None:
    """Skip what an old commit lacks; asv calls this before each benchmark of the file."""
    if missing:
        raise NotImplementedError(missing)


def _rows(n: int) -> Any:
    rng = np.random.default_rng(0)
    X = rng.standard_normal((n, COLUMNS), np.float32)
    return as_source(X, X[:, 0] + X[:, 1] * X[:, 2] + rng.normal(size=n) > 0)


class Fill:
    """Encoding, transposing and binning of rows in memory, on one thread."""

    unit = "ns/row"

    def setup(self) -> None:
        self.source = _rows(scaled(100_000))
        survey, self.encoder = learn_encoder(self.source, resolve({}, None), True, Threads(1))
        self.params = {"num_threads": 1, "verbosity": -1}
        self.reference, _ = make_reference(
            sampled_columns(survey, self.encoder),
            self.encoder.feature_names,
            self.source.n_rows,
            self.params,
        )

    @named("Fill LightGBM's dataset")
    def track_fill(self) -> float:
        return ns_per_row(self._fill, self.source.n_rows, 5)

    def _fill(self) -> None:
        fill(self.source, self.encoder, self.reference, self.params, n_threads=1)


class Transport:
    """Two workers as threads: microseconds of one exchange, small and of a histogram's size."""

    params = ([64, 2**20],)
    param_names = ("bytes",)
    unit = "us"

    @named("One exchange of two boosting workers")
    def track_exchange(self, n_bytes: int) -> float:
        listeners = [listen("127.0.0.1") for _ in range(2)]
        peers = [("127.0.0.1", listener.getsockname()[1]) for listener in listeners]
        times: list[int] = []

        def worker(me: int) -> None:
            mesh = new_mesh(me, peers, b"secret", listeners[me])
            sent, got = memoryview(bytes(n_bytes)), memoryview(bytearray(n_bytes))
            for _ in range(200):
                began = time.perf_counter_ns()
                mesh.exchange({1 - me: sent}, {1 - me: got})
                if me == 0:
                    times.append(time.perf_counter_ns() - began)
            mesh.close()

        threads = [threading.Thread(target=worker, args=(me,)) for me in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return statistics.median(times) / 1e3


class Fit:
    """Ten trees from start to end: one process, two workers, and what two workers exchange."""

    params = ([1, 2],)
    param_names = ("workers",)
    timeout = 300
    rounds, number, repeat = 1, 1, (1, 2, 3.0)  # asv's own choice would be 20 s a round and parameter

    def setup(self, n_workers: int) -> None:
        self.source = _rows(scaled(50_000))
        places = tuple(place(f"worker {r}", "127.0.0.1", 1) for r in range(n_workers))
        self.team = team(places, Threads(1), launcher)

    def _fit(self) -> Any:
        return train_on(self.team, {"num_iterations": TREES, "num_threads": 1}, self.source, classify=True)

    @named("Ten trees from rows to model")
    def time_fit(self, n_workers: int) -> None:
        self._fit()

    @named("Bytes exchanged a tree")
    def track_bytes_per_tree(self, n_workers: int) -> float:
        stats = self._fit().stats
        workers = stats["workers" if "workers" in stats else "ranks"]  # their name in older commits
        return float(sum(worker.get("bytes_sent", 0) for worker in workers) / TREES)

    track_bytes_per_tree.unit = "bytes"  # type: ignore[attr-defined]  # asv reads it
