"""Dictionary pages of several columns, read and brought to the form that values are looked up in, by one call.

From Python, each costs some dozens of calls under the interpreter's lock, for every row group that is opened.
"""

from __future__ import annotations

import numpy as np
from numba import carray

from scalable.kernels.copying import copy_values
from scalable.kernels.jit import kernel
from scalable.kernels.memory import as_pointer
from scalable.kernels.parquet.coded import WHOLE, load_page

# Places in what is asked of a dictionary.
COUNT, SOURCE, BYTES, OUT, CONTENT, USED = range(6)
ASKED_FIELDS = 6
UNREADABLE = -1


@kernel()
def split_texts(raw: np.ndarray, starts: np.ndarray, content: np.ndarray) -> int:
    """Take the lengths out of plain texts.

    Parameters
    ----------
    raw : array of uint8
        Four bytes of length, then the text, one after another.
    starts : array of shape (n + 1,), int32
        Output: where each text begins in `content`, and the end of the last.
    content : array of uint8, as long as `raw`
        Output.

    Returns
    -------
    int
        Bytes of all texts; -1 when `raw` ends before the last of them.
    """
    at = used = 0
    starts[0] = 0
    for k in range(starts.size - 1):
        if at + 4 > raw.size:
            return -1
        length = int(raw[at]) | int(raw[at + 1]) << 8 | int(raw[at + 2]) << 16 | int(raw[at + 3]) << 24
        at += 4
        if length > raw.size - at:
            return -1
        copy_values(raw[at : at + length], content[used : used + length])
        at += length
        used += length
        starts[k + 1] = used
    return used


@kernel()
def load_dictionaries(
    descriptor: int, pages: np.ndarray, asked: np.ndarray, buffer: np.ndarray, stored: np.ndarray
) -> int:
    """Bring the dictionaries of columns to memory.

    Parameters
    ----------
    descriptor : int
        Open file.
    pages : array of shape (n, >= 9), int64
        The dictionary pages, see `scalable.kernels.parquet.coded.load_page`.
    asked : array of shape (n, 6), int64
        Entries; bytes of one in the file, 0 of texts, and of a result; address of the results: of texts, their offsets
        (int32); address of the content of texts. Output: bytes of the texts, -1 where they are damaged.
    buffer, stored : arrays of uint8
        See `scalable.kernels.parquet.coded.decode_columns`.

    Returns
    -------
    int
        -1, or the number of the first page that cannot be read.
    """
    for k in range(pages.shape[0]):
        page, column = pages[k], asked[k]
        n, to, whole = column[COUNT], column[OUT], page[WHOLE]
        as_stored = column[SOURCE] == column[BYTES] and column[SOURCE] != 0
        if not load_page(descriptor, page, stored, to if as_stored else np.int64(buffer.ctypes.data)):
            return k
        place = as_pointer(np.uintp(to))
        if as_stored:
            continue
        if column[SOURCE] == 0:
            content = carray(as_pointer(np.uintp(column[CONTENT])), (whole,), np.uint8)
            column[USED] = split_texts(buffer[:whole], carray(place, (n + 1,), np.int32), content)
        else:  # narrower integers are the low bits
            wide = carray(as_pointer(np.uintp(buffer.ctypes.data)), (n,), np.uint32)
            if column[BYTES] == 1:
                copy_values(wide, carray(place, (n,), np.uint8))
            else:
                copy_values(wide, carray(place, (n,), np.uint16))
    return -1
