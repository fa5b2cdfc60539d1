"""The beginnings of compressed pages, and whether levels are levels."""

import os

import numpy as np
import pyarrow as pa
import pytest

from scalable.kernels.parquet import codecs, coded, page_walk
from scalable.kernels.parquet.levels import BAD, ENDED, are_runs, find_bad_levels, unpack_lz4, unpack_snappy

UNPACK = {"snappy": unpack_snappy, "lz4_raw": unpack_lz4}
CODECS = {"snappy": codecs.SNAPPY, "lz4_raw": codecs.LZ4_RAW}


def contents():
    rng = np.random.default_rng(0)
    yield b"\0" * 70_000
    yield rng.bytes(70_000)
    yield np.arange(20_000, dtype=np.int32).tobytes()
    yield rng.integers(0, 3, 50_000).astype(np.uint8).tobytes()
    yield b"abcabcabcd" * 30 + rng.bytes(300) * 5
    yield b"x"


def packed(codec, content):
    return np.frombuffer(pa.Codec(codec).compress(content, asbytes=True), np.uint8)


@pytest.mark.parametrize("codec", UNPACK)
def test_any_beginning_is_what_was_compressed(codec):
    for content in contents():
        whole = packed(codec, content)
        for n in {0, 1, 4, 17, 300, 65_600, len(content)}:
            out = np.zeros(min(n, len(content)), np.uint8)
            assert UNPACK[codec](whole, out) == 0
            assert out.tobytes() == content[: len(out)]
        beyond = np.zeros(len(content) + 1, np.uint8)
        assert UNPACK[codec](whole, beyond) == ENDED


@pytest.mark.parametrize("codec", UNPACK)
def test_what_is_cut_or_changed_ends_and_stays_inside(codec):
    rng = np.random.default_rng(1)
    content = b"abcabcabcd" * 30 + rng.bytes(300)
    whole = packed(codec, content)
    found = set()
    for k in range(2_000):
        changed = whole.copy()
        changed[rng.integers(0, len(whole))] = rng.integers(0, 256)
        guarded = np.zeros(len(content) + 64, np.uint8)
        found.add(UNPACK[codec](changed[: len(whole) - k % 50], guarded[:600]))
        assert not guarded[600:].any()
    assert found == {0, ENDED, BAD}


def test_levels_are_zeros_and_ones_for_every_value():
    def of(*numbers):
        return np.array(numbers, np.uint8)

    assert are_runs(of(20, 1), 10)  # a run of ten
    assert are_runs(of(20, 0, 3, 255), 18)  # and a group of eight
    assert not are_runs(of(20, 1), 11)
    assert not are_runs(of(20, 2), 10)
    assert not are_runs(of(20), 10)
    assert not are_runs(of(0, 1), 1)
    assert not are_runs(of(5, 255), 16)
    assert are_runs(of(), 0)


@pytest.mark.parametrize("codec", [None, *UNPACK])
def test_the_first_bad_page_is_found(tmp_path, codec):
    rng = np.random.default_rng(2)
    values = 5_000
    bits = np.packbits(rng.integers(0, 2, values).astype(np.uint8)).tobytes()
    groups = len(bits)
    head = [groups << 1 | 1]
    while head[-1] > 127:
        head[-1:] = [head[-1] & 127 | 128, head[-1] >> 7]
    good = bytes(head) + bits
    table, file = np.zeros((4, page_walk.PAGE_FIELDS), np.int64), bytearray(b"PAR1")
    for p, levels in enumerate((good, good, b"\xff\xff\xff\x07\xce", good)):
        content = len(levels).to_bytes(4, "little") + levels + rng.bytes(4 * values)
        content = content if codec is None else packed(codec, content).tobytes()
        table[p, [coded.FIRST, coded.STOP]] = p * values, (p + 1) * values
        table[p, [coded.OFFSET, coded.SIZE, coded.LEVELS]] = len(file), len(content), coded.PREFIXED
        file += content
    (tmp_path / "pages").write_bytes(file)
    number = codecs.UNCOMPRESSED if codec is None else CODECS[codec]
    with open(tmp_path / "pages", "rb") as opened:
        assert find_bad_levels(opened.fileno(), number, table) == 2
        assert find_bad_levels(opened.fileno(), number, table[:2]) == -1
        table[0, coded.SIZE] = 100  # the page ends within its levels
        assert find_bad_levels(opened.fileno(), number, table) == 0
        table[0, coded.LEVELS] = coded.REQUIRED
        assert find_bad_levels(opened.fileno(), number, table) == 2
        table[:, coded.OFFSET] = os.fstat(opened.fileno()).st_size
        assert find_bad_levels(opened.fileno(), number, table) == 1
