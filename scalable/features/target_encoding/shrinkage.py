"""How far a category's mean is to be believed: the variances between and within categories, by moments.

A category of ``n`` rows is given the mean ``(sum + k * prior) / (n + k)``, which is the best linear predictor of its
true mean when ``k`` is the variance of the target within categories over the variance of their means (Bühlmann, 1967;
Robbins' empirical Bayes). With rare positives ``k`` is hundreds of rows, with targets that a category nearly decides it
is less than one; no fixed number fits both. Both variances come from the sums of a few random folds of the rows: the
noise of two folds is independent, so products of their deviations hold what the folds of a category have in common.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

UNKNOWN_ROWS = 20.0  # where no category has rows in two folds, so that nothing is known of either variance
LEAST_ROWS = 1e-3
_ITERATIONS = 12


def prior_rows(counts: NDArray[np.integer], sums: NDArray[np.number], mean: float) -> float:
    """Return the weight of the overall mean, in rows, that suits the differences between categories.

    Parameters
    ----------
    counts : integer array of shape (n_categories, n_folds)
        Rows.
    sums : array of shape (n_categories, n_folds)
        Sums of the target over them.
    mean : float
        Of the target over all rows.

    Returns
    -------
    float
        At least ``LEAST_ROWS``, at most the number of rows: then categories do not differ as far as can be seen.
    """
    used = (counts > 0).sum(axis=1) > 1
    n = counts[used].astype(np.float64)
    deviations = sums[used] - n * mean
    total, rows = deviations.sum(axis=1), n.sum(axis=1)
    pairs = rows**2 - (n**2).sum(axis=1)
    common = total**2 - (deviations**2).sum(axis=1)
    spread = (deviations**2 / np.maximum(n, 1.0)).sum(axis=1) - total**2 / np.maximum(rows, 1.0)
    freedom = float(((n > 0).sum(axis=1) - 1).sum())
    if not freedom:
        return UNKNOWN_ROWS
    within, most = max(0.0, float(spread.sum())) / freedom, max(LEAST_ROWS, float(counts.sum()))
    if within == 0.0:
        return LEAST_ROWS if float(common.sum()) > 0.0 else most
    found = float((rows**2).sum() / rows.sum())
    for _ in range(_ITERATIONS):
        # The best weights know the answer: a category of many rows tells of one difference, however many they are.
        weights = 1.0 / (rows + found) ** 2
        between = float((weights * common).sum() / (weights * pairs).sum())
        found = min(most, max(LEAST_ROWS, within / between)) if between > 0.0 else most
    return found


def shrunk(
    sums: NDArray[np.float64], counts: NDArray[np.float64], mean: float, weight: float
) -> NDArray[np.float64]:
    """Return means of categories drawn towards `mean` as by `weight` rows of it."""
    return np.asarray((sums + weight * mean) / (counts + weight))
