"""The gate: a few short works, one for each kind of speed a change could cost.

asv tracks them like all others. ``bench.gate`` runs this file as a script against two builds at once and lets them
take turns, sample by sample; so it imports of the project only inside the works, and what an old commit lacks
is skipped there. To add one: a function that prepares and returns a sample function, and its line in `WORKS`.
"""

from __future__ import annotations

import atexit
import functools
import json
import pkgutil
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

_F = TypeVar("_F", bound=Callable[..., Any])

if __package__:
    from .median import named
else:  # a script of the gate's, which calls the works by their own names

    def named(name: str) -> Callable[[_F], _F]:
        """Leave a benchmark as it is."""
        return lambda work: work


Sample = Callable[[], float]  # one short measurement in ns a row
FOLDERS: list[Path] = []  # made by works
COLUMNS, BLOCK, FIT_ROWS = 28, 2**16, 2**14
SAMPLES = 9


def found(*homes: str) -> Any:
    """Return the first that exists of several homes a thing has had in the project's history.

    Parameters
    ----------
    *homes : str
        ``package.module`` or ``package.module:name``, the newest first.

    Raises
    ------
    ImportError
        When there is none of them: a commit from before it.
    """
    for home in homes:
        try:
            return pkgutil.resolve_name(home)
        except (ImportError, AttributeError):
            continue
    raise ImportError(f"none of {', '.join(homes)}")


def _ns_per_row(work: Callable[[], object], rows: int, least: float = 0.02) -> Sample:
    """Return a sample function that repeats `work` for at least `least` seconds and takes the fastest."""

    def sample() -> float:
        best, end = float("inf"), time.perf_counter() + least
        while True:
            start = time.perf_counter_ns()
            work()
            best = min(best, time.perf_counter_ns() - start)
            if time.perf_counter() > end:
                return best / rows

    return sample


def _table(rows: int = BLOCK) -> Any:
    """Return columns of every kind that learners meet: numbers, few integers, text, nulls; and a label."""
    import pyarrow as pa

    x, y = _numbers(rows)
    random = np.random.default_rng(1)
    few = random.integers(0, 40, rows)
    return pa.table({
        **{f"x{j}": x[:, j] for j in range(COLUMNS // 2)},
        "few": few.astype(np.int16),
        "text": pa.array(np.array([f"word {k}" for k in range(40)])[few]).dictionary_encode(),
        "id": pa.array(random.integers(0, 10**5, rows)),
        "null": pa.array(x[:, -1], mask=random.random(rows) < 0.2),
        "y": y.astype(np.int8),
    })  # fmt: skip


def _numbers(rows: int) -> tuple[Any, Any]:
    random = np.random.default_rng(0)
    x = random.standard_normal((rows, COLUMNS), np.float32)
    return x, (x[:, 0] * x[:, 1] + x[:, 2] + random.standard_normal(rows) > 0).astype(np.float64)


def _columns(x: Any) -> Any:
    """Return a copy, feature by feature, that begins on a cache line.

    NumPy's memory begins on any multiple of 16 bytes, by chance, and an eighth of the kernel's speed went with it: two
    processes that ran the same code differed by that.
    """
    memory = np.empty(x.nbytes + 64, np.uint8)
    start = -memory.ctypes.data % 64
    columns = memory[start : start + x.nbytes].view(x.dtype).reshape(x.shape[::-1])
    columns[...] = x.T
    return columns


def decode() -> Sample:
    """Decode a plain Parquet file of float32."""
    import pyarrow as pa

    x, _ = _numbers(BLOCK)
    source = _source(pa.table({f"x{j}": x[:, j] for j in range(COLUMNS)}), plain=True)

    def work() -> int:
        return sum(block.n_rows for shard in source.shards for block in source.raw_blocks(shard))

    return _ns_per_row(work, BLOCK)


def descent() -> Sample:
    """Learn one block of 28 columns by mini-batch descent: the kernel alone."""
    from scalable.data.block import Block

    losses = found("scalable.kernels.linear.losses", "scalable.kernels.losses")
    optimizers = found("scalable.kernels.linear.optimizers", "scalable.kernels.optimizers")
    descent_reduction = found(
        "scalable.linear.solvers.descent:Descent", "scalable.linear.descent:DescentFold"
    )
    objective_of = found("scalable.linear.solvers.objective:Objective", "scalable.linear.task:Objective")
    x, y = _numbers(BLOCK)
    block = Block(_columns(x), np.empty((0, BLOCK), np.int32), y, None, 0)
    objective = objective_of(losses.LOSSES["log_loss"].code, 0.0, 1, 0.0, 1e-9, np.r_[np.ones(COLUMNS), 0.0])
    learner = descent_reduction(objective, optimizers.NORMALIZED, optimizers.hyper_parameters(0.5), 256)
    state = learner.init()
    return _ns_per_row(lambda: learner.step(state, block), BLOCK)


def _source(table: Any, target: str | None = None, plain: bool = False) -> Any:
    """Return a source on a file of a table, whose values stay as they are or go into dictionaries."""
    import pyarrow.parquet as pq

    from scalable import ParquetSource

    folder = Path(tempfile.mkdtemp(prefix="gate-"))
    FOLDERS.append(folder)
    pq.write_table(table, folder / "rows.parquet", use_dictionary=not plain, compression="none")
    return ParquetSource(folder / "rows.parquet", target=target)


def decode_coded() -> Sample:
    """Decode dictionaries, small integers and nulls."""
    source = _source(_table())

    def work() -> int:
        return sum(block.n_rows for shard in source.shards for block in source.raw_blocks(shard))

    return _ns_per_row(work, BLOCK)


def fit_descent() -> Sample:
    """Profile a file of mixed columns and learn one pass of descent: a whole fit."""
    from scalable.linear import LogisticRegression

    source = _source(_table(FIT_ROWS), "y")
    return _ns_per_row(
        lambda: LogisticRegression(solver="sgd", max_iter=1, n_workers=1, random_state=0).fit(source),
        FIT_ROWS,
    )


def fit_exact() -> Sample:
    """Solve least squares in one pass over numbers in memory: a whole fit."""
    from scalable.linear import Ridge

    x, y = _numbers(FIT_ROWS)
    return _ns_per_row(lambda: Ridge(n_workers=1).fit(x, y), FIT_ROWS)


def score_linear() -> Sample:
    """Score a file of mixed columns by a linear model: decode, encode, multiply."""
    from scalable.linear import LogisticRegression

    table = _table()
    model = LogisticRegression(solver="sgd", max_iter=1, n_workers=1, random_state=0).fit(_source(table, "y"))
    rows = table.drop_columns(["y"])
    return _ns_per_row(lambda: model.predict_proba(rows), BLOCK)


def measure() -> Sample:
    """Add one block of predictions to the binary metrics."""
    from scalable.evaluate import BinaryMetrics

    x, y = _numbers(BLOCK)
    p = 1 / (1 + np.exp(-x[:, 2].astype(np.float64)))
    reduction = BinaryMetrics()
    state = reduction.init()
    return _ns_per_row(lambda: reduction.step(state, y, p), BLOCK)


def generate() -> Sample:
    """Compute rows of `fraud`, nothing written."""
    import data_gen

    return _ns_per_row(lambda: data_gen.rows("fraud", 0, BLOCK), BLOCK)


@functools.cache  # two works score by it
def _forest() -> Any:
    import lightgbm

    from scalable.inference import compile_model

    x, y = _numbers(20_000)
    params = {"objective": "binary", "num_leaves": 63, "verbose": -1, "num_threads": 1, "min_data_in_leaf": 5}
    return compile_model(lightgbm.train(params, lightgbm.Dataset(x, y), 60))


def forest_batch() -> Sample:
    """Score 4,096 rows by a forest of 60 trees: the block kernel."""
    forest, x = _forest(), _numbers(4096)[0].astype(np.float64)
    return _ns_per_row(lambda: forest.predict(x), len(x))


def forest_row() -> Sample:
    """Score single rows that are never repeated within a sample: the median call."""
    predict, clock = _forest().predict_one, time.perf_counter_ns
    rows = list(_numbers(2000)[0].astype(np.float64))

    def sample() -> float:
        taken = np.empty(len(rows), np.int64)
        for i, row in enumerate(rows):
            start = clock()
            predict(row)
            taken[i] = clock() - start
        return float(np.median(taken))

    return sample


WORKS: dict[str, Callable[[], Sample]] = {
    "decode": decode,
    "decode_coded": decode_coded,
    "descent": descent,
    "fit_descent": fit_descent,
    "fit_exact": fit_exact,
    "score_linear": score_linear,
    "measure": measure,
    "generate": generate,
    "forest_batch": forest_batch,
    "forest_row": forest_row,
}


def clean() -> None:
    """Remove what works wrote."""
    while FOLDERS:
        shutil.rmtree(FOLDERS.pop(), ignore_errors=True)


class Gate:
    params = (list(WORKS),)
    param_names = ("work",)
    unit = "ns/row"
    timeout = 120

    def setup(self, work: str) -> None:
        try:
            self.sample = WORKS[work]()
        except (ImportError, AttributeError) as error:  # a commit from before this work: skipped, not broken
            raise NotImplementedError(str(error)) from error
        self.sample()

    def teardown(self, work: str) -> None:
        clean()  # not at exit: asv's processes end without it

    @named("The gate's kernels")
    def track_gate(self, work: str) -> float:
        return statistics.median(self.sample() for _ in range(SAMPLES))


def serve() -> None:
    """Answer each line that names a work with a line of JSON: a sample, or why there is none."""
    samples: dict[str, Sample] = {}
    atexit.register(clean)
    answer = sys.stdout
    sys.stdout = sys.stderr  # what libraries print must not be taken for an answer
    for line in sys.stdin:
        name = line.strip()
        try:
            if name not in samples:
                samples[name] = WORKS[name]()
                samples[name]()
            reply: dict[str, Any] = {"value": samples[name]()}
        except Exception as error:  # told to whoever asked
            reply = {"error": f"{type(error).__name__}: {error}"}
        answer.write(json.dumps(reply) + "\n")
        answer.flush()


if __name__ == "__main__":
    serve()
