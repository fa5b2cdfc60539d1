"""Texts behind the hashes that a replay keeps: those of records, and those that answered keys."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
import pyarrow as pa

from scalable.feature_store.value_words import TextTable, Words, arrow_of, join_texts

MOST = (
    2**18
)  # texts, the same one of several blocks counted as several, before those that nobody has are let go


class KeptTexts:
    """Texts of blocks, of which as many are in memory as are wanted, times two, and `MOST` besides."""

    def __init__(self) -> None:
        self._pairs: list[tuple[Words, pa.Array]] = []
        self._size, self._most = 0, MOST

    def add(self, texts: tuple[Words, pa.Array]) -> None:
        """Add the hashes and texts of a block."""
        self._pairs.append(texts)
        self._size += len(texts[0])

    def let_go(self, wanted: Callable[[], Iterable[Words]]) -> None:
        """Let go of texts whose hashes are not among those that are `wanted`, where there are many."""
        if self._size <= self._most:
            return
        table = self.table()
        kept = np.isin(table.hashes, np.concatenate(list(wanted())))
        self._pairs = [(table.hashes[kept], table.texts.take(arrow_of(np.flatnonzero(kept))))]
        self._size = int(kept.sum())
        self._most = max(MOST, 2 * self._size)

    def table(self) -> TextTable:
        """Return all that are there, each once."""
        return join_texts(self._pairs)
