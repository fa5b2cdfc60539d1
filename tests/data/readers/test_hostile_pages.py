"""Page headers that lie are refused before any value is used, and whatever pyarrow refuses is refused here."""

import itertools
import re

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from scalable.data.footers import read_footers
from scalable.data.readers import read_columns
from scalable.errors import DataError
from scalable.kernels.parquet import pages
from tests.data.readers.thrift import field, header_of, integer, written_header

N = 3_000


def read(path):
    (footer,), (schema,) = read_footers([str(path)])
    blocks = list(read_columns(footer, schema, schema.names, 0, N, 1_000))
    return {
        name: pa.chunked_array(list(parts)).cast(schema.field(name).type)
        for name, parts in zip(schema.names, zip(*blocks, strict=True), strict=True)
    }


def refused(path, column, where=r"the page at [0-9,]+ "):
    message = rf"{path.name}: row group 1, column '{column}': {where}.*write it again"
    with pytest.raises(DataError, match=message):
        read(path)


def table():
    rng = np.random.default_rng(0)
    kinds = {"a": "f4", "b": "f8", "c": "i4", "d": "i8"}
    numbers = {name: rng.integers(0, 9, N).astype(kind) for name, kind in kinds.items()}
    text = np.array(["x", "yz"])[rng.integers(0, 2, N)]
    return pa.table(numbers | {"t": text, "n": pa.array(rng.random(N), mask=rng.random(N) < 0.3)})


def write(path, **options):
    options = {"use_dictionary": ["t"], "compression": "none", "row_group_size": N // 2} | options
    pq.write_table(table(), path, **options)
    return pq.read_metadata(path).row_group(1)


def first_page(path, group, name):
    column = next(c for c in map(group.column, range(group.num_columns)) if c.path_in_schema == name)
    return column.data_page_offset


@pytest.mark.parametrize("compression", ["none", "zstd", "snappy"])
@pytest.mark.parametrize("name", ["a", "d", "t", "n"])
def test_a_data_page_that_says_it_is_an_index_is_refused(tmp_path, compression, name):
    path = tmp_path / "flipped.parquet"
    at = first_page(path, write(path, compression=compression), name)
    content = bytearray(path.read_bytes())
    assert content[at : at + 2] == b"\x15\x00"  # field 1, an integer: page type 0
    content[at + 1] ^= 2  # one bit: now of type 1
    path.write_bytes(content)
    refused(path, name)


LIES = {  # fields within the data page's header, and what they are made to say
    "more values than bytes": {(5, 1): N},
    "fewer values than rows": {(5, 1): 10},
    "less than no values": {(5, 1): -1},
    "another kind of page": {(1,): 7},
    "a size beyond the chunk": {(3,): 10**6},
    "a size below nothing": {(3,): -5},
    "another size decompressed": {(2,): 17},
    "levels of an unknown encoding": {(5, 3): 7},
}


@pytest.mark.parametrize("lie", LIES.values(), ids=LIES)
@pytest.mark.parametrize("name", ["a", "n"])
def test_headers_that_lie_are_refused(tmp_path, lie, name):
    path = tmp_path / "lie.parquet"
    at = first_page(path, write(path), name)
    content = path.read_bytes()
    head, length = header_of(content[at:])
    for place, value in lie.items():
        field(head, place).value = value
    path.write_bytes(splice(content, at, length, written_header(head)))
    refused(path, name)


def splice(content, at, length, head):
    """Put a header in place of another one; a shorter one gets a field that nobody knows, a longer one eats values."""
    short = length - len(head)
    if short == 1:
        head = head[:-1] + bytes([0x91, 0])  # a truth
    elif short > 1:
        head = head[:-1] + bytes([0x98, short - 2, *bytes(short - 2), 0])  # bytes
    return content[:at] + head + content[at + len(head) :]


@pytest.mark.parametrize(
    ("place", "value"), [((8, 2), N), ((8, 2), -1), ((8, 3), 7), ((8, 5), 10**6), ((8, 5), -1), ((8, 6), 2)],
    ids=["too many nulls", "less than no nulls", "other rows", "levels past the page", "negative levels", "repeated"],
)  # fmt: skip
@pytest.mark.parametrize("compression", ["none", "zstd"])
def test_headers_of_the_second_version_that_lie_are_refused(tmp_path, place, value, compression):
    path = tmp_path / "lie.parquet"
    at = first_page(path, write(path, data_page_version="2.0", compression=compression), "n")
    content = path.read_bytes()
    head, length = header_of(content[at:])
    field(head, place).value = value
    path.write_bytes(splice(content, at, length, written_header(head)))
    refused(path, "n")


def test_nulls_that_the_header_denies_do_not_shift_values(tmp_path):
    path = tmp_path / "denied.parquet"
    at = first_page(path, write(path, data_page_version="2.0"), "n")
    content = path.read_bytes()
    head, length = header_of(content[at:])
    assert field(head, (8, 2)).value > 0
    field(head, (8, 2)).value = 0
    path.write_bytes(splice(content, at, length, written_header(head)))
    as_pyarrow_or_refused(path)


def as_pyarrow_or_refused(path):
    """Read a file; return whether it was refused. Where it is not, pyarrow must read the same values."""
    try:
        found = read(path)
    except DataError:
        return True
    expected = pq.ParquetFile(path, page_checksum_verification=True).read()
    for name, column in found.items():
        assert same(column, expected[name])
    return False


def same(one, other):
    if pa.types.is_floating(one.type):  # bits: NaN is what it is
        kind = pa.int32() if one.type == pa.float32() else pa.int64()
        one, other = (column.combine_chunks().view(kind) for column in (one, other))
    return one.equals(other)


@pytest.mark.parametrize("version", ["1.0", "2.0"])
def test_any_byte_of_levels_is_as_pyarrow_has_it_or_refused(tmp_path, version):
    path = tmp_path / "levels.parquet"
    at = first_page(path, write(path, data_page_version=version), "n")
    content = bytearray(path.read_bytes())
    length = pages.parse_header(np.frombuffer(content, np.uint8)[at:], np.empty(pages.N_FIELDS, np.int64))
    rng, outcomes = np.random.default_rng(1), []
    for k in itertools.chain(range(8), rng.integers(8, 200, 20).tolist()):
        changed = bytearray(content)
        changed[at + length + k] ^= int(rng.integers(1, 256))
        path.write_bytes(changed)
        outcomes.append(as_pyarrow_or_refused(path))
    assert any(outcomes)
    assert not all(outcomes)


@pytest.mark.parametrize("encoding", ["DELTA_BINARY_PACKED", "RLE_DICTIONARY", "PLAIN"])
def test_any_byte_of_values_is_as_pyarrow_has_it_or_refused(tmp_path, encoding):
    path = tmp_path / "values.parquet"
    options = (
        {"use_dictionary": ["c"]}
        if encoding == "RLE_DICTIONARY"
        else {"use_dictionary": False, "column_encoding": {"c": encoding}}
    )
    pq.write_table(table().select(["c"]), path, compression="none", **options)
    column = pq.read_metadata(path).row_group(0).column(0)
    begin = column.dictionary_page_offset or column.data_page_offset
    content, rng, outcomes = path.read_bytes(), np.random.default_rng(2), []
    for k in range(60):
        changed = bytearray(content)
        changed[begin + (k if k < 40 else int(rng.integers(40, 400)))] ^= 1 << int(rng.integers(0, 8))
        path.write_bytes(changed)
        outcomes.append(as_pyarrow_or_refused(path))
    assert any(outcomes)
    assert not all(outcomes)


@pytest.mark.parametrize("compression", ["none", "zstd"])
@pytest.mark.parametrize("name", ["a", "t", "n"])
def test_checksums_are_compared_where_there_are_any(tmp_path, compression, name):
    path = tmp_path / "sum.parquet"
    group = write(path, compression=compression, write_page_checksum=True)
    assert read(path)["a"].equals(table()["a"])
    at = first_page(path, group, name)
    content = bytearray(path.read_bytes())
    content[at + 150] ^= 1
    path.write_bytes(content)
    refused(path, name, r"the page at [0-9,]+ does not have the checksum")
    assert as_pyarrow_or_refused(path)


def test_a_dictionary_of_another_encoding_is_refused(tmp_path):
    path = tmp_path / "dictionary.parquet"
    group = write(path)
    at = group.column(4).dictionary_page_offset
    content = path.read_bytes()
    head, length = header_of(content[at:])
    field(head, (7, 2)).value = 3
    path.write_bytes(splice(content, at, length, written_header(head)))
    refused(path, "t")


def test_long_headers_are_read(tmp_path):
    path = tmp_path / "long.parquet"
    texts = ["x" * 4_000 + str(k % 3) for k in range(100)]  # statistics in the header
    pq.write_table(pa.table({"t": texts, "x": np.arange(100.0)}), path, write_batch_size=10)
    (footer,), (schema,) = read_footers([str(path)])
    (block,) = read_columns(footer, schema, schema.names, 0, 100, 100)
    assert block[0].cast(pa.string()).to_pylist() == texts


def test_levels_packed_as_in_old_files_are_left_to_pyarrow(tmp_path):
    path = tmp_path / "old.parquet"
    n = 64
    x = pa.array(np.arange(n, dtype=np.float64))
    pq.write_table(pa.table({"x": x}), path, use_dictionary=False, compression="none", write_statistics=False)
    content = path.read_bytes()
    head, length = header_of(content[4:])
    page = content[4 + length : 4 + length + field(head, (3,)).value]
    levels = b"\xff" * (n // 8)  # without a length in front
    page = levels + page[-8 * n :]
    field(head, (5, 3)).value = 4
    field(head, (2,)).value = field(head, (3,)).value = len(page)
    new = written_header(head) + page
    footer_bytes = int.from_bytes(content[-8:-4], "little")
    footer = content[-8 - footer_bytes : -8]
    old_size = pq.read_metadata(path).row_group(0).column(0).total_compressed_size
    grown = footer.replace(integer(old_size), integer(len(new)))
    path.write_bytes(b"PAR1" + new + grown + len(grown).to_bytes(4, "little") + b"PAR1")
    assert pq.read_table(path)["x"].combine_chunks().equals(x)
    (file,), (schema,) = read_footers([str(path)])
    (block,) = read_columns(file, schema, ["x"], 0, n, n)
    assert block[0].equals(x)


def test_columns_of_other_lengths_are_named(tmp_path, monkeypatch):
    from scalable.data import readers

    path = tmp_path / "short.parquet"
    write(path)

    class Short:
        def read(self, n):
            return [pa.array(np.arange(n if k != 2 else n - 1)) for k in range(6)]

        def close(self):
            pass

    monkeypatch.setattr(readers, "open_with_pages", lambda *args: Short())
    with pytest.raises(DataError, match=re.escape("row group 0, column 'c' ends before row 1,000")):
        read(path)


def test_codes_that_no_text_has_are_refused_whoever_decodes_them(tmp_path):
    path = tmp_path / "codes.parquet"
    text = pa.array(["a", "b", "c", "d"] * (N // 4))
    pq.write_table(pa.table({"t": text}), path, compression="gzip", row_group_size=N // 2)
    at = pq.read_metadata(path).row_group(1).column(0).dictionary_page_offset
    content = path.read_bytes()
    head, length = header_of(content[at:])
    field(head, (7, 1)).value = 3  # texts of the dictionary
    path.write_bytes(splice(content, at, length, written_header(head)))
    with pytest.raises(DataError, match=r"codes\.parquet: .*write it again"):
        read(path)
