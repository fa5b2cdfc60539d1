import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from scalable.kernels.parquet.bits import expand_bits, pack_bits


@given(st.binary(min_size=1, max_size=9) | st.binary(min_size=60, max_size=200), st.data())
def test_bits_become_bytes_and_bytes_bits(data, draw):
    buffer = np.frombuffer(data, np.uint8)
    bits = np.unpackbits(buffer, bitorder="little")
    at = draw.draw(st.integers(0, len(data) - 1))
    stop = draw.draw(st.integers(0, 8 * (len(data) - at)))
    first = draw.draw(st.integers(0, stop))
    wide = np.full(stop - first, 9, np.uint32)
    expand_bits(buffer, at, first, stop, wide)
    np.testing.assert_array_equal(wide, bits[8 * at + first : 8 * at + stop])
    out = np.full(stop - first, 9, np.uint8)
    expand_bits(buffer, at, first, stop, out)
    np.testing.assert_array_equal(out, bits[8 * at + first : 8 * at + stop])
    packed = np.empty((len(out) + 7) // 8, np.uint8)
    pack_bits(out, len(out), packed)
    np.testing.assert_array_equal(packed, np.packbits(out, bitorder="little"))
