from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scalable.boosting.plan import check_rows, deal
from scalable.data.shard import Shard
from scalable.errors import PlanError


@given(st.lists(st.integers(1, 50), min_size=1, max_size=12), st.integers(1, 7))
def test_a_deal_is_even_and_covers_every_row_once(sizes, n_ranks):
    shards, first = [], 1000  # a split source does not begin at row 0
    for index, size in enumerate(sizes):
        shards.append(Shard(index, index % 3, 10, 10 + size, first))
        first += size + 17
    source = SimpleNamespace(n_rows=sum(sizes), shards=shards)
    dealt = deal(source, n_ranks)
    counts = [sum(shard.n_rows for shard in part) for part in dealt]
    assert max(counts) - min(counts) <= 1
    covered = [
        (s.file, s.index, row) for part in dealt for s in part for row in range(s.row_start, s.row_stop)
    ]
    expected = [(s.file, s.index, row) for s in shards for row in range(s.row_start, s.row_stop)]
    assert covered == expected
    whole = {s.index: s for s in shards}
    assert all(
        s.first_row - whole[s.index].first_row == s.row_start - whole[s.index].row_start
        for part in dealt
        for s in part
    )


def test_rows_beyond_lightgbm_s_counters_are_refused():
    check_rows(2**31 - 1, 2)
    with pytest.raises(PlanError, match="constant trees"):
        check_rows(2**31, 64)
    with pytest.raises(PlanError, match="fewer workers"):
        check_rows(3, 4)
