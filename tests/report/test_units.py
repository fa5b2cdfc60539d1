"""What the name of a number says of its unit."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scalable.report.units import unit, written


@pytest.mark.parametrize(
    ("key", "value", "heading", "text", "larger_is_better"),
    [
        ("seconds", 1.5, "Time", "1.5 s", False),
        ("fit_seconds", 0.25, "Fit time", "250 ms", False),
        ("cpu_seconds", 2, "CPU time", "2 s", False),
        ("seconds_per_tree", 0.3, "Time a tree", "300 ms", False),
        ("p50_us", 26.5, "p50", "26.5 µs", False),
        ("p999_us", 2650.0, "p99.9", "2.65 ms", False),
        ("elapsed_ns_per_row", 15.81, "Elapsed a row", "15.8 ns", False),
        ("ns_per_row", 1581, "A row", "1.58 µs", False),
        ("peak_bytes", 2**30, "Peak", "1 GiB", False),
        ("bytes_sent", 1536, "Bytes sent", "1.5 KiB", None),
        ("bytes", 2**20, "Bytes", "1 MiB", None),
        ("rows_per_second", 3_496_170.0, "Rows / s", "3.5M", True),
        ("million_rows_per_second", 10.7, "Rows / s", "10.7M", True),
        ("auc", 0.8014288, "AUC", "0.80143", True),
        ("log_loss", 0.5, "Log loss", "0.50000", False),
        ("seconds_ratio", 0.9967, "Seconds ratio", "0.9967", None),
        ("share_of_memory_of_plain", 0.86, "Share of memory of plain", "0.86", None),
        ("auc_difference", 0.0, "AUC difference", "0", None),
        ("trees", 100, "Trees", "100", None),
        ("worker_bytes_allowed", 2**29, "Worker bytes allowed", "512 MiB", None),
    ],
)
def test_names_tell(key, value, heading, text, larger_is_better):
    how = unit(key)
    assert (how.heading, how.write(value), how.larger_is_better) == (heading, text, larger_is_better)


def test_what_is_no_number_has_no_unit():
    how = unit("seconds")
    assert written("long", how) == "long"
    assert written([0.5, 2], how) == "500 ms, 2 s"
    assert written(list(range(9)), how) == "9 values"
    assert written(True, how) == "yes"
    assert written(None, how) == "–"


@given(
    st.text(max_size=30), st.integers(-(10**15), 10**15) | st.floats(allow_nan=False, allow_infinity=False)
)
def test_any_name_and_number_are_written(key, value):
    assert unit(key).write(value)
