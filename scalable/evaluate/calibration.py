"""Does a score of 0.2 come true one time in five? Calibration error and the reliability diagram.

Expected calibration error is the weighted mean over groups of |observed rate - mean score|
(Naeini et al., 2015), over groups of equal weight and over bins of equal width (Guo et al., 2017).
Groups of equal weight stay informative where nearly all scores are small.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from scalable.evaluate.inputs import Array
from scalable.kernels.metrics import NEGATIVE, POSITIVE, SUM_SCORE

GROUPS = 20
WIDTHS = 15


@dataclass(frozen=True, slots=True)
class Reliability:
    """One group of neighbouring scores.

    Attributes
    ----------
    predicted, observed : float
        Mean score and rate of label 1 in the group.
    weight : float
        Weight of the group's rows.
    error : float
        Standard error of `observed` under the predicted rate, for rows of weight one.
    """

    predicted: float
    observed: float
    weight: float
    error: float


def _groups(cells: Array) -> list[Reliability]:
    """Return the non-empty rows of (n, >=3) cells as reliability groups."""
    out = []
    for cell in cells:
        weight = float(cell[NEGATIVE] + cell[POSITIVE])
        if weight > 0:
            predicted = float(cell[SUM_SCORE]) / weight
            spread = max(predicted * (1 - predicted), 0.0)
            out.append(
                Reliability(
                    predicted, float(cell[POSITIVE]) / weight, weight, float(np.sqrt(spread / weight))
                )
            )
    return out


def calibration_error(groups: list[Reliability]) -> float:
    """Return the weighted mean distance of observed from predicted rates."""
    total = sum(group.weight for group in groups)
    return sum(group.weight * abs(group.observed - group.predicted) for group in groups) / total


def by_width(widths: Array) -> list[Reliability]:
    """Return the groups of equal-width bins of shape (m, 3)."""
    return _groups(widths)


def by_weight(bins: Array, groups: int = GROUPS) -> list[Reliability]:
    """Join the bins of a score histogram, shape (n_bins, 4), to at most `groups` of about equal weight.

    A bin goes whole to the group in which the middle of its weight falls, so ties are never split.
    """
    weight = bins[:, NEGATIVE] + bins[:, POSITIVE]
    filled = bins[weight > 0, :3]
    weight = weight[weight > 0]
    upto = np.cumsum(weight)
    group = np.minimum((groups * (upto - 0.5 * weight) / upto[-1]).astype(np.intp), groups - 1)
    cells = np.zeros((groups, 3))
    np.add.at(cells, group, filled)
    return _groups(cells)
