"""Counts and target sums of levels by fold, and the means that training rows get from the folds of others.

A row's own target must not be in its level's mean, so rows are dealt to a few folds by a hash of their index, and a
training row sees the totals without its fold. Shrinkage keeps the two alike: whatever the number of rows behind it, a
mean is the best guess of the level's true one, in training and in prediction.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from scalable.features.hashing import slots_of
from scalable.features.target_encoding.means import Rates, with_missing
from scalable.features.target_encoding.shrinkage import prior_rows, shrunk
from scalable.kernels.encode import target_means as kernels


@dataclass(frozen=True)
class OutOfFold:
    """What a training row gets: means of the other folds' rows.

    Attributes
    ----------
    table : float32 array of shape (n_slots + 1, N_FOLDS * n_means + 1)
        As `scalable.kernels.encode.target_means.take_out_of_fold` takes it; the last row is that of missing values.
    n_means : int
        Means of a row.
    """

    table: NDArray[np.float32]
    n_means: int

    def encode(self, array: pa.Array, first_row: int) -> list[NDArray[np.float32]]:
        """Return what `Rates.encode` would without the rows of each row's own fold in the means."""
        return self.take(slots_of(array, len(self.table) - 1), first_row)

    def take(self, slots: NDArray[np.int32], first_row: int) -> list[NDArray[np.float32]]:
        """Return `encode` for slots."""
        out = np.empty((self.n_means + 1, len(slots)), np.float32)
        kernels.take_out_of_fold(slots, first_row, self.table, out)
        return list(out)


@dataclass(frozen=True)
class FoldRates:
    """Sums over the training rows, slot by slot and fold by fold.

    Attributes
    ----------
    counts : uint32 array of shape (n_slots + 1, N_FOLDS)
        Rows; the last slot's are those of missing values.
    sums : array of shape (n_slots + 1, N_FOLDS, n_means)
        Target sums: uint32 rows of each class, or float64.
    """

    counts: NDArray[np.uint32]
    sums: NDArray[np.uint32] | NDArray[np.float64]

    @classmethod
    def zeros(cls, n_slots: int, n_means: int, *, classes: bool) -> FoldRates:
        """Return the sums of no rows."""
        dtype: Any = np.uint32 if classes else np.float64
        shape = (n_slots + 1, kernels.N_FOLDS)
        return cls(np.zeros(shape, np.uint32), np.zeros((*shape, n_means), dtype))

    def add(self, other: FoldRates) -> None:
        """Add the sums of later rows to these."""
        np.add(self.counts, other.counts, out=self.counts)
        np.add(self.sums, other.sums, out=self.sums)

    def finish(self) -> tuple[Rates, OutOfFold]:
        """Return what prediction uses, and what training does."""
        by_fold, counts = self.counts[:-1], self.counts[:-1].sum(axis=1, dtype=np.float64)
        n_means, rows = self.sums.shape[2], max(1.0, float(counts.sum()))
        total = np.empty((len(counts), n_means + 1), np.float32)
        others = np.empty((len(counts), kernels.N_FOLDS * n_means + 1), np.float32)
        total[:, -1] = others[:, -1] = counts / rows
        priors, strengths = [], []
        for k in range(n_means):
            sums = self.sums[:-1, :, k]
            all_sums = sums.sum(axis=1, dtype=np.float64)
            mean = float(all_sums.sum()) / rows
            weight = prior_rows(by_fold, sums, mean)
            total[:, k] = shrunk(all_sums, counts, mean, weight)
            for fold in range(kernels.N_FOLDS):
                rest = (all_sums - sums[:, fold], counts - by_fold[:, fold])
                others[:, fold * n_means + k] = shrunk(*rest, mean, weight)
            priors.append(mean)
            strengths.append(weight)
        rates = Rates(with_missing(total), tuple(priors), tuple(strengths))
        return rates, OutOfFold(with_missing(others), n_means)
