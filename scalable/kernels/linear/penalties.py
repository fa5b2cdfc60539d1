"""Penalties ``l1 |w| + l2 w^2 / 2``: their proximal step and value, one coordinate at a time."""

from __future__ import annotations

from typing import Any

from scalable.kernels.jit import kernel

# name -> (share of l1, share of l2) of a strength; the elastic net's shares come from `l1_ratio`.
PENALTIES = {"none": (0.0, 0.0), "l1": (1.0, 0.0), "l2": (0.0, 1.0), "elasticnet": (None, None)}


def shares(penalty: str | None, l1_ratio: float | None) -> tuple[float, float]:
    """Return the l1 and l2 shares of a penalty named as in scikit-learn."""
    l1, l2 = PENALTIES[penalty or "none"]
    if l1 is None or l2 is None:
        ratio = 0.5 if l1_ratio is None else l1_ratio
        return ratio, 1.0 - ratio
    return l1, l2


@kernel(inline=True)
def soft_threshold(w: float, threshold: float) -> Any:
    """Return w moved towards zero by `threshold`, stopping at zero."""
    return max(w - threshold, 0.0) + min(w + threshold, 0.0)


@kernel(inline=True)
def prox(w: float, step: float, l1: float, l2: float) -> Any:
    """Return ``argmin_v (v - w)^2 / (2 step) + l1 |v| + l2 v^2 / 2``; stable for any step >= 0."""
    return soft_threshold(w, step * l1) / (1.0 + step * l2)


@kernel(inline=True)
def penalty_value(w: float, l1: float, l2: float) -> Any:
    """Return ``l1 |w| + l2 w^2 / 2``."""
    return l1 * abs(w) + 0.5 * l2 * w * w
