"""How much two categories together tell of the target that each alone does not, and which pairs are worth a column."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scalable.data.source import Source
from scalable.execution.executors import Executor
from scalable.execution.sampling import one_of_each
from scalable.features.target import Labels
from scalable.features.target_encoding.learn import Cells, learn_sums
from scalable.features.target_encoding.means import TargetSums
from scalable.features.target_encoding.pairs import Pair
from scalable.features.target_encoding.shrinkage import prior_rows

LEAST_CELLS, MOST_CELLS = 64, 2**16  # trees split fewer well by themselves
MOST_TRIED, MOST_KEPT = 28, 3
SCREENED_ROWS = 2**24
LEAST_RELIABILITY, LEAST_SHARE = 0.5, 0.1
_ROUNDS = 20


def learn_means(
    executor: Executor,
    source: Source,
    hashed: Sequence[Cells],
    known: Mapping[str, Sequence[Any] | None],
    labels: Labels,
) -> tuple[tuple[Pair, ...], dict[str, TargetSums]]:
    """Return the pairs of text columns worth a column of their own, the most telling first, and all target sums.

    One pass sums the hashed columns and screens all pairs; of more than ``SCREENED_ROWS`` rows, pairs are screened on
    shards spread evenly first.

    Parameters
    ----------
    executor : Executor
        Who reads the data.
    source : Source
        Training rows.
    hashed : sequence of Cells
        Columns of many categories.
    known : mapping of str to sequence or None
        Categories of the text columns whose pairs are tried.
    labels : Labels
        The target: pairs are tried of numbers or two classes.
    """
    two = labels.classes is None or len(labels.classes) <= 2
    tried = candidates(known) if two else ()
    step = -(-source.n_rows // SCREENED_ROWS)
    if tried and step > 1:
        some = source.with_shards(one_of_each(source.shards, -(-len(source.shards) // step)))
        tried = chosen_pairs(tried, learn_sums(executor, some, tried, labels))
    sums = learn_sums(executor, source, (*hashed, *tried), labels) if hashed or tried else {}
    pairs = chosen_pairs(tried, sums) if step == 1 else tried
    return pairs, {key.name: sums[key.name] for key in (*hashed, *pairs)}


def chosen_pairs(tried: Sequence[Pair], sums: Mapping[str, TargetSums]) -> tuple[Pair, ...]:
    """Return the pairs whose interaction shows in their sums, the most telling first."""
    found = []
    for pair in tried:
        cells = sums[pair.name]
        reliability, share = interaction(cells.counts[:-1], cells.sums[:-1, :, 0], pair.shape)
        if reliability >= LEAST_RELIABILITY and share >= LEAST_SHARE:
            found.append((-reliability * share, pair))
    return tuple(pair for _, pair in sorted(found, key=lambda x: x[0])[:MOST_KEPT])


def candidates(categories: Mapping[str, Sequence[Any] | None]) -> tuple[Pair, ...]:
    """Return pairs of columns with many pairs of categories but not too many, those with the most first."""
    known = [(name, tuple(found)) for name, found in categories.items() if found]
    pairs = [Pair((a, b), (of_a, of_b)) for (a, of_a), (b, of_b) in combinations(known, 2)]
    fitting = [
        pair
        for pair in pairs
        if LEAST_CELLS < len(pair.categories[0]) * len(pair.categories[1]) <= MOST_CELLS
    ]
    return tuple(sorted(fitting, key=lambda pair: -pair.n_cells)[:MOST_TRIED])


def alone(counts: NDArray[np.float64], sums: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the means of cells as rows and columns of the table explain them.

    The product of an effect of the row and one of the column that reproduces all margins (iterative proportional
    fitting, Deming and Stephan, 1940) where no sum is negative; otherwise their sum, by least squares.

    Parameters
    ----------
    counts, sums : float64 arrays of shape (n_first, n_second)
        Rows of each cell and their target sums.
    """
    shape = counts.shape
    if sums.min() >= 0.0 and sums.sum() > 0.0:
        fitted = np.ones(shape)
        for _ in range(_ROUNDS):
            for axis in (1, 0):
                made = (fitted * counts).sum(axis=axis, keepdims=True)
                fitted = fitted * np.divide(
                    sums.sum(axis=axis, keepdims=True), made, out=np.ones_like(made), where=made > 0.0
                )
        return fitted
    first, second = np.zeros((shape[0], 1)), np.zeros((1, shape[1]))
    for _ in range(_ROUNDS):
        rest = (sums - counts * second).sum(axis=1, keepdims=True)
        first = rest / np.maximum(counts.sum(axis=1, keepdims=True), 1.0)
        rest = (sums - counts * first).sum(axis=0, keepdims=True)
        second = rest / np.maximum(counts.sum(axis=0, keepdims=True), 1.0)
    return np.asarray(first + second)


def interaction(
    counts: NDArray[np.integer], sums: NDArray[np.number], shape: tuple[int, int]
) -> tuple[float, float]:
    """Return how well interactions can be known, and how much of the differences between cells they are.

    Parameters
    ----------
    counts, sums : arrays of shape (n_first * n_second, n_folds)
        Rows and target sums of each cell, by fold.
    shape : tuple of int
        ``(n_first, n_second)``.

    Returns
    -------
    reliability : float
        Of a cell's interaction as a row finds it, in [0, 1).
    share : float
        Variance of interactions over the variance of the cells' means.
    """
    rows = counts.sum(axis=1, dtype=np.float64)
    total = sums.sum(axis=1, dtype=np.float64)
    if not rows.sum():
        return 0.0, 0.0
    expected = alone(rows.reshape(shape), total.reshape(shape)).reshape(-1, 1)
    weight = prior_rows(counts, sums - counts * expected, 0.0)
    all_differences = prior_rows(counts, np.asarray(sums, np.float64), float(total.sum() / rows.sum()))
    typical = float((rows**2).sum() / rows.sum())
    return typical / (typical + weight), all_differences / weight
