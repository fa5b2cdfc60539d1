"""Open-loop measurement: arrivals, queueing counted from the intended start, batches that hold every request once."""

import time

import lightgbm as lgb
import numpy as np
import pytest

from scalable.latency import open_loop


class Slow:
    """An engine that takes a fixed time per call and remembers what it was asked."""

    def __init__(self, seconds):
        self.seconds, self.asked = seconds, []

    def predict(self, X):
        self.asked += X[:, 0].tolist()
        end = time.perf_counter() + self.seconds
        while time.perf_counter() < end:
            pass
        return X[:, 0]

    def predict_one(self, x):
        return self.predict(x.reshape(1, -1))[0]


def test_arrivals_are_poisson():
    arrivals = open_loop.poisson_arrivals(1000.0, 20_000, 3)
    gaps = np.diff(arrivals) / 1e9
    assert gaps.min() >= 0
    assert gaps.mean() == pytest.approx(1e-3, rel=0.05)
    assert gaps.std() == pytest.approx(1e-3, rel=0.05)
    np.testing.assert_array_equal(arrivals, open_loop.poisson_arrivals(1000.0, 20_000, 3))


@pytest.mark.parametrize("mode", open_loop.MODES)
def test_every_request_is_answered_once_and_never_early(mode):
    engine, X = Slow(0.0002), np.arange(200.0).reshape(-1, 1)
    latencies = open_loop._serve(engine, mode, X, 4000.0, 0)
    assert engine.asked == X[:, 0].tolist()
    assert (latencies >= 0.0002e9).all()


def test_queueing_counts_from_the_intended_start():
    """Twice as fast as it can serve: one at a time the queue grows without bound, batches absorb it."""
    X = np.arange(300.0).reshape(-1, 1)
    alone = open_loop._serve(Slow(0.0005), open_loop.MODES[0], X, 4000.0, 1)
    together = open_loop._serve(Slow(0.0005), open_loop.MODES[1], X, 4000.0, 1)
    assert alone[-1] > 0.05e9  # 300 requests took 150 ms, the last was due after 75 ms
    assert np.median(together) < np.median(alone)


def test_measure_reports_modes_and_fractions():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((500, 4))
    booster = lgb.train({"verbose": -1, "num_threads": 1}, lgb.Dataset(X, X[:, 0]), 5)
    rows = open_loop.measure_open_loop(booster, X, ("scalable", "lleaves"), (0.2, 0.5), requests=100)
    assert [row.get("mode") for row in rows] == [open_loop.MODES[0]] * 2 + [open_loop.MODES[1]] * 2 + [None]
    assert rows[-1]["status"] == "absent"
    for row in rows[:-1]:
        assert row["rate"] == pytest.approx(row["fraction"] * row["capacity"])
        assert 0 < row["min_us"] <= row["p50_us"] <= row["p90_us"] <= row["max_us"]
        assert row["calls"] == 100
        assert "p99_us" not in row  # a hundred calls do not tell it
        assert row["highest_rate"] is None  # nor up to which rate it stays below a millisecond
