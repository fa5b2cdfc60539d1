"""What single identifiers show of their means on new ones, and of the order of their numbers."""

import numpy as np
import pyarrow as pa
import pytest

from scalable.features.target_encoding import groups
from scalable.features.target_encoding.groups import Groups


def learned(ids, y, order=None, parts=3):
    found = Groups()
    places = np.arange(len(ids)) if order is None else order
    for some in np.array_split(places, parts):
        one = Groups()
        one.add_rows(pa.array(ids[some]), y[some].astype(float))
        found.add(one)
    return found


def draw(n_ids, rows, seed=0, effect=1.0):
    rng = np.random.default_rng(seed)
    ids = rng.integers(0, n_ids, rows)
    return ids, effect * rng.normal(size=n_ids)[ids] + rng.normal(size=rows), rng


def test_few_identifiers_are_counted_exactly():
    ids, y, _ = draw(500, 5_000)
    found = learned(ids, y)
    assert found.limit == groups.CODES
    assert len(found.codes) == len(np.unique(ids)) == 500
    np.testing.assert_allclose(sorted(found.sums[0]), sorted(np.bincount(ids)))
    assert found.rows_each() == 10.0


@pytest.mark.parametrize("effect", [0.0, 0.5, 1.0, 3.0])
def test_correlation_is_the_share_of_variance_between_identifiers(effect):
    ids, y, _ = draw(4_000, 40_000, effect=effect)
    assert learned(ids, y).correlation() == pytest.approx(effect**2 / (1 + effect**2), abs=0.03)


def test_many_identifiers_keep_the_same_subset_whatever_the_order():
    ids, y, rng = draw(200_000, 300_000)
    y = np.round(y)  # sums of whole numbers are exact
    one = learned(ids, y)
    other = learned(ids, y, rng.permutation(len(ids)), parts=17)
    assert one.limit == other.limit < groups.CODES
    assert len(one.codes) <= groups.MOST_KEPT
    np.testing.assert_array_equal(one.codes, other.codes)
    np.testing.assert_array_equal(one.sums, other.sums)
    np.testing.assert_array_equal(one.values, other.values)
    counts = np.bincount(ids)
    assert one.rows_each() == pytest.approx(counts[counts > 0].mean(), rel=0.02)


def test_copies_are_distrusted_and_histories_are_not():
    rng = np.random.default_rng(0)
    copies = np.repeat(np.arange(3_000), 4)
    y = np.repeat(rng.random(3_000) < 0.3, 4)
    assert "rows share their target (4.0 rows each, correlation 1.00)" in learned(copies, y).distrust()
    found = Groups()
    found.add_rows(pa.array([f"s{k}" for k in copies]).dictionary_encode(), y.astype(float))
    assert found.distrust()
    ids, history, _ = draw(1_000, 20_000, effect=2.0)
    assert learned(ids, history).distrust() == ""
    stores = np.repeat(np.arange(100), 300)  # decided, but of many rows: these come again
    assert learned(stores, np.repeat(rng.random(100) < 0.5, 300)).distrust() == ""


@pytest.mark.parametrize("seed", range(5))
def test_order_is_seen_where_there_is_one(seed):
    rng = np.random.default_rng(seed)
    ids = rng.integers(0, 30_000, 40_000)
    wave = rng.random(len(ids)) < 1 / (1 + np.exp(-2 * np.sin(ids / 1500)))
    slope = rng.random(len(ids)) < 0.01 + 0.02 * ids / 30_000
    chance = rng.normal(size=30_000)[ids] + rng.normal(size=len(ids)) > 0
    assert learned(ids, wave).ordered()
    assert learned(ids, slope).ordered()
    assert not learned(ids, chance).ordered()


def test_order_is_not_seen_where_there_is_none():
    seen = 0
    for seed in range(100):
        ids, y, _ = draw(1_000, 4_000, seed)
        seen += learned(ids, y).ordered()
    assert seen == 0


def test_nothing_is_said_of_nothing():
    empty = Groups()
    assert (empty.rows_each(), empty.correlation(), empty.distrust(), empty.ordered()) == (
        0.0,
        0.0,
        "",
        False,
    )
    missing = Groups()
    missing.add_rows(pa.array([None, None], pa.int64()), np.zeros(2))
    assert missing.rows_each() == 0.0
