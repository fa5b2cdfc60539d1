"""Which rows a search measures losses on, and how much of the others a trial learns from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from scalable.data.shard import Shard
from scalable.data.source import Source
from scalable.errors import DataError
from scalable.execution.sampling import one_of_each

EVERY = 5  # one piece in so many is held out
PIECES = 100  # at least, where rows allow it
LEAST_ROWS, MOST_ROWS = 2**8, 2**17  # of a piece


def pieces_of(source: Source) -> list[Shard]:
    """Return a source's rows in pieces of one size, numbered anew."""
    size = min(max(source.n_rows // PIECES, LEAST_ROWS), MOST_ROWS)
    cut = [
        replace(
            shard,
            row_start=shard.row_start + at,
            row_stop=shard.row_start + min(at + size, shard.n_rows),
            first_row=shard.first_row + at,
        )
        for shard in source.shards
        for at in range(0, shard.n_rows, size)
    ]
    return [replace(shard, index=k) for k, shard in enumerate(cut)]


def hold_out(source: Source) -> tuple[Source, Source]:
    """Return training rows, and one piece in `EVERY`, spread evenly, that losses are measured on.

    Raises
    ------
    DataError
        When there are too few rows.
    """
    pieces = pieces_of(source)
    held = one_of_each(pieces, len(pieces) // EVERY)
    if not held:
        raise DataError(
            f"{source.describe_place()}: {source.n_rows:,} rows are too few to hold some out; give the held-out rows "
            "by valid (--valid)"
        )
    chosen = set(held)
    kept = [piece for piece in pieces if piece not in chosen]
    return source.with_shards(kept), source.with_shards(held)


def spread(pieces: Sequence[Shard], n: int) -> list[Shard]:
    """Return `n` pieces, evenly over all of them; fewer pieces are among more where their numbers divide."""
    return [pieces[k * len(pieces) // n] for k in range(n)]
