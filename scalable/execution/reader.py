"""From shards to blocks: decoding and encoding one block ahead of whoever consumes them."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from scalable.data.block import BLOCK_ROWS, RawBlock
from scalable.data.planned import Source
from scalable.data.shard import Shard

T = TypeVar("T")


class Encoder(Protocol):
    """What turns raw blocks into the blocks of a learner."""

    @property
    def needed(self) -> Sequence[str]:
        """Names of the feature columns it reads."""

    def encode(self, raw: RawBlock) -> Any:
        """Return the encoded block."""


@dataclass(frozen=True)
class BlockReader:
    """Decodes, encodes and prefetches the blocks of a shard; picklable.

    Parameters
    ----------
    source : Source
        Where the rows are.
    encoder : Encoder, optional
        Applied to every raw block.
    columns : tuple of str, optional
        Columns to decode; by default the encoder's, or all that the source needs.
    depth : int
        Blocks decoded ahead of the consumer; 0 decodes on the consumer's own thread.
    block_rows : int
        Rows a block.
    """

    source: Source
    encoder: Encoder | None = None
    columns: tuple[str, ...] | None = None
    depth: int = 1
    block_rows: int = BLOCK_ROWS

    def blocks(self, shard: Shard) -> Iterator[Any]:
        """Yield the blocks of a shard in row order."""
        raw = self.source.raw_blocks(shard, self._names(), self.block_rows)
        encoded = raw if self.encoder is None else map(self.encoder.encode, raw)
        return ahead(encoded, self.depth) if self.depth else encoded

    def _names(self) -> list[str] | None:
        if self.columns is not None or self.encoder is None:
            return None if self.columns is None else list(self.columns)
        roles = (self.source.target, self.source.weight)
        return list(dict.fromkeys([*self.encoder.needed, *(name for name in roles if name)]))


def ahead(items: Iterator[T], depth: int) -> Iterator[T]:
    """Yield `items` computed up to `depth` ahead on one background thread."""
    end = object()
    with ThreadPoolExecutor(1, thread_name_prefix="decode") as pool:
        pending: deque[Future[Any]] = deque(pool.submit(next, items, end) for _ in range(depth))
        try:
            while True:
                item = pending.popleft().result()
                if item is end:
                    return
                pending.append(pool.submit(next, items, end))
                yield item
        finally:
            for future in pending:
                future.cancel()
