"""The door to LAPACK: what is not finite is refused before, for LAPACK may hang on it, or answer."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import linalg
from scipy.linalg import LinAlgError

from scalable.errors import DataError

Array = NDArray[np.float64]
_MIRRORED = 512  # rows at once: a block and its mirror stay in the second cache
__all__ = [
    "LinAlgError",
    "cho_factor",
    "cho_solve",
    "cholesky",
    "eigh",
    "eigvalsh",
    "inv",
    "inverse_of_positive",
    "least_squares",
    "orthonormal",
    "require_finite",
    "require_squares",
    "solve_triangular",
]


def require_finite(*arrays: Array) -> None:
    """Raise a DataError unless all numbers are finite."""
    if not all(np.isfinite(array).all() for array in arrays):
        raise DataError(
            "sums of products of columns are beyond the range of floating point; scale the columns (or the target, or "
            "weaken the penalty, where there is one)"
        )


def require_squares(spreads: Array) -> None:
    """Raise a DataError where all columns vary so little that the squares of their spreads have lost their digits."""
    widest = float(np.max(spreads, initial=0.0))
    if widest > 0.0 and widest * widest < np.finfo(float).tiny:
        raise DataError(
            f"columns vary by {widest:.3g} at most, whose square is below the range of floating point; scale them"
        )


def eigh(matrix: Array) -> tuple[Array, Array]:
    """Return eigenvalues, ascending, and eigenvectors of a symmetric matrix; see `scipy.linalg.eigh`."""
    require_finite(matrix)
    values, vectors = linalg.eigh(matrix, check_finite=False, driver="evd")
    return values, vectors


def eigvalsh(matrix: Array) -> Array:
    """Return the eigenvalues of a symmetric matrix, ascending."""
    require_finite(matrix)
    return np.asarray(np.linalg.eigvalsh(matrix))


def cholesky(matrix: Array) -> Array:
    """Return the lower Cholesky factor; `LinAlgError` when the matrix is not positive definite."""
    require_finite(matrix)
    return np.asarray(linalg.cholesky(matrix, lower=True, check_finite=False))


def cho_factor(matrix: Array) -> Any:
    """Return what `cho_solve` takes; `LinAlgError` when the matrix is not positive definite."""
    require_finite(matrix)
    return linalg.cho_factor(matrix, lower=True, check_finite=False)


def cho_solve(factor: Any, rhs: Array) -> Array:
    """Solve by a factor."""
    require_finite(rhs)
    return np.asarray(linalg.cho_solve(factor, rhs, check_finite=False))


def solve_triangular(lower: Array, rhs: Array) -> Array:
    """Solve a lower triangular system."""
    require_finite(lower, rhs)
    return np.asarray(linalg.solve_triangular(lower, rhs, lower=True, check_finite=False))


def inv(matrix: Array) -> Array:
    """Return inverses of matrices (..., p, p); `LinAlgError` when one is singular."""
    require_finite(matrix)
    return np.asarray(np.linalg.inv(matrix))


def inverse_of_positive(matrix: Array) -> Array:
    """Return the inverse of a positive definite matrix, in a third of `inv`'s time; `LinAlgError` when it is not."""
    require_finite(matrix)
    # It is symmetric: LAPACK's order of its numbers is ours of its transpose, and nothing has to be turned.
    factor, failed = linalg.lapack.dpotrf(matrix.T, lower=1)
    if failed:
        raise LinAlgError("the matrix is not positive definite")
    inverse, _ = linalg.lapack.dpotri(factor, lower=1, overwrite_c=1)
    for low in range(0, len(inverse), _MIRRORED):
        high = low + _MIRRORED
        inverse[low:high, high:] = inverse[high:, low:high].T
        square = np.tril(inverse[low:high, low:high])
        inverse[low:high, low:high] = square + np.tril(square, -1).T
    return np.asarray(inverse.T)


def orthonormal(rows: Array) -> Array:
    """Return columns of length one, at right angles, that span those of a matrix."""
    require_finite(rows)
    return np.asarray(np.linalg.qr(rows)[0])


def least_squares(rows: Array, target: Array) -> Array:
    """Return the shortest solution of a least-squares problem."""
    require_finite(rows, target)
    return np.asarray(np.linalg.lstsq(rows, target, rcond=None)[0])
