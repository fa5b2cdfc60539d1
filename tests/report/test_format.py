"""How numbers are written."""

from __future__ import annotations

import pytest

from scalable.report import format as fmt


@pytest.mark.parametrize(
    ("write", "value", "text"),
    [
        (fmt.count, 0, "0"),
        (fmt.count, 950, "950"),
        (fmt.count, 12_345, "12.3k"),
        (fmt.count, 999_900, "1M"),
        (fmt.count, 5_000_000, "5M"),
        (fmt.count, 1e9, "1B"),
        (fmt.count, 123_456, "123k"),
        (fmt.size, 0, "0 B"),
        (fmt.size, 1536, "1.5 KiB"),
        (fmt.size, 1.21 * 2**30, "1.21 GiB"),
        (fmt.seconds, 0.0, "0 s"),
        (fmt.seconds, 850e-9, "850 ns"),
        (fmt.seconds, 12.34e-3, "12.3 ms"),
        (fmt.seconds, 4.56, "4.56 s"),
        (fmt.seconds, 99.96, "100 s"),
        (fmt.seconds, 125, "2 min 05 s"),
        (fmt.seconds, 3900, "1 h 05 min"),
        (fmt.micros, 26.5, "26.5 µs"),
        (fmt.micros, 2650, "2.65 ms"),
        (fmt.score, 0.83371234, "0.83371"),
        (fmt.score, 54321.0, "54,321.0"),
        (fmt.signed, -0.0123, "−0.01230"),
        (fmt.signed, 0.5, "+0.50000"),
        (fmt.factor, 4.2345, "4.23×"),
        (fmt.factor, 12345.0, "12345×"),
        (fmt.percent, 0.001, "0.1%"),
        (fmt.percent, 0.75, "75%"),
        (fmt.anything, None, "–"),
        (fmt.anything, True, "yes"),
        (fmt.anything, 1234567, "1,234,567"),
        (fmt.anything, {"a": 1, "b": None}, "a 1, b –"),
        (fmt.anything, list(range(9)), "9 values"),
        (fmt.anything, ["x", 2], "x, 2"),
    ],
)
def test_written_as(write, value, text):
    assert write(value) == text


@pytest.mark.parametrize(
    "write", [fmt.count, fmt.size, fmt.seconds, fmt.micros, fmt.score, fmt.signed, fmt.factor, fmt.anything]
)
def test_missing_is_a_dash(write):
    assert write(None) == "–"
