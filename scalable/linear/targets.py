"""What a target column can be: classes, or a quantity and its scale."""

from __future__ import annotations

import numpy as np

from scalable.data.roles import spoken
from scalable.errors import DataError
from scalable.features.target_summary import TargetSummary


def check_classes(target: TargetSummary, name: str) -> int:
    """Return the number of classes; raises a DataError when there are fewer than two."""
    if len(target.classes) < 2:
        raise DataError(
            f"{spoken('target', name)} has one class only ({target.classes[0]!r}): "
            "a classifier needs two; check the target or take more rows"
        )
    fractions = [label for label in target.classes if isinstance(label, float) and label != int(label)]
    if len(target.classes) > 2 and fractions:
        raise DataError(
            f"{spoken('target', name)} is not two-valued and holds fractions such as {fractions[0]!r}: it is a "
            "quantity, not a class; train a regressor, or choose another target"
        )
    return len(target.classes)


def target_scale(target: TargetSummary) -> tuple[float, float]:
    """Return mean and standard deviation of the target, or (0, 1) where it does not vary."""
    scale = float(np.sqrt(target.variance))
    usable = np.isfinite(scale) and scale > 0.0 and np.isfinite(1.0 / scale)
    return (target.mean, scale) if usable else (target.mean, 1.0)
