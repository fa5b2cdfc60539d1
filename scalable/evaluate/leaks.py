"""Which columns alone tell the target, better than a column known beforehand should: suspects of a leak.

Each column's values are cut into cells (quantiles of a sample and the values at them, buckets of categories, missing).
Half of the rows, by a hash, say what the target is in each cell; the other half says how well that holds. One pass.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.types as pt
from numpy.typing import NDArray

from scalable.data.block import RawBlock
from scalable.data.roles import Roles
from scalable.data.selection import Part
from scalable.data.source import Source
from scalable.data.table import as_source
from scalable.data.values import numbers
from scalable.errors import DataError, UsageError
from scalable.execution.executors import Executor
from scalable.execution.reader import BlockReader
from scalable.execution.reduction import FEW_LEAVES, run_reduction
from scalable.execution.threads import Threads
from scalable.features.hashing import buckets_of
from scalable.features.row_sample import sampled_blocks
from scalable.features.summary import labels_of, target_of
from scalable.features.target import Labels, read_weights
from scalable.kernels.encode.cell_sums import add_to_cells, cells_of_numbers

SAMPLE = 2**14
QUANTILES = 64
BUCKETS = 2**10
CLASSES = 50
Sums = NDArray[
    np.float64
]  # (n_columns, 2 halves, n_cells, 1 + 2 * n_outputs): weight, of targets, of their squares
N_CELLS = max(BUCKETS, 2 * QUANTILES + 1) + 1  # the last one is of missing values


@dataclass(frozen=True)
class ColumnAlone:
    """How well one column tells the target.

    Attributes
    ----------
    column : str
    explained : float
        Share of the target's variance (of the indicators of several classes) that its cells explain on held-out rows.
    auc : float or None
        Of two classes.
    missing_explained : float
        What is explained by whether its value is missing, and nothing else.
    suspect : bool
        Whether `explained` reaches the limit.
    """

    column: str
    explained: float
    auc: float | None
    missing_explained: float
    suspect: bool


def find_leaks(
    source: Source, *, classify: bool = True, limit: float | None = None, executor: Executor | None = None
) -> list[ColumnAlone]:
    """Return every feature column, the most telling first.

    Parameters
    ----------
    source : Source
        With a target.
    classify : bool
        Whether the target names classes.
    limit : float, optional
        Share of the variance from which a column is suspect: by default .5 of classes, .95 of a number. A suspect may
        be honest: only knowledge of when each column is written proves a leak.

    Raises
    ------
    UsageError, DataError
        When the limit is no share, classes are too many, or the target does not vary.

    Examples
    --------
    >>> import data_gen
    >>> from scalable import ParquetSource
    >>> from scalable.evaluate import find_leaks
    >>> manifest = data_gen.generate("fraud", rows=20_000, out="fraud", leakage="chargeback")
    >>> source = ParquetSource("fraud/", target="is_fraud")
    >>> [each.column for each in find_leaks(source) if each.suspect]
    ['chargeback']
    """
    source = as_source(source)
    limit = (0.5 if classify else 0.95) if limit is None else limit
    if not isinstance(limit, (int, float)) or not 0.0 < limit <= 1.0:
        raise UsageError(f"limit must be a share above 0, not {limit!r}")
    run, names = executor or Threads(), tuple(source.feature_names)
    target = target_of(source, run, classify=classify)
    if len(target.classes) > CLASSES:
        raise UsageError(
            f"the target has {len(target.classes)} classes, more than {CLASSES}; of a number, classify=False"
        )
    labels = labels_of(source, target, classify=classify)
    raw = sampled_blocks(source, names, SAMPLE, run)
    edges = tuple(_edges(raw, name) for name in names)
    work = Cells(
        names, edges, labels, source.roles, max(1, len(target.classes)) if len(target.classes) > 2 else 1
    )
    reader = BlockReader(source, columns=tuple(dict.fromkeys([*names, *source.roles.learned_from])))
    sums = run_reduction(run, work, reader, label="look for leaks", leaves=FEW_LEAVES)
    found = [
        _alone(name, part, len(target.classes) == 2, limit) for name, part in zip(names, sums, strict=True)
    ]
    return sorted(found, key=lambda each: (-each.explained, each.column))


@dataclass(frozen=True)
class Cells:
    """Reduction to the targets in the cells of every column.

    Parameters
    ----------
    names : tuple of str
    edges : tuple of float64 array or None
        Bounds of cells of numbers, see `cells_of_numbers`; None of categories.
    labels : Labels
    roles : Roles
    n_outputs : int
        1 of a number or two classes, else the number of classes.
    """

    names: tuple[str, ...]
    edges: tuple[NDArray[np.float64] | None, ...]
    labels: Labels
    roles: Roles
    n_outputs: int

    def init(self) -> Sums:
        """Return zeros."""
        return np.zeros((len(self.names), 2, N_CELLS, 1 + 2 * self.n_outputs))

    def step(self, state: Sums, block: RawBlock) -> Sums:
        """Add a block."""
        target = self.roles.require_target()
        y = self.labels.encode(block.arrays[target], block.where)
        name = self.roles.weight
        weight = np.empty(0) if name is None else read_weights(block.arrays[name], name, block.where)
        halves = Part(0.0, 0.5).mask(block).astype(np.uint8)
        for sums, column, edges in zip(state, self.names, self.edges, strict=True):
            add_to_cells(cells_of(block.arrays[column], edges), halves, y, weight, self.n_outputs > 1, sums)
        return state

    def merge(self, left: Sums, right: Sums) -> Sums:
        """Return the sums of both."""
        return left + right

    def finish(self, state: Sums) -> Sums:
        """Return the sums."""
        return state


def cells_of(array: pa.Array, edges: NDArray[np.float64] | None) -> NDArray[np.int32]:
    """Return the cell of each value: between edges or at one, a bucket of a category, or the last one if missing."""
    if edges is None:
        return buckets_of(array, BUCKETS, missing=N_CELLS - 1)
    values = numbers(array)
    if values.dtype != np.float32:
        values = values.astype(np.float64, copy=False)
    cells = np.empty(len(values), np.int32)
    cells_of_numbers(values, edges, len(edges).bit_length() - 1, N_CELLS - 1, cells)
    return cells


def _edges(sample: tuple[RawBlock, ...], name: str) -> NDArray[np.float64] | None:
    arrays = [block.arrays[name] for block in sample]
    if arrays and pt.is_dictionary(arrays[0].type):
        return None
    values = np.concatenate([np.empty(0), *(numbers(array).astype(np.float64) for array in arrays)])
    values = values[np.isfinite(values)]
    found = np.zeros(1)
    if len(values):
        found = np.unique(np.quantile(values, np.linspace(0.0, 1.0, QUANTILES), method="inverted_cdf"))
    edges = np.full(1 << QUANTILES.bit_length(), np.nan)  # no value is above or at what is no number
    edges[: len(found)] = found
    return edges


def _alone(name: str, sums: Sums, binary: bool, limit: float) -> ColumnAlone:
    together = np.stack([sums[:, :-1].sum(axis=1), sums[:, -1]], axis=1)  # any value, or none
    explained, score = _explained(name, sums)
    missing, _ = _explained(name, together)
    auc = None
    if binary:
        weight, positive = sums[1, :, 0], sums[1, :, 1]
        order = np.argsort(score[:, 0], kind="stable")
        cells, at = np.unique(score[order, 0], return_inverse=True)
        ones = np.bincount(at, positive[order], len(cells))
        zeros = np.bincount(at, (weight - positive)[order], len(cells))
        below = np.cumsum(zeros) - 0.5 * zeros
        auc = float(ones @ below / (ones.sum() * zeros.sum())) if ones.sum() and zeros.sum() else None
    return ColumnAlone(name, explained, auc, missing, explained >= limit)


def _explained(name: str, sums: Sums) -> tuple[float, NDArray[np.float64]]:
    """Return the share of the second half's variance that the first half's means of cells explain, and the means."""
    k = (sums.shape[-1] - 1) // 2
    (first, second), whole = sums, sums.sum(axis=1)
    if not (whole[:, 0] > 0.0).all():
        raise DataError(f"column {name!r}: too few rows to hold half of them out")
    mean = whole[0, 1 : k + 1] / whole[0, 0]
    told = (first[:, 1 : k + 1] + mean) / (first[:, :1] + 1.0)
    w, y, squares = second[:, :1], second[:, 1 : k + 1], second[:, k + 1 :]
    error = float((squares - 2.0 * told * y + w * told**2).sum())
    centre = whole[1, 1 : k + 1] / whole[1, 0]
    total = float((squares - 2.0 * centre * y + w * centre**2).sum())
    if total <= 0.0:
        raise DataError(
            f"column {name!r}: the target does not vary in half of its rows; there is nothing to tell"
        )
    return max(0.0, 1.0 - error / total), told
