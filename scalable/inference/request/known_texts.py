"""Known categories as a table that kernels search by a text's bytes."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from scalable.kernels.encode.frame_places import ENTRY, MIX, SPREAD

FEW = 64
_WORD = 2**64 - 1


def _begin(text: bytes) -> tuple[int, int, int]:
    """Return first and last bytes of a text, and where the search for it begins, as the kernel has them.

    A table has some dozens of entries, which is not worth a kernel of its own.
    """
    head = int.from_bytes(text[:8], "little")
    tail = int.from_bytes(text[-8:], "little") if len(text) > 8 else 0
    mixed = (head ^ (tail * int(MIX)) & _WORD ^ len(text)) * int(SPREAD) & _WORD
    return head, tail, mixed ^ (mixed >> 32)


def known_texts(places: Mapping[str, int]) -> tuple[NDArray[np.void], NDArray[np.uint8]]:
    """Return the table of texts and their places, and the bytes that it points to.

    Returns
    -------
    table : ENTRY array, a power of two long, at most half full; of few texts an eighth, as a second look is a
        branch that is guessed wrong
    content : uint8 array
        To be kept with it.
    """
    texts = [(text.encode("utf-8", "surrogatepass"), place) for text, place in places.items()]
    content = np.frombuffer(b"".join(text for text, _ in texts) + b"\0", np.uint8).copy()
    room = 8 if len(texts) <= FEW else 2
    table = np.zeros(1 << max(1, room * len(texts) - 1).bit_length(), ENTRY)
    at = content.ctypes.data
    for text, place in texts:
        head, tail, begin = _begin(text)
        slot = begin % len(table)
        while table["size"][slot]:
            slot = (slot + 1) % len(table)
        table[slot] = head, tail, len(text) + 1, place, at
        at += len(text)
    return table, content
