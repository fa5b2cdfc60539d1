from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scalable.boosting import LGBMRegressor
from scalable.boosting.estimates import check_memory, predict_memory, predict_traffic
from scalable.boosting.train import train_on
from scalable.boosting.workers.partition import check_rows, even_edges, partition
from scalable.data.shard import Shard
from scalable.data.table import as_source
from scalable.errors import PlanError


@given(st.lists(st.integers(1, 50), min_size=1, max_size=12), st.integers(1, 7))
def test_a_partition_is_even_and_covers_every_row_once(sizes, n_workers):
    shards, first = [], 1000  # a split source does not begin at row 0
    for index, size in enumerate(sizes):
        shards.append(Shard(index, index % 3, 10, 10 + size, first))
        first += size + 17
    source = SimpleNamespace(n_rows=sum(sizes), shards=shards)
    parts = partition(source.shards, even_edges(source.n_rows, n_workers))
    counts = [sum(shard.n_rows for shard in part) for part in parts]
    assert max(counts) - min(counts) <= 1
    covered = [
        (s.file, s.index, row) for part in parts for s in part for row in range(s.row_start, s.row_stop)
    ]
    expected = [(s.file, s.index, row) for s in shards for row in range(s.row_start, s.row_stop)]
    assert covered == expected
    whole = {s.index: s for s in shards}
    assert all(
        s.first_row - whole[s.index].first_row == s.row_start - whole[s.index].row_start
        for part in parts
        for s in part
    )


def test_rows_beyond_lightgbm_s_counters_are_refused():
    check_rows(2**31 - 1, 2)
    with pytest.raises(PlanError, match="constant trees"):
        check_rows(2**31, 64)
    with pytest.raises(PlanError, match="fewer workers"):
        check_rows(3, 4)


def test_memory_is_predicted_and_a_job_that_cannot_fit_is_refused():
    plan = predict_memory(10**7, 28, {"force_col_wise": True}, weighted=True, continued=False, n_scores=1)
    assert plan.row_bytes == 28 + 40 + 4
    small = predict_memory(
        10**7, 28, {"force_col_wise": True, "max_bin": 15}, weighted=False, continued=True, n_scores=1
    )
    assert small.row_bytes == 28 + 40 + 8
    check_memory(plan, [2, 2], [3 * 2**30] * 2, ["a", "b"])
    with pytest.raises(PlanError, match=r"10,000,000 rows x 72.0 bytes.*b has 1 GiB for 2.*rotate"):
        check_memory(plan, [2, 2], [3 * 2**30, 2**30], ["a", "b"])


def test_rows_that_nobody_has_counted_are_refused():
    X = np.random.default_rng(0).normal(size=(500, 2))
    source = as_source(X, X[:, 0])
    part, rest = source.split_rows(0.5, 0.5)
    for workers in (None, 2):  # two would have trained on all rows without a word
        with pytest.raises(PlanError, match=r"training rows are chosen.*split\(every"):
            LGBMRegressor(n_estimators=1, n_workers=workers).fit(part)
    with pytest.raises(PlanError, match="validation rows are chosen"):
        LGBMRegressor(n_estimators=1).fit(source, valid=rest)


def test_a_fit_that_cannot_fit_is_refused_before_it_starts(monkeypatch):
    monkeypatch.setattr("scalable.boosting.workers.placement.spare_memory", lambda: 2**20)
    X = np.random.default_rng(0).normal(size=(200, 3))
    with pytest.raises(PlanError, match="what would fit"):
        LGBMRegressor().fit(X, X[:, 0])


@pytest.mark.parametrize(("engine", "n_workers"), [("lightgbm", 2), ("lightgbm", 3), ("native", 3)])
def test_traffic_is_predicted_to_five_percent(local_team, engine, n_workers):
    X = np.random.default_rng(0).normal(size=(6000, 12))
    params = {
        "num_iterations": 4,
        "num_leaves": 31,
        "num_threads": 1,
        "min_data_in_leaf": 1,
        "engine": engine,
    }
    fitted = train_on(
        local_team(n_workers), params, as_source(X, X[:, 0] * X[:, 1] + X[:, 2]), classify=False
    )
    plan = predict_traffic(fitted.stats["bins"], 31, n_workers, engine=engine)
    sent = np.mean([worker["bytes_sent"] for worker in fitted.stats["workers"]]) / 4
    assert plan.total == pytest.approx(sent, rel=0.05)
    assert plan.exchanges == pytest.approx(fitted.stats["workers"][0]["exchanges"] / 4, rel=0.1)


@pytest.mark.parametrize("n_workers", [64, 256])
@pytest.mark.parametrize("together", [1, 16])
def test_the_page_tells_what_larger_clusters_would_take(n_workers, together):
    plan = predict_traffic(28 * 255, 255, n_workers, engine="native", leaves_per_round=together)
    milliseconds = [round(1e3 * plan.seconds(gigabit * 1e9 / 8, 1e-4)) for gigabit in (10, 25)]
    cells = [n_workers, together, f"{plan.total / 1e6:.1f}", plan.exchanges, *milliseconds]
    page = (Path(__file__).parents[2] / "docs" / "cluster_sizing.md").read_text()
    assert f"| {' | '.join(map(str, cells))} |\n" in page
