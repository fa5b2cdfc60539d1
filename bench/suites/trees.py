"""What growing trees costs, part by part and whole: histograms, partitions, the search for splits, trees."""

from __future__ import annotations

from typing import Any

import numpy as np

from .median import named, ns_per_row

try:
    from bench.data import scaled
    from bench.trees.rows import binned_rows, grower_of
    from scalable.boosting.native.crew import Crew
    from scalable.kernels.histogram import accumulate
    from scalable.kernels.histogram.accumulate import add_rows
    from scalable.kernels.histogram.gain import FEATURE, LEAF, RULES, SPLIT
    from scalable.kernels.histogram.partition import partition
    from scalable.kernels.histogram.search import search_numbers

    missing = ""
except ImportError as error:  # a commit from before these
    missing = str(error)

COLUMNS, BINS, REPEATS = 28, 255, 7


def setup(*params: object) -> None:
    """Skip what an old commit lacks; asv calls this before each benchmark of the file."""
    if missing:
        raise NotImplementedError(missing)


class Histogram:
    """28 columns of all rows, or of every k-th in no pattern, per row that is added."""

    params = ([1, 2, 16, 128],)
    param_names = ("one_in",)
    unit = "ns/row"

    def setup(self, one_in: int) -> None:
        rng = np.random.default_rng(0)
        n = scaled(1_000_000)
        self.words = rng.integers(0, BINS, (n, COLUMNS)).astype(np.uint8).view(np.uint32)
        self.packed = rng.integers(-(2**30), 2**30, n) << 33
        self.rows = np.sort(rng.choice(n, max(1, n // one_in), replace=False)).astype(np.uint32)
        self.sums = np.zeros((COLUMNS, getattr(accumulate, "NARROW_SUMS", 256)), np.int64)

    @named("Add rows to a histogram")
    def track_rows(self, one_in: int) -> float:
        work = (
            self.words,
            self.packed,
            self.rows,
            0,
            len(self.rows),
            self.sums,
        )  # sums may run over: nobody reads them
        return ns_per_row(lambda: add_rows(*work), len(self.rows), REPEATS)


class Partition:
    """Rows of a leaf dealt to its two children by a table of bins that no predictor can guess."""

    params = ([1, 16],)
    param_names = ("one_in",)
    unit = "ns/row"

    def setup(self, one_in: int) -> None:
        rng = np.random.default_rng(0)
        n = scaled(1_000_000)
        self.column = rng.integers(0, BINS, n).astype(np.uint8)
        self.table = rng.integers(0, 2, 256).astype(np.uint8)
        self.rows = np.sort(rng.choice(n, max(1, n // one_in), replace=False)).astype(np.uint32)
        self.scratch = np.empty(n, np.uint32)

    @named("Deal a leaf's rows to its children")
    def track_rows(self, one_in: int) -> float:
        work = (self.column, self.table, self.rows, self.scratch)
        return ns_per_row(lambda: partition(*work), len(self.rows), REPEATS)


class SplitSearch:
    """The best of 255 thresholds, a bin: with `lambda_l2` alone, and with every rule at work."""

    params = (["plain", "constrained"],)
    param_names = ("rules",)
    unit = "ns/bin"

    def setup(self, rules: str) -> None:
        rng = np.random.default_rng(0)
        self.histogram = rng.integers(1, 1000, (3, COLUMNS * BINS))
        self.histogram[0] -= 500
        features, leaf, record = np.zeros(COLUMNS, FEATURE), np.zeros(1, LEAF), np.zeros(1, RULES)
        features["first"], features["n_bins"] = np.arange(COLUMNS) * BINS, BINS
        leaf[0] = (*self.histogram[:, :BINS].sum(axis=1), 0.01, 0.01, 0.0, -np.inf, np.inf)
        record["min_data"], record["min_hessian"] = 20, 1e-3
        if rules == "constrained":
            record["constrained"], record["l1"], record["path_smooth"] = 1, 1.0, 10.0
        chosen, splits = np.arange(COLUMNS), np.zeros(COLUMNS, SPLIT)
        self.rest = (features, chosen, leaf, record, np.uint64(0), splits)

    @named("Search the best split")
    def track_bins(self, rules: str) -> float:
        work = lambda: search_numbers(self.histogram, *self.rest)  # noqa: E731  it is timed by its name
        return ns_per_row(work, COLUMNS * BINS, 9)


class Tree:
    """A whole boosting iteration on binned rows: gradients, a tree of 63 leaves, new scores."""

    params = ([1, 2], ["binary", "regression"])
    param_names = ("threads", "objective")
    unit = "ns/row"

    def setup(self, threads: int, objective: str) -> None:
        n = scaled(200_000)
        params: dict[str, Any] = {"objective": objective, "num_leaves": 63}
        self.rows = binned_rows(n, COLUMNS, params, threads, seed=0)
        self.crew = Crew(len(self.rows.parts))
        self.boosting = grower_of(self.rows, params, self.crew)
        self.done = 0

    def teardown(self, threads: int, objective: str) -> None:
        self.crew.close()

    @named("Grow a tree of 63 leaves")
    def track_rows(self, threads: int, objective: str) -> float:
        return ns_per_row(self._iterate, self.rows.n_rows, 5)

    def _iterate(self) -> None:
        self.boosting.iterate(self.done, 0.1)
        self.done += 1
