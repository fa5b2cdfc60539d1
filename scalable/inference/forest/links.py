"""From raw scores to predictions."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from scalable.kernels.forest.links import IDENTITY, link_rows


@dataclass(frozen=True, slots=True)
class Link:
    """A transform: `kind` is a code of ``scalable.kernels.forest.links``, `scale` the sigmoid's slope."""

    name: str
    kind: int = IDENTITY
    scale: float = 1.0

    def apply(self, scores: np.ndarray) -> None:
        """Turn raw scores (n_rows, n_outputs) into predictions in place."""
        if self.kind != IDENTITY:
            link_rows(scores, self.kind, self.scale)
