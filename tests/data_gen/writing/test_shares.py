"""Shares of one dataset, as several machines write them."""

import os

import pytest

import data_gen
from data_gen.errors import GenerationError
from data_gen.storage import read_truth, write_truth

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


@pytest.fixture
def apart(small, tmp_path):
    """Two shares that two machines wrote, brought together."""
    together = tmp_path / "together"
    together.mkdir()
    for i in range(2):
        small(out=tmp_path / str(i), shards_of=(i, 2), rows_per_file=8192)
        for file in (tmp_path / str(i)).iterdir():
            file.rename(together / file.name)
    return together


def truth_of_other_rows(place):
    write_truth(place / "truth-1-of-2.arrays", read_truth(place / "truth-0-of-2.arrays"))


def truth_of_another_shape(place):
    state = read_truth(place / "truth-1-of-2.arrays")
    write_truth(place / "truth-1-of-2.arrays", {name: array[:-1] for name, array in state.items()})


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (lambda place: sorted(place.glob("part-*"))[-1].unlink(), r"part-\d+\.parquet is missing or cut"),
        (lambda place: os.truncate(sorted(place.glob("part-*"))[0], 100), r"part-\d+\.parquet is missing or cut"),
        (lambda place: (place / "truth-1-of-2.arrays").unlink(), r"truth-1-of-2\.arrays is missing"),
        (lambda place: (place / "truth-0-of-2.arrays").write_bytes(b"PK"), r"truth-0-of-2\.arrays is .* damaged"),
        (truth_of_other_rows, "its share of"),
        (truth_of_another_shape, "of shape"),
        (lambda place: (place / "manifest-1-of-2.json").write_text("{"), r"manifest-1-of-2\.json is damaged"),
    ],
)  # fmt: skip
def test_shares_that_are_not_whole_are_not_joined(apart, harm, said):
    harm(apart)
    with pytest.raises(GenerationError, match=said):
        data_gen.combine(apart)


def test_names_that_are_no_shares_are_passed_over(apart):
    (apart / "manifest-one-of-two.json").write_text("{}")
    assert data_gen.combine(apart).rows == ROWS
