"""`physics`: laws of the measured quantities, masses against plain NumPy, a truth beyond linear models."""

import numpy as np
import pytest
from scipy import stats
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

import data_gen
from data_gen.datasets.physics import MASSES, OBJECTS, cosine
from scalable.kernels.jit import kernel

N = 1 << 16


@pytest.fixture(scope="module")
def columns():
    table = data_gen.rows("physics", 0, N, seed=2)
    return {name: table[name].to_numpy().astype(np.float64) for name in table.column_names}


@kernel()
def apply_cosine(x, out):
    for i in range(x.size):
        out[i] = cosine(x[i])


def test_cosine():
    x = np.linspace(-10, 10, 100_001).astype(np.float32)
    out = np.empty_like(x)
    apply_cosine(x, out)
    np.testing.assert_allclose(out, np.cos(x.astype(np.float64)), atol=5e-6)


def test_shape(columns):
    assert len(columns) == 29
    assert list(columns)[21:28] == list(MASSES)


def test_laws(columns):
    for i, thing in enumerate((OBJECTS[0], "missing", *OBJECTS[1:])):
        z = (np.log2(columns[f"{thing}_pt"] - 0.2) + 0.3 + 0.12 * i) / 0.75
        assert stats.kstest(z, "norm").pvalue > 1e-4
        angle = columns[f"{thing}_phi"]
        assert stats.kstest((angle + np.pi) / (2 * np.pi), "uniform").pvalue > 1e-4
        if thing != "missing":
            eta = columns[f"{thing}_eta"]
            inside = eta[np.abs(eta) < 2.499]
            law = stats.truncnorm(-2.4995 / 1.05, 2.4995 / 1.05, scale=1.05)
            assert stats.kstest(inside, law.cdf).pvalue > 1e-4
        if thing.startswith("jet"):
            levels, counts = np.unique(columns[f"{thing}_tag"], return_counts=True)
            assert len(levels) == 3
            assert stats.chisquare(counts, N * np.array([0.5, 0.28, 0.22])).pvalue > 1e-4


def four_vectors(columns, thing):
    pt, phi = columns[f"{thing}_pt"], columns[f"{thing}_phi"]
    eta = columns.get(f"{thing}_eta", np.zeros(N))
    return np.stack([pt * np.cos(phi), pt * np.sin(phi), pt * np.sinh(eta), pt * np.cosh(eta)])


def test_masses_against_numpy(columns):
    v = {t: four_vectors(columns, t) for t in (*OBJECTS, "missing")}
    w, dijet, bb = v["lepton"] + v["missing"], v["jet_1"] + v["jet_2"], v["jet_3"] + v["jet_4"]
    totals = (dijet, dijet + v["jet_3"], w, w + v["jet_4"], bb, w + bb, w + bb + dijet)
    for name, (px, py, pz, e) in zip(MASSES, totals, strict=True):
        exact = np.sqrt(np.maximum(e * e - px * px - py * py - pz * pz, 0))
        error = np.abs(columns[name] - exact)
        # float32 differences of squares lose digits where the mass is far below the energy
        assert np.all(error < 0.002 + 1e-5 * e * e / np.maximum(exact, 0.05))


def test_low_level_columns_are_independent(columns):
    names = [n for n in columns if n not in MASSES and n != "signal"]
    ranks = stats.rankdata(np.stack([columns[n] for n in names]), axis=1)
    correlation = np.corrcoef(ranks)
    assert np.abs(correlation[~np.eye(len(names), dtype=bool)]).max() < 5 / np.sqrt(N)


def test_a_linear_model_stays_far_below_the_truth(columns):
    x = np.stack([v for n, v in columns.items() if n != "signal"], axis=1)
    y = columns["signal"]
    best = data_gen.bayes_scores("physics", [(0, N)], seed=2)["auc"]
    x = (x - x.mean(axis=0)) / x.std(axis=0)
    linear = roc_auc_score(y, LogisticRegression(max_iter=50).fit(x, y).predict_proba(x)[:, 1])
    assert 0.55 < linear < best - 0.05


def test_prevalence(columns):
    assert data_gen.truth("physics", 0, N, seed=2).mean() == pytest.approx(0.53, rel=1e-3)
