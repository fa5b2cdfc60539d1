"""Variances that are added to those of all columns, as scikit-learn adds them, whatever their units."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

HIDES = 1.0  # times a column's own variance


def hidden_columns(
    names: Sequence[str], variances: NDArray[np.float64], added: float, how: str, value: Any
) -> str | None:
    """Return words on columns that vary so little that what is added to their variances hides them; None of none.

    Parameters
    ----------
    names : sequence of str
        The columns.
    variances : float64 array of shape (n_columns,)
        Of all rows.
    added : float
        Variance that is added to each.
    how, value : str, object
        The parameter that says so.
    """
    hidden = np.flatnonzero((variances > 0.0) & (added > HIDES * variances))
    if not len(hidden):
        return None
    told = ", ".join(repr(names[j]) for j in hidden[:4]) + (", ..." if len(hidden) > 4 else "")
    return (
        f"{how}={value!r} adds {added:.3g} to every variance, which hides what columns of less tell: {told}; scale "
        f"the columns alike, leave out one of large numbers, or lower {how}"
    )
