import numpy as np
import pytest

from scalable.kernels import buffers


def test_a_dropped_array_gives_its_memory_to_the_next():
    shape = (10, buffers.LEAST_BYTES)
    first = buffers.take(shape, np.float32)
    first[:] = 1.0
    address = first.ctypes.data
    second = buffers.take(shape, np.float32)
    assert second.ctypes.data != address
    del first
    third = buffers.take((10, buffers.LEAST_BYTES - 1), np.float32)
    assert third.ctypes.data == address
    assert third.flags.c_contiguous
    assert third.shape == (10, buffers.LEAST_BYTES - 1)


def test_the_pool_is_bounded():
    arrays = [buffers.take((1, 2**20), np.uint8) for _ in range(3 * buffers.MAX_FREE)]
    arrays.clear()
    assert len(buffers._free) <= buffers.MAX_FREE


@pytest.mark.parametrize("shape", [(3, 5), (7, buffers.LEAST_BYTES)])
def test_arrays_begin_on_a_cache_line(shape):
    for array in (buffers.take(shape, np.float32), buffers.aligned(shape, np.int32)):
        assert array.shape == shape
        assert array.ctypes.data % buffers.LINE == 0
