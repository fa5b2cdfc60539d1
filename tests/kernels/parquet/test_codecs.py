"""Snappy, LZ4 and Zstandard blocks against the libraries' own, and what is no block."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scalable.kernels.parquet.codecs import decompress_lz4, decompress_snappy
from scalable.kernels.parquet.zstd import IS_THERE, Context, decompress_zstd

CONTEXT = Context() if IS_THERE else None  # of all blocks, also after damaged ones


def zstd(*block):
    return decompress_zstd(CONTEXT.address, *block)


WORK = {
    "snappy": decompress_snappy,
    "lz4_raw": decompress_lz4,
    **({"zstd": zstd} if IS_THERE else {}),
}
GUARD = 64


def decompress(codec, block, n_bytes):
    """Return what a block holds, or None; nothing outside of the room for it may be touched."""
    source = np.frombuffer(block, np.uint8) if block else np.empty(0, np.uint8)
    out = np.full(n_bytes + 2 * GUARD, 0xA5, np.uint8)
    good = WORK[codec](source.ctypes.data, source.size, out.ctypes.data + GUARD, n_bytes)
    assert (out[:GUARD] == 0xA5).all()
    assert (out[GUARD + n_bytes :] == 0xA5).all()
    return out[GUARD : GUARD + n_bytes].tobytes() if good else None


def contents(rng):
    yield b""
    for size in (1, 15, 16, 63, 64, 65, 300, 80_000):
        yield rng.bytes(size)
        yield bytes(size)
        yield b"abc" * size
        yield rng.integers(0, 3, size).astype(np.float32).tobytes()
        yield np.sort(rng.integers(0, 1000, size)).astype(np.int64).tobytes()
        yield np.cumsum(rng.integers(0, 600_000, size)).tobytes()
        yield rng.normal(size=size).round(2).astype(np.float32).tobytes()


@pytest.mark.parametrize("codec", WORK)
def test_what_the_library_compressed_comes_back(codec):
    for content in contents(np.random.default_rng(0)):
        block = pa.Codec(codec).compress(content, asbytes=True)
        assert decompress(codec, block, len(content)) == content
        for other in (len(content) - 1, len(content) + 1):
            assert other < 0 or decompress(codec, block, other) is None


@pytest.mark.parametrize("codec", WORK)
@given(st.binary(max_size=200), st.integers(0, 400))
@settings(max_examples=300, deadline=None)
def test_rubbish_stays_within_its_room(codec, block, n_bytes):
    decompress(codec, block, n_bytes)


@pytest.mark.parametrize("codec", WORK)
@given(st.integers(0, 2**32), st.data())
@settings(max_examples=200, deadline=None)
def test_damaged_blocks_stay_within_their_room(codec, seed, data):
    rng = np.random.default_rng(seed)
    size = data.draw(st.integers(1, 400))
    numbers = np.cumsum(rng.integers(0, 600_000, size))
    content = (numbers if seed % 2 else rng.normal(size=size).round(1).astype(np.float32)).tobytes()
    block = bytearray(pa.Codec(codec).compress(content, asbytes=True))
    for _ in range(data.draw(st.integers(1, 3))):
        block[data.draw(st.integers(0, len(block) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(block)))
    for damaged in (bytes(block), bytes(block[:cut])):
        decompress(codec, damaged, len(content))


SEQUENCES = st.tuples(st.integers(0, 20), st.sampled_from([8, 8, 8, 8, 1, 4, 9, 16]), st.integers(4, 24))


FIRST = st.sampled_from(
    [[(20, 8, 4)], [(8, 8, 4), (3, 8, 5)] * 8]
)  # which decide on the road for numbers in order


@given(FIRST, st.lists(SEQUENCES, min_size=1, max_size=60), st.integers(0, 2**32))
@settings(max_examples=300, deadline=None)
def test_matches_with_what_was_just_written_are_what_the_format_says(first, sequences, seed):
    rng, out, block = np.random.default_rng(seed), bytearray(), bytearray()
    for literals, offset, n in [*first, *sequences]:
        block.append(min(literals, 15) << 4 | min(n - 4, 15))
        block += bytes([literals - 15] if literals >= 15 else [])
        block += (new := rng.bytes(literals)) + offset.to_bytes(2, "little")
        block += bytes([n - 19] if n >= 19 else [])
        out += new
        for _ in range(n):
            out.append(out[-offset])
    tail = rng.bytes(200)
    block += bytes([15 << 4, 200 - 15]) + tail
    assert decompress("lz4_raw", bytes(block), len(out) + 200) == bytes(out) + tail
