import numpy as np

from scalable.data import buffers


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
