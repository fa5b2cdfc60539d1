import numpy as np
import pyarrow as pa
import pytest

from scalable.data.table import TableSource
from scalable.execution.reader import BlockReader
from scalable.execution.reduction import run_reduction
from scalable.execution.threads import Threads
from scalable.features.hashing import HashedCategories, buckets_of
from scalable.features.target import Labels
from scalable.features.target_encoding.learn import TargetSumsReduction, learn_sums
from scalable.features.target_encoding.means import HIDDEN_EVERY
from scalable.features.target_encoding.pairs import Pair
from scalable.kernels.encode.target_means import N_FOLDS, folds_of


def hashed(*names):
    return tuple(HashedCategories(name, 2**16) for name in names)


def table(n=4000):
    rng = np.random.default_rng(1)
    number = rng.integers(-1500, 1500, n)
    return pa.table(
        {
            "many": [f"id{k}" for k in number],
            "user_id": pa.array(number, pa.int64(), mask=rng.random(n) < 0.1),
            "none_id": pa.nulls(n, pa.int32()),
            "t": rng.choice(["no", "yes"], n),
            "size": rng.normal(size=n) + number / 1000,
        }
    )


@pytest.mark.parametrize("name", ["many", "user_id"])
def test_rates_leave_the_row_s_own_fold_out(name):
    data = table()
    source = TableSource(data, target="t")
    reduction = TargetSumsReduction((HashedCategories(name, 2**16),), Labels("t", ("no", "yes")))
    found = run_reduction(Threads(2), reduction, BlockReader(source, columns=(name, "t"), block_rows=700))[
        name
    ]
    rates, others = found.finish()
    column = data[name].combine_chunks()
    column = column.dictionary_encode() if name == "many" else column
    slots, folds = buckets_of(column, 2**16), np.empty(4000, np.int64)
    folds_of(0, folds)
    known = slots < 2**16
    y = (np.asarray(data["t"]) == "yes").astype(float)
    prior, weight = y[known].mean(), rates.strength[0]
    assert rates.prior[0] == pytest.approx(prior)
    assert len(np.unique(folds)) == N_FOLDS
    mean, share = others.encode(column, 0)
    full_mean, full_share = rates.encode(column)
    for i in range(0, 4000, 97):
        same = slots == slots[i]
        rest = same & (folds != folds[i])
        if not known[i]:
            assert np.isnan([mean[i], share[i], full_mean[i], full_share[i]]).all()
            continue
        expected = [(y[rows].sum() + weight * prior) / (rows.sum() + weight) for rows in (rest, same)]
        assert [mean[i], full_mean[i]] == pytest.approx(expected, rel=1e-6)
        assert share[i] == full_share[i] == pytest.approx(same.sum() / known.sum(), rel=1e-6)


@pytest.mark.parametrize("target", ["t", "size"])
def test_rows_without_weight_are_no_observations(target):
    """Weights of zero mask what nobody knows: a target of theirs must not reach the means of others."""
    data = table()
    weight = np.random.default_rng(2).integers(0, 3, 4000)
    classes = ("no", "yes") if target == "t" else None
    weighted = TableSource(data.append_column("w", pa.array(weight)), target=target, weight="w")
    left = TableSource(data.filter(pa.array(weight > 0)), target=target)
    keys = (*hashed("many", "user_id"), Pair(("many", "t"), (("id1", "id2", "id3"), ("no", "yes"))))
    found, expected = (
        learn_sums(Threads(2), source, keys, Labels(target, classes)) for source in (weighted, left)
    )
    for key in keys:
        for part in ("counts", "sums"):
            ours, theirs = (getattr(each[key.name], part)[:-1].sum(axis=1) for each in (found, expected))
            np.testing.assert_allclose(ours, theirs, rtol=1e-12)
    groups = found["user_id"].groups, expected["user_id"].groups
    np.testing.assert_allclose(groups[0].sums, groups[1].sums, rtol=1e-9)


def test_levels_never_seen_get_the_overall_mean_and_no_share():
    source = TableSource(table(), target="t")
    found = learn_sums(Threads(2), source, hashed("user_id", "none_id"), Labels("t", ("no", "yes")))
    rates, _ = found["user_id"].finish()
    unseen = pa.array(np.arange(10**6, 10**6 + 50))
    mean, share = rates.encode(unseen)
    fresh = share == 0
    assert fresh.sum() > 40
    np.testing.assert_allclose(mean[fresh], rates.prior[0], rtol=1e-6)
    empty, others = found["none_id"].finish()
    for column in (*empty.encode(unseen), *others.encode(unseen, 0)):
        assert np.isfinite(column).all()


def test_some_rare_categories_look_new_in_training_and_none_in_prediction():
    rng = np.random.default_rng(0)
    ids = np.concatenate([rng.integers(1, 3_000, 12_000), np.zeros(12_000, np.int64)])
    data = pa.table({"v_id": ids, "y": ids / 3_000 + rng.normal(size=len(ids))})
    sums = learn_sums(Threads(2), TableSource(data, "y"), hashed("v_id"), Labels("y"))["v_id"]
    (shown, others), (as_before, plain) = sums.finish(hide=True), sums.finish()
    np.testing.assert_array_equal(shown.table, as_before.table)
    column = data["v_id"].combine_chunks()
    cells = buckets_of(column, 2**16)
    hidden = (cells % HIDDEN_EVERY == 0) & (np.bincount(cells)[cells] < 0.01 * len(ids))
    assert 0.05 < hidden.mean() < 0.08  # of the rare half
    (mean, share), (mean_before, share_before) = others.encode(column, 0), plain.encode(column, 0)
    np.testing.assert_array_equal(share == 0, hidden)
    np.testing.assert_array_equal(mean[hidden], np.float32(shown.prior[0]))
    np.testing.assert_array_equal(mean[~hidden], mean_before[~hidden])
    np.testing.assert_array_equal(share[~hidden], share_before[~hidden])


@pytest.mark.parametrize(
    "labels", [Labels("t", ("no", "yes")), Labels("size"), Labels("t", ("maybe", "no", "yes"))]
)
def test_the_number_of_workers_changes_no_bit(labels, tmp_path):
    source = many_shards(tmp_path, labels.column)
    assert len(source.shards) > 5
    one, three = (learn_sums(Threads(n), source, hashed("many", "user_id"), labels) for n in (1, 3))
    for name in ("many", "user_id"):
        for a, b in zip(one[name].finish(), three[name].finish(), strict=True):
            assert a.table.tobytes() == b.table.tobytes()


def many_shards(tmp_path, target):
    import pyarrow.parquet as pq

    from scalable import ParquetSource

    for k in range(7):
        pq.write_table(table(500 + k), tmp_path / f"{k}.parquet")
    return ParquetSource(str(tmp_path), target=target)
