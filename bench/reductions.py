"""The reduction that learns nothing: what it costs is what reading costs."""

from __future__ import annotations

from dataclasses import dataclass

from scalable.data.block import Block, RawBlock


@dataclass(frozen=True, slots=True)
class CountRows:
    """Counts the rows of blocks, raw or encoded, and looks at none: the bare scan as a reduction."""

    def init(self) -> int:
        """Return no rows."""
        return 0

    def step(self, state: int, block: Block | RawBlock) -> int:
        """Add the rows of a block."""
        return state + block.n_rows

    def merge(self, left: int, right: int) -> int:
        """Add neighbours."""
        return left + right

    def finish(self, state: int) -> int:
        """Return the number of rows."""
        return state
