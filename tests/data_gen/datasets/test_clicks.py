"""`clicks`: shape, laws and missing values of its columns."""

import numpy as np
import pytest
from scipy import stats

import data_gen
from data_gen.datasets import recipe
from data_gen.datasets.clicks import add_count, add_id, add_pair
from data_gen.values.random import Stream

N = 1 << 16


@pytest.fixture(scope="module")
def bound():
    return recipe("clicks", 1)


@pytest.fixture(scope="module")
def frame():
    return data_gen.rows("clicks", 0, N, seed=1).to_pandas()


def test_shape(bound):
    names = [c.name for c in bound.columns]
    assert sum(n.startswith("count_") for n in names) == 13
    assert sum(n.startswith("category_") for n in names) == 26
    assert bound.levels[0] == 10_000_000
    assert bound.levels[-1] == 3
    assert all(a >= b for a, b in zip(bound.levels, bound.levels[1:], strict=False))


def test_counts_are_floors_of_log_normals(bound, frame):
    for i in range(13):
        found = frame[f"count_{i + 1:02d}"]
        hidden = bound.count_hide[i] / 256
        assert abs(found.isna().mean() - hidden) <= 4.5 * np.sqrt(hidden * (1 - hidden) / N)
        values = found.dropna().to_numpy()
        for edge in (1, 2, 10, 100, 1000):
            p = stats.norm.cdf((np.log2(edge) - bound.count_mean[i]) / bound.count_spread[i])
            assert abs((values < edge).mean() - p) < 4.5 * np.sqrt(p * (1 - p) / len(values)) + 1e-6


def test_categories_follow_zipf(bound, frame):
    for i, levels in enumerate(bound.levels):
        a = 1 - 1.05
        ids = frame[f"category_{i + 1:02d}"].to_numpy()
        assert ids.max() < levels
        edges = np.unique(np.geomspace(1, levels + 1, 15).astype(int))
        expected = np.diff(np.expm1(a * np.log(edges)) / np.expm1(a * np.log(levels + 1))) * N
        counts = np.histogram(ids + 1, np.append(edges[:-1], levels + 2))[0]
        assert stats.chisquare(counts, expected * counts.sum() / expected.sum()).pvalue > 1e-5


def test_categories_are_independent(frame):
    ids = frame[[f"category_{i:02d}" for i in (1, 5, 9, 15, 20, 26)]].rank().corr().to_numpy()
    assert np.abs(ids[~np.eye(6, dtype=bool)]).max() < 4.5 / np.sqrt(N)


def test_prevalence():
    p = data_gen.truth("clicks", 0, 4 << 15)
    assert p.mean() == pytest.approx(0.03, rel=1e-3)


def test_every_column_carries_signal(bound):
    """Turning a column's effect off changes the score."""
    chunk = bound.chunk_type(bound, 0)
    base = chunk["score"].astype(float)
    assert base.std() > 0.8
    effect = np.zeros(chunk.n, np.float32)
    key = bound.world.stream("effect of category_01")
    add_id(chunk["category_01"], key.key0, key.key1, bound.world.quantiles, bound.id_size[0], effect)
    assert np.corrcoef(base, effect)[0, 1] > 0.02


def test_effects_against_plain_numpy():
    rng = np.random.default_rng(0)
    count, valid = rng.integers(0, 1000, 500).astype(np.int32), rng.random(500) < 0.7
    out = np.zeros(500, np.float32)
    add_count(count, valid, np.float32(0.3), np.float32(4), np.float32(-0.2), out)
    np.testing.assert_allclose(
        out, np.where(valid, 0.3 * np.abs(np.log2(1 + count) - 4), -0.2), rtol=1e-5, atol=1e-6
    )
    ids, other = count, rng.integers(0, 50, 500).astype(np.int32)
    table = np.arange(256, dtype=np.float32)
    stream = Stream.of(0, "test", "ids")
    out = np.zeros(500, np.float32)
    add_id(ids, stream.key0, stream.key1, table, np.float32(1), out)
    expected = [int(stream.bits(int(i), 1)[0]) & 255 for i in ids]
    assert out.tolist() == expected
    out = np.zeros(500, np.float32)
    add_pair(ids, other, stream.key0, stream.key1, table, np.float32(1), out)
    expected = [
        int(stream.bits((int(i) << 32) + int(j), 1)[0]) & 255 for i, j in zip(ids, other, strict=True)
    ]
    assert out.tolist() == expected
