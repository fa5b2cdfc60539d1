"""Each optimizer against a plain reference that keeps every iterate; touched or not."""

from __future__ import annotations

import numpy as np
import pytest

from scalable.kernels.linear import optimizers as o


def reference(name: str, hyper: np.ndarray, gradients: np.ndarray, factor: float) -> tuple[float, float]:
    """Return weight and average after steps with these gradients, 0 where a step does not touch the cell."""
    code = o.OPTIMIZERS[name][0]
    rate, power, momentum, beta2, epsilon, beta = hyper[: o.L1]
    l1, l2 = hyper[o.L1] * factor, hyper[o.L2] * factor**2
    w = s0 = s1 = 0.0
    iterates = [0.0]
    for t, g in enumerate(gradients, 1):
        if g != 0.0:
            if code == o.FTRL:
                grown = s1 + g * g
                s0 += g - (np.sqrt(grown) - np.sqrt(s1)) / rate * w
                s1 = grown
                shrunk = np.sign(s0) * max(abs(s0) - l1 * t, 0.0)
                w = -shrunk / ((beta + np.sqrt(s1)) / rate + l2 * t)
            else:
                if code in (o.SGD, o.ADAM):
                    s0 = momentum * s0 + (1 - momentum) * g
                    s1 = s1 + 1 if code == o.SGD else beta2 * s1 + (1 - beta2) * g * g
                    move = s0 if code == o.SGD else s0 / (1 - momentum**t)
                else:
                    s0 += g * g
                    move = g
                if code == o.SGD:
                    step = rate / t**power
                elif code == o.ADAM:
                    step = rate / (np.sqrt(s1 / (1 - beta2**t)) + epsilon)
                else:
                    step = rate / np.sqrt(s0)
                w -= step * move
                w = np.sign(w) * max(abs(w) - step * l1, 0.0) / (1 + step * l2)
        iterates.append(w)
    k = np.arange(1, len(iterates) + 1.0)
    weight = k**4 - (k - 1) ** 4
    return w, float(np.dot(weight, iterates) / weight.sum())


@pytest.mark.parametrize("name", o.OPTIMIZERS)
@pytest.mark.parametrize(("l1", "l2"), [(0.0, 0.0), (0.01, 0.0), (0.0, 0.3)])
@pytest.mark.parametrize("gaps", [False, True])
def test_cells_follow_the_reference(name, l1, l2, gaps):
    if gaps and l1 + l2 > 0:
        l1 = l2 = 0.0  # missed penalties have a test of their own
    code, rate = o.OPTIMIZERS[name]
    hyper = o.hyper_parameters(rate, l1=l1, l2=l2)
    gradients = np.random.default_rng(1).normal(0.3, 1.0, 60)
    if gaps:
        gradients[np.random.default_rng(2).random(60) < 0.6] = 0.0
    table = np.zeros((1, 1, o.FIELDS), np.float32)
    for t, g in enumerate(gradients, 1):
        if g != 0.0:
            o.update(code, hyper, table[0, 0], g, 0.5, float(t))
    o.flush(code, hyper, table, np.array([0.5]), 60.0)
    w, average = reference(name, hyper, gradients, 0.5)
    assert table[0, 0, o.W] == pytest.approx(w, rel=2e-5, abs=1e-6)
    assert table[0, 0, o.AVERAGE] == pytest.approx(average, rel=2e-4, abs=1e-5)


def test_missed_penalties_are_paid_when_next_touched():
    code, _ = o.OPTIMIZERS["adagrad"]
    hyper = o.hyper_parameters(0.1, l2=0.5)
    cell = np.zeros(o.FIELDS, np.float32)
    o.update(code, hyper, cell, 1.0, 1.0, 1.0)
    before = float(cell[o.W])
    o.catch_up(code, hyper, cell, 1.0, 11.0)
    assert cell[o.W] == pytest.approx(before / (1 + 0.1 * 9 * 0.5), rel=1e-6)
    again = cell.copy()
    o.catch_up(code, hyper, cell, 1.0, 11.0)
    np.testing.assert_array_equal(cell, again)


def test_penalty_is_its_formula():
    table = np.zeros((1, 2, o.FIELDS), np.float32)
    table[0, :, o.W] = [2.0, -3.0]
    hyper = o.hyper_parameters(0.1, l1=0.5, l2=0.2)
    assert o.penalty(hyper, table, np.array([1.0, 2.0])) == pytest.approx(0.5 * 8 + 0.1 * 40)
