"""Records of learners run small, and what they compare is equal."""

import pytest

from bench.records.learners import coverage, effects, mixtures, naive_bayes


def test_naive_bayes():
    found = naive_bayes.measure(3_000)
    assert found["means_apart"] < 1e-3  # scikit-learn's own means of float32 rows are rounded
    assert found["over_scan"] > 1.0
    assert set(found["times"]) == {"scan", "scalable", "two threads", "scikit-learn"}


def test_mixtures():
    found = mixtures.measure(1_000)
    assert all(found[spread]["means_apart"] < 1e-9 for spread in mixtures.SPREADS)


def test_effects():
    found = effects.measure(5_000)
    assert max(found["formula_apart"].values()) < 1e-9
    assert abs(found["coef"] - found["truth"]["effect"]) < 4.0 * found["error"]
    assert found["peak_memory_bytes"] > 2**20


def test_coverage(monkeypatch):
    monkeypatch.setattr(coverage, "DRAWS", 3)
    for kind in coverage.measure(2_000)["kinds"]:
        assert kind["mean_rate"] == pytest.approx(kind["asked"], abs=0.02)
        assert kind["worst_group_deviations"] < 5.0
