"""What linear training costs: kernels, encoding, and fits from Parquet."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from .gate import found
from .median import named, ns_per_row

try:
    import pyarrow as pa
    import pyarrow.parquet as pq
    from threadpoolctl import threadpool_limits

    from bench.data import scaled
    from scalable import ParquetSource
    from scalable.execution.reader import BlockReader
    from scalable.linear import LogisticRegression, Ridge

    naive = found("scalable.bayes", "scalable.linear")  # nothing of before

    losses = found("scalable.kernels.linear.losses", "scalable.kernels.losses")
    optimizers = found("scalable.kernels.linear.optimizers", "scalable.kernels.optimizers")
    descent = found("scalable.kernels.linear.sgd", "scalable.kernels.descent")
    add_gram = found("scalable.linear.solvers.gram:add_gram", "scalable.linear.gram:add_gram")
    missing = ""
except ImportError as error:  # a commit from before these
    missing = str(error)

COLUMNS = 28
SLICE_ROWS = 4096  # 28 float32 columns of it fill most of a 512 KiB second-level cache
GRAM_ROWS = 2**15


def setup(*params: object) -> None:
    """Skip what an old commit lacks; asv calls this before each benchmark of the file."""
    if missing:
        raise NotImplementedError(missing)


class Descent:
    """One thread, one mini-batch step after another over a slice that stays in cache."""

    params = (["log_loss", "squared_error", "hinge"],)
    param_names = ("loss",)
    unit = "ns/row"

    def setup(self, loss: str) -> None:
        rng = np.random.default_rng(0)
        self.columns = rng.normal(size=(COLUMNS, SLICE_ROWS)).astype(np.float32)
        self.y = (rng.random(SLICE_ROWS) < 0.3).astype(np.float32)
        self.weight = np.ones(SLICE_ROWS, np.float32)
        self.ids = np.empty((0, SLICE_ROWS), np.int32)
        self.table = np.zeros((1, COLUMNS + 1, optimizers.FIELDS), np.float32)
        self.factors = np.ones(COLUMNS + 1)
        self.hyper = optimizers.hyper_parameters(0.1)
        self.scratch = np.empty((3, descent.MAX_BATCH), np.float32)
        self.dense = np.empty((2, COLUMNS), np.float32)
        self.code = losses.LOSSES[loss].code
        try:
            self._learn()
        except TypeError as error:  # a commit whose kernel takes other arguments
            raise NotImplementedError(str(error)) from error

    @named("A step of descent")
    def track_slice(self, loss: str) -> float:
        """Learn from 4,096 rows x 28 columns."""
        return ns_per_row(self._learn, SLICE_ROWS, 99)

    def _learn(self) -> None:
        rows = self.columns, self.ids, self.y, self.weight
        if hasattr(descent, "DescentRule"):
            rule_of = getattr(descent, "descent_rule", descent.DescentRule)  # as the commit has it
            rule = rule_of(self.code, 1.0, optimizers.NORMALIZED, 256, True)
            descent.descend(*rows, rule, self.hyper, self.factors, 1e6, self.table)
        else:  # a commit before kernels took records
            descent.descend(
                *rows, self.code, 1.0, optimizers.NORMALIZED, self.hyper, self.factors, 256, 1e6, True, self.table,
                self.scratch, self.dense,
            )  # fmt: skip


class Gram:
    """One thread, the Gram matrix of a block."""

    params = (["float32", "float64"],)
    param_names = ("dtype",)
    unit = "ns/row"

    def setup(self, dtype: str) -> None:
        self.threads = threadpool_limits(1, user_api="blas")  # as reductions run it
        rng = np.random.default_rng(0)
        self.columns = rng.normal(size=(COLUMNS, GRAM_ROWS)).astype(dtype)
        self.weight = rng.random(GRAM_ROWS)
        self.ids = np.empty((0, GRAM_ROWS), np.int32)
        self.out = np.zeros((COLUMNS + 1, COLUMNS + 1))

    def teardown(self, dtype: str) -> None:
        if hasattr(self, "threads"):  # not where it was skipped
            self.threads.restore_original_limits()

    @named("Add a block to a Gram matrix")
    def track_block(self, dtype: str) -> float:
        """Add 32,768 weighted rows x 28 columns."""
        return ns_per_row(lambda: add_gram(self.columns, self.ids, self.weight, self.out), GRAM_ROWS, 19)


class Fit:
    """From Parquet in the page cache to a model, both threads."""

    timeout = 600
    params = (["none", "lz4", "snappy", "zstd", "pandas"],)
    param_names = ("written",)
    unit = "ns/row"

    def setup_cache(self) -> dict[str, str]:
        if missing:
            return {}
        rows = scaled(400_000)
        rng = np.random.default_rng(0)
        x: Any = rng.normal(size=(COLUMNS, rows)).astype(np.float32)
        y = (rng.random(rows) < 1 / (1 + np.exp(-x[0] - x[1]))).astype(np.int8)
        table = pa.table({**{f"f{j}": x[j] for j in range(COLUMNS)}, "y": y})
        paths = {}
        for written in self.params[0]:
            path = Path(f"linear-{written}.parquet").resolve()
            if written == "pandas":  # by default: snappy, dictionaries tried for every column
                table.to_pandas().to_parquet(path)
            else:
                pq.write_table(table, path, use_dictionary=False, compression=written, row_group_size=2**17)
            paths[written] = str(path)
        return paths

    def setup(self, paths: dict[str, str], written: str) -> None:
        self.source = ParquetSource(paths[written], target="y")
        self.encoder = LogisticRegression(max_iter=1).fit(self.source).model_.encoder

    @named("Logistic regression in one pass of descent")
    def track_descent_pass(self, paths: dict[str, str], written: str) -> float:
        """Profile, then one pass of descent."""
        return self._track(lambda: LogisticRegression(solver="sgd", max_iter=1).fit(self.source))

    @named("Logistic regression by Newton's method")
    def track_newton(self, paths: dict[str, str], written: str) -> float:
        """Newton's method to convergence."""
        return self._track(lambda: LogisticRegression(solver="newton").fit(self.source))

    @named("Ridge regression in one pass")
    def track_ridge(self, paths: dict[str, str], written: str) -> float:
        """Profile, then one pass for the Gram matrix."""
        return self._track(lambda: Ridge().fit(self.source))

    def _track(self, work: Callable[[], object]) -> float:
        return ns_per_row(work, self.source.n_rows, 3)

    @named("Decode and encode, nothing learned")
    def track_decode_and_encode(self, paths: dict[str, str], written: str) -> float:
        """Blocks on one thread, nothing learned."""
        return self._track(self._decode)

    def _decode(self) -> None:
        reader = BlockReader(self.source, self.encoder, depth=0)
        for shard in self.source.shards:
            for _ in reader.blocks(shard):
                pass

    @named("Peak memory of a pass of descent")
    def peakmem_descent_pass(self, paths: dict[str, str], written: str) -> None:
        """Peak memory of a pass."""
        LogisticRegression(solver="sgd", max_iter=1).fit(self.source)


class NaiveBayes:
    """Rows of 28 columns in memory, four of them text for categories."""

    params = (["GaussianNB", "CategoricalNB"],)
    param_names = ("learner",)
    unit = "ns/row"

    def setup(self, learner: str) -> None:
        if not hasattr(naive, learner):
            raise NotImplementedError(f"a commit without {learner}")
        rng, n = np.random.default_rng(0), scaled(200_000)
        columns = {f"f{j}": rng.normal(size=n) for j in range(COLUMNS)}
        if learner == "CategoricalNB":
            columns |= {f"f{j}": np.array(list("abcdefgh"))[rng.integers(0, 8, n)] for j in range(4)}
        self.table, self.y = pa.table(columns), rng.integers(0, 2, n)
        self.model = getattr(naive, learner)()
        self._fit()

    def _fit(self) -> None:
        self.model.fit(self.table, self.y)

    @named("Naive Bayes, a fit")
    def track_fit(self, learner: str) -> float:
        """Categories are found in a pass of their own."""
        return ns_per_row(self._fit, len(self.y), 5)
