"""Columns of many categories as mean target and share of rows: target encoding.

A category's mean target, shrunk towards the overall mean, is the encoding of Micci-Barreca, "A preprocessing scheme
for high-cardinality categorical attributes" (2001). Tables have a row for each cell: a bucket of categories that share
it by a hash, so that tables do not grow with the categories, or a pair of known ones. Prediction uses the means of all
rows. In training a row's own target must not be in its mean, so rows are dealt to a few folds by a hash of their
index, and a row sees the totals without its fold: cross-fitted means. Shrinkage keeps the two alike: whatever the
number of rows behind it, a mean is the best guess of the category's true one, in training and in prediction. Some of
the rarer categories are shown to training as if they were new, so that what is learned holds for new ones too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from scalable.features.hashing import buckets_of
from scalable.features.target_encoding.groups import Groups
from scalable.features.target_encoding.shrinkage import prior_rows, shrunk
from scalable.features.target_encoding.sparse import SparseWhenPickled, scattered
from scalable.kernels.encode import target_means as kernels

MAX_MEANS = 8  # classes beyond this get shares only
HIDDEN_EVERY, HIDDEN_MOST = (
    8,
    0.01,
)  # cells shown as new: one of eight, of those with at most so many of the rows


@dataclass(frozen=True)
class TargetMeans(SparseWhenPickled):
    """Mean targets and shares by cell, as prediction uses them.

    Attributes
    ----------
    table : float32 array of shape (n_cells + 1, n_means + 1)
        Shrunk mean of the target (regression, binary) or of each class indicator, then the fraction of the training
        rows in the cell; the last row is that of missing values, NaN. float64 in older models.
    prior : tuple of float, of length n_means
        Overall means, given to cells without rows.
    strength : tuple of float, of length n_means
        Rows at which a cell's own mean counts as much as the overall one.
    crc : bool
        Whether texts are hashed by CRC-32, as in older models.
    """

    table: NDArray[np.float32] | NDArray[np.float64]
    prior: tuple[float, ...]
    strength: tuple[float, ...] = ()
    crc: bool = False

    @property
    def n_cells(self) -> int:
        """Cells of values that are not missing."""
        return len(self.table) - 1

    @property
    def width(self) -> int:
        """Matrix columns: the means and the share."""
        return int(self.table.shape[1])

    @property
    def suffixes(self) -> list[str]:
        """Names of the matrix columns, to be joined to the column's own."""
        n = self.width - 1
        return [*(["mean"] if n == 1 else [f"mean{k}" for k in range(n)]), "share"]

    def encode(self, array: pa.Array) -> list[NDArray[Any]]:
        """Return one array of shape (n_rows,) per matrix column of a hashed column; NaN for null."""
        return self.take(buckets_of(array, self.n_cells, crc=self.crc))

    def take(self, cells: NDArray[np.int32]) -> list[NDArray[Any]]:
        """Return one array of shape (n_rows,) per matrix column for rows of `table`."""
        out = np.empty((self.width, len(cells)), self.table.dtype)
        kernels.take_means(cells, self.table, out)
        return list(out)

    def describe(self) -> str:
        """Return what was done, in a few words."""
        used = int((self.table[:-1, -1] > 0).sum())
        halfway = "".join(f", halfway to the overall mean at {rows:,.0f} rows," for rows in self.strength[:1])
        return f"mean target{halfway} and share of rows per category ({used:,} buckets used), cross-fitted in training"

    def state(self) -> tuple[dict[str, Any], NDArray[Any]]:
        """Return a JSON-able form and the table without its last row."""
        kind = "crc32" if self.crc else "mix"
        return {"prior": list(self.prior), "strength": list(self.strength), "hash": kind}, self.table[:-1]

    @classmethod
    def from_state(cls, data: Mapping[str, Any], table: NDArray[Any]) -> TargetMeans:
        """Rebuild from `state`.

        Raises
        ------
        ValueError
            When the two contradict each other.
        """
        prior = tuple(float(value) for value in data["prior"])
        if table.ndim != 2 or table.dtype not in (np.float32, np.float64):
            raise ValueError(f"a table of means is {table.dtype} of shape {table.shape}")
        if table.shape[1] != len(prior) + 1 or not len(table):
            raise ValueError(f"a table of shape {table.shape} for {len(prior)} means")
        strength = tuple(float(value) for value in data["strength"])
        return cls(_with_missing(table), prior, strength, data["hash"] == "crc32")


@dataclass(frozen=True)
class CrossFitted(SparseWhenPickled):
    """What a training row gets: means of the other folds' rows.

    Attributes
    ----------
    table : float32 array of shape (n_cells + 1, N_FOLDS * n_means + 1)
        As `scalable.kernels.encode.target_means.take_cross_fitted` takes it; the last row is that of missing values.
    n_means : int
        Means of a row.
    """

    table: NDArray[np.float32]
    n_means: int

    def encode(self, array: pa.Array, first_row: int) -> list[NDArray[np.float32]]:
        """Return what `TargetMeans.encode` would without the rows of each row's own fold in the means."""
        return self.take(buckets_of(array, len(self.table) - 1), first_row)

    def take(self, cells: NDArray[np.int32], first_row: int) -> list[NDArray[np.float32]]:
        """Return `encode` for cells."""
        out = np.empty((self.n_means + 1, len(cells)), np.float32)
        kernels.take_cross_fitted(cells, first_row, self.table, out)
        return list(out)


@dataclass(frozen=True)
class TargetSums(SparseWhenPickled):
    """Sums over the training rows, cell by cell and fold by fold.

    Attributes
    ----------
    counts : uint32 array of shape (n_cells + 1, N_FOLDS)
        Rows; the last cell's are those of missing values.
    sums : array of shape (n_cells + 1, N_FOLDS, n_means)
        Target sums: uint32 rows of each class, or float64.
    groups : Groups
        Rows and targets of single identifiers, where cells are hashes of such.
    """

    counts: NDArray[np.uint32]
    sums: NDArray[np.uint32] | NDArray[np.float64]
    groups: Groups = field(default_factory=Groups)

    @classmethod
    def zeros(cls, n_cells: int, n_means: int, *, classes: bool) -> TargetSums:
        """Return the sums of no rows."""
        dtype: Any = np.uint32 if classes else np.float64
        shape = (n_cells + 1, kernels.N_FOLDS)
        return cls(np.zeros(shape, np.uint32), np.zeros((*shape, n_means), dtype))

    def add(self, other: TargetSums) -> None:
        """Add the sums of later rows to these."""
        np.add(self.counts, other.counts, out=self.counts)
        np.add(self.sums, other.sums, out=self.sums)
        self.groups.add(other.groups)

    def finish(self, *, hide: bool = False) -> tuple[TargetMeans, CrossFitted]:
        """Return what prediction uses, and what training does: with some cells as new ones look, where they `hide`."""
        # Cells without rows are most of them, and all alike.
        used = np.flatnonzero(self.counts[:-1].any(axis=1))
        by_fold, found = self.counts[used], self.sums[used]
        counts = by_fold.sum(axis=1, dtype=np.float64)
        n_means, rows = self.sums.shape[2], max(1.0, float(counts.sum()))
        total = np.empty((len(used), n_means + 1), np.float32)
        others = np.empty((len(used), kernels.N_FOLDS * n_means + 1), np.float32)
        total[:, -1] = others[:, -1] = counts / rows
        priors, strengths = [], []
        for k in range(n_means):
            sums = found[:, :, k]
            all_sums = sums.sum(axis=1, dtype=np.float64)
            mean = float(all_sums.sum()) / rows
            weight = prior_rows(by_fold, sums, mean)
            total[:, k] = shrunk(all_sums, counts, mean, weight)
            for fold in range(kernels.N_FOLDS):
                rest = (all_sums - sums[:, fold], counts - by_fold[:, fold])
                others[:, fold * n_means + k] = shrunk(*rest, mean, weight)
            priors.append(mean)
            strengths.append(weight)
        new = [*np.repeat(priors, kernels.N_FOLDS), 0.0]
        if hide:  # a bucket's number is a hash already
            others[(used % HIDDEN_EVERY == 0) & (counts <= HIDDEN_MOST * rows)] = new
        n_cells = len(self.counts) - 1
        means = TargetMeans(_whole(total, used, n_cells, [*priors, 0.0]), tuple(priors), tuple(strengths))
        return means, CrossFitted(_whole(others, used, n_cells, new), n_means)


def _whole(
    rows: NDArray[np.float32], used: NDArray[np.intp], n_cells: int, new: Sequence[float]
) -> NDArray[np.float32]:
    """Return a table of `n_cells`, of which those not in `used` are `new`, and a row of NaN after its last."""
    out = scattered(n_cells + 1, new, used, rows)
    out[-1] = np.nan
    return out


def _with_missing(table: NDArray[Any]) -> NDArray[Any]:
    """Return a table of shape (n_cells, width) with a row of NaN after its last, C-contiguous."""
    out = np.full((len(table) + 1, table.shape[1]), np.nan, table.dtype)
    out[:-1] = table
    return out
