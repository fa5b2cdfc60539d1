"""A deterministic spread of rows over a source, for passes that need not read all of them."""

from __future__ import annotations

from scalable.data.shard import Shard
from scalable.data.source import Source


def sample_shards(source: Source, max_rows: int) -> list[Shard]:
    """Return shards, or heads of evenly spaced shards, that hold at most about `max_rows` rows.

    All shards where a selection picks among the rows: only reading tells whether heads hold any of them.
    """
    if source.exact_rows is None or source.n_rows <= max_rows:
        return list(source.shards)
    least = max(2**12, min(2**14, max_rows // 64))  # shorter heads cost more to open than to decode
    count = max(1, min(len(source.shards), max_rows // least))
    chosen = [source.shards[len(source.shards) * k // count] for k in range(count)]
    return [shard.head(max_rows // count) for shard in chosen]
