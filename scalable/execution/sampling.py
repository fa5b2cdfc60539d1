"""Which pieces of a source a pass reads that need not read all rows, or not shard by shard."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from typing import TypeVar

import numpy as np

from scalable.data.shard import Shard
from scalable.data.source import Source

T = TypeVar("T")
GOLDEN = 0.6180339887498949
SILVER = 0.4142135623730951  # no multiple of GOLDEN: where in a shard does not follow from which of its group
PIECE_ROWS = 2**16  # of shards that are read at once


def sample_shards(source: Source, max_rows: int, heads: int = 64) -> list[Shard]:
    """Return shards, or heads of evenly spaced shards, that hold at most about `max_rows` rows.

    All shards where a selection picks among the rows: only reading tells whether heads hold any of them.

    Parameters
    ----------
    source : Source
        Whose rows are sampled.
    max_rows : int
        Rows in all.
    heads : int
        About how many, of `2**12` to `2**14` rows each: of compressed files, each costs the pages that it begins.
    """
    if source.exact_rows is None or source.n_rows <= max_rows:
        return list(source.shards)
    least = max(2**12, min(2**14, max_rows // heads))  # shorter heads cost more to open than to decode
    count = max(1, min(len(source.shards), max_rows // least))
    return [shard.head(max_rows // count) for shard in one_of_each(source.shards, count)]


def one_of_each(items: Sequence[T], count: int) -> list[T]:
    """Return one of each of `count` groups of neighbours, at changing places: files may alternate at any period.

    The places are the multiples of `SILVER`, as every n-th item might be of one kind, such as one class.
    """
    edges = [(len(items) * k // count, len(items) * (k + 1) // count) for k in range(count)]
    return [items[a + int((b - a) * (k * SILVER % 1.0))] for k, (a, b) in enumerate(edges)]


def spread_shards(source: Source, max_rows: int, least: int = 2**12) -> list[Shard]:
    """Return pieces of evenly spaced shards, each at another place of its shard, of at most about `max_rows` rows.

    Heads alone would mislead where the rows of every shard, or of every row group, are sorted. The places are the
    multiples of the golden ratio, which fill any shard evenly. Of a source whose rows are all known.

    Parameters
    ----------
    source : Source
        Whose `exact_rows` is known.
    max_rows : int
        Rows in all.
    least : int
        Rows of a piece, where the shard has as many: shorter ones cost more to open than to decode.
    """
    count = max(1, min(len(source.shards), max_rows // least))
    pieces = []
    for k, shard in enumerate(one_of_each(source.shards, count)):
        rows = min(shard.n_rows, max(least, max_rows // count))
        start = int((shard.n_rows - rows) * ((k + 1) * GOLDEN % 1.0))
        at = shard.row_start + start
        first = shard.first_row + start
        pieces.append(replace(shard, row_start=at, row_stop=at + rows, first_row=first))
    return pieces


def joined_shards(shards: Sequence[Shard], least: int = 1) -> list[Shard]:
    """Return shards, small neighbours of one file joined: opening a place costs as much as thousands of rows.

    At least about `least` pieces are left, for whoever compares one with another.
    """
    most = min(PIECE_ROWS, sum(shard.n_rows for shard in shards) // least)
    pieces: list[Shard] = []
    for shard in shards:
        last = pieces[-1] if pieces else None
        beside = last is not None and (last.file, last.row_stop) == (shard.file, shard.row_start)
        if last is not None and beside and last.n_rows + shard.n_rows <= most:
            pieces[-1] = replace(last, row_stop=shard.row_stop)
        else:
            pieces.append(shard)
    return pieces


def cut(shard: Shard, pieces: int) -> list[Shard]:
    """Return a shard in about equal pieces; none is empty."""
    edges = [shard.n_rows * k // pieces for k in range(pieces + 1)]
    return [
        replace(
            shard,
            row_start=shard.row_start + a,
            row_stop=shard.row_start + b,
            first_row=shard.first_row + a,
        )
        for a, b in pairwise(edges)
        if b > a
    ]


def deal(items: Sequence[T], n_groups: int, random: np.random.Generator) -> list[list[T]]:
    """Return items dealt to groups, one of each `n_groups` neighbours to every group: all see the whole range."""
    groups: list[list[T]] = [[] for _ in range(n_groups)]
    for start in range(0, len(items), n_groups):
        for group, item in zip(random.permutation(n_groups), items[start : start + n_groups], strict=False):
            groups[group].append(item)
    return groups
