"""All that splitting a leaf takes, in one call, by several threads that meet in memory.

Rows are dealt to their children and summed by the thread that holds them; then each thread merges, subtracts and
searches features of its own. Sums are integers, so none of it can be seen in a split.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from scalable.kernels.atomics import add, store, wait
from scalable.kernels.histogram.accumulate import (
    add_columns,
    add_packed,
    add_rows,
    add_to,
    subtract,
    take,
)
from scalable.kernels.histogram.lists import Listed, RowLists, add_lists, complete
from scalable.kernels.histogram.partition import partition
from scalable.kernels.histogram.search import search_categories, search_numbers
from scalable.kernels.jit import kernel

PARTITION, SUM, MERGE, SUBTRACT, SEARCH = (1 << k for k in range(5))  # phases of a job, in this order
STOP = 0
ORDERED, ARRIVED, DONE, FAILED = 0, 8, 16, 24  # words of `Team.control`, a cache line each

# What to do: the phases; the plane and column split on; whether the smaller child is the left one; the histograms of
# the smaller child and of the other (which holds the parent's before); how many must have summed before any merges.
JOB = np.dtype(
    [
        ("phases", "i8"), ("wide", "i8"), ("column", "i8"), ("small_left", "i8"), ("small", "i8"), ("large", "i8"),
        ("arrived", "i8"), ("count_bits", "i8"), ("hessian_bits", "i8"),
    ]
)  # fmt: skip
# Which leaf to search: its histogram, how many features to look at, and what draws the thresholds of ``extra_trees``.
QUESTION = np.dtype([("histogram", "i8"), ("n_asked", "i8"), ("key", "u8")])


class Plane(NamedTuple):
    """Columns of one width of bins, of one thread's rows.

    Attributes
    ----------
    matrix : uint8 or uint16 array (n_rows, at least n_dense)
        By row, for histograms; without the listed ones, which come last.
    words : uint32 array (n_rows, n_words)
        The same memory.
    columns : uint8 or uint16 array (n_columns, n_rows)
        By column, for partitions.
    """

    matrix: np.ndarray
    words: np.ndarray
    columns: np.ndarray


class Mine(NamedTuple):
    """What one thread holds.

    Attributes
    ----------
    narrow, wide : Plane
        Of bytes and of two bytes; without columns where there are none.
    lists : RowLists
        Of the listed columns of both; empty where there are none.
    packed : int64 array (n_rows,)
        See `scalable.kernels.histogram.packing`.
    rows, scratch : uint32 array (n_chosen,) and (n_rows,)
        Row numbers by leaf; working space.
    """

    narrow: Plane
    wide: Plane
    lists: RowLists
    packed: np.ndarray
    rows: np.ndarray
    scratch: np.ndarray


class Layout(NamedTuple):
    """Where the columns of a plane lie in histograms.

    Attributes
    ----------
    chosen : int64 array (n_chosen,)
        Columns by row that the tree may use; no others are summed.
    first, widths : int64 array (n_columns,)
        Place of the first bin, number of bins.
    sums : int64 array (n_threads, n_dense, width)
        Packed sums; zero between the jobs of a single thread.
    """

    chosen: np.ndarray
    first: np.ndarray
    widths: np.ndarray
    sums: np.ndarray


class Team(NamedTuple):
    """What all threads see.

    Attributes
    ----------
    control : int64 array (32,)
        Jobs ordered, threads arrived, jobs done, failure.
    job : record array (1,) of `JOB`
    questions, leaves : record arrays (2,) of `QUESTION` and `scalable.kernels.histogram.gain.LEAF`
        The two leaves to search.
    asked : int64 array (2, n_features)
        Features to look at in each, ascending.
    table : uint8 array (most bins,)
        1 for bins of the split column whose rows go left.
    starts, counts, lefts, flushed : int64 array (n_threads,)
        Where the leaf's rows stand, how many there are, how many of them go left; whether `own` holds sums.
    narrow, wide : Layout
    listed : Listed
    chosen : int64 array (n_chosen,)
        Features of the tree, ascending.
    place : int64 array (n_features, 2)
        Whether a feature is wide, and its column.
    runs : int64 array (n_runs, 2)
        First feature, and bins, of chosen features that follow each other in histograms and packed sums alike: one by
        one, columns of two bins would take ten times as long.
    run_cuts : int64 array (n_threads + 1,)
        Runs that each thread merges.
    cuts : int64 array (n_threads + 1,)
        Features that each thread searches.
    features, rules : record arrays
        See `scalable.kernels.histogram.gain`.
    sums : int64 array (n_sums,)
        The memory of all packed sums: of `narrow`, `wide` and `listed`.
    at : int64 array (n_features, 2)
        Where a feature's packed sums of the first thread begin in it, and how far on those of the next do.
    own : int64 array (n_threads, 3, n_bins)
        Sums that packed ones had no room for.
    pool : int64 array (n_histograms, 3, n_bins)
    splits : record array (2, n_features) of `SPLIT`
    best : int64 array (n_threads, 2, 2)
        Per thread and leaf the best numeric and the best categorical feature, -1 for none.
    """

    control: np.ndarray
    job: np.ndarray
    questions: np.ndarray
    leaves: np.ndarray
    asked: np.ndarray
    table: np.ndarray
    starts: np.ndarray
    counts: np.ndarray
    lefts: np.ndarray
    flushed: np.ndarray
    narrow: Layout
    wide: Layout
    listed: Listed
    chosen: np.ndarray
    place: np.ndarray
    runs: np.ndarray
    run_cuts: np.ndarray
    cuts: np.ndarray
    features: np.ndarray
    rules: np.ndarray
    sums: np.ndarray
    at: np.ndarray
    own: np.ndarray
    pool: np.ndarray
    splits: np.ndarray
    best: np.ndarray


@kernel()
def add_block(k: int, narrow: Any, wide: Any, mine: Any, rows: np.ndarray, start: int, stop: int) -> None:
    """Add the rows [start, stop) of `rows`, no more than a block, to a thread's packed sums."""
    if narrow.chosen.shape[0] == narrow.sums.shape[1]:
        if narrow.chosen.shape[0]:
            add_rows(mine.narrow.words, mine.packed, rows, start, stop, narrow.sums[k])
    else:
        add_columns(mine.narrow.matrix, narrow.chosen, mine.packed, rows, start, stop, narrow.sums[k])
    if wide.chosen.shape[0]:
        add_columns(mine.wide.matrix, wide.chosen, mine.packed, rows, start, stop, wide.sums[k])


@kernel()
def sum_rows(k: int, team: Any, mine: Any, rows: np.ndarray) -> bool:
    """Sum the histogram of some rows; the last block stays packed. True where an earlier one was flushed."""
    job, n = team.job[0], rows.shape[0]
    block = (1 << job.count_bits) - 1
    narrow, wide, listed, again = team.narrow, team.wide, team.listed, False
    if team.counts.shape[0] > 1:
        # Who owns them clears them: others who write here would have to take every line over, and hand it back.
        for layout in (narrow, wide):
            for j in layout.chosen:
                layout.sums[k, j, : layout.widths[j]] = 0
    listed.sums[k] = 0
    for start in range(0, n, block):
        if start:
            for r in range(team.runs.shape[0]):
                f = team.runs[r, 0]
                first, at = team.features[f].first, team.at[f, 0] + k * team.at[f, 1]
                take(
                    team.sums, at, team.runs[r, 1], first, job.count_bits, job.hessian_bits, again, True, team.own[k]
                )  # fmt: skip
            again = True
        stop = min(n, start + block)
        add_block(k, narrow, wide, mine, rows, start, stop)
        if listed.usual.shape[0]:
            total = add_lists(mine.lists, mine.packed, rows, start, stop, listed.sums[k])
            complete(total, listed, listed.sums[k])
    return again


@kernel()
def merge(k: int, team: Any) -> None:
    """Sum what the threads found, for this thread's features, and take it from the parent's where that is asked for.

    Where all rows together fit a block, packed sums are added as they are, to this thread's own, and taken apart once.
    """
    job, n_threads = team.job[0], team.counts.shape[0]
    count_bits, hessian_bits, subtracted = job.count_bits, job.hessian_bits, job.phases & SUBTRACT
    small, large, sums = team.pool[job.small], team.pool[job.large], team.sums
    n_rows = 0
    for t in range(n_threads):
        n_rows += team.lefts[t] if job.small_left else team.counts[t] - team.lefts[t]
    together = n_rows < 1 << count_bits
    for r in range(team.run_cuts[k], team.run_cuts[k + 1]):
        f, n = team.runs[r, 0], team.runs[r, 1]
        first, at, step = team.features[f].first, team.at[f, 0], team.at[f, 1]
        if together:
            own = at + k * step
            for t in range(n_threads):
                if t != k:
                    add_packed(sums, own, at + t * step, n)
            take(sums, own, n, first, count_bits, hessian_bits, False, n_threads == 1, small)
        else:
            for t in range(n_threads):
                take(sums, at + t * step, n, first, count_bits, hessian_bits, t > 0, n_threads == 1, small)
                if team.flushed[t]:
                    add_to(small, team.own[t], first, first + n)
        if subtracted:
            subtract(large, small, first, first + n)


@kernel()
def search(k: int, team: Any, categories: Any) -> None:
    """Find the best split of both leaves among this thread's features."""
    low, high = team.cuts[k], team.cuts[k + 1]
    for turn in range(2):
        question = team.questions[turn]
        asked = team.asked[turn, : question.n_asked]
        start = stop = 0
        for f in asked:
            start += f < low
            stop += f < high
        asked = asked[start:stop]
        histogram, leaf, splits = (
            team.pool[question.histogram],
            team.leaves[turn : turn + 1],
            team.splits[turn],
        )
        team.best[k, turn, 0] = team.best[k, turn, 1] = -1
        if asked.shape[0]:
            team.best[k, turn, 0] = search_numbers(
                histogram, team.features, asked, leaf, team.rules, question.key, splits
            )
            if categories is not None:  # who has none compiles none
                team.best[k, turn, 1] = search_categories(
                    histogram, team.features, asked, leaf, team.rules, question.key, splits
                )


@kernel()
def share(k: int, team: Any, mine: Any, categories: Any) -> bool:
    """Do the k-th thread's share of a job; False where another thread has failed."""
    job, phases = team.job[0], team.job[0].phases
    start, n = team.starts[k], team.counts[k]
    if phases & PARTITION:
        rows = mine.rows[start : start + n]
        if job.wide:
            team.lefts[k] = partition(mine.wide.columns[job.column], team.table, rows, mine.scratch)
        else:
            team.lefts[k] = partition(mine.narrow.columns[job.column], team.table, rows, mine.scratch)
    if phases & SUM:
        middle = start + team.lefts[k]
        if job.small_left:
            team.flushed[k] = sum_rows(k, team, mine, mine.rows[start:middle])
        else:
            team.flushed[k] = sum_rows(k, team, mine, mine.rows[middle : start + n])
    if phases & MERGE:
        if team.counts.shape[0] > 1:
            add(team.control, np.uint64(ARRIVED), 1)
            if not wait(team.control, ARRIVED, job.arrived, FAILED):
                return False
        merge(k, team)
    elif phases & SUBTRACT:
        for f in team.chosen:
            if team.cuts[k] <= f < team.cuts[k + 1]:
                first = team.features[f].first
                subtract(team.pool[job.large], team.pool[job.small], first, first + team.features[f].n_bins)
    if phases & SEARCH:
        search(k, team, categories)
    return True


@kernel()
def serve(k: int, team: Any, mine: Any, categories: Any) -> bool:
    """Do a thread's share of one job after another until one says `STOP`; False where another thread has failed."""
    number = 0
    while True:
        number += 1
        if not wait(team.control, ORDERED, number, FAILED):
            return False
        if not share(k, team, mine, categories):
            return False
        last = team.job[0].phases == STOP
        add(team.control, np.uint64(DONE), 1)
        if last:
            return True


@kernel()
def lead(number: int, team: Any, mine: Any, categories: Any) -> bool:
    """Order the job in ``team.job``, do the first share and wait for the others; False where one has failed.

    Parameters
    ----------
    number : int
        Of the job, from 1.
    team : Team
    mine : Mine
        Of the first thread.
    categories : None or any array
        None where no feature is categorical.
    """
    others = team.counts.shape[0] - 1
    if others:
        store(team.control, np.uint64(ORDERED), number)
    if not share(0, team, mine, categories):
        return False
    return wait(team.control, DONE, number * others, FAILED) if others else True
