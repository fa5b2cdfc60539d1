"""The container of arrays: the same back, mapped or read; nothing damaged is used, nothing lies outside."""

import io
import json
import struct
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scalable.kernels.buffers import LINE
from scalable.storage import arrays as container
from scalable.storage.arrays import (
    MAGIC,
    ArraysError,
    ArraysWriter,
    map_arrays,
    read_arrays,
    write_arrays,
)

RECORD = np.dtype([("threshold", "<f8"), ("left", "<i4"), ("bits", "<u2", (3,))])
ARRAYS = {
    "float": np.linspace(0, 1, 7),
    "turned": np.arange(12, dtype=np.int16).reshape(3, 4).T,
    "none": np.empty((0, 5), np.float32),
    "one": np.array(3, np.uint64),
    "flags": np.array([True, False]),
    "records": np.array([(0.5, -3, (1, 2, 3)), (1.5, 4, (9, 8, 7))], RECORD),
}
META = {"first": 17, "names": ["ä", None]}
READERS = [read_arrays, map_arrays]


@pytest.fixture
def path(tmp_path):
    write_arrays(tmp_path / "a.arrays", "test 1", ARRAYS, META)
    return tmp_path / "a.arrays"


@pytest.mark.parametrize("read", READERS)
def test_arrays_come_back_aligned_and_writable(path, read):
    before = path.read_bytes()
    found = read(path, "test 1")
    assert found.meta == META
    assert list(found.arrays) == list(ARRAYS)
    for name, array in ARRAYS.items():
        back = found.arrays[name]
        assert (back.dtype, back.shape) == (array.dtype, array.shape)
        assert back.tobytes() == np.ascontiguousarray(array).tobytes()
        assert back.ctypes.data % LINE == 0 or not back.size
        if back.size:
            back.reshape(-1)[:1] = np.zeros(1, back.dtype)
    assert path.read_bytes() == before


def test_arrays_outlive_what_held_them_and_the_name_of_the_file(path):
    back = map_arrays(path, "test 1").arrays["float"]
    write_arrays(path, "test 1", {"float": np.zeros(7)})
    np.testing.assert_array_equal(back, ARRAYS["float"])
    path.unlink()
    np.testing.assert_array_equal(back, ARRAYS["float"])


@pytest.mark.parametrize(
    "array", [np.array([None]), np.array(["text"]), np.array([b"x"]), np.array([], "V0")]
)
def test_only_numbers_are_kept(array):
    with pytest.raises(ArraysError, match=r"array 'a' is .*; a container holds numbers"):
        ArraysWriter(io.BytesIO(), "k").add("a", array)


def test_a_name_is_written_once():
    writer = ArraysWriter(io.BytesIO(), "k")
    writer.add("a", np.zeros(1))
    with pytest.raises(ValueError, match="'a' is written twice"):
        writer.add("a", np.zeros(1))


@pytest.mark.parametrize("read", READERS)
def test_another_kind_is_refused_by_name(path, read):
    with pytest.raises(ArraysError, match="it holds 'test 1', not 'test 2'"):
        read(path, "test 2")


@pytest.mark.parametrize("read", READERS)
@pytest.mark.parametrize("size", [0, 5, 27, 28, 100, -1, -20])
def test_a_truncated_file_is_refused(path, read, size):
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(ArraysError, match=r"it is (empty|not a file of arrays|truncated or altered)"):
        read(path, "test 1")


@pytest.mark.parametrize("read", READERS)
def test_any_altered_byte_is_found(path, read, tmp_path):
    whole = path.read_bytes()
    for k, at in enumerate([*range(0, len(whole), 37), len(whole) - 1]):
        other = tmp_path / f"{k}"
        other.write_bytes(whole[:at] + bytes([whole[at] ^ 0x10]) + whole[at + 1 :])
        with pytest.raises(ArraysError):
            read(other, "test 1")


def test_a_file_altered_after_it_was_verified_is_verified_again(path):
    map_arrays(path, "test 1")
    assert container._verified
    data = bytearray(path.read_bytes())
    data[LINE] ^= 1
    path.unlink()
    path.with_suffix(".new").write_bytes(b"")  # so that the inode is another
    path.write_bytes(data)
    with pytest.raises(ArraysError, match="altered since"):
        map_arrays(path, "test 1")


def resealed(whole, change):
    """The file with another index and checksums in order."""
    length, _, _ = struct.unpack("<QI8s", whole[-20:])
    index = json.loads(whole[-20 - length : -20])
    change(index)
    body = json.dumps(index).encode()
    return whole[: -20 - length] + body + struct.pack("<QI8s", len(body), zlib.crc32(body), MAGIC)


@pytest.mark.parametrize("read", READERS)
@pytest.mark.parametrize(
    "place",
    [
        ["<f8", [7], 2**40], ["<f8", [7], -64], ["<f8", [7], 8], ["<f8", [2**62, 4], 64], ["<f8", [-1], 64],
        ["<f8", [True], 64], ["<f8", [7.0], 64], ["<f8", ["7"], 64], ["|O", [1], 64], ["<U8", [1], 64], ["V0", [9], 64],
        ["nothing", [1], 64], [[["a", "|O"]], [1], 64], ["<f8", [7]], None, 7, ["<f8", None, 64], [{}, [1], 64],
        ["<f8", [0, 2**70], 64], ["<f8", [0] * 80, 64],
    ],
)  # fmt: skip
def test_a_place_outside_is_refused_although_the_checksums_fit(path, read, place):
    path.write_bytes(resealed(path.read_bytes(), lambda index: index["arrays"].update(float=place)))
    with pytest.raises(ArraysError, match="'float'"):
        read(path, "test 1")


@pytest.mark.parametrize("name", ["kind", "crc32", "arrays", "meta"])
@pytest.mark.parametrize("value", [None, 7, [], "x", {}, float("inf")])
def test_an_index_of_any_other_shape_is_refused(path, name, value):
    path.write_bytes(resealed(path.read_bytes(), lambda index: index.update({name: value})))
    try:
        found = read_arrays(path, "test 1")
    except ArraysError:
        return
    assert name in ("meta", "arrays")  # an empty one is as good as any
    assert getattr(found, name) == {}


@settings(max_examples=200, deadline=None)
@given(data=st.binary(max_size=200))
def test_any_bytes_are_refused(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("any") / "a"
    path.write_bytes(data)
    for read in READERS:
        with pytest.raises(ArraysError):
            read(path, "test 1")
