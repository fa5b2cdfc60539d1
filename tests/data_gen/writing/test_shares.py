"""Shares of one dataset, as several machines write them."""

import pytest

from data_gen.errors import GenerationError

ROWS = 40_000


def test_shares_make_the_same_dataset(small, tmp_path, contents):
    small(out=tmp_path / "whole")
    for i in (1, 0, 2):
        part = small(out=tmp_path / "shared", shards_of=(i, 3))
        assert (tmp_path / "shared" / "manifest.json").exists() == (i == 2)
    assert part.rows == ROWS
    whole, shared = contents(tmp_path / "whole"), contents(tmp_path / "shared")
    assert whole == shared


def test_shares_of_other_requests_are_refused(small, tmp_path):
    small(shards_of=(0, 2))
    with pytest.raises(GenerationError, match="another request"):
        small(shards_of=(1, 2), seed=9)
