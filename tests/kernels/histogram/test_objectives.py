"""Gradients and hessians against differences of the losses they belong to, and softmax against NumPy."""

import numpy as np
import pytest

from scalable.kernels.histogram import objectives
from scalable.kernels.histogram.objectives import OBJECTIVE, STRIP, gradients, softmax_gradients

NONE, EVERYONE, GIVEN = np.empty(0, np.float32), np.empty(0, np.uint8), np.empty((2, 0), np.float32)


def huber(d, width):
    return np.where(abs(d) <= width, d * d / 2, width * (abs(d) - width / 2))


# Loss of score z and label y; own parameter; whether LightGBM's hessian is the second derivative.
LOSSES = {
    "BINARY": (lambda z, y, s: np.logaddexp(0, -s * z * (2 * (y > 0) - 1)), 1.3, True),
    "CROSS_ENTROPY": (lambda z, y, _: np.logaddexp(0, z) - y * z, 0.0, True),
    "L2": (lambda z, y, _: (z - y) ** 2 / 2, 0.0, True),
    "HUBER": (lambda z, y, a: huber(z - y, a), 0.9, False),
    "FAIR": (lambda z, y, c: c * c * (abs(z - y) / c - np.log1p(abs(z - y) / c)), 0.7, True),
    "L1": (lambda z, y, _: abs(z - y), 0.0, False),
    "QUANTILE": (lambda z, y, a: np.where(y > z, a * (y - z), (1 - a) * (z - y)), 0.8, False),
    "POISSON": (lambda z, y, _: np.exp(z) - y * z, 0.7, False),
    "GAMMA": (lambda z, y, _: y * np.exp(-z) + z, 0.0, True),
    "TWEEDIE": (
        lambda z, y, r: -y * np.exp((1 - r) * z) / (1 - r) + np.exp((2 - r) * z) / (2 - r),
        1.4,
        True,
    ),
}


def found(name, score, label, weight=NONE):
    _, shape, _ = LOSSES[name]
    objective = np.zeros(1, OBJECTIVE)
    objective[0] = (getattr(objectives, name), shape, 1.0, 1.0, 1.0)
    g, h = np.empty(STRIP), np.empty(STRIP)
    n = len(score)
    gradients(objective, score, label, weight, EVERYONE, GIVEN, 0, n, g, h)
    return g[:n], h[:n]


@pytest.mark.parametrize("name", LOSSES)
def test_gradients_are_differences_of_the_loss(name):
    loss, shape, exact = LOSSES[name]
    rng = np.random.default_rng(0)
    score = rng.normal(size=200)
    label = (rng.random(200) * (1 if name == "CROSS_ENTROPY" else 3) + 0.01).astype(np.float32)
    label = np.round(label / 3).astype(np.float32) if name == "BINARY" else label
    y, step = label.astype(np.float64), 1e-5
    g, h = found(name, score, label)
    first = (loss(score + step, y, shape) - loss(score - step, y, shape)) / (2 * step)
    np.testing.assert_allclose(g, first, rtol=1e-5, atol=1e-6)
    if exact:
        up, down = found(name, score + step, label)[0], found(name, score - step, label)[0]
        np.testing.assert_allclose(h, (up - down) / (2 * step), rtol=1e-4, atol=1e-6)
    elif name == "POISSON":  # LightGBM's guard against large steps
        np.testing.assert_allclose(h, np.exp(score + shape), rtol=1e-12)
    else:
        assert (h == 1).all()
    weighted = found(name, score, label, np.full(200, 2.5, np.float32))
    np.testing.assert_array_equal(weighted, np.array([g, h]) * 2.5)


@pytest.mark.parametrize("weighted", [False, True])
def test_softmax_is_numpys(weighted):
    rng = np.random.default_rng(1)
    score, label = rng.normal(size=(4, 1000)) * 3, rng.integers(0, 4, 1000).astype(np.float32)
    weight = rng.random(1000).astype(np.float32) if weighted else NONE
    out = np.empty((4, 2, 1000), np.float32)
    softmax_gradients(score, label, weight, out)
    p = np.exp(score - score.max(axis=0))
    p /= p.sum(axis=0)
    w = weight if weighted else 1.0
    np.testing.assert_allclose(out[:, 0], (p - (np.arange(4)[:, None] == label)) * w, atol=1e-7)
    np.testing.assert_allclose(out[:, 1], 4 / 3 * p * (1 - p) * w, atol=1e-7)
