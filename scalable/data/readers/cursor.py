"""A position in a file: hands out exactly as many rows as asked from whatever pieces come."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pyarrow as pa

Columns = list[pa.Array]


class Cursor:
    """Consecutive rows of one file.

    Parameters
    ----------
    pieces : iterator of list of pyarrow.Array
        Consecutive rows; every list holds one array a column, all of the same length.
    skip : int
        Rows to drop at the start.
    close : callable
        Releases what the pieces come from.
    """

    def __init__(self, pieces: Iterator[Columns], skip: int, close: Callable[[], object]) -> None:
        self._pieces = pieces
        self._skip = skip
        self._piece: Columns = []
        self._used = 0
        self.close = close

    def skip(self, n_rows: int) -> None:
        """Pass over the next `n_rows` rows when they come."""
        self._skip += n_rows

    def read(self, n_rows: int) -> Columns:
        """Return the next `n_rows` rows; fewer only at the end of the pieces."""
        parts: list[Columns] = []
        while n_rows > 0:
            left = len(self._piece[0]) - self._used if self._piece else 0
            if left <= 0:
                piece = next(self._pieces, None)
                if piece is None:
                    break
                if any(len(array) != len(piece[0]) for array in piece):
                    raise pa.ArrowInvalid("columns of different lengths")
                self._piece, self._used = piece, 0
                continue
            if self._skip:
                drop = min(self._skip, left)
                self._skip -= drop
                self._used += drop
                continue
            take = min(left, n_rows)
            whole = self._used == 0 and take == len(self._piece[0])
            parts.append(self._piece if whole else [a.slice(self._used, take) for a in self._piece])
            self._used += take
            n_rows -= take
            if take == left:
                self._piece = []  # not kept until another is there, whose memory it may be
        return parts[0] if len(parts) == 1 else [_join(column) for column in zip(*parts, strict=True)]


def _join(parts: tuple[pa.Array, ...]) -> pa.Array:
    if not pa.types.is_dictionary(parts[0].type):
        return pa.concat_arrays(list(parts))
    joined = pa.chunked_array(list(parts)).unify_dictionaries().combine_chunks()  # dictionaries may differ
    return joined.chunk(0) if isinstance(joined, pa.ChunkedArray) else joined
