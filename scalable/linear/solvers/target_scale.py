"""In which units a quantity is learned: of its deviation, or of a spread that no outlier moves."""

from __future__ import annotations

from typing import Any

import numpy as np

from scalable.execution.sampling import sample_shards
from scalable.features.target_summary import TargetSummary

SCALE_ROWS = 2**16  # of the sample that tells the robust scale
NORMAL_QUARTILES = 1.3489795003921634  # distance of the quartiles of a standard normal distribution


def target_scale(target: TargetSummary) -> tuple[float, float]:
    """Return mean and unit of the target, see `TargetSummary.unit`."""
    return target.mean, target.unit


def robust_scale(reader: Any) -> tuple[float, float] | None:
    """Return median and spread of a sample of a reader's targets, which no outlier moves.

    The spread is the interquartile range in units of a normal distribution's standard deviation; None where half of the
    targets are equal.
    """
    shards = sample_shards(reader.source, SCALE_ROWS)
    labels = np.concatenate([block.label for shard in shards for block in reader.blocks(shard)])
    low, middle, high = np.quantile(labels, (0.25, 0.5, 0.75))
    return _usable(float(middle), float(high - low) / NORMAL_QUARTILES) if high > low else None


def _usable(centre: float, scale: float) -> tuple[float, float]:
    usable = np.isfinite(scale) and scale > 0.0 and np.isfinite(1.0 / scale)
    return centre, scale if usable else 1.0
