"""Which accumulator scores the truth of which kind of dataset."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np

from data_gen.optimum.bayes import BinaryTruth
from data_gen.optimum.moments import MixtureTruth, RegressionTruth

State = dict[str, np.ndarray[Any, np.dtype[Any]]]


class Truth(Protocol):
    """Scores of the truth, streamed; states add up in any order to the same bits."""

    def update(self, known: Any) -> None:
        """Add rows, as the second result of `Recipe.score`."""

    def arrays(self) -> State:
        """Return the state, to be written to disk."""

    def merge(self, state: State) -> None:
        """Add the state of other rows."""

    def scores(self) -> dict[str, Any]:
        """Return the scores, JSON types only."""


def new_truth(kind: str) -> Truth:
    """Return an empty accumulator for a recipe's ``truth_kind``."""
    kinds: dict[str, type[Truth]] = {
        "binary": BinaryTruth,
        "regression": RegressionTruth,
        "mixture": MixtureTruth,
    }
    return kinds[kind]()
