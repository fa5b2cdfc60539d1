"""Steps of a perceptron, two layers of 64 units on 28 columns: beside its products and others' steps; one thread."""

from __future__ import annotations

import importlib
import itertools
import os
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from scalable.execution.process_wide import one_blas_thread
from scalable.kernels.neural.batch_loss import LOGISTIC
from scalable.minibatches.mix import Batch
from scalable.neural.network import Network, Shape
from scalable.neural.training import Settings, Training

COLUMNS, WIDTH = 28, 64
SIZES = (256, 1024, 4096, 8192)
REPEATS = 7


def least(work: Callable[[], object], times: int) -> float:
    """Return the least seconds of processor time of one call, of some runs of `times` calls."""
    work()
    found = []
    for _ in range(REPEATS):
        start = time.process_time()
        for _ in range(times):
            work()
        found.append((time.process_time() - start) / times)
    return min(found)


def rows_of(n: int) -> Batch:
    """Return random rows."""
    random = np.random.default_rng(0)
    X = random.standard_normal((n, COLUMNS), np.float32)
    return Batch(X, random.integers(0, 2, n), np.empty((n, 0), np.int32), None)


def products(n: int) -> Callable[[], None]:
    """Return the matrix products of a step: forward, and back without the gradient of the input."""
    random = np.random.default_rng(0)
    widths = (COLUMNS, WIDTH, WIDTH, 1)
    h = [random.standard_normal((n, width), np.float32) for width in widths]
    w = [random.standard_normal(pair, np.float32) for pair in itertools.pairwise(widths)]
    to, slopes = [np.empty_like(each) for each in h], [np.empty_like(each) for each in w]

    def work() -> None:
        for k in range(3):
            np.matmul(h[k], w[k], out=to[k + 1])
        for k in (2, 1, 0):
            np.matmul(h[k].T, h[k + 1], out=slopes[k])
            if k:
                np.matmul(h[k + 1], w[k].T, out=to[k])

    return work


def ours(n: int) -> Callable[[], object]:
    """Return a step of `scalable.neural`."""
    network = Network(Shape(COLUMNS, 0, 0, (WIDTH, WIDTH), 1))
    network.initialise(np.random.default_rng(0))
    training, batch = Training(network, Settings(), LOGISTIC), rows_of(n)
    return lambda: training.step(batch, 1e-3)


def of_torch(n: int) -> Callable[[], object]:
    """Return a step of torch, on one thread."""
    import torch

    torch.set_num_threads(1)
    layers = torch.nn
    model = layers.Sequential(
        layers.Linear(COLUMNS, WIDTH),
        layers.ReLU(),
        layers.Linear(WIDTH, WIDTH),
        layers.ReLU(),
        layers.Linear(WIDTH, 1),
    )
    optimizer = torch.optim.Adam(model.parameters(), weight_decay=1e-4)
    loss = torch.nn.BCEWithLogitsLoss()
    batch = rows_of(n)
    X, y = torch.from_numpy(batch.X), torch.from_numpy(np.asarray(batch.y, np.float32)[:, None])

    def work() -> None:
        optimizer.zero_grad()
        loss(model(X), y).backward()
        optimizer.step()

    return work


def of_jax(n: int) -> Callable[[], object]:
    """Return a step of JAX, compiled."""
    import jax
    import jax.numpy as jnp

    widths = (COLUMNS, WIDTH, WIDTH, 1)
    random = np.random.default_rng(0)
    start = [
        (0.1 * random.standard_normal(pair, np.float32), np.zeros(pair[1], np.float32))
        for pair in itertools.pairwise(widths)
    ]

    def loss(w: Any, X: Any, y: Any) -> Any:
        h = X
        for k, (weights, bias) in enumerate(w):
            h = h @ weights + bias
            h = jnp.maximum(h, 0.0) if k < len(w) - 1 else h
        z = h[:, 0]
        return jnp.mean(jnp.maximum(z, 0.0) - z * y + jnp.log1p(jnp.exp(-jnp.abs(z))))

    @jax.jit
    def step(w: Any, m: Any, v: Any, t: Any, X: Any, y: Any) -> Any:
        g = jax.grad(loss)(w, X, y)
        each = jax.tree_util.tree_map
        m = each(lambda a, b: 0.9 * a + 0.1 * b, m, g)
        v = each(lambda a, b: 0.999 * a + 0.001 * b * b, v, g)
        rate = 1e-3 * jnp.sqrt(1.0 - 0.999**t) / (1.0 - 0.9**t)
        w = each(lambda a, b, c: a - rate * b / (jnp.sqrt(c) + 1e-8), w, m, v)
        return w, m, v, t + 1.0

    batch = rows_of(n)
    X, y = jnp.asarray(batch.X), jnp.asarray(np.asarray(batch.y, np.float32))
    zero = jax.tree_util.tree_map(np.zeros_like, start)
    state: list[Any] = [(start, zero, zero, 1.0)]

    def work() -> None:
        state[0] = jax.block_until_ready(step(*state[0], X, y))

    return work


def of_scikit_learn(n: int) -> Callable[[], object]:
    """Return a step of scikit-learn."""
    from sklearn.neural_network import MLPClassifier

    batch = rows_of(n)
    model = MLPClassifier((WIDTH, WIDTH), batch_size=n)
    return lambda: model.partial_fit(batch.X, batch.y, classes=[0, 1])


PEERS = {"torch": of_torch, "jax": of_jax}


def missing(name: str) -> str | None:
    """Return why a library cannot be measured, or None."""
    try:
        importlib.import_module(name)
    except (ImportError, OSError) as error:
        return f"absent: {error}".splitlines()[0]
    return None


def step_times() -> list[dict[str, Any]]:
    """Return a row a batch size: nanoseconds of processor time a row, and what share of a step the products are."""
    os.environ.setdefault("XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false")
    contenders: dict[str, Callable[[int], Callable[[], object]]] = {
        "products": products, "scalable": ours, "scikit-learn": of_scikit_learn,
    }  # fmt: skip
    contenders |= {name: of for name, of in PEERS.items() if missing(name) is None}
    found = []
    with one_blas_thread():
        for n in SIZES:
            times = max(1, 100_000 // n)
            ns = {name: least(of(n), times) / n * 1e9 for name, of in contenders.items()}
            found.append({"rows": n, "ns_per_row": ns, "share_of_products": ns["products"] / ns["scalable"]})
    return found
