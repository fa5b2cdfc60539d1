"""The pages of a store, proven before LMDB follows them.

LMDB maps its file and believes what it says: a file that was cut, or a page that was changed, ends the process or leads
a lookup past rows that are there. The walk holds a transaction, so that a process that writes meanwhile changes no page
of it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scalable.errors import DataError
from scalable.kernels.timeline import tree_pages as walk
from scalable.storage.arrays import map_bytes

DATA = "data.mdb"
_MAGIC, _VERSION = 0xBEEFC0DE, 1
_META = np.dtype(
    {
        "names": ["magic", "version", "page_size", "free_flags", "free", "main_flags", "main", "last", "id"],
        "formats": ["<u4", "<u4", "<u4", "<u2", "V44", "<u2", "V44", "<u8", "<u8"],
        "offsets": [16, 20, 40, 44, 44, 92, 92, 136, 144],
        "itemsize": 152,
    }
)
_TREE = np.dtype(
    [("flags", "<u2"), ("depth", "<u2"), ("counts", "<i8", 4), ("root", "<i8")]
)  # but for padding
_KEYS_ARE_NUMBERS = 8
_NO_ROOT = -1
_META_FLAG = 8
REMEDY = "materialize it anew elsewhere"


def check_head(path: Path) -> int:
    """Return the bytes of a page, from the two pages that describe a store, or 0 where there is nothing yet.

    Raises as `check_pages`.
    """
    if not (path / DATA).exists():
        return 0
    with (path / DATA).open("rb") as file:
        head = file.read(_META.itemsize)
        if not head:  # the process that would have filled it was killed
            return 0
        if len(head) < _META.itemsize:
            raise _damaged(path, "its file is cut")
        first = np.frombuffer(head, _META)[0]
        size = int(first["page_size"])
        if first["magic"] != _MAGIC or first["version"] != _VERSION or size not in (4096, 8192, 16384, 32768):
            raise _damaged(path, "its file is not laid out as LMDB's")
        file.seek(size)
        second = file.read(_META.itemsize)
        for each in (head, second):
            meta = np.frombuffer(each, _META)[0] if len(each) == _META.itemsize else None
            if (
                meta is None
                or (meta["magic"], meta["version"], meta["page_size"]) != (_MAGIC, _VERSION, size)
                or (meta["free_flags"], meta["main_flags"]) != (_KEYS_ARE_NUMBERS, 0)
                or each[10:12] != _META_FLAG.to_bytes(2, "little")
            ):
                raise _damaged(path, "its file is not laid out as LMDB's")
    return size


def check_pages(path: Path, environment: Any, page_size: int, most_trees: int) -> None:
    """Walk every page of a store that is in use.

    Parameters
    ----------
    path : Path
        Its directory.
    environment : lmdb.Environment
        Of it, from which nothing was read yet.
    page_size : int
        From `check_head`.
    most_trees : int
        How many tables there can be.

    Raises
    ------
    DataError
        When a page lies outside the file, is part of two trees, or is not what leads to it says.
    """
    with environment.begin() as transaction:
        number = int(transaction.id())
        content = map_bytes(path / DATA)
        meta = np.frombuffer(content, _META, 1, (number & 1) * page_size)[0]
        n_pages, there = int(meta["last"]) + 1, len(content) // page_size
        if int(meta["id"]) != number or n_pages > there:
            raise _damaged(path, f"it says that it has {n_pages} pages, and its file has {there}")
        used, records = np.zeros(n_pages, np.uint8), np.empty(most_trees, np.int64)
        main = _walked(path, content, page_size, meta["main"].tobytes(), walk.TREES, used, records)
        for at in records[:main].copy():
            record = content[at + 4 : at + walk.RECORD].tobytes()
            if record[:2] != b"\0\0":
                raise _damaged(path, "a table is of a kind that no store has")
            _walked(path, content, page_size, record, walk.VALUES, used, records)
        _walked(path, content, page_size, meta["free"].tobytes(), walk.FREE, used, records)


def _walked(
    path: Path,
    content: NDArray[np.uint8],
    page_size: int,
    record: bytes,
    holds: int,
    used: NDArray[np.uint8],
    records: NDArray[np.int64],
) -> int:
    """Walk the tree of a record; return how many entries it has, which must be as many as it says."""
    tree = np.frombuffer(record, _TREE)[0]
    root, counts = int(tree["root"]), np.zeros(4, np.int64)
    if root != _NO_ROOT:
        page = walk.walk_tree(content, page_size, root, int(tree["depth"]), holds, used, counts, records)
        if page != walk.SOUND:
            raise _damaged(path, f"page {page} is not what leads to it says")
    if not np.array_equal(counts, tree["counts"]):
        raise _damaged(path, "it holds more or fewer rows than it says")
    return int(counts[walk.N_ENTRIES])


def _damaged(path: Path, what: str) -> DataError:
    return DataError(f"{path}: the online store is damaged: {what}; {REMEDY}")
