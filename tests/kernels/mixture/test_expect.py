"""Sums of a step of EM equal those of its formula, in NumPy."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import logsumexp

from scalable.kernels.mixture.expect import LEAST_SHARE, TOGETHER, expect


def given(k, p, n, apart=1.0):
    random = np.random.default_rng(p)
    x = random.normal(size=(p, n)) + 5.0
    means = 5.0 + apart * random.normal(size=(k, p))
    whiten = np.tril(random.normal(size=(k, p, p)) / p + np.eye(p))
    return x, means, whiten, random.normal(size=k)


def found(x, means, whiten, offset):
    k, p = means.shape
    counts, first, second = np.zeros(k), np.zeros((k, p)), np.zeros((k, p, p))
    addresses = np.array([column.ctypes.data for column in x], np.uint64)
    total = expect(addresses, x.itemsize, x.shape[1], means, whiten, offset, counts, first, second)
    return total, counts, first, np.tril(second)


def formula(x, means, whiten, offset):
    apart = x.astype(float)[None] - means[:, :, None]
    logs = offset[:, None] - 0.5 * (np.einsum("kab,kbn->kan", np.tril(whiten), apart) ** 2).sum(axis=1)
    share = np.exp(logs - logsumexp(logs, axis=0))
    first = np.einsum("kn,kan->ka", share, apart)
    second = np.tril(np.einsum("kn,kan,kbn->kab", share, apart, apart))
    return logsumexp(logs, axis=0).sum(), share.sum(axis=1), first, second


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    ("k", "p", "n"), [(1, 1, 1), (2, 3, TOGETHER + 1), (3, 8, 200), (2, 9, 77), (8, 28, 500), (2, 71, 130)]
)
def test_they_are_the_formulas(k, p, n, dtype):
    x, *rest = given(k, p, n)
    x = x.astype(dtype)
    for ours, theirs in zip(found(x, *rest), formula(x, *rest), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-10, atol=1e-9)


def test_rows_far_from_a_component_are_left_out_of_its_sums():
    x, means, whiten, offset = given(2, 5, 300, apart=100.0)
    whole = found(x, means, whiten, offset)
    shares = formula(x, means, whiten, offset)[1]
    assert shares.min() < LEAST_SHARE
    for ours, theirs in zip(whole, formula(x, means, whiten, offset), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-10, atol=1e-25)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_what_is_not_finite_is_told(value):
    x, *rest = given(2, 5, 300)
    x[3, 250] = value
    assert np.isnan(found(x, *rest)[0])
