"""Spilled rows that are cut, changed or forged are refused before anything is made of them."""

import numpy as np
import pytest

from scalable.errors import DataError
from scalable.feature_store.spill import SpillFile, open_spills, read_partition, write_spill
from scalable.kernels.timeline.words import checksum

INDEX = 4 + 1 + 2 * 4 + 2  # starts, sums, columns and partitions


@pytest.fixture
def spilled(tmp_path):
    rng = np.random.default_rng(0)
    columns, partitions = (
        [rng.integers(-9, 9, 100) for _ in range(2)],
        rng.integers(-1, 4, 100).astype(np.int32),
    )
    write_spill(tmp_path / "rows", columns, partitions, 4)
    found, _ = read_partition(open_spills([str(tmp_path / "rows")]), 2)
    assert np.array_equal(found, [column[partitions == 2] for column in columns])
    return tmp_path / "rows"


@pytest.mark.parametrize("left", [0, 3, 21, 32, 100])
def test_what_is_cut_is_refused(spilled, left):
    spilled.write_bytes(spilled.read_bytes()[:left])
    with pytest.raises(DataError, match="rows: is damaged"):
        SpillFile(spilled)


@pytest.mark.parametrize(
    "starts", [[0, -5, 9, 20, 80], [0, 10, 5, 20, 80], [0, 1, 2, 3, 2**60], [7, 8, 9, 9, 90]]
)
def test_places_that_are_forged_under_right_sums_are_refused(spilled, starts):
    words = np.frombuffer(spilled.read_bytes(), np.int64).copy()
    index = words[-(INDEX + 2) : -2]
    index[:5] = starts
    words[-2] = checksum(np.ascontiguousarray(index))
    spilled.write_bytes(words.tobytes())
    with pytest.raises(DataError, match="rows: is damaged"):
        SpillFile(spilled)
