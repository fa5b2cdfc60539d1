from concurrent.futures import ThreadPoolExecutor

import lightgbm as lgb
import numpy as np
import pytest

from scalable.boosting.comm.handshake import listen
from scalable.boosting.comm.mesh import Mesh
from scalable.boosting.dataset.lightgbm_api import reference_from_sample, serialize_reference
from scalable.boosting.native.bins import Bins
from scalable.boosting.native.boost import Boosting
from scalable.boosting.native.crew import Crew
from scalable.boosting.native.peers import Peers
from scalable.boosting.native.rows import Rows
from scalable.boosting.native.settings import Settings
from scalable.boosting.native.text import model_text


class Grown:
    """Trees grown on arrays: the text, the rows with their scores, the trees."""

    def __init__(
        self, X, y, params, *, weight=None, categorical=(), threads=1, iterations=5, custom=None, order=None,
        mesh=None,
    ):  # fmt: skip
        X, y = np.ascontiguousarray(X, np.float64), np.asarray(y, np.float32)
        names = [f"x{j}" for j in range(X.shape[1])]
        dataset_params = {**params, "num_threads": 1, "verbosity": -1}
        dataset_params["categorical_feature"] = ",".join(map(str, categorical))
        columns = [np.ascontiguousarray(X[:, j]) for j in range(X.shape[1])]
        made = reference_from_sample(columns, n_rows=len(X), params=dataset_params, names=names)
        self.bins = Bins.read(serialize_reference(made), dataset_params, params, names)
        n_scores = int(params.get("num_class", 1))
        share = slice(0, len(X))
        if mesh is not None:  # the rows between are other workers'
            edges = [len(X) * k // mesh.n_workers for k in range(mesh.n_workers + 1)]
            share = slice(edges[mesh.worker], edges[mesh.worker + 1])
        X, y, weight = X[share], y[share], None if weight is None else weight[share]
        self.rows = Rows(self.bins, [(share.start, len(X))], threads, n_scores, weighted=weight is not None)
        blocks = [(start, min(start + 1000, len(X))) for start in range(0, len(X), 1000)]
        for start, stop in blocks if order is None else [blocks[k] for k in order(len(blocks))]:
            w = None if weight is None else np.asarray(weight[start:stop], np.float32)
            self.rows.push(list(X[start:stop].T), y[start:stop], w, None, start=start)
        settings = Settings.of(params)
        self.trees = []
        with Crew(len(self.rows.parts)) as crew:
            boosting = Boosting(self.rows, params, settings, crew, custom, Peers(mesh))
            self.start = boosting.start
            for iteration in range(iterations):
                self.trees += boosting.iterate(iteration, settings.learning_rate)
        self.text = model_text(self.bins, self.trees)
        self.booster = lgb.Booster(model_str=self.text)

    @property
    def scores(self):
        """Raw scores of the training rows, in the shape LightGBM predicts them in."""
        scores = self.rows.in_order([part.score for part in self.rows.parts])
        return scores[0] if len(scores) == 1 else scores.T


@pytest.fixture(scope="session")
def grown():
    return Grown


@pytest.fixture(scope="session")
def on_workers():
    """Runs ``work(mesh)`` on k connected workers, which are threads here, and returns what each returned."""

    def run(k, work):
        listeners = [listen("127.0.0.1") for _ in range(k)]
        peers = [("127.0.0.1", listener.getsockname()[1]) for listener in listeners]

        def one(worker):
            mesh = Mesh(worker, peers, b"a secret of thirty-two bytes ....", listeners[worker])
            try:
                return work(mesh)
            finally:
                mesh.close()

        with ThreadPoolExecutor(k) as pool:
            return list(pool.map(one, range(k)))

    return run


@pytest.fixture(scope="session")
def table():
    """Rows with numbers, missing ones, two categorical columns (1 and 2) and a constant one; targets by name."""
    rng = np.random.default_rng(1)
    n = 6000
    X = rng.standard_normal((n, 6))
    X[:, 1], X[:, 2], X[:, 5] = rng.integers(0, 40, n), rng.integers(0, 3, n), 7.0
    X[rng.random(n) < 0.2, 0] = np.nan
    z = np.nan_to_num(X[:, 0], nan=0.7) + np.sin(X[:, 1] * 7) + X[:, 3] * X[:, 4] + (X[:, 2] == 1)
    p = 1 / (1 + np.exp(-z))
    noisy = z + rng.normal(size=n)
    targets = {
        "binary": (rng.random(n) < p).astype(float),
        "regression": noisy,
        "share": p,
        "count": rng.poisson(np.exp(z / 2)).astype(float),
        "amount": np.exp(noisy / 2),
        "classes": np.digitize(noisy, [-0.5, 1]).astype(float),
        "weight": rng.random(n) * 3,
    }
    return X, targets
