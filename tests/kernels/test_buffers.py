import ctypes
import os
import subprocess
import sys
import threading

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


def test_the_smallest_buffer_that_fits_is_taken(monkeypatch):
    """Else large ones went to small arrays, and a pass over many blocks came to hold large ones only."""
    monkeypatch.setattr(buffers, "_free", [])
    large, small = (buffers.take((1, n * buffers.LEAST_BYTES), np.uint8) for n in (24, 20))
    places = large.ctypes.data, small.ctypes.data
    del large, small
    for _ in range(3):
        small, large = (buffers.take((1, n * buffers.LEAST_BYTES), np.uint8) for n in (20, 24))
        assert (large.ctypes.data, small.ctypes.data) == places
        del large, small
    tiny = buffers.take((1, 8 * buffers.LEAST_BYTES), np.uint8)
    assert tiny.ctypes.data not in places


def test_the_pool_is_bounded():
    arrays = [buffers.take((1, 2**20), np.uint8) for _ in range(3 * buffers.MAX_FREE)]
    arrays.clear()
    assert len(buffers._free) <= buffers.MAX_FREE


def test_buffers_that_nobody_took_since_the_last_time_are_given_back(monkeypatch):
    """A stage of a job left them to the next, whose blocks are of another size, until it was done."""
    monkeypatch.setattr(buffers, "_free", [])
    monkeypatch.setattr(buffers, "_idle", set())
    shape = (1, buffers.LEAST_BYTES)
    first, second = buffers.take(shape, np.uint8), buffers.take(shape, np.uint8)
    place = second.ctypes.data
    del first, second
    buffers.give_back()
    assert len(buffers._free) == 2
    for _ in range(3):
        third = buffers.take(shape, np.uint8)
        assert third.ctypes.data == place
        del third
        buffers.give_back()
        assert len(buffers._free) == 1
    buffers.give_back()
    assert not buffers._free


def test_what_an_earlier_stage_left_makes_room_for_what_fits_better(monkeypatch):
    """Else both are there when a stage begins, and small arrays keep large buffers of the stage before for good."""
    monkeypatch.setattr(buffers, "_free", [])
    monkeypatch.setattr(buffers, "LEAST_BYTES", 1000)

    def taken(*sizes):
        return [buffers.take((n, 1000), np.uint8) for n in sizes]

    def sizes():
        return sorted(each.nbytes // 1000 for each in buffers._free)

    some = taken(4, 4, 6, 6)
    del some
    shorter = taken(3)  # in the same stage: the end of a block
    assert sizes() == [4, 6, 6]
    del shorter
    buffers.begin_stage()
    same = taken(4)
    assert sizes() == [4, 6, 6]
    small = taken(3)
    assert len(sizes()) == 2  # a new one in place of another
    large = taken(20)
    assert not sizes()
    del same, small, large
    assert sizes() == [3, 4, 20]
    of_this_stage = taken(2)
    assert sizes() == [4, 20]
    del of_this_stage
    buffers.give_back(whole=True)
    assert not sizes()
    assert not buffers._left_over


@pytest.mark.parametrize("shape", [(3, 5), (7, buffers.LEAST_BYTES)])
def test_arrays_begin_on_a_cache_line(shape):
    for array in (buffers.take(shape, np.float32), buffers.aligned(shape, np.int32)):
        assert array.shape == shape
        assert array.ctypes.data % buffers.LINE == 0


def resident_bytes() -> int:
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


# Prints the bytes that stay when a thread has taken 12 MB in pieces of 3, freed them and ended; then how many of 8 MB
# come from the system after 20 MB were freed, up to which the C library would have moved its bound.
PIECES = """
import ctypes, threading
class Heaps(ctypes.Structure):
    names = "arena ordblks smblks hblks hblkhd usmblks fsmblks uordblks fordblks keepcost"
    _fields_ = [(name, ctypes.c_size_t) for name in names.split()]
from scalable.kernels import buffers
libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
def work():
    pieces = [libc.malloc(ctypes.c_size_t(3 * 2**20)) for _ in range(4)]
    for piece in pieces:
        ctypes.memset(ctypes.c_void_p(piece), 1, 3 * 2**20)
    for piece in reversed(pieces):
        libc.free(ctypes.c_void_p(piece))
def resident():
    return 4096 * int(open("/proc/self/statm").read().split()[1])
buffers.give_back()
before = resident()
thread = threading.Thread(target=work)
thread.start(), thread.join()
buffers.give_back()
kept = resident() - before
libc.mallinfo2.restype = Heaps
libc.free(ctypes.c_void_p(libc.malloc(ctypes.c_size_t(20 * 2**20))))
before = libc.mallinfo2().hblkhd
libc.malloc(ctypes.c_size_t(2 * buffers.PIECE_BYTES))
print(kept, libc.mallinfo2().hblkhd - before)
"""


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "mallinfo2"), reason="only of the GNU C library")
def test_what_is_freed_goes_back_and_large_pieces_never_come_to_lie_in_heaps():
    """In a process of its own: heaps that other threads of this one have would stay, and holes in them be used."""
    chosen = ("MALLOC_", "GLIBC_")
    env = {name: value for name, value in os.environ.items() if not name.startswith(chosen)}
    done = subprocess.run([sys.executable, "-c", PIECES], env=env, capture_output=True, text=True, check=True)
    kept, from_system = map(int, done.stdout.split())
    assert kept < 2**20
    assert from_system >= 2 * buffers.PIECE_BYTES


@pytest.mark.skipif(not os.path.exists("/proc/self/statm"), reason="only Linux tells")
def test_zeros_that_are_not_written_take_no_memory():
    shape = (4, buffers.PIECE_BYTES)
    before = resident_bytes()
    zeros = buffers.sparse_zeros(shape)
    zeros[3, 3] += 1.0
    assert zeros.shape == shape
    assert zeros.dtype == np.float64
    assert not zeros[2].any()  # neither do those that are read
    assert resident_bytes() - before < 2**20
    assert not buffers.sparse_zeros((2, 3)).any()


def test_an_array_that_is_collected_while_the_pool_is_looked_at_stops_nobody(monkeypatch):
    """The collector comes at any moment; a lock that its own thread holds already would wait for ever."""
    monkeypatch.setattr(buffers, "_free", [])
    array = buffers.take((1, buffers.LEAST_BYTES), np.uint8)

    def collected():
        nonlocal array
        with buffers._lock:
            del array

    thread = threading.Thread(target=collected, daemon=True)
    thread.start()
    thread.join(10.0)
    assert not thread.is_alive()
    assert len(buffers._free) == 1
