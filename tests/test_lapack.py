"""Nothing that is not finite reaches LAPACK."""

import numpy as np
import pytest

from scalable import lapack
from scalable.errors import DataError

GOOD = np.array([[2.0, 0.5], [0.5, 1.0]])


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize(
    "call",
    [
        lapack.eigh, lapack.eigvalsh, lapack.cholesky, lapack.cho_factor, lapack.inv,
        lambda m: lapack.cho_solve(lapack.cho_factor(GOOD), m),
        lambda m: lapack.solve_triangular(GOOD, m),
        lambda m: lapack.solve_triangular(m, GOOD),
        lambda m: lapack.least_squares(m, GOOD[0]),
        lambda m: lapack.least_squares(GOOD, m[0]),
    ],
)  # fmt: skip
def test_what_is_not_finite_is_refused(call, bad):
    call(GOOD)
    matrix = GOOD.copy()
    matrix[0, 1] = matrix[1, 0] = bad
    with pytest.raises(DataError, match="beyond the range of floating point"):
        call(matrix)


def test_the_numbers_are_those_of_numpy():
    values, vectors = lapack.eigh(GOOD)
    np.testing.assert_allclose(vectors @ np.diag(values) @ vectors.T, GOOD, atol=1e-15)
    np.testing.assert_allclose(lapack.cho_solve(lapack.cho_factor(GOOD), GOOD[0]), [1.0, 0.0], atol=1e-14)
    np.testing.assert_allclose(lapack.inv(GOOD) @ GOOD, np.eye(2), atol=1e-15)
