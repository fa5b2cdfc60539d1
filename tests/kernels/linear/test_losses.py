import numpy as np
import pytest
from scipy import special

from scalable.kernels.jit import kernel
from scalable.kernels.linear import gradients, losses

REFERENCE = {
    "log_loss": lambda z, y, d: np.logaddexp(0.0, z) - y * z,
    "hinge": lambda z, y, d: np.maximum(0.0, 1.0 - (2 * y - 1) * z),
    "squared_hinge": lambda z, y, d: np.maximum(0.0, 1.0 - (2 * y - 1) * z) ** 2,
    "modified_huber": lambda z, y, d: np.where(
        (2 * y - 1) * z >= -1, np.maximum(0.0, 1.0 - (2 * y - 1) * z) ** 2, -4.0 * (2 * y - 1) * z
    ),
    "squared_error": lambda z, y, d: 0.5 * (z - y) ** 2,
    "huber": lambda z, y, d: np.where(np.abs(z - y) <= d, 0.5 * (z - y) ** 2, d * (np.abs(z - y) - 0.5 * d)),
    "quantile": lambda z, y, d: np.maximum(d * (y - z), (d - 1) * (y - z)),
    "epsilon_insensitive": lambda z, y, d: np.maximum(np.abs(z - y) - d, 0.0),
    "poisson": lambda z, y, d: np.exp(z) - y * z,
}


@kernel()
def triples(code, delta, z, y, out):
    for i in range(z.size):
        out[0, i], out[1, i], out[2, i] = losses.triple(code, delta, z[i], y[i])


def points(loss: losses.Loss) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(3)
    z = np.concatenate([rng.normal(0.0, 3.0, 500), np.linspace(-8, 8, 41) + 0.0123])
    y = (
        (rng.random(z.size) < 0.5).astype(float)
        if loss.classification
        else np.abs(rng.normal(1.0, 2.0, z.size))
    )
    return z, y


@pytest.mark.parametrize("name", losses.LOSSES)
def test_value_is_the_formula_and_derivatives_are_its_differences(name):
    loss = losses.LOSSES[name]
    z, y = points(loss)
    delta = 0.7
    out, lower, upper = (np.empty((3, z.size)) for _ in range(3))
    step = 1e-6
    triples(loss.code, delta, z, y, out)
    triples(loss.code, delta, z - step, y, lower)
    triples(loss.code, delta, z + step, y, upper)
    np.testing.assert_allclose(out[0], REFERENCE[name](z, y, delta), rtol=1e-9, atol=1e-10)
    np.testing.assert_allclose(out[1], (upper[0] - lower[0]) / (2 * step), rtol=1e-5, atol=1e-5)
    if loss.smooth:
        np.testing.assert_allclose(out[2], (upper[1] - lower[1]) / (2 * step), rtol=1e-5, atol=1e-5)
        assert (out[2] >= 0.0).all()


@pytest.mark.parametrize("name", losses.LOSSES)
def test_loops_apply_weights_and_sum(name):
    loss = losses.LOSSES[name]
    z, y = points(loss)
    w = np.random.default_rng(0).random(z.size)
    out = np.empty((3, z.size))
    triples(loss.code, 0.7, z, y, out)
    gradient, curvature = np.empty(z.size), np.empty(z.size)
    total = gradients.curvatures(loss.code, 0.7, z, y, w, gradient, curvature)
    assert total == pytest.approx(float(w @ out[0]), rel=1e-10)
    np.testing.assert_allclose(gradient, w * out[1], rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(curvature, w * out[2], rtol=1e-12, atol=1e-14)
    single = np.empty(z.size, np.float32)
    total = gradients.gradients(loss.code, 0.7, *(a.astype(np.float32) for a in (z, y, w)), single)
    assert total == pytest.approx(float(w @ out[0]), rel=1e-5)
    np.testing.assert_allclose(single, w * out[1], rtol=1e-5, atol=2e-6)


@pytest.mark.parametrize("name", losses.LOSSES)
def test_extreme_scores_stay_finite(name):
    z = np.array([1e30, -1e30, 800.0, -800.0, 0.0, 1e-30])
    y = np.array([0.0, 1.0, 0.0, 1.0, 1.0, 0.0])
    gradient, curvature = np.empty(6), np.empty(6)
    total = gradients.curvatures(losses.LOSSES[name].code, 0.5, z, y, np.ones(6), gradient, curvature)
    assert np.isfinite(total)
    assert np.isfinite(gradient).all()
    assert np.isfinite(curvature).all()


@pytest.mark.parametrize("name", losses.LOSSES)
def test_what_a_record_says_is_so(name):
    loss = losses.LOSSES[name]
    assert losses.LOSSES[loss.name] is loss
    assert [other.code for other in losses.LOSSES.values()].count(loss.code) == 1
    z, y = points(loss)
    out, far, scaled = (np.empty((3, z.size)) for _ in range(3))
    triples(loss.code, 0.7, z, y, out)
    triples(loss.code, 0.7, np.where(z > 0, 1e3, -1e3), y, far)
    triples(loss.code, 0.7, 2e3 * np.sign(z), y, scaled)
    steeper = np.abs(scaled[1]).max() > np.abs(far[1]).max()
    assert loss.robust is not steeper
    if loss.degree is not None:
        triples(loss.code, 1.4 if loss.in_units else 0.7, 2 * z, 2 * y, scaled)
        np.testing.assert_allclose(scaled[0], 2.0**loss.degree * out[0], rtol=1e-12, atol=1e-15)
    assert not (loss.classification and loss.degree is not None)
    if loss.classification:
        triples(loss.code, 0.7, 40.0 * (2 * y - 1), y, out)
        assert loss.attained is not bool((out[0] > 0.0).any())


@pytest.mark.parametrize("k", [2, 3, 7])
def test_softmax_is_scipys(k):
    rng = np.random.default_rng(k)
    z = rng.normal(0.0, 5.0, (k, 300))
    y = rng.integers(0, k, 300).astype(float)
    w = rng.random(300)
    out = np.empty((k, 300))
    total = gradients.softmax_gradients(k, z, y, w, out)
    truth = special.log_softmax(z, axis=0)[y.astype(int), np.arange(300)]
    assert total == pytest.approx(-float(w @ truth), rel=1e-12)
    expected = w * (special.softmax(z, axis=0) - (np.arange(k)[:, None] == y))
    np.testing.assert_allclose(out, expected, rtol=1e-10, atol=1e-13)
