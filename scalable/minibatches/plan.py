"""Which rows of an epoch go together, in which order, and which rank has them: from counts and a seed alone.

Runs of neighbouring rows are dealt to mixes, one of every stretch of the data to each (as `scalable.linear.mixing`
does), and the rows of a mix are shuffled in memory. A rank has consecutive mixes; where one rank's rows end and the
next one's begin, a run is divided, so that ranks differ by one row at most.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scalable.execution.sampling import deal


@dataclass(frozen=True, slots=True)
class Part:
    """Rows ``[start, stop)`` among the selected ones of a slice."""

    slice: int
    start: int
    stop: int


@dataclass(frozen=True, slots=True)
class Shuffle:
    """How well an epoch is shuffled, computed from its plan.

    Attributes
    ----------
    mixes : int
        Parts of the epoch that are shuffled in memory, of all ranks.
    rows : int
        Most rows of one.
    slices : int
        Fewest runs of neighbouring rows that one is made of; 1 means that batches follow the order of the rows.
    deviation : float
        Standard deviation of the batch means of a column that rises with the row's index, over that of batches drawn
        without replacement from all rows: 1 is a perfect shuffle. The worst case of sorted data.
    neighbours : float
        How many times likelier than in a perfect shuffle two neighbouring rows of one slice meet in a batch.
    """

    mixes: int
    rows: int
    slices: int
    deviation: float
    neighbours: float


def epoch_mixes(
    counts: NDArray[np.int64], runs: NDArray[np.int64], n_mixes: int, n_ranks: int, seed: Sequence[int] | None
) -> list[list[list[Part]]]:
    """Return for each rank its mixes, for each mix the parts of slices it is made of.

    Parameters
    ----------
    counts : int64 array of shape (n_slices,)
        Rows of every slice.
    runs : int64 array of shape (n_runs + 1,)
        Where the runs of rows that stay together begin among all rows, and the end.
    n_mixes : int
        Mixes of every rank.
    n_ranks : int
        Ranks.
    seed : sequence of int or None
        Another one is another order; None keeps that of the dataset.
    """
    total, n_runs = n_mixes * n_ranks, len(runs) - 1
    if seed is None:
        groups = [list(map(int, some)) for some in np.array_split(np.arange(n_runs), total)]
    else:
        groups = deal(range(n_runs), total, np.random.default_rng(seed))
    begins = np.cumsum([0, *counts])
    n_rows = int(begins[-1])
    edges = [n_rows * rank // n_ranks for rank in range(n_ranks + 1)]
    ranks: list[list[list[Part]]] = [[[] for _ in range(n_mixes)] for _ in range(n_ranks)]
    rank = at = 0
    for number, group in enumerate(groups):
        for k in group:
            start, end = int(runs[k]), int(runs[k + 1])
            where = int(np.searchsorted(begins, start, "right")) - 1
            while start < end:
                while begins[where + 1] <= start:
                    where += 1
                stop = min(end, int(begins[where + 1]), start + edges[rank + 1] - at)
                if stop > start:
                    mix = min(max(number - rank * n_mixes, 0), n_mixes - 1)
                    before = int(begins[where])
                    ranks[rank][mix].append(Part(where, start - before, stop - before))
                at += stop - start
                start = stop
                if at == edges[rank + 1] and rank + 1 < n_ranks:
                    rank += 1
    return [[mix for mix in mixes if mix] for mixes in ranks]


def batch_start(step: int, n_rows: int, size: int, n_steps: int) -> int:
    """Return where a batch of a rank begins among its rows; the last one ends where that of step `n_steps` would begin.

    All have `size` rows but the last; a rank that lacks the one row more of others leaves a row for its last step.
    """
    return min(step * size, n_rows - (n_steps - step))


def shuffle_quality(counts: NDArray[np.int64], ranks: list[list[list[Part]]], size: int) -> Shuffle:
    """Return how well a plan shuffles.

    Parameters
    ----------
    counts : int64 array
        Rows of every slice.
    ranks : list
        See `epoch_mixes`.
    size : int
        Rows of a batch.
    """
    starts, n_rows = np.cumsum(counts) - counts, int(counts.sum())
    everything = [mix for mixes in ranks for mix in mixes]
    rows = np.array([sum(part.stop - part.start for part in mix) for mix in everything])
    means, spreads = np.empty(len(everything)), np.empty(len(everything))
    for k, mix in enumerate(everything):
        n = np.array([part.stop - part.start for part in mix], float)
        middle = np.array([starts[part.slice] + (part.start + part.stop) / 2.0 for part in mix])
        means[k] = (n @ middle) / rows[k]
        spreads[k] = (n @ (n * n / 12.0 + (middle - means[k]) ** 2)) / rows[k]
    share = rows / n_rows
    overall = share @ means
    between = share @ (means - overall) ** 2
    total = between + share @ spreads
    drawn = np.minimum(size, rows)
    left = (rows - drawn) / np.maximum(1, rows - 1)  # without replacement
    found = between + share @ (spreads * left / drawn)
    size = min(size, n_rows)
    perfect = total * (n_rows - size) / max(1, n_rows - 1) / size
    deviation = float(np.sqrt(found / perfect)) if perfect > 0.0 else 1.0
    return Shuffle(
        len(everything),
        int(rows.max()),
        min(map(len, everything)),
        deviation,
        float(n_rows / (share @ rows)),
    )
