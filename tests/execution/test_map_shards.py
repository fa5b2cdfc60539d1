"""The map: results in shard order on any executor, whole groups, and nothing left open after a failure."""

import pytest

from scalable import ParquetSource, progress
from scalable.data.shard import Shard
from scalable.execution.dask import Dask
from scalable.execution.map_shards import group_shards, map_shards
from scalable.execution.reader import BlockReader
from scalable.execution.threads import Threads
from tests.execution.tasks import Diary, SpecialError


def expected(source, groups, block_rows):
    return [
        (
            [shard.index for shard in group],
            [
                (first, min(block_rows, shard.first_row + shard.n_rows - first))
                for shard in group
                for first in range(shard.first_row, shard.first_row + shard.n_rows, block_rows)
            ],
        )
        for group in groups
    ]


def test_results_come_in_shard_order_from_any_executor(layouts, dask_client, tmp_path):
    reader = BlockReader(layouts, block_rows=3_000)
    groups = [(shard,) for shard in layouts.shards]
    for executor in (Threads(1), Threads(3), Dask(dask_client)):
        assert map_shards(executor, Diary(str(tmp_path)), reader) == expected(layouts, groups, 3_000)
    assert len(list(tmp_path.glob("ended-*"))) == len(groups)


def test_groups_are_taken_together(layouts, dask_client, tmp_path):
    reader = BlockReader(layouts, block_rows=2_000)
    groups = group_shards(layouts.shards, 60_000)
    for executor in (Threads(2), Dask(dask_client)):
        assert map_shards(executor, Diary(str(tmp_path)), reader, groups) == expected(layouts, groups, 2_000)
    assert map_shards(Threads(2), Diary(str(tmp_path)), reader, []) == []


@pytest.mark.parametrize("threads", [1, 2])
def test_the_first_failure_is_raised_and_what_was_open_abandoned(layouts, tmp_path, threads):
    reader = BlockReader(layouts, block_rows=3_000)
    with pytest.raises(SpecialError, match="row 150000"):
        map_shards(Threads(threads), Diary(str(tmp_path), fail_at=150_000), reader)
    (failed,) = (s for s in layouts.shards if s.first_row <= 150_000 < s.first_row + s.n_rows)
    assert (tmp_path / f"abandoned-{failed.index}").exists()
    ended, abandoned = (
        {name.name.partition("-")[2] for name in tmp_path.glob(f"{kind}-*")}
        for kind in ("ended", "abandoned")
    )
    assert not ended & abandoned
    assert len(ended) < len(layouts.shards)


def test_selected_rows_only_are_seen(layouts, tmp_path):
    source = ParquetSource(layouts.paths, filters=[("a", "<", 1.0)])
    found = map_shards(Threads(2), Diary(str(tmp_path)), BlockReader(source))
    seen = sum(n_rows for _, blocks in found for _, n_rows in blocks)
    assert seen == sum(int((block.arrays["a"].to_numpy() < 1.0).sum()) for s in layouts.shards
                       for block in layouts.raw_blocks(s, ["a"]))  # fmt: skip
    assert 0 < seen < layouts.n_rows


def test_progress_counts_every_row_once(layouts, tmp_path):
    class Shown:
        rows = 0.0

        def open(self, label, total, unit):
            self.spec = (label, total, unit)
            return self

        def advance(self, amount, **metrics):
            self.rows += amount

        def close(self, finished):
            pass

    shown = Shown()
    progress.install(shown)
    try:
        map_shards(Threads(2), Diary(str(tmp_path)), BlockReader(layouts), label="mapping")
    finally:
        progress.install(None)
    assert (shown.spec, shown.rows) == (("mapping", 300_000, "rows"), 300_000)


def test_groups_hold_at_least_the_wanted_rows_but_for_the_last():
    shards = [Shard(k, 0, 0, rows, 0) for k, rows in enumerate([5, 5, 20, 1, 1, 9, 3])]
    groups = group_shards(shards, 10)
    assert [[s.n_rows for s in group] for group in groups] == [[5, 5], [20], [1, 1, 9], [3]]
    assert group_shards([], 10) == []
