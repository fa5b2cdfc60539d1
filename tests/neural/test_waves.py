"""Numbers as waves of learned frequencies: beside NumPy, their gradients, what they learn, and how it is saved."""

import numpy as np
import pytest

from scalable.errors import ModelError, UsageError
from scalable.inference import load_model
from scalable.kernels.neural.waves import through_waves
from scalable.models.store import read_model, save_model
from scalable.neural import MLPClassifier, MLPRegressor
from scalable.neural.network import Network, Shape


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_waves_are_cosines_and_sines(dtype):
    random = np.random.default_rng(0)
    x, frequencies = random.normal(size=(50, 2)).astype(dtype), random.normal(size=(2, 3)).astype(dtype)
    out = np.full((50, 13), 7.0, dtype)
    through_waves(x, frequencies, out)
    angles = 2.0 * np.pi * (x[:, :, None] * frequencies).astype(float)
    expected = np.concatenate([np.cos(angles), np.sin(angles)], axis=2).reshape(50, 12)
    np.testing.assert_allclose(out[:, :12], expected, atol=1e-6 if dtype == np.float32 else 1e-8)
    assert (out[:, 12] == 7.0).all()


@pytest.mark.parametrize("n_ids", [0, 1])
@pytest.mark.parametrize("hidden", [(), (6,)])
def test_gradients_are_slopes(n_ids, hidden):
    random = np.random.default_rng(1)
    network = Network(Shape(2, n_ids, 3 * n_ids, hidden, 1, "gelu", embedding=2, frequencies=3), np.float64)
    network.initialise(random, 0.5)
    x, ids = random.normal(size=(40, 2)), random.integers(0, 3, (40, n_ids)).astype(np.int32)
    gradient = random.normal(size=(40, 1))
    network.forward(x, ids, training=True)
    back = network.backward(gradient)
    assert (back is None) == (n_ids == 0)
    found = network.gradient.copy()
    for i in range(found.size):
        ends = []
        for step in (1e-6, -1e-6):
            kept = network.vector[i]
            network.vector[i] = kept + step
            ends.append(float((gradient * network.forward(x, ids, training=True)).sum()))
            network.vector[i] = kept
        assert found[i] == pytest.approx((ends[0] - ends[1]) / 2e-6, rel=1e-5, abs=1e-6), i


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_a_wave_is_learned_sooner_saved_and_read(tmp_path):
    random = np.random.default_rng(0)
    X = random.normal(size=(4_000, 3))
    y = np.sin(8.0 * X[:, 0]) + 0.1 * random.normal(size=4_000)
    given = {"hidden_layer_sizes": (32,), "max_iter": 20, "learning_rate_init": 5e-3}
    plain = MLPRegressor(**given).fit(X[:3_000], y[:3_000])
    waves = MLPRegressor(**given, frequencies=16, frequency_scale=0.7).fit(X[:3_000], y[:3_000])
    assert plain.score(X[3_000:], y[3_000:]) + 0.2 < waves.score(X[3_000:], y[3_000:])
    waves.save(tmp_path / "m")
    assert np.array_equal(MLPRegressor.load(tmp_path / "m").predict(X), waves.predict(X))
    row = {f"x{j}": float(v) for j, v in enumerate(X[0])}
    answer = load_model(tmp_path / "m").predict_one(row)
    assert answer == pytest.approx(waves.predict(X[:1])[0], rel=1e-5)
    stored = read_model(tmp_path / "m")
    for wrong in ({"frequencies": 15}, {"frequencies": -1}, {"pieces": [2, 2, 2]}):
        network = {**stored.meta["network"], **wrong}
        save_model(tmp_path / "bad", "neural", stored.meta | {"network": network}, stored.arrays)
        with pytest.raises(ModelError, match="damaged"):
            load_model(tmp_path / "bad")


@pytest.mark.parametrize(
    ("given", "line"),
    [
        ({"frequencies": -1}, "frequencies must be"),
        ({"frequencies": 2, "pieces": 2}, "give one of pieces and frequencies"),
        ({"frequencies": 2, "frequency_scale": 0.0}, "frequency_scale must be positive"),
    ],
)
def test_what_is_off_is_said(given, line):
    with pytest.raises(UsageError, match=line):
        MLPClassifier(**given).fit(np.eye(8), np.arange(8) % 2)
