"""A predictor that scores a block once, however many ask for its predictions one after the other."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scalable.data.block import RawBlock


class Once:
    """A predictor with the predictions of the block that each thread asked for last.

    Parameters
    ----------
    predictor : Predictor
    """

    def __init__(self, predictor: Any) -> None:
        self.predictor, self._last = predictor, threading.local()

    def __getattr__(self, name: str) -> Any:
        """Return what the predictor has."""
        return getattr(self.predictor, name)

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle without predictions."""
        return Once, (self.predictor,)

    def predict_block(self, raw: RawBlock) -> NDArray[np.float64]:
        """Return the predictions of a block."""
        if getattr(self._last, "block", None) is not raw:
            self._last.found, self._last.block = self.predictor.predict_block(raw), raw
        found: NDArray[np.float64] = self._last.found
        return found

    def rank_block(self, raw: RawBlock) -> NDArray[np.float64]:
        """Return what ranks the rows of a block: asked of us, so that what it predicts is kept."""
        found: NDArray[np.float64] = type(self.predictor).rank_block(self, raw)
        return found
