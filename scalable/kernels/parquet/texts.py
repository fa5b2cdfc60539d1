"""Texts of a dictionary page: each with its length in front, to Arrow's offsets and content."""

from __future__ import annotations

import numpy as np

from scalable.kernels.copying import copy_values
from scalable.kernels.jit import kernel


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
