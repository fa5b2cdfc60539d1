"""Keys as they were spilled: whom they are about, and where they go in the output."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from scalable.feature_store.value_words import Words
from scalable.kernels.timeline.words import MISSING

PLACE_BITS = 32  # of a place for the row


def without_entity(entity: Words, check: Words) -> NDArray[np.bool_]:
    """Return which spilled keys have no entity."""
    return np.asarray((entity == MISSING) & (check == MISSING + 1))


def places_of(starts: Words, row: Words) -> Words:
    """Return places in the output of spilled keys: which of the spills, whose keys begin at `starts`, and the row."""
    return np.repeat(np.arange(len(starts) - 1, dtype=np.int64), np.diff(starts)) << PLACE_BITS | row
