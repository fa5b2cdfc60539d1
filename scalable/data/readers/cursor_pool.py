"""Half-read row groups kept open, so that the next shard of the same group can go on from there.

Pages that others decode for us cannot be skipped: reading piece k of one huge row group from its
start through pyarrow or polars would cost k pieces. Whoever reads the pieces in order pays
for each only once.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Collection, Hashable

from scalable.data.readers.cursor import Cursor

Identity = tuple[str, *tuple[Hashable, ...]]  # the path first, then all that shapes the blocks
LIMIT = 8  # more would hold memory for readers that never come back

_lock = threading.Lock()
_cursors: OrderedDict[tuple[Identity, int], Cursor] = OrderedDict()


def park(identity: Identity, row: int, cursor: Cursor) -> None:
    """Keep an open cursor that stands at `row`; the oldest beyond ``LIMIT`` is closed."""
    key = (identity, row)
    with _lock:
        displaced = [_cursors.pop(key)] if key in _cursors else []
        _cursors[key] = cursor
        while len(_cursors) > LIMIT:
            displaced.append(_cursors.popitem(last=False)[1])
    for old in displaced:
        old.close()


def take(identity: Identity, first: int, row: int) -> Cursor | None:
    """Return a cursor that stands, or was moved forward, at `row` and now belongs to the caller.

    Parameters
    ----------
    identity : tuple
        What the cursor decodes.
    first : int
        First row of the row group; a cursor before it would not be worth moving.
    row : int
        Where to go on.
    """
    with _lock:
        places = [at for kept, at in _cursors if kept == identity and first <= at <= row]
        if not places:
            return None
        cursor = _cursors.pop((identity, max(places)))
    cursor.skip(row - max(places))
    return cursor


def release(paths: Collection[str]) -> None:
    """Close the parked cursors of these files."""
    with _lock:
        left = [_cursors.pop(key) for key in list(_cursors) if key[0][0] in paths]
    for cursor in left:
        cursor.close()
