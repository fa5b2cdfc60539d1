"""Differences as pyarrow writes them, and rubbish."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from scalable.kernels.parquet import pages
from scalable.kernels.parquet.deltas import decode_deltas
from scalable.kernels.parquet.runs import PADDING


def encoded(values) -> bytes:
    sink = pa.BufferOutputStream()
    table = pa.table({"x": values})
    schema = pa.schema([pa.field("x", table.schema.field("x").type, nullable=False)])
    pq.write_table(
        table.cast(schema),
        sink,
        use_dictionary=False,
        column_encoding={"x": "DELTA_BINARY_PACKED"},
        compression="none",
    )
    whole = sink.getvalue().to_pybytes()
    at = pq.read_metadata(pa.BufferReader(whole)).row_group(0).column(0).data_page_offset
    head = np.empty(pages.N_FIELDS, np.int64)
    length = pages.parse_header(np.frombuffer(whole, np.uint8)[at:], head)
    return whole[at + length : at + length + int(head[pages.STORED_BYTES])]


def decode(data: bytes, skip: int, n: int, room: int = 1024, most: int = 64):
    out = np.zeros(n, np.uint64)
    buffer = np.frombuffer(data + b"\xff" * PADDING, np.uint8)
    ok = decode_deltas(buffer, 0, len(data), most, skip, n, np.empty(room, np.uint64), out)
    return out if ok else None


@pytest.mark.parametrize("dtype", [np.int32, np.int64])
@given(data=st.data())
@settings(deadline=None, max_examples=60)
def test_any_stretch_of_any_integers(dtype, data):
    values = data.draw(arrays.arrays(dtype, st.integers(1, 300)))
    skip = data.draw(st.integers(0, len(values)))
    n = data.draw(st.integers(0, len(values) - skip))
    found = decode(encoded(values), skip, n, most=8 * values.itemsize)
    np.testing.assert_array_equal(found.astype(dtype), values[skip : skip + n])


@pytest.mark.parametrize("spread", [1, 2, 1000, 2**31, 2**55, 2**62])
def test_widths_up_to_64_bits(spread):
    values = np.random.default_rng(0).integers(-spread, spread, 5_000)
    np.testing.assert_array_equal(decode(encoded(values), 3, 4_990).view(np.int64), values[3:4_993])


def test_more_values_than_there_are_and_cut_pages_are_refused():
    data = encoded(np.arange(1_000) ** 2)
    assert decode(data, 0, 1_001) is None
    assert decode(data, 1_000, 1) is None
    assert decode(data[: len(data) // 2], 0, 1_000) is None
    assert decode(data, 0, 1_000, room=16) is None


@given(st.binary(max_size=60), st.integers(0, 40), st.integers(0, 40))
@settings(max_examples=300, deadline=None)
def test_rubbish_is_refused_or_decoded(data, skip, n):
    found = decode(data, skip, n)
    assert found is None or len(found) == n


@pytest.mark.parametrize(("block", "minis"), [(64, 2), (192, 2), (256, 16), (128, 3)])
def test_blocks_that_no_writer_may_make_are_refused(block, minis):
    head = bytes([block & 127 | 128, block >> 7] if block > 127 else [block]) + bytes([minis, 40, 0, 2])
    assert decode(head + bytes(minis) + bytes(40), 0, 40) is None


def test_differences_wider_than_the_type_are_refused():
    data = encoded(np.array([0, 2**40, -(2**40)] * 9))
    assert decode(data, 0, 27) is not None
    assert decode(data, 0, 27, most=32) is None
