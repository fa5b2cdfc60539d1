"""Runs against a writer of their own, and against rubbish."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scalable.kernels.parquet.runs import PADDING, decode_runs, varint


def leb128(value: int) -> bytes:
    out = []
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes([*out, value])


def bits_of(values, width: int) -> bytes:
    number = sum(value << (k * width) for k, value in enumerate(values))
    return number.to_bytes(-(-len(values) * width // 8), "little")


def encode(runs, width: int) -> bytes:
    """A run is (repeats, value) or a list of values, as many as eight divides."""
    parts = []
    for run in runs:
        if isinstance(run, tuple):
            parts.append(leb128(run[0] << 1) + run[1].to_bytes((width + 7) // 8, "little"))
        else:
            parts.append(leb128(len(run) // 8 << 1 | 1) + bits_of(run, width))
    return b"".join(parts)


def padded(data: bytes) -> np.ndarray:
    return np.frombuffer(data + b"\xff" * PADDING, np.uint8)


@st.composite
def some_runs(draw):
    width = draw(st.integers(0, 32))
    value = st.integers(0, 2**width - 1)
    repeated = st.tuples(st.integers(1, 40), value)
    packed = st.integers(1, 5).flatmap(lambda n: st.lists(value, min_size=8 * n, max_size=8 * n))
    return width, draw(st.lists(st.one_of(repeated, packed), min_size=1, max_size=6))


@given(some_runs(), st.data())
@settings(deadline=None)
def test_any_stretch_of_any_runs(drawn, data):
    width, runs = drawn
    values = [v for run in runs for v in ([run[1]] * run[0] if isinstance(run, tuple) else run)]
    encoded = encode(runs, width)
    skip = data.draw(st.integers(0, len(values)))
    n = data.draw(st.integers(0, len(values) - skip))
    for dtype in (np.uint32, np.uint8) if width <= 8 else (np.uint32,):
        out = np.zeros(n, dtype)
        assert decode_runs(padded(encoded), 0, len(encoded), width, skip, n, out)
        np.testing.assert_array_equal(out, values[skip : skip + n])
    assert not decode_runs(padded(encoded), 0, len(encoded), width, len(values), 1, np.zeros(1, np.uint32))


@given(st.binary(max_size=40), st.integers(-1, 40), st.integers(0, 50), st.integers(0, 50))
@settings(max_examples=300, deadline=None)
def test_rubbish_is_refused_or_decoded_but_never_read_beyond_the_padding(data, width, skip, n):
    out = np.zeros(n, np.uint32)
    ok = decode_runs(padded(data), 0, len(data), width, skip, n, out)
    assert ok in (True, False)
    if ok and 0 <= width < 32:
        assert (out < 2 ** max(width, 0)).all()


@pytest.mark.parametrize(
    "head", [b"\xff" * 9 + b"\x01", b"\xfe" * 9 + b"\x01", b"\x00", b"\x01", b"\x80" * 11]
)
def test_lengths_that_overflow_or_are_none_end_it(head):
    assert not decode_runs(padded(head), 0, len(head), 3, 0, 10, np.zeros(10, np.uint32))


@given(st.integers(0, 2**64 - 1))
def test_numbers_of_any_length(value):
    data = leb128(value)
    found, at = varint(np.frombuffer(data, np.uint8), 0, len(data))
    assert (int(found), at) == (value, len(data))
    assert varint(np.frombuffer(data, np.uint8), 0, len(data) - 1)[1] == -1
