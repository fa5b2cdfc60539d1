"""A block of descent against the same steps in plain NumPy."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import special

from scalable.kernels.linear import losses
from scalable.kernels.linear import optimizers as o
from scalable.kernels.linear import sgd as descent
from scalable.kernels.linear.records import DescentRule


def block(n: int = 700, n_columns: int = 9):
    rng = np.random.default_rng(0)
    columns = rng.normal(size=(n_columns, n)).astype(np.float32)
    ids = np.stack([rng.integers(0, 4, n), rng.integers(4, 20, n)]).astype(np.int32)
    return columns, ids, rng.random(n).astype(np.float32) * 2


def plain(columns, ids, y, weight, k, softmax, hyper, batch):
    """Return the weights after AdaGrad over dense one-hot rows."""
    n = columns.shape[1]
    hot = (ids[0] == np.arange(20)[:, None]) | (ids[1] == np.arange(20)[:, None])
    design = np.vstack([columns, np.ones((1, n)), hot]).astype(np.float64)
    w, squares = np.zeros((k, len(design))), np.zeros((k, len(design)))
    start = t = 0
    total = 0.0
    while start < n:
        t += 1
        full = min(batch, 32 << (t // 32))
        stop = min(n, start + full)
        x, yb, wb = design[:, start:stop], y[start:stop], weight[start:stop]
        z = w @ x
        if softmax:
            p = special.softmax(z, axis=0)
            total -= float(wb @ np.log(p[yb.astype(int), np.arange(len(yb))]))
            r = wb * (p - (np.arange(k)[:, None] == yb))
        else:
            total += float((wb * (np.logaddexp(0, z) - yb * z)).sum())
            r = wb * (special.expit(z) - yb)
        g = r @ x.T / full  # a row of the last, short step counts what others do
        squares += g * g
        w -= hyper[o.RATE] * g / np.sqrt(np.where(squares > 0, squares, 1.0))
        start = stop
    return w, total


@pytest.mark.parametrize("k", [1, 3])
def test_adagrad_over_dense_columns_and_categories(k):
    columns, ids, weight = block()
    n_columns, n = columns.shape
    y = np.random.default_rng(1).integers(0, max(2, k), n).astype(np.float32)
    hyper = o.hyper_parameters(0.1)
    table = np.zeros((k, n_columns + 21, o.FIELDS), np.float32)
    loss, steps = descent.descend(
        columns,
        ids,
        y,
        weight,
        DescentRule(losses.LOSSES["log_loss"].code if k == 1 else descent.SOFTMAX, 1.0, o.ADAGRAD, 64, True),
        hyper,
        np.ones(n_columns + 21),
        0.0,
        table,
    )
    w, total = plain(columns, ids, y, weight.astype(float), k, k > 1, hyper, 64)
    np.testing.assert_allclose(table[:, :, o.W], w, rtol=1e-3, atol=1e-4)
    assert loss == pytest.approx(total, rel=1e-4)
    assert (table[:, :, o.GRADIENT] == 0).all()
    assert steps == descent_steps(n, 64)


@pytest.mark.parametrize("k", [1, 3])
def test_the_kernel_of_the_usual_rule_learns_what_that_of_all_rules_does(k):
    columns, ids, weight = block()
    y = np.random.default_rng(2).integers(0, max(2, k), columns.shape[1]).astype(np.float32)
    usual = descent.descent_rule(losses.LOSSES["log_loss"].code, 1.0, o.NORMALIZED, 64, True)
    assert usual.rare is None
    assert descent.descent_rule(losses.LOSSES["log_loss"].code, 1.0, o.ADAM, 64, True).rare is not None
    assert descent.descent_rule(descent.SOFTMAX, 1.0, o.NORMALIZED, 64, True).rare is not None
    found = []
    for rule in (usual, usual._replace(rare=0)):
        table = np.zeros((k, columns.shape[0] + 21, o.FIELDS), np.float32)
        factors = np.ones(columns.shape[0] + 21)
        how = (rule, o.hyper_parameters(0.5, l2=1e-3), factors, 0.0)
        found.append((descent.descend(columns, ids, y, weight, *how, table), table))
    assert found[0][0] == found[1][0]
    np.testing.assert_array_equal(found[0][1], found[1][1])


@pytest.mark.parametrize("optimizer", [o.NORMALIZED, o.ADAM])
def test_the_last_factor_is_that_of_all_further_categories(optimizer):
    columns, ids, weight = block()
    y = np.random.default_rng(3).integers(0, 2, columns.shape[1]).astype(np.float32)
    rule = descent.descent_rule(losses.LOSSES["log_loss"].code, 1.0, optimizer, 64, True)
    rule = rule._replace(rare=0)  # of which the kernel is compiled by others
    every = np.full(columns.shape[0] + 21, 2.0)
    every[: columns.shape[0] + 4] = 1.0
    tables = []
    for factors in (every, every[: columns.shape[0] + 5]):
        tables.append(np.zeros((1, columns.shape[0] + 21, o.FIELDS), np.float32))
        descent.descend(
            columns, ids, y, weight, rule, o.hyper_parameters(0.5, l2=1e-3), factors, 0.0, tables[-1]
        )
    np.testing.assert_array_equal(*tables)
    assert tables[0][0, columns.shape[0] + 10 :, o.W].any()


def descent_steps(n: int, batch: int) -> int:
    t = done = 0
    while done < n:
        t += 1
        done += min(batch, 32 << (t // 32))
    return t


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_scores_are_dot_products(dtype):
    columns, ids, _ = block(3000)
    coef = np.random.default_rng(2).normal(size=(2, 30)).astype(dtype)
    out = np.empty((2, 3000), dtype)
    descent.predict(columns.astype(dtype), ids, coef, out)
    expected = coef[:, :9] @ columns + coef[:, 9:10] + coef[:, 10:][:, ids].sum(axis=1)
    np.testing.assert_allclose(out, expected, rtol=1e-4, atol=1e-4)
