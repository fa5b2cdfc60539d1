"""Half-read row groups kept open, so that the next shard of the same group can go on from there.

Parquet pages cannot be skipped without decoding them through pyarrow or polars: reading piece k
of one huge row group from its start would cost k pieces. Whoever reads the pieces in order pays
for each only once.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Collection, Hashable

from scalable.data.readers.cursor import Cursor

Key = tuple[str, *tuple[Hashable, ...]]  # the path first
LIMIT = 8  # more would hold memory for readers that never come back

_lock = threading.Lock()
_cursors: OrderedDict[Key, Cursor] = OrderedDict()


def park(key: Key, cursor: Cursor) -> None:
    """Keep an open cursor for whoever asks for `key`; the oldest beyond ``LIMIT`` is closed."""
    with _lock:
        displaced = [_cursors.pop(key)] if key in _cursors else []
        _cursors[key] = cursor
        while len(_cursors) > LIMIT:
            displaced.append(_cursors.popitem(last=False)[1])
    for old in displaced:
        old.close()


def release(paths: Collection[str]) -> None:
    """Close the parked cursors of these files."""
    with _lock:
        left = [_cursors.pop(key) for key in list(_cursors) if key[0] in paths]
    for cursor in left:
        cursor.close()


def take(key: Key) -> Cursor | None:
    """Return the cursor parked under `key`, which now belongs to the caller."""
    with _lock:
        return _cursors.pop(key, None)
