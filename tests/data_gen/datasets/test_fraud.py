"""`fraud`: every column against its stated law, the three kinds of missing values, drift, traps."""

import numpy as np
import pytest
from scipy import stats

import data_gen
from data_gen.datasets import recipe
from data_gen.datasets.fraud.kernels import DAY_MS
from data_gen.recipe import CHUNK

N = 1 << 18


@pytest.fixture(scope="module")
def frame():
    return data_gen.rows("fraud", 0, N, seed=5).to_pandas()


@pytest.fixture(scope="module")
def bound():
    return recipe("fraud", 5)


def test_time_increases_and_follows_the_daily_clock():
    day = data_gen.rows("fraud", 50_000, 100_000, ["time"], rows_per_day=50_000)["time"]
    ms = day.cast("int64").to_numpy() - 1_577_836_800_000
    assert np.all(np.diff(ms) >= 0)
    assert ms.min() >= DAY_MS
    assert ms.max() < 2 * DAY_MS
    hour = np.bincount((ms - DAY_MS) // 3_600_000, minlength=24)
    # the raised cosine's integral over each hour
    edges = np.arange(25) / 24
    share = edges - (2 / 3) * np.sin(2 * np.pi * (edges - 0.125)) / (2 * np.pi)
    np.testing.assert_allclose(hour, 50_000 * np.diff(share), atol=6)


def test_ids_follow_zipf(frame):
    for name, levels, exponent in (("card_id", 10**7, 0.5), ("merchant_id", 10**5, 0.75)):
        a = 1 - exponent
        uniform = np.expm1(a * np.log1p(frame[name] + 0.5)) / np.expm1(a * np.log(levels + 1))
        coarse = np.histogram(uniform, np.linspace(0, 1, 21))[0] if name == "card_id" else None
        if coarse is not None:
            assert stats.chisquare(coarse[3:], np.full(17, coarse[3:].sum() / 17)).pvalue > 1e-4
        top = (frame[name] == 0).sum()
        expected = N * np.expm1(a * np.log(2)) / np.expm1(a * np.log(levels + 1))
        assert abs(top - expected) < 4.5 * np.sqrt(expected)


def test_attributes_belong_to_the_card_and_the_merchant(frame):
    for key, columns in (
        ("card_id", ["home_country", "customer_age", "credit_score", "account_age_days"]),
        ("merchant_id", ["category"]),
    ):
        for column in columns:
            assert frame.groupby(key, observed=True)[column].nunique().max() == 1


def test_categories_follow_their_tables(frame, bound):
    world = bound.world
    for values, table in ((frame["home_country"].cat.codes, world.home),):
        expected = np.bincount(table, minlength=40) / 256
        # cards repeat, so count each card once
        once = values[~frame["card_id"].duplicated()]
        counts = np.bincount(once, minlength=40)
        assert stats.chisquare(counts, expected * counts.sum()).pvalue > 1e-4
    category, channel = frame["category"].cat.codes.to_numpy(), frame["channel"].cat.codes.to_numpy()
    for c in range(0, 24, 5):
        counts = np.bincount(channel[category == c], minlength=4)
        expected = np.bincount(world.channel[c], minlength=4) / 256 * counts.sum()
        assert np.all(counts[expected == 0] == 0)
        assert stats.chisquare(counts[expected > 0], expected[expected > 0]).pvalue > 1e-4
    device = frame["device"].dropna().cat.codes
    expected = np.bincount(world.device, minlength=6) / 256 * len(device)
    assert stats.chisquare(np.bincount(device, minlength=6), expected).pvalue > 1e-4


def test_cross_border_is_a_comparison(frame):
    same = frame["country"].astype(str) == frame["home_country"].astype(str)
    assert (frame["cross_border"] == ~same).all()


def test_amount_is_log_normal_given_its_conditions(bound):
    chunk = bound.chunk_type(bound, 0)
    amount, _ = chunk["amount_cents"], chunk["amount_ratio"]
    hashed = (chunk["card hash"] >> np.uint64(24)) & np.uint64(255)
    centre = bound.world.median_amount[chunk["category"]] + 0.7 * bound.world.quantiles[hashed.astype(int)]
    centre = centre + np.where(chunk["channel"] >= 2, 0.35, 0)
    z = (np.log2(amount) - centre) / 1.25
    assert stats.kstest(z[amount > 300], lambda x: stats.norm.cdf(x)).statistic < 0.04
    assert abs(z.mean()) < 4.5 / np.sqrt(len(z))
    assert abs(z.std() - 1) < 0.04


def test_velocity_depends_on_the_hidden_rush(frame):
    assert (frame["tx_count_24h"] >= frame["tx_count_1h"]).all()
    assert (frame.loc[frame["tx_count_1h"] > 0, "seconds_since_last"] < 3600).all()
    assert np.corrcoef(frame["tx_count_1h"], frame["declines_24h"])[0, 1] > 0.05
    idle = frame[frame["tx_count_24h"] == 0]["seconds_since_last"]
    assert stats.kstest(idle, stats.expon(scale=86400).cdf).pvalue > 1e-4


def test_missing_completely_at_random(frame):
    gone = frame["customer_age"].isna()
    assert abs(gone.mean() - 1311 / 65536) < 4.5 * np.sqrt(0.02 / N)
    for other in ("amount_cents", "tx_count_24h", "account_age_days"):
        assert stats.mannwhitneyu(frame[other][gone], frame[other][~gone]).pvalue > 1e-4


def test_missing_at_random_given_the_channel(frame):
    remote = frame["channel"].isin(["online", "phone"])
    gone = frame["distance_home_km"].isna()
    for group, rate in ((remote, 218 / 256), (~remote, 3 / 256)):
        assert abs(gone[group].mean() - rate) < 4.5 * np.sqrt(rate * (1 - rate) / group.sum())
    assert (frame["device"].isna() == (frame["channel"] != "online")).all()
    # given the channel the value itself does not matter: the hidden distances have one law
    chunk = recipe("fraud", 5).chunk_type(recipe("fraud", 5), 0)
    values, valid = chunk["distance_home_km"]
    inside = (chunk["channel"] >= 2) & ~chunk["cross_border"]
    assert stats.ks_2samp(values[inside & valid], values[inside & ~valid]).pvalue > 1e-4


def test_missing_not_at_random(bound):
    chunks = [bound.chunk_type(bound, i * CHUNK) for i in range(4)]
    score = np.concatenate([c["credit_score"].data for c in chunks])
    valid = np.concatenate([c["credit_score"].valid for c in chunks])
    for group, rate in ((score < 560, 19661 / 65536), (score >= 560, 2621 / 65536)):
        assert abs((~valid)[group].mean() - rate) < 4.5 * np.sqrt(rate * (1 - rate) / group.sum())


def test_values_are_rounded_to_what_they_deserve(frame):
    for name, digits in (("amount_ratio", 2), ("distance_last_km", 1), ("address_risk", 2)):
        values = frame[name].dropna().to_numpy(np.float64)
        nearest = np.round(values, digits).astype(np.float32)
        np.testing.assert_array_equal(values.astype(np.float32), nearest)


@pytest.mark.parametrize("prevalence", [0.0005, 0.005, 0.2])
def test_prevalence_is_exact(prevalence):
    n = 12 << 15
    p = data_gen.truth("fraud", 0, n, seed=2, prevalence=prevalence)
    assert p.mean() == pytest.approx(prevalence, rel=1e-3)
    label = data_gen.rows("fraud", 0, n, ["is_fraud"], seed=2, prevalence=prevalence)["is_fraud"].to_numpy()
    assert abs(label.sum() - p.sum()) < 4 * np.sqrt((p * (1 - p)).sum())


def test_rate_is_even_over_the_day():
    """Blocks inside one day must not hide a jump of the intercept."""
    n = 1 << 18
    p = data_gen.truth("fraud", 0, n, rows_per_day=n)
    hour = data_gen.rows("fraud", 0, n, ["time"], rows_per_day=n).to_pandas()["time"].dt.hour.to_numpy()
    night = p[hour < 6].mean() / p[hour >= 6].mean()
    assert 0.8 < night < 1.25


def test_labels_are_drawn_from_the_truth(frame):
    p = data_gen.truth("fraud", 0, N, seed=5)
    label = frame["is_fraud"].to_numpy()
    order = np.argsort(p)
    for part in np.array_split(order, 8):
        expected = p[part].sum()
        assert abs(label[part].sum() - expected) < 4.5 * np.sqrt((p * (1 - p))[part].sum())


def test_truth_is_a_function_of_the_written_row(frame):
    """Rows that agree in everything written have one probability, up to the block's intercept."""
    p = data_gen.truth("fraud", 0, 1 << 15, seed=5, duplicates=0.5)
    table = data_gen.rows("fraud", 0, 1 << 15, seed=5, duplicates=0.5).to_pandas()
    groups = table.assign(p=p).groupby(list(table.columns), dropna=False, observed=True)["p"]
    assert (groups.max() - groups.min()).max() == 0
    assert (groups.size() > 1).sum() > 5000


def test_duplicates_repeat_recent_rows():
    table = data_gen.rows("fraud", 0, 1 << 15, duplicates=0.25).to_pandas()
    original = data_gen.rows("fraud", 0, 1 << 15).to_pandas()
    assert abs(table.duplicated().mean() - 0.25) < 0.02
    kept = table.drop(columns="is_fraud").merge(original.drop(columns="is_fraud").drop_duplicates())
    assert len(kept) == len(table)


def test_leakage_column_has_its_name_and_its_law():
    whole = data_gen.rows("fraud", 0, 1 << 17, leakage="chargeback", prevalence=0.05)
    assert whole.column_names[-2:] == ["chargeback", "is_fraud"]
    assert whole.drop_columns(["chargeback"]).equals(data_gen.rows("fraud", 0, 1 << 17, prevalence=0.05))
    table = whole.select(["chargeback", "is_fraud"]).to_pandas()
    fraud = table["is_fraud"] == 1
    assert table["chargeback"][fraud].mean() == pytest.approx(0.96, abs=0.01)
    assert table["chargeback"][~fraud].mean() == pytest.approx(0.0005, abs=0.0003)


@pytest.mark.parametrize(
    ("kind", "expected"), [("none", [0, 0, 0]), ("sudden", [0, 1, 1]), ("gradual", [0, 0.5, 1])]
)
def test_drift_curve(kind, expected):
    """The category effects move from the old to the new table along the stated curve."""
    options = {"rows_per_day": 8192, "drift_day": 10.5, "drift_days": 8.0}
    drifting, steady = recipe("fraud", 1, {**options, "drift": kind}), recipe("fraud", 1, options)
    for day, weight in zip((2, 10 if kind == "gradual" else 11, 18), expected, strict=True):
        a, b = (r.chunk_type(r, day * 8192, 8192) for r in (drifting, steady))
        hour = (a["time"] % DAY_MS) // 3_600_000
        plain = (hour >= 6) & (a["channel"] != 3)
        if kind == "gradual" and weight == 0.5:
            fraction = (a["time"] - 1_577_836_800_000) / DAY_MS
            moved = 0.5 + (fraction - 10.5) / 8.0
        else:
            moved = np.full(len(plain), float(weight))
        risk = drifting.world.risk
        change = (risk["category after drift"] - risk["category"])[a["category"]]
        np.testing.assert_allclose((a["score"] - b["score"])[plain], (0.9 * moved * change)[plain], atol=2e-4)
    p = drifting.score(0, 1 << 15, ())[1][0]
    assert p.mean() == pytest.approx(0.005, rel=1e-5)


def test_one_world_two_samples():
    a, b = (recipe("fraud", s) for s in (0, 1))
    np.testing.assert_array_equal(a.world.risk["pair"], b.world.risk["pair"])
    assert not np.array_equal(recipe("fraud", 0, {"world": 1}).world.risk["pair"], a.world.risk["pair"])


def test_hidden_streams_do_not_leak_between_columns(frame):
    """Columns drawn apart are uncorrelated in ranks."""
    apart = ["card_id", "merchant_id", "tx_count_24h", "credit_score"]
    ranks = frame[apart].dropna().rank()
    correlation = ranks.corr().to_numpy()
    assert np.abs(correlation[~np.eye(len(apart), dtype=bool)]).max() < 4.5 / np.sqrt(len(ranks))
