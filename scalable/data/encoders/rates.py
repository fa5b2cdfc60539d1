"""Text of many levels as mean target and share of rows, learned out of fold.

A level's mean target, shrunk towards the overall mean, is the encoding of Micci-Barreca, "A preprocessing scheme for
high-cardinality categorical attributes" (2001). A row's own target must not be in it, so rows are dealt to
``N_FOLDS`` folds by a hash of their index, and a training row sees the totals without its fold. Levels share
``N_SLOTS`` slots by a hash of their text, so that the tables do not grow with the levels.
"""

from __future__ import annotations

import base64
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from scalable.data.values import dictionary_codes

N_SLOTS = 2**16
N_FOLDS = 8
PRIOR_ROWS = 20.0  # a level of this many rows is believed half
MAX_MEANS = 8  # classes beyond this get shares only


def slots_of(array: pa.DictionaryArray) -> NDArray[np.int64]:
    """Return the slot of each value in ``[0, N_SLOTS)``, and ``N_SLOTS`` for null."""
    values = array.dictionary.to_pylist()
    table = np.empty(len(values) + 1, np.int64)
    used = np.unique(array.indices.drop_null().to_numpy(zero_copy_only=False))
    for i in used.tolist():
        table[i] = zlib.crc32(values[i].encode()) % N_SLOTS
    table[-1] = N_SLOTS
    return np.asarray(table[dictionary_codes(array)])


def fold_of(first_row: int, n_rows: int) -> NDArray[np.int64]:
    """Return the fold of each of `n_rows` consecutive rows of the dataset."""
    rows = np.arange(first_row, first_row + n_rows, dtype=np.uint64)
    mixed = rows * np.uint64(0x9E3779B97F4A7C15)
    mixed ^= mixed >> np.uint64(32)
    mixed *= np.uint64(0xD6E8FEB86659FD93)
    return (mixed >> np.uint64(61)).astype(np.int64)


@dataclass(frozen=True)
class Rates:
    """Mean targets and shares per slot, as prediction uses them.

    Attributes
    ----------
    means : float64 array of shape (n_means, N_SLOTS)
        Shrunk mean of the target (regression, binary) or of each class indicator.
    shares : float64 array of shape (N_SLOTS,)
        Fraction of the training rows in the slot.
    prior : float64 array of shape (n_means,)
        Overall means, given to slots without rows.
    """

    means: NDArray[np.float64]
    shares: NDArray[np.float64]
    prior: NDArray[np.float64]

    @property
    def width(self) -> int:
        """Matrix columns: the means and the share."""
        return len(self.means) + 1

    @property
    def suffixes(self) -> list[str]:
        """Names of the matrix columns, to be joined to the column's own."""
        n = len(self.means)
        return [*(["mean"] if n == 1 else [f"mean{k}" for k in range(n)]), "share"]

    def encode(self, array: pa.DictionaryArray) -> list[NDArray[np.float64]]:
        """Return one array of shape (n_rows,) per matrix column; NaN for null."""
        slots = slots_of(array)
        return [np.append(row, np.nan)[slots] for row in (*self.means, self.shares)]

    def describe(self) -> str:
        """Return what was done, in a few words."""
        used = int((self.shares > 0).sum())
        return f"mean target and share of rows per level ({used:,} slots used), out of fold in training"

    def to_json(self) -> dict[str, Any]:
        """Return a JSON-able form: little-endian bytes, compressed, in base64."""
        return {
            "prior": self.prior.tolist(),
            "means": _pack(self.means),
            "shares": _pack(self.shares),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Rates:
        """Rebuild from `to_json`."""
        prior = np.array(data["prior"], np.float64)
        means = _unpack(data["means"]).reshape(len(prior), N_SLOTS)
        return cls(means, _unpack(data["shares"]).reshape(N_SLOTS), prior)


@dataclass(frozen=True)
class FoldRates:
    """Counts and target sums per fold and slot, from which training rows get theirs.

    Attributes
    ----------
    counts : int64 array of shape (N_FOLDS, N_SLOTS)
    sums : float64 array of shape (N_FOLDS, n_means, N_SLOTS)
    """

    counts: NDArray[np.int64]
    sums: NDArray[np.float64]

    def total(self) -> Rates:
        """Return the rates of all folds together."""
        counts = self.counts.sum(axis=0)
        sums = self.sums.sum(axis=0)
        rows = max(1, int(counts.sum()))
        prior = sums.sum(axis=1) / rows
        return Rates(_shrunk(sums, counts, prior), counts / rows, prior)

    def encode(self, array: pa.DictionaryArray, first_row: int) -> list[NDArray[np.float64]]:
        """Return what `Rates.encode` would without the rows of each row's own fold in the means."""
        slots = slots_of(array)
        folds = fold_of(first_row, len(array))
        total = self.total()
        out = []
        for k in range(self.sums.shape[1]):
            table = np.full((N_FOLDS, N_SLOTS + 1), np.nan)
            for fold in range(N_FOLDS):
                sums = self.sums[:, k].sum(axis=0) - self.sums[fold, k]
                counts = self.counts.sum(axis=0) - self.counts[fold]
                table[fold, :N_SLOTS] = _shrunk(sums[None], counts, total.prior[k : k + 1])[0]
            out.append(np.asarray(table[folds, slots]))
        out.append(np.append(total.shares, np.nan)[slots])
        return out


def _shrunk(
    sums: NDArray[np.float64], counts: NDArray[np.int64], prior: NDArray[np.float64]
) -> NDArray[np.float64]:
    return np.asarray((sums + PRIOR_ROWS * prior[:, None]) / (counts + PRIOR_ROWS))


def _pack(array: NDArray[np.float64]) -> str:
    return base64.b64encode(zlib.compress(array.astype("<f8").tobytes())).decode()


def _unpack(text: str) -> NDArray[np.float64]:
    return np.frombuffer(zlib.decompress(base64.b64decode(text)), "<f8").astype(np.float64)
