"""How the loss bends along the features: what a step of descent is multiplied by.

Features of one kernel have curvatures that fall by orders of magnitude from one direction to the next, and descent
that goes by the gradient alone learns only the first of them. So a step is multiplied by the inverse curvature of a
sample (Rudi, Carratino and Rosasco, 2017, "FALKON"; Ma and Belkin, 2017): one product of a matrix with a vector for
two rows a feature. Directions of which the sample knows nothing are held at the curvature of one row.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from scalable import lapack
from scalable.execution.process_wide import one_blas_thread
from scalable.kernel_approximation.feature_descent import FeatureDescent, LossOfSteps, side_by_side
from scalable.kernel_approximation.single_precision import directions_of, room, to_features
from scalable.kernels.cosines.cosine_rows import Floats, cosines_of_rows

SAMPLE_ROWS, BATCH_ROWS = 4, 2  # a feature: of the sample that tells the curvature, and of a batch
LEAST_BATCH = 256
_CHUNK = 2_048
_HELD_BYTES = 2**30  # of products that wait to be added


def descent_from(
    sample: NDArray[np.float64],
    drawn: dict[str, NDArray[Any]],
    names: tuple[str, ...],
    loss: LossOfSteps,
    alpha: float,
    total: float,
    threads: int = 1,
) -> tuple[FeatureDescent, dict[str, NDArray[Any]]]:
    """Return what replicas do, and the arrays of the map with its centre.

    Parameters
    ----------
    sample : float64 array of shape (n_rows, n_columns)
        Rows from all over; so many that there are `SAMPLE_ROWS` for each feature tell the curvature.
    drawn : dict of str to array
        Of `draw_map`.
    names : tuple of str
    loss : LossOfSteps
    alpha, total : float
        Strength of the penalty, and the weight of all rows.
    threads : int
        Multiply; their number does not change the result.
    """
    drawn = {**drawn, "centre": sample.mean(axis=0)}
    directions, whiten = directions_of(drawn), drawn.get("whiten")
    n = len(drawn["shift"] if whiten is None else whiten)
    whiten = None if whiten is None else whiten.astype(np.float32)
    rows = sample[:: max(1, len(sample) // (SAMPLE_ROWS * n))]

    def products(low: int) -> Floats:
        some = np.ascontiguousarray(rows[low : low + _CHUNK].T)
        out = np.empty((some.shape[1], len(directions.shift)), np.float32)
        cosines_of_rows(some, directions, room(directions), out)
        z = np.ones((len(out), n + 1), np.float32)
        z[:, :n] = to_features(out[:, :n], whiten)
        return np.asarray(z.T @ z)

    square = np.zeros((n + 1, n + 1))
    most = max(1, _HELD_BYTES // (4 * (n + 1) ** 2))
    # BLAS adds in another order on another number of threads.
    with one_blas_thread(), side_by_side(min(threads, most)) as each:
        for found in each(products, range(0, len(rows), _CHUNK)):
            square += found
        square *= loss.bend / len(rows)
        square.flat[:: n + 2] += np.append(
            np.full(n, loss.bend / len(rows) + alpha / total), 1e-6 * loss.bend
        )
        inverse = lapack.inverse_of_positive(square).astype(np.float32)
    batch = max(LEAST_BATCH, BATCH_ROWS * n)
    return FeatureDescent(names, directions, inverse, whiten, loss, alpha / total, batch), drawn
