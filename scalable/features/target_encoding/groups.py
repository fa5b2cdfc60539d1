"""What single identifiers show: whether their means hold up on new ones, and whether their number tells something.

Rows of a session, an order or a document share their target, and the next rows bring new sessions. A mean target then
gives a training row away by its siblings, trees trust it alone, and every row of a new identifier is guessed. That
shows in two numbers: rows an identifier, and the intraclass correlation of the target (Fisher, 1925), 1 where an
identifier decides it. And the numbers of some (orders in time, places by postcode) have an order that the target
follows, which no mean tells of new ones. Both are exact for the identifiers whose hash is small, as many as a table
holds.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.types as pt
from numpy.typing import NDArray

from scalable.data.values import numbers
from scalable.features.hashing import buckets_of

CODES = 2**30  # hashes of identifiers
MOST_KEPT = 2**14
FEW_ROWS, DECIDED = 30.0, 0.9
STRETCHES = (4, 16, 64, 256, 1024)
CERTAIN, LEAST_ORDER = 5.0, 0.1  # standard errors; of what rows of one identifier have in common


@dataclass
class Groups:
    """Rows and targets of the identifiers whose hash is below `limit`.

    Attributes
    ----------
    codes : int64 array of shape (n_kept,)
        Hashes, ascending.
    sums : float64 array of shape (3, n_kept)
        Of ones, targets, and squared targets over the rows of each.
    values : float64 array of shape (n_kept,)
        The numbers themselves; NaN of texts.
    limit : int
        A power of two; the same for the same rows, whoever saw which of them first.
    """

    codes: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))
    sums: NDArray[np.float64] = field(default_factory=lambda: np.empty((3, 0)))
    values: NDArray[np.float64] = field(default_factory=lambda: np.empty(0))
    limit: int = CODES

    def add_rows(
        self, array: pa.Array, label: NDArray[np.float64], unseen: NDArray[np.intp] | None = None
    ) -> None:
        """Add rows by their identifier, without those at the places `unseen`."""
        codes = buckets_of(array, CODES)  # those without one have CODES
        if unseen is not None:
            codes[unseen] = CODES
        kept = np.flatnonzero(codes < self.limit)
        y = label[kept]
        texts = pt.is_dictionary(array.type)
        values = np.full(len(kept), np.nan) if texts else numbers(array)[kept].astype(np.float64)
        self._add(codes[kept].astype(np.int64), np.stack([np.ones(len(y)), y, y * y]), values)

    def add(self, other: Groups) -> None:
        """Add the rows of others."""
        self.limit = min(self.limit, other.limit)
        self._add(other.codes, other.sums, other.values)

    def _add(self, codes: NDArray[np.int64], sums: NDArray[np.float64], values: NDArray[np.float64]) -> None:
        every, first, place = np.unique(
            np.concatenate([self.codes, codes]), return_index=True, return_inverse=True
        )
        self.values = np.concatenate([self.values, values])[first]
        both = np.concatenate([self.sums, sums], axis=1)
        self.codes, self.sums = every, np.stack([np.bincount(place, row, len(every)) for row in both])
        within = int(np.searchsorted(self.codes, self.limit))
        while within > MOST_KEPT:
            self.limit //= 2
            within = int(np.searchsorted(self.codes, self.limit))
        self.codes, self.values, self.sums = self.codes[:within], self.values[:within], self.sums[:, :within]

    def rows_each(self) -> float:
        """Return the mean number of rows an identifier."""
        return float(self.sums[0].mean()) if len(self.codes) else 0.0

    def correlation(self) -> float:
        """Return the intraclass correlation of the target; 0 where no identifier has two rows."""
        n, total, squares = self.sums
        if not len(n):
            return 0.0
        mean = float(total.sum() / n.sum())
        variance = float(squares.sum() / n.sum()) - mean * mean
        return self._common() / variance if variance > 0.0 else 0.0

    def _common(self) -> float:
        """Return the mean product of the deviations of two rows of one identifier."""
        n, total, squares = self.sums
        pairs = float((n * (n - 1.0)).sum())
        if not pairs:
            return 0.0
        mean = float(total.sum() / n.sum())
        own = squares - 2.0 * mean * total + n * mean * mean
        return float(((total - n * mean) ** 2 - own).sum()) / pairs

    def ordered(self) -> bool:
        """Return whether identifiers with near numbers have near targets: beyond chance, and as more than a trace.

        In stretches of the numbers, long and short, products of the deviations of different identifiers are compared
        with what they are by chance, and with the products of rows of one identifier.
        """
        n, total, _ = self.sums
        if len(n) < STRETCHES[2] or np.isnan(self.values).any():
            return False
        order = np.argsort(self.values)
        n, apart = n[order], (total - n * float(total.sum() / n.sum()))[order]
        own, same = float((apart * apart).sum()), max(self._common(), 0.0)
        for count in (count for count in STRETCHES if 4 * count <= len(n)):
            starts = len(apart) * np.arange(count) // count
            parts, rows = np.add.reduceat(apart, starts), np.add.reduceat(n, starts)
            different = float((parts * parts).sum()) - own
            pairs = float((rows * rows).sum() - (n * n).sum())
            if different > CERTAIN * own * (2.0 / count) ** 0.5 and different > LEAST_ORDER * same * pairs:
                return True
        return False

    def distrust(self) -> str:
        """Return why means by this identifier do not hold up on new ones; empty where nothing shows that."""
        rows, correlation = self.rows_each(), self.correlation()
        if rows >= FEW_ROWS or correlation <= DECIDED:
            return ""
        return (
            f"as its rows share their target ({rows:.1f} rows each, correlation {correlation:.2f}), which says nothing "
            "of new ones"
        )
