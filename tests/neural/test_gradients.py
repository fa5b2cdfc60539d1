"""Gradients of every kind of layer against differences, in double precision."""

import itertools

import numpy as np
import pytest

from scalable.kernels.neural.batch_loss import LOGISTIC, SOFTMAX, SQUARED, batch_loss
from scalable.kernels.neural.embeddings import move_embeddings
from scalable.kernels.neural.updates import SGD, StepRule
from scalable.neural.network import Network, Shape

STEP = 1e-6


def made(loss, **given):
    random = np.random.default_rng(0)
    outputs = 3 if loss == SOFTMAX else 1
    shape = Shape(
        **{"n_numbers": 4, "n_ids": 2, "n_indices": 9, "hidden": (5, 5), "embedding": 3} | given,
        n_outputs=outputs,
    )
    network = Network(shape, np.float64)
    network.initialise(random)
    for array in (*network.arrays.values(),):
        array += 0.1 * random.standard_normal(array.shape)
    x = random.normal(size=(12, 4))
    ids = random.integers(0, 9, (12, shape.n_ids)).astype(np.int32)
    y = random.normal(size=12) if loss == SQUARED else random.integers(0, max(2, outputs), 12).astype(float)
    return network, x, ids, y, random.random(12) + 0.5


def loss_of(network, x, ids, y, weight, loss, rate):
    scores = network.forward(x, ids, training=True, rate=rate, key=3)
    gradient = np.empty_like(scores)
    total, whole = batch_loss(scores, y, weight, loss, gradient)
    return total / whole, gradient


@pytest.mark.parametrize(
    ("loss", "activation", "norm", "residual", "rate"),
    [
        *itertools.product([LOGISTIC], ["relu", "gelu"], [None, "batch", "layer"], [False, True], [0.0, 0.3]),
        (SOFTMAX, "gelu", "layer", True, 0.2),
        (SQUARED, "gelu", None, False, 0.0),
        (SQUARED, "identity", "batch", True, 0.0),
    ],
)
def test_gradients_are_slopes(loss, activation, norm, residual, rate):
    network, *rows = made(loss, activation=activation, norm=norm, residual=residual)
    _, gradient = loss_of(network, *rows, loss, rate)
    back = network.backward(gradient)
    found = {name: slope.copy() for name, slope in network.slopes.items()}
    moments, sums = np.zeros((2, *network.table.shape)), np.zeros(network.table.shape)
    moved = network.table.copy()
    rule = StepRule(SGD, 1.0, 0.0, 0.0, 0.0, 0.0, False)
    move_embeddings(rows[1], back, 4, rule, moved, moments, sums, np.zeros(9, bool))
    found["embeddings"] = network.table - moved
    assert not sums.any()
    for name, array in {**network.arrays, "embeddings": network.table}.items():
        flat, slope = array.reshape(-1), found[name].reshape(-1)
        for i in range(0, flat.size, max(1, flat.size // 7)):
            kept = flat[i]
            flat[i] = kept + STEP
            above, _ = loss_of(network, *rows, loss, rate)
            flat[i] = kept - STEP
            below, _ = loss_of(network, *rows, loss, rate)
            flat[i] = kept
            assert slope[i] == pytest.approx((above - below) / (2 * STEP), rel=2e-5, abs=1e-8), (name, i)


def test_without_hidden_layers_it_is_a_linear_model():
    network, x, ids, y, weight = made(LOGISTIC, hidden=(), n_ids=0, activation="relu")
    _, gradient = loss_of(network, x, ids, y, weight, LOGISTIC, 0.0)
    assert network.backward(gradient) is None
    scores = x @ network.arrays["weights_0"] + network.arrays["bias_0"]
    residual = weight * (1.0 / (1.0 + np.exp(-scores[:, 0])) - y) / weight.sum()
    np.testing.assert_allclose(network.slopes["weights_0"][:, 0], x.T @ residual, rtol=1e-10)


def test_dropped_units_are_as_many_as_asked_and_the_rest_is_scaled():
    network, x, ids, _, _ = made(LOGISTIC, hidden=(5_000,), n_ids=0, activation="identity")
    network.forward(x, ids, training=True, rate=0.25, key=1)
    dropped = network._out[0] == 0.0
    assert abs(dropped.mean() - 0.25) < 5 * (0.25 * 0.75 / dropped.size) ** 0.5
    np.testing.assert_allclose(network._out[0][~dropped], (network._z[0] / 0.75)[~dropped], rtol=1e-12)
    network.forward(x, ids, training=True, rate=0.25, key=2)
    again = (dropped & (network._out[0] == 0.0)).sum() / dropped.sum()
    assert again == pytest.approx(0.25, abs=0.02)
